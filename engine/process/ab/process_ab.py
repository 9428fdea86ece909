"""One AB through its recipe (processAB): inputs, work directory, recipe, judgement, products, AB.

The AB file is written last: killed anywhere before, the attempt is judged again by what its work
directory holds, and delivered to the same tree. Blocking work is done in threads, in as few steps as the plugins of
this AB allow (`engine.process.ab.hooks` has their order).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, PluginTrouble, RecipeTrouble
from engine.events import Notice
from engine.pgi import Aftermath
from engine.process.ab.ab_log import headed, rotated, written
from engine.process.ab.consumers import Consumers
from engine.process.ab.deliver import (
    Delivery,
    deliver,
    delivery_plan,
    place_of,
    read_note,
    with_catgs,
    with_products,
    write_note,
)
from engine.process.ab.evidence import Verdict, Wanted, judge, read_log_file
from engine.process.ab.few_threads import FewThreads
from engine.process.ab.hooks import END, FINAL, POST, PRE, START, Hooks
from engine.process.ab.inputs import Inputs, MissingInput
from engine.process.ab.pipeline import SOF, Pipeline, sof_text
from engine.process.ab.retire import Retiring, Spent, retire, retired_lines
from engine.process.ab.sources.fetch import Fetcher
from engine.process.ab.stale import built_from, changes
from engine.process.ab.work_area import WorkArea
from engine.process.executors.local import environment
from engine.process.executors.protocol import Exit, Running, Starter
from engine.process.run.job import Result, Task
from engine.stores.abs import AbStore, Unchanged, read


@dataclass(frozen=True, slots=True)
class Prepared:
    """An AB ready to run: as the recipe will see it, its log and command line."""

    ab: AB
    log: Path
    command: list[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """An AB whose recipe succeeded: what it yielded, and what becomes of it.

    `retired` are final names of products that go at once, `warnings` what plugins said, or their trouble.
    """

    ab: AB
    workdir: Path
    verdict: Verdict
    plan: tuple[Delivery, ...]
    noted: bool = False
    retired: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def products(self) -> tuple[tuple[str, str], ...]:
        """Final name and the recipe's PRO.CATG."""
        return tuple((item.final, item.made_catg) for item in self.plan)


class ProcessAb:
    """The job that Streams runs for every AB. `plugins` are the configured ones by slot."""

    def __init__(
        self, context: Context, pipeline: Pipeline, executor: Starter, plugins: Mapping[str, Any] | None = None
    ) -> None:
        self.context = context
        self.pipeline = pipeline
        self.executor = executor
        self.store = AbStore(context.tree)
        self.inputs = Inputs(context.tree)
        self.area = WorkArea(context.tree, context.settings)
        self.hooks = Hooks(context, plugins or {})
        self.fetcher = Fetcher(context)
        self.threads = FewThreads()
        self._logs = str(context.tree.dfs_log)
        self._known_as = Unchanged(self.store)
        self._anew: set[str] = set()  # ABs that ran before, and have made something else now
        self.consumers = Consumers(self.store)
        self.spent = Spent(self.store, self.consumers)

    # --- the Job protocol -------------------------------------------------------------------

    def workdir(self, ab: str, attempt: int) -> str:
        """`WORK_AREA/<AB stem>/<attempt>`, with a letter behind it when that stands there already."""
        return self.area.attempt(ab, attempt)

    def reset(self, names: Iterable[str]) -> None:
        """Write PROCESS_STATUS CREATED into ABs that are to run again. Blocking."""
        for name in names:
            ab = read(self.store.path(name))
            if ab.status != "CREATED":
                self.store.write(ab.with_value("PROCESS_STATUS", "CREATED"))

    async def run(self, task: Task) -> Result:
        """Process one AB, or follow and judge what an earlier engine left of it."""
        result = await self._processed(task)
        if task.ab in self._anew and result.state == "DONE":
            self._anew.discard(task.ab)
            with contextlib.suppress(DfosError, OSError):
                await self._outdate(task.ab)
        if self.hooks.has("", END):
            with contextlib.suppress(DfosError):
                await self.hooks.told(END, await self.threads.call(read, self.store.path(task.ab)))
        return result

    async def _processed(self, task: Task) -> Result:
        workdir = Path(task.workdir)
        if task.found is None:
            try:
                prepared = await self._ready(task, workdir)
                if isinstance(prepared, Result):
                    return prepared
                recipe = self.executor.start(
                    prepared.command,
                    cwd=workdir,
                    log=prepared.log,
                    env=environment(workdir, self.context.settings.process.threads, task.token),
                    ab=prepared.ab,
                    kind=task.kind,
                )
            except (DfosError, OSError) as trouble:
                return await self.threads.call(self._failed, task.ab, str(trouble))
            task.spawned(recipe)
        elif task.found.recipe is not None:
            recipe = task.found.recipe
        else:
            task.exited(task.found.attempt.rc)
            return await self._ended(task, workdir, task.found.attempt.rc, False)
        ended, timed_out = await self._followed(task, recipe)
        task.exited(ended.rc)
        task.max_rss_mb = ended.max_rss_mb
        if ended.trouble and not timed_out and not task.aborted:
            return await self._troubled(task, workdir, ended)
        return await self._ended(task, workdir, ended.rc, timed_out)

    async def _troubled(self, task: Task, workdir: Path, ended: Exit) -> Result:
        """Lost, refused or killed by its batch system: not judged by what it left, unless its AB is written already."""
        ab = await self.threads.call(read, self.store.path(task.ab))
        if task.found and ab.status != "CREATED":
            return await self.threads.call(self._known, ab)
        if ended.lost:
            return Result("INTERRUPTED", ended.trouble)
        return await self.threads.call(self._failed, task.ab, ended.trouble, "", workdir)

    # --- before -----------------------------------------------------------------------------

    async def _ready(self, task: Task, workdir: Path) -> Prepared | Result:
        """Everything up to the start of the recipe; a Result when there is none to start."""
        first = await self.threads.call(self._begun, task, workdir)
        if isinstance(first, Result):
            return first
        if isinstance(first, Prepared):
            return self._aborted(task) or first
        ab = first
        await self.hooks.told(START, ab)
        if ab.runs_no_recipe:
            return await self._without_recipe(ab)
        if self.fetcher.active:
            targets = await self.threads.call(self.inputs.targets, ab)
            await self.fetcher.provide(targets, lambda: not task.aborted)
        if aborted := self._aborted(task):
            return aborted
        ab = await self.hooks.prepared(ab)
        if aborted := self._aborted(task):
            return aborted
        return await self.threads.call(self._prepared, ab, workdir)

    def _begun(self, task: Task, workdir: Path) -> AB | Prepared | Result:
        """The AB, when something has to be awaited before its recipe; else all is done already. Blocking."""
        ab = self._known_as.read(task.ab)
        if self.hooks.has(ab.mode, START, PRE, *((FINAL,) if ab.runs_no_recipe else ())):
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
            await self.hooks.catgs(ab, ())
        except PluginTrouble as trouble:
            return await self.threads.call(self._passed, ab, self._warned(ab, FINAL, trouble))
        return await self.threads.call(self._passed, ab)

    def _passed(self, ab: AB, message: str = "") -> Result:
        """RECIPE none: nothing is looked for, nothing runs. Blocking."""
        self.store.write(ab.with_value("PROCESS_STATUS", "SUCCESSFUL"))
        return Result("DONE", "RECIPE none: nothing to do", message)

    def _prepared(self, ab: AB, workdir: Path) -> Prepared:
        """Set of frames, command line, work directory, log. Blocking."""
        if os.path.lexists(workdir.parent) and (found := self.executor.find(workdir.parent)):
            raise RecipeTrouble(
                f"an earlier recipe of this AB still runs (pid {found[0]}) in its work directory",
                remedy="wait for it or end it, then r",
            )
        inputs = self.inputs.of(ab)
        text = sof_text(inputs)
        command = self.pipeline.command(ab.recipe, ab.params, ab.get("INSTRUMENT"))
        self.area.fresh(workdir)
        written(f"{workdir}/{SOF}", text)
        log = self.log_path(ab)
        rotated(log)
        headed(log, ab.name, self.context.utc(), self.pipeline.name, command, workdir, text)
        if self.inputs.as_read(ab, inputs) is not ab:
            self._name_what_is_read(ab.name, inputs)
        return Prepared(ab, log, command)

    def _name_what_is_read(self, name: str, inputs: Sequence[tuple[Path, str]]) -> None:
        """Correct the MCALIB lines of the AB file. Blocking."""
        ab = read(self.store.path(name))
        fresh = self.inputs.as_read(ab, inputs)
        self.store.write(fresh)
        for old, new in zip(ab.calibs, fresh.calibs, strict=True):
            if new != old:
                told = f"{name} reads {Path(new.path).name}, made anew, and no more {Path(old.path).name}"
                self.context.bus.publish(Notice("info", told))

    def _aborted(self, task: Task) -> Result | None:
        return Result("INTERRUPTED", task.aborted) if task.aborted else None

    def log_path(self, ab: AB) -> Path:
        """`$DFS_LOG_DIR/<root>.log`, live while the recipe runs."""
        return Path(f"{self._logs}/{ab.root}.log")

    # --- meanwhile --------------------------------------------------------------------------

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
                await asyncio.wait_for(recipe.wait(), left)
        return await recipe.wait(), False

    # --- afterwards -------------------------------------------------------------------------

    async def _ended(self, task: Task, workdir: Path, rc: int | None, timed_out: bool) -> Result:
        if task.aborted:
            return Result("INTERRUPTED", task.aborted)
        try:
            found = await self.threads.call(self._judged, task, workdir, rc, timed_out)
            return found if isinstance(found, Result) else await self._finished(task, found)
        except (DfosError, OSError) as trouble:
            return await self.threads.call(self._failed, task.ab, f"products could not be delivered: {trouble}")

    async def _outdate(self, name: str) -> None:
        """What was built from its old products is stale."""
        ab = await self.threads.call(read, self.store.path(name))
        for event in changes(
            self.context.board, await self.threads.call(built_from, self.store, self.consumers, ab), name
        ):
            self.context.bus.publish(event)

    def _judged(self, task: Task, workdir: Path, rc: int | None, timed_out: bool) -> Judged | Result:
        """What the recipe yielded; a Result when that is all there is to it. Blocking."""
        ab = self._known_as.read(task.ab, last=True)
        if task.found and ab.status != "CREATED":
            # It had been judged, and the AB written; only the journal did not hear of it any more.
            return self._known(ab)
        wanted = self._wanted(task, ab)
        note = read_note(workdir) if task.found else ()
        changed = {item.name: item.catg for item in note}
        verdict = judge(workdir, rc, read_log_file(self.log_path(ab)), wanted, timed_out=timed_out, changed=changed)
        if verdict.state == "INTERRUPTED":
            return Result("INTERRUPTED", verdict.reason)
        if verdict.state == "FAILED":
            return self._failed(ab.name, verdict.reason, verdict.message, workdir)
        found = Judged(ab, workdir, verdict, note or delivery_plan(ab, verdict.products), bool(note))
        if self.hooks.has(ab.mode, FINAL, POST):
            return found
        self._delivered(task, found)
        return self._successful(found)

    async def _finished(self, task: Task, found: Judged) -> Result:
        """From judged products to the written AB, with plugins on the way."""
        ab = found.ab
        if self.hooks.has(ab.mode, FINAL) and not found.noted:
            try:
                found = await self._named(found)
            except PluginTrouble as trouble:
                found = replace(found, warnings=(self._warned(ab, FINAL, trouble),))
        await self.threads.call(self._delivered, task, found)
        if self.hooks.has(ab.mode, POST):
            try:
                after = await self.hooks.after(ab, found.products)
                needed = await self.threads.call(self.spent.awaited, after.retire, ab.name)
                for name, reader in needed.items():
                    told = self._warned(ab, POST, DfosError(f"{name} is not retired: {reader} still needs it"))
                    found = replace(found, warnings=(*found.warnings, told))
                after = replace(after, retire=tuple(name for name in after.retire if name not in needed))
                found = await self.threads.call(self._retired, task, found, after)
            except (DfosError, OSError) as trouble:
                found = replace(found, warnings=(*found.warnings, self._warned(ab, POST, trouble)))
        return await self.threads.call(self._successful, found)

    async def _named(self, found: Judged) -> Judged:
        """The products with the PRO.CATGs of FINAL_PLUGIN, and the names the AB predicts for those."""
        ab, plan = found.ab, found.plan
        catgs = await self.hooks.catgs(ab, found.products)
        if catgs:
            renamed = {item.name: catgs.get(item.final, "") for item in plan}
            found = replace(found, plan=delivery_plan(ab, found.verdict.products, renamed))
            catgs = await self.hooks.catgs(ab, found.products)
        return replace(found, plan=with_catgs(found.plan, catgs))

    def _delivered(self, task: Task, found: Judged) -> None:
        """The products to their places. Blocking, durable, may be repeated."""
        if not found.plan:
            return
        write_note(found.workdir, found.plan)
        fresh = deliver(found.ab, self.context.tree, found.workdir, found.plan, self._retiring(task))
        if fresh and task.attempt > 1:
            self._anew.add(task.ab)

    def _retired(self, task: Task, found: Judged, after: Aftermath) -> Judged:
        """Carry out what POST_PLUGIN proposes. Blocking, durable, may be repeated."""
        ab, place = found.ab, place_of(found.ab, self.context.tree)
        mine = [path for name in after.retire if os.path.lexists(path := place / name)]
        retire(self.context.tree, ab.name, mine, "of no use any more", self._retiring(task))
        self.spent.retire(ab, after.spent, self._retiring(task))
        return replace(found, retired=frozenset(after.retire), warnings=(*found.warnings, *after.notes))

    def _retiring(self, task: Task) -> Retiring:
        context = self.context
        return Retiring(task.attempt, context.utc(), context.who, context.settings.move.trash_days)

    def _known(self, ab: AB) -> Result:
        """The result of an AB that was written before its engine died. Blocking."""
        log = read_log_file(self.log_path(ab))
        if ab.status == "FAILED":
            return Result("FAILED", f"failed while its engine died: {log.cause or 'see its log'}", log.message)
        return Result("DONE", "", log.message)

    def _wanted(self, task: Task, ab: AB) -> Wanted:
        kind = self.context.settings.kinds.get(task.kind.name)
        predicted = Counter(expected.catg for expected in ab.products)
        catgs = kind.required if kind and kind.required else tuple(predicted)
        sof = ab.sof
        main = sum(entry.tag == ab.raw_type for entry in sof)
        return Wanted(
            {catg: max(1, predicted[catg]) for catg in catgs},
            main if kind and kind.counts_exposures else 0,
            any(entry.tag == "OFFSET_LIST" for entry in sof),
            task.kind.time_limit_s,
        )

    def _successful(self, found: Judged) -> Result:
        """Last of all, the AB. Blocking."""
        ab = retired_lines(with_products(found.ab, found.plan), found.retired)
        self.store.write(ab.with_value("LOG_NAME", f"{ab.root}.log"))
        self.area.tidy(found.workdir, failed=False)
        return Result("DONE", "", "; ".join(filter(None, (*found.warnings, found.verdict.message))))

    def _warned(self, ab: AB, slot: str, trouble: DfosError | OSError) -> str:
        """A plugin's trouble that costs nothing: said, and kept for the row of the AB."""
        text = f"{slot}: {trouble.what if isinstance(trouble, DfosError) else trouble}"
        self.context.bus.publish(Notice("warning", f"{ab.name}: {slot}: {trouble}"))
        return text

    def _failed(self, name: str, reason: str, message: str = "", workdir: Path | None = None) -> Result:
        """Write FAILED into the AB; a file that cannot be written is said, not hidden. Blocking."""
        try:
            ab = read(self.store.path(name))
            if self.log_path(ab).exists():
                ab = ab.with_value("LOG_NAME", self.log_path(ab).name)
            self.store.write(ab.with_value("PROCESS_STATUS", "FAILED"))
        except (DfosError, OSError) as trouble:
            if str(trouble) not in reason:
                reason = f"{reason}; and the AB could not be written: {trouble}"
        if workdir:
            self.area.tidy(workdir, failed=True)
        return Result("FAILED", reason, message)
