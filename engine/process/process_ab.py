"""One AB through its recipe (processAB): inputs, work directory, recipe, judgement, products, AB.

The AB file is written last: killed anywhere before, the attempt is judged again by what its work
directory holds, and delivered to the same tree. Blocking work is done in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from engine.atomic import fs
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, RecipeTrouble
from engine.pgi import FinalPlugin, PrePlugin, checked_catgs, checked_prepared
from engine.process.deliver import (
    Delivery,
    Retiring,
    deliver,
    delivery_plan,
    read_note,
    with_catgs,
    with_products,
    write_note,
)
from engine.process.evidence import LogEvidence, Verdict, Wanted, judge, read_log_file
from engine.process.executors.local import LocalExecutor, Recipe, environment
from engine.process.inputs import Inputs
from engine.process.job import Result, Task
from engine.process.pipeline import SOF, Pipeline, sof_text
from engine.stores.abs import AbStore, read


@dataclass(frozen=True, slots=True)
class Prepared:
    """An AB ready to run: as the recipe will see it, its work directory, log and command line."""

    ab: AB
    workdir: Path
    log: Path
    command: list[str]


class ProcessAb:
    """The job that Streams runs for every AB."""

    def __init__(
        self,
        context: Context,
        pipeline: Pipeline,
        executor: LocalExecutor,
        *,
        before: PrePlugin | None = None,
        after: FinalPlugin | None = None,
    ) -> None:
        self.context = context
        self.pipeline = pipeline
        self.executor = executor
        self.store = AbStore(context.tree)
        self.inputs = Inputs(context.tree)
        self.area = context.tree.expand(context.settings.process.work_area)
        self._before = before
        self._after = after

    # --- the Job protocol -------------------------------------------------------------------

    def workdir(self, ab: str, attempt: int) -> str:
        """`WORK_AREA/<AB stem>/<attempt>`, with a letter behind it when that stands there already."""
        place = self.area / ab.removesuffix(".ab") / str(attempt)
        fresh = (place, *(place.with_name(f"{attempt}{letter}") for letter in ascii_lowercase))
        return str(next((path for path in fresh if not path.exists()), place))

    def reset(self, names: Iterable[str]) -> None:
        """Write PROCESS_STATUS CREATED into ABs that are to run again. Blocking."""
        for name in names:
            ab = read(self.store.path(name))
            if ab.status != "CREATED":
                self.store.write(ab.with_value("PROCESS_STATUS", "CREATED"))

    async def run(self, task: Task) -> Result:
        """Process one AB, or follow and judge what an earlier engine left of it."""
        workdir = Path(task.workdir)
        rc: int | None = None
        timed_out = False
        if task.found is None:
            try:
                prepared = await asyncio.to_thread(self._prepare, task, workdir)
            except (DfosError, OSError) as trouble:
                return await asyncio.to_thread(self._failed, task.ab, str(trouble))
            if prepared is None:
                return Result("DONE", "RECIPE none: nothing to do")
            if task.aborted:
                return Result("INTERRUPTED", task.aborted)
            try:
                recipe = self.executor.start(
                    prepared.command,
                    cwd=workdir,
                    log=prepared.log,
                    env=environment(workdir, self.context.settings.process.threads, task.token),
                )
            except RecipeTrouble as trouble:
                return await asyncio.to_thread(self._failed, task.ab, str(trouble))
            task.spawned(recipe)
        elif task.found.recipe is not None:
            recipe = task.found.recipe
        else:
            task.exited(task.found.attempt.rc)
            return await self._ended(task, workdir, task.found.attempt.rc, False)
        rc, timed_out = await self._followed(task, recipe)
        task.exited(rc)
        return await self._ended(task, workdir, rc, timed_out)

    # --- before -----------------------------------------------------------------------------

    def _prepare(self, task: Task, workdir: Path) -> Prepared | None:
        """Everything up to the start of the recipe; None when there is no recipe. Blocking."""
        ab = read(self.store.path(task.ab))
        if ab.runs_no_recipe:
            self.store.write(ab.with_value("PROCESS_STATUS", "SUCCESSFUL"))
            return None
        found = self.executor.find(workdir.parent)
        if found:
            raise RecipeTrouble(
                f"an earlier recipe of this AB still runs (pid {found[0]}) in its work directory",
                remedy="wait for it or end it, then r",
            )
        if self._before:
            ab = checked_prepared("PRE_PLUGIN", ab, self._before.prepare(ab))
        inputs = self.inputs.of(ab)
        text = sof_text(inputs)
        command = self.pipeline.command(ab.recipe, ab.params, ab.get("INSTRUMENT"))
        self._fresh(workdir)
        (workdir / SOF).write_text(text, "utf-8")
        log = self.log_path(ab)
        log.parent.mkdir(parents=True, exist_ok=True)
        _rotated(log)
        _headed(log, ab, self.context.utc(), self.pipeline.name, command, workdir, text)
        return Prepared(ab, workdir, log, command)

    def _fresh(self, workdir: Path) -> None:
        self.area.mkdir(parents=True, exist_ok=True)
        room = os.statvfs(self.area)
        free = room.f_bavail * room.f_frsize / 1e6
        least = self.context.settings.process.min_free_mb
        if free < least:
            raise RecipeTrouble(
                f"work area full: {free:.0f} MB free, at least {least} MB are wanted",
                where=str(self.area),
                remedy="free space or change process.work_area, then r",
            )
        workdir.parent.mkdir(exist_ok=True)
        try:
            workdir.mkdir()
        except FileExistsError:
            raise RecipeTrouble(
                "the work directory of this attempt exists already; one directory per run",
                where=str(workdir),
                remedy="move it away, then r",
            ) from None

    def log_path(self, ab: AB) -> Path:
        """`$DFS_LOG_DIR/<root>.log`, live while the recipe runs."""
        return self.context.tree.dfs_log / f"{ab.root}.log"

    # --- meanwhile --------------------------------------------------------------------------

    async def _followed(self, task: Task, recipe: Recipe) -> tuple[int | None, bool]:
        """Wait for the recipe's end, at most for the kind's time limit (time frozen does not count)."""
        limit = task.kind.time_limit_s
        while not recipe.over:
            left = limit - (self.context.clock() - task.started - recipe.frozen_s) if limit else None
            if left is not None and left <= 0:
                await recipe.terminate()
                return (await recipe.wait()).rc, True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(recipe.wait(), left)
        return (await recipe.wait()).rc, False

    # --- afterwards -------------------------------------------------------------------------

    async def _ended(self, task: Task, workdir: Path, rc: int | None, timed_out: bool) -> Result:
        if task.aborted:
            return Result("INTERRUPTED", task.aborted)
        try:
            ab = await asyncio.to_thread(read, self.store.path(task.ab))
            if task.found and ab.status != "CREATED":
                # It had been judged, and the AB written; only the journal did not hear of it any more.
                return await asyncio.to_thread(self._known, ab)
            return await self._judged(task, ab, workdir, rc, timed_out)
        except (DfosError, OSError) as trouble:
            return await asyncio.to_thread(self._failed, task.ab, f"products could not be delivered: {trouble}")

    def _known(self, ab: AB) -> Result:
        """The result of an AB that was written before its engine died. Blocking."""
        log = read_log_file(self.log_path(ab))
        if ab.status == "FAILED":
            return Result("FAILED", f"failed while its engine died: {log.cause or 'see its log'}", log.message)
        return Result("DONE", "", log.message)

    async def _judged(self, task: Task, ab: AB, workdir: Path, rc: int | None, timed_out: bool) -> Result:
        wanted = self._wanted(task, ab)
        note = await asyncio.to_thread(read_note, workdir)
        changed = {item.name: item.catg for item in note}
        log = await asyncio.to_thread(read_log_file, self.log_path(ab))
        verdict = await asyncio.to_thread(judge, workdir, rc, log, wanted, timed_out=timed_out, changed=changed)
        if verdict.state == "INTERRUPTED":
            return Result("INTERRUPTED", verdict.reason)
        if verdict.state == "FAILED":
            return await asyncio.to_thread(self._failed, ab.name, verdict.reason, verdict.message, workdir)
        return await self._delivered(task, ab, workdir, verdict, wanted, note, log)

    async def _delivered(
        self,
        task: Task,
        ab: AB,
        workdir: Path,
        verdict: Verdict,
        wanted: Wanted,
        note: tuple[Delivery, ...],
        log: LogEvidence,
    ) -> Result:
        context = self.context
        plan = note or await asyncio.to_thread(self._plan, ab, verdict)
        await asyncio.to_thread(write_note, workdir, plan)
        retiring = Retiring(task.attempt, context.utc(), context.who, context.settings.move.trash_days)
        await asyncio.to_thread(deliver, ab, context.tree, workdir, plan, retiring)
        await asyncio.to_thread(self._successful, ab, plan, workdir)
        return Result("DONE", "", verdict.message)

    def _plan(self, ab: AB, verdict: Verdict) -> tuple[Delivery, ...]:
        plan = delivery_plan(ab, verdict.products)
        if self._after is None:
            return plan
        catgs = self._proposed(ab, plan)
        if catgs:
            plan = delivery_plan(ab, verdict.products, {item.name: catgs.get(item.final, "") for item in plan})
            catgs = self._proposed(ab, plan)
        return with_catgs(plan, catgs)

    def _proposed(self, ab: AB, plan: tuple[Delivery, ...]) -> Mapping[str, str]:
        if self._after is None:
            return {}
        products = tuple((item.final, item.made_catg) for item in plan)
        name = self.context.settings.plugins.FINAL_PLUGIN
        options = self.context.settings.plugins.options.get(name, {})
        return checked_catgs("FINAL_PLUGIN", ab, products, self._after.finish(ab, products, options))

    def _wanted(self, task: Task, ab: AB) -> Wanted:
        kind = self.context.settings.kinds.get(task.kind.name)
        predicted = Counter(expected.catg for expected in ab.products)
        catgs = kind.required if kind and kind.required else tuple(predicted)
        main = sum(entry.tag == ab.raw_type for entry in ab.sof)
        return Wanted(
            {catg: max(1, predicted[catg]) for catg in catgs},
            main if kind and kind.counts_exposures else 0,
            any(entry.tag == "OFFSET_LIST" for entry in ab.sof),
            task.kind.time_limit_s,
        )

    def _successful(self, ab: AB, plan: tuple[Delivery, ...], workdir: Path) -> None:
        """Last of all, the AB. Blocking."""
        self.store.write(with_products(ab, plan).with_value("LOG_NAME", self.log_path(ab).name))
        self._tidy(workdir, failed=False)

    def _failed(self, name: str, reason: str, message: str = "", workdir: Path | None = None) -> Result:
        """Write FAILED into the AB; a file that cannot be written is said, not hidden. Blocking."""
        try:
            ab = read(self.store.path(name))
            if self.log_path(ab).exists():
                ab = ab.with_value("LOG_NAME", self.log_path(ab).name)
            self.store.write(ab.with_value("PROCESS_STATUS", "FAILED"))
        except (DfosError, OSError) as trouble:
            reason = f"{reason}; and the AB could not be written: {trouble}"
        if workdir:
            self._tidy(workdir, failed=True)
        return Result("FAILED", reason, message)

    def _tidy(self, workdir: Path, *, failed: bool) -> None:
        keep = self.context.settings.process.keep_work
        if keep == "always" or (failed and keep == "failed"):
            return
        shutil.rmtree(workdir, ignore_errors=True)
        with contextlib.suppress(OSError):
            workdir.parent.rmdir()


def _rotated(log: Path) -> None:
    """Keep the logs of earlier attempts as `<log>.<n>`, 1 the oldest."""
    if not log.exists():
        return
    number = 1
    while log.with_name(f"{log.name}.{number}").exists():
        number += 1
    fs.rename(log, log.with_name(f"{log.name}.{number}"))


def _headed(log: Path, ab: AB, utc: str, pipeline: str, command: list[str], workdir: Path, sof: str) -> None:
    """Begin the log: what is run, where, on what. The recipe's own lines follow."""
    frames = "".join(f"#   {line}\n" for line in sof.splitlines())
    log.write_text(
        f"# {ab.name}  {utc} UT\n# {pipeline}\n# {' '.join(command)}\n# in {workdir}, set of frames:\n{frames}", "utf-8"
    )
