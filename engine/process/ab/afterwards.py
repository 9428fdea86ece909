"""After the recipe: what it yielded is judged, its products are delivered, the AB is written.

The AB file is written last: killed anywhere before, the attempt is judged again by what its work
directory holds, and delivered to the same tree.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from engine.core.ab import AB
from engine.errors import DfosError, PluginTrouble
from engine.pgi import Aftermath
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
from engine.process.ab.ground import Ground, aborted
from engine.process.ab.hooks import FINAL, POST
from engine.process.ab.pipeline import Pipeline
from engine.process.ab.retire import Retiring, Spent, retire, retired_lines
from engine.process.executors.protocol import Exit
from engine.process.run.job import Result, Task
from engine.stores.abs import read


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


class Afterwards:
    """The steps from the end of a recipe to the written AB."""

    def __init__(self, ground: Ground, pipeline: Pipeline) -> None:
        self.ground = ground
        self.pipeline = pipeline
        self._call = ground.threads.call
        self.consumers = Consumers(ground.store)
        self.anew: set[str] = set()  # ABs that ran before, and have made something else now
        self._spent = Spent(ground.store, self.consumers)

    async def ended(self, task: Task, workdir: Path, rc: int | None, timed_out: bool) -> Result:
        """Judge what its recipe left, and deliver it."""
        if over := aborted(task):
            return over
        try:
            found = await self._call(self._judged, task, workdir, rc, timed_out)
            return found if isinstance(found, Result) else await self._finished(task, found)
        except (DfosError, OSError) as trouble:
            reason = f"products could not be delivered: {trouble}"
            return await self._call(self.ground.failed, task.ab, reason)

    async def troubled(self, task: Task, workdir: Path, ended: Exit) -> Result:
        """Lost, refused or killed by its batch system: not judged by what it left, unless its AB is written already."""
        ab = await self._call(read, self.ground.store.path(task.ab))
        if task.found and ab.status != "CREATED":
            return await self._call(self._known, ab)
        if ended.lost:
            return Result("INTERRUPTED", ended.trouble)
        return await self._call(self.ground.failed, task.ab, ended.trouble, "", workdir)

    def _judged(self, task: Task, workdir: Path, rc: int | None, timed_out: bool) -> Judged | Result:
        """What the recipe yielded; a Result when that is all there is to it. Blocking."""
        ab = self.ground.known_as.read(task.ab, last=True)
        if task.found and ab.status != "CREATED":
            # It had been judged, and the AB written; only the journal did not hear of it any more.
            return self._known(ab)
        wanted = self._wanted(task, ab)
        note = read_note(workdir) if task.found else ()
        changed = {item.name: item.catg for item in note}
        log = read_log_file(self.ground.log_path(ab))
        verdict = judge(workdir, rc, log, wanted, timed_out=timed_out, changed=changed)
        if verdict.state == "INTERRUPTED":
            return Result("INTERRUPTED", verdict.reason)
        if verdict.state == "FAILED":
            return self.ground.failed(ab.name, verdict.reason, verdict.message, workdir)
        found = Judged(ab, workdir, verdict, note or delivery_plan(ab, verdict.products), bool(note))
        if self.ground.hooks.has(ab.mode, FINAL, POST):
            return found
        self._delivered(task, found)
        return self._successful(found)

    async def _finished(self, task: Task, found: Judged) -> Result:
        """From judged products to the written AB, with plugins on the way."""
        ab = found.ab
        if self.ground.hooks.has(ab.mode, FINAL) and not found.noted:
            try:
                found = await self._named(found)
            except PluginTrouble as trouble:
                found = replace(found, warnings=(self.ground.warned(ab, FINAL, trouble),))
        await self._call(self._delivered, task, found)
        if self.ground.hooks.has(ab.mode, POST):
            try:
                after = await self.ground.hooks.after(ab, found.products)
                needed = await self._call(self._spent.awaited, after.retire, ab.name)
                for name, reader in needed.items():
                    told = self.ground.warned(ab, POST, DfosError(f"{name} is not retired: {reader} still needs it"))
                    found = replace(found, warnings=(*found.warnings, told))
                after = replace(after, retire=tuple(name for name in after.retire if name not in needed))
                found = await self._call(self._retired, task, found, after)
            except (DfosError, OSError) as trouble:
                found = replace(found, warnings=(*found.warnings, self.ground.warned(ab, POST, trouble)))
        return await self._call(self._successful, found)

    async def _named(self, found: Judged) -> Judged:
        """The products with the PRO.CATGs of FINAL_PLUGIN, and the names the AB predicts for those."""
        ab, plan = found.ab, found.plan
        catgs = await self.ground.hooks.catgs(ab, found.products)
        if catgs:
            renamed = {item.name: catgs.get(item.final, "") for item in plan}
            found = replace(found, plan=delivery_plan(ab, found.verdict.products, renamed))
            catgs = await self.ground.hooks.catgs(ab, found.products)
        return replace(found, plan=with_catgs(found.plan, catgs))

    def _delivered(self, task: Task, found: Judged) -> None:
        """The products to their places. Blocking, durable, may be repeated."""
        if not found.plan:
            return
        write_note(found.workdir, found.plan)
        fresh = deliver(found.ab, self.ground.context.tree, found.workdir, found.plan, self._retiring(task))
        if fresh and task.attempt > 1:
            self.anew.add(task.ab)

    def _retired(self, task: Task, found: Judged, after: Aftermath) -> Judged:
        """Carry out what POST_PLUGIN proposes. Blocking, durable, may be repeated."""
        ab, place = found.ab, place_of(found.ab, self.ground.context.tree)
        mine = [path for name in after.retire if os.path.lexists(path := place / name)]
        retire(self.ground.context.tree, ab.name, mine, "of no use any more", self._retiring(task))
        self._spent.retire(ab, after.spent, self._retiring(task))
        return replace(found, retired=frozenset(after.retire), warnings=(*found.warnings, *after.notes))

    def _retiring(self, task: Task) -> Retiring:
        context = self.ground.context
        return Retiring(task.attempt, context.utc(), context.who, context.settings.move.trash_days)

    def _known(self, ab: AB) -> Result:
        """The result of an AB that was written before its engine died. Blocking."""
        log = read_log_file(self.ground.log_path(ab))
        if ab.status == "FAILED":
            return Result("FAILED", f"failed while its engine died: {log.cause or 'see its log'}", log.message)
        return Result("DONE", "", log.message)

    def _wanted(self, task: Task, ab: AB) -> Wanted:
        kind = self.ground.context.settings.kinds.get(task.kind.name)
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
        maker = ["stand-in"] if self.pipeline.standin else []
        if maker or ab.get("PIPELINE"):
            ab = ab.with_values("PIPELINE", maker)
        self.ground.store.write(ab.with_value("LOG_NAME", f"{ab.root}.log"))
        self.ground.area.tidy(found.workdir, failed=False)
        return Result("DONE", "", "; ".join(filter(None, (*found.warnings, found.verdict.message))))
