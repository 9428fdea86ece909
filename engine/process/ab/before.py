"""Before the recipe: the AB read, its inputs found, plugins heard, work directory, set of frames and log made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.core.ab import AB
from engine.errors import PluginTrouble, RecipeTrouble
from engine.process.ab.ab_log import headed, rotated, written
from engine.process.ab.ground import Ground, aborted
from engine.process.ab.hooks import FINAL, PRE, START
from engine.process.ab.inputs import MissingInput
from engine.process.ab.pipeline import SOF, Pipeline, sof_text
from engine.process.ab.sources.fetch import Fetcher
from engine.process.executors.protocol import Starter
from engine.process.run.job import Result, Task
from engine.stores.abs import read


@dataclass(frozen=True, slots=True)
class Prepared:
    """An AB ready to run: as the recipe will see it, its log and command line."""

    ab: AB
    log: Path
    command: list[str]
    notices: tuple[str, ...] = ()  # told where events are published, never in a thread


class Before:
    """The steps up to the start of a recipe."""

    def __init__(self, ground: Ground, pipeline: Pipeline, executor: Starter) -> None:
        self.ground = ground
        self._call = ground.threads.call
        self.pipeline = pipeline
        self.executor = executor
        self.fetcher = Fetcher(ground.context)

    async def ready(self, task: Task, workdir: Path) -> Prepared | Result:
        """Everything up to the start of the recipe; a Result when there is none to start."""
        first = await self._call(self._begun, task, workdir)
        if isinstance(first, (Result, Prepared)):
            return first
        ab = first
        await self.ground.hooks.told(START, ab)
        if ab.runs_no_recipe:
            return await self._without_recipe(ab)
        if self.fetcher.active:
            targets = await self._call(self.ground.inputs.targets, ab)
            await self.fetcher.provide(targets, lambda: not task.aborted)
        if over := aborted(task):
            return over
        ab = await self.ground.hooks.prepared(ab)
        if over := aborted(task):
            return over
        return await self._call(self._prepared, ab, workdir)

    def _begun(self, task: Task, workdir: Path) -> AB | Prepared | Result:
        """The AB, when something has to be awaited before its recipe; else all is done already. Blocking."""
        ab = self.ground.known_as.read(task.ab)
        if self.ground.hooks.has(ab.mode, START, PRE, *((FINAL,) if ab.runs_no_recipe else ())):
            return ab
        if ab.runs_no_recipe:
            return self._passed(ab)
        try:
            return self._prepared(ab, workdir)
        except MissingInput as trouble:
            if trouble.targets and self.fetcher.active:
                return ab
            raise

    async def _without_recipe(self, ab: AB) -> Result:
        try:
            await self.ground.hooks.catgs(ab, ())
        except PluginTrouble as trouble:
            return await self._call(self._passed, ab, self.ground.warned(ab, FINAL, trouble))
        return await self._call(self._passed, ab)

    def _passed(self, ab: AB, message: str = "") -> Result:
        """RECIPE none: nothing is looked for, nothing runs. Blocking."""
        self.ground.store.write(ab.with_value("PROCESS_STATUS", "SUCCESSFUL"))
        return Result("DONE", "RECIPE none: nothing to do", message)

    def _prepared(self, ab: AB, workdir: Path) -> Prepared:
        """Set of frames, command line, work directory, log. Blocking."""
        if os.path.lexists(workdir.parent) and (found := self.executor.find(workdir.parent)):
            raise RecipeTrouble(
                f"an earlier recipe of this AB still runs (pid {found[0]}) in its work directory",
                remedy="wait for it or end it, then r",
            )
        inputs = self.ground.inputs.of(ab)
        text = sof_text(inputs)
        command = self.pipeline.command(ab.recipe, ab.params, ab.get("INSTRUMENT"))
        self.ground.area.fresh(workdir)
        written(f"{workdir}/{SOF}", text)
        log = self.ground.log_path(ab)
        rotated(log)
        headed(log, ab.name, self.ground.context.utc(), self.pipeline.name, command, workdir, text)
        named = self.ground.inputs.as_read(ab, inputs) is not ab
        return Prepared(ab, log, command, self._name_what_is_read(ab.name, inputs) if named else ())

    def _name_what_is_read(self, name: str, inputs: Sequence[tuple[Path, str]]) -> tuple[str, ...]:
        """Correct the MCALIB lines of the AB file; what has changed in words. Blocking."""
        ab = read(self.ground.store.path(name))
        fresh = self.ground.inputs.as_read(ab, inputs)
        self.ground.store.write(fresh)
        return tuple(
            f"{name} reads {Path(new.path).name}, made anew, and no more {Path(old.path).name}"
            for old, new in zip(ab.calibs, fresh.calibs, strict=True)
            if new != old
        )
