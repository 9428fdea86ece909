"""One AB through its recipe (processAB): inputs, work directory, recipe, judgement, products, AB.

Blocking work is done in threads, in as few steps as the plugins of this AB allow (`engine.process.ab.hooks` has
their order); `before` and `afterwards` are those steps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.context import Context
from engine.errors import DfosError
from engine.events import Notice
from engine.process.ab.afterwards import Afterwards
from engine.process.ab.before import Before
from engine.process.ab.ground import Ground, aborted
from engine.process.ab.hooks import END
from engine.process.ab.pipeline import Pipeline
from engine.process.ab.stale import built_from, changes
from engine.process.executors.local import environment
from engine.process.executors.protocol import Exit, Running, Starter
from engine.process.run.job import Result, Task
from engine.stores.abs import read


class ProcessAb:
    """The job that Streams runs for every AB. `plugins` are the configured ones by slot."""

    def __init__(
        self, context: Context, pipeline: Pipeline, executor: Starter, plugins: Mapping[str, Any] | None = None
    ) -> None:
        self.context = context
        self.pipeline = pipeline
        self.executor = executor
        self.ground = Ground(context, plugins or {})
        self.before = Before(self.ground, pipeline, executor)
        self.afterwards = Afterwards(self.ground, pipeline)

    async def close(self) -> None:
        """Nothing is processed any more."""
        self.ground.threads.close()
        await self.before.fetcher.close()

    def workdir(self, ab: str, attempt: int) -> str:
        """`WORK_AREA/<AB stem>/<attempt>`, with a letter behind it when that stands there already."""
        return self.ground.area.attempt(ab, attempt)

    def reset(self, names: Iterable[str]) -> None:
        """Write PROCESS_STATUS CREATED into ABs that are to run again. Blocking."""
        for name in names:
            ab = read(self.ground.store.path(name))
            if ab.status != "CREATED":
                self.ground.store.write(ab.with_value("PROCESS_STATUS", "CREATED"))

    async def run(self, task: Task) -> Result:
        """Process one AB, or follow and judge what an earlier engine left of it."""
        result = await self._processed(task)
        if task.ab in self.afterwards.anew and result.state == "DONE":
            self.afterwards.anew.discard(task.ab)
            with contextlib.suppress(DfosError, OSError):
                await self._outdate(task.ab)
        if self.ground.hooks.has("", END):
            with contextlib.suppress(DfosError):
                await self.ground.hooks.told(END, await self.ground.threads.call(read, self.ground.store.path(task.ab)))
        return result

    async def _processed(self, task: Task) -> Result:
        workdir = Path(task.workdir)
        if task.found is None:
            try:
                prepared = await self.before.ready(task, workdir)
                if isinstance(prepared, Result):
                    return prepared
                for text in prepared.notices:
                    self.context.bus.publish(Notice("info", text))
                if over := aborted(task):  # told to end while its last step was made: nothing starts any more
                    return over
                recipe = self.executor.start(
                    prepared.command,
                    cwd=workdir,
                    log=prepared.log,
                    env=environment(workdir, self.context.settings.process.threads, task.token),
                    ab=prepared.ab,
                    kind=task.kind,
                )
            except (DfosError, OSError) as trouble:
                return await self.ground.threads.call(self.ground.failed, task.ab, str(trouble))
            task.spawned(recipe)
        elif task.found.recipe is not None:
            recipe = task.found.recipe
        else:
            task.exited(task.found.attempt.rc)
            return await self.afterwards.ended(task, workdir, task.found.attempt.rc, False)
        ended, timed_out = await self._followed(task, recipe)
        task.exited(ended.rc)
        task.max_rss_mb = ended.max_rss_mb
        if ended.trouble and not timed_out and not task.aborted:
            return await self.afterwards.troubled(task, workdir, ended)
        return await self.afterwards.ended(task, workdir, ended.rc, timed_out)

    async def _followed(self, task: Task, recipe: Running) -> tuple[Exit, bool]:
        """Wait for the recipe's end, at most for the kind's time limit (time frozen does not count)."""
        limit = task.kind.time_limit_s
        if not limit:
            return await recipe.wait(), False
        while not recipe.over:
            left = limit - (self.context.clock() - task.started - recipe.frozen_s)
            if left <= 0:
                await recipe.terminate()
                return await recipe.wait(), True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await recipe.wait()
        return await recipe.wait(), False

    async def _outdate(self, name: str) -> None:
        """What was built from its old products is stale."""
        ground = self.ground
        ab = await ground.threads.call(read, ground.store.path(name))
        stale = await ground.threads.call(built_from, ground.store, self.afterwards.consumers, ab)
        for event in changes(self.context.board, stale, name):
            self.context.bus.publish(event)
