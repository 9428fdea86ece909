"""QC as a stage of its own: after the ABs of an order, serial or some at once; every QC job is sequential inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.score import GREY
from engine.core.sizes import counted
from engine.process.qc import record as records
from engine.process.qc.beside import Beside
from engine.process.qc.job import QcJob
from engine.process.qc.qc1 import WAIT
from engine.process.qc.record import Record


@dataclass(frozen=True, slots=True)
class QcOutcome:
    """ABs by how their QC ended: scored, and those that could not be scored at all."""

    scored: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For the summary of an order; '' when there was nothing to do."""
        words = [f"{counted(len(self.scored), 'QC report')}"] if self.scored else []
        return ", ".join([*words, *([f"{counted(len(self.unscored), 'AB')} not scored"] if self.unscored else [])])


def waiting(context: Context, abs_: Iterable[AB]) -> list[AB]:
    """The ABs whose QC is due: processed, with a recipe, and without scores of the products they have now. Blocking.

    A later delivery retires the scores with the products they belong to, so that scores that are there count.
    """
    return [ab for ab in abs_ if processed(ab) and not records.place_of(context.tree, ab).exists()]


async def qc_pool(
    context: Context,
    abs_: Sequence[AB],
    *,
    plugins: Mapping[str, Any],
    width: int = 1,
    again: bool = False,
    daily: bool = False,
) -> QcOutcome:
    """The QC of ABs in their order, `width` jobs at once; with `again` also of those that have scores.

    A job is one AB; with `daily` all ABs of a DATE one after the other, the longest jobs first.
    Trouble in QC never fails an AB and never ends the stage.
    """
    due = [ab for ab in abs_ if processed(ab)] if again else await asyncio.to_thread(waiting, context, abs_)
    _known(context, abs_)
    if not due:
        return QcOutcome()
    jobs = jobs_of(due) if daily else [[ab] for ab in due]
    of = f", {counted(len(jobs), 'QC job')}" if daily else ""
    context.bus.publish(ev.PhaseStarted("qc", f"{counted(len(due), 'AB')}{of}"))
    found: dict[str, Record] = {}
    queue = iter(jobs)

    async def stream() -> None:
        beside = Beside(context.tree.tmp, context.settings.qc.timeout_s)
        try:
            for ab in (ab for job in queue for ab in job):
                found[ab.name] = await QcJob(context, ab, plugins).run(beside)
                context.bus.publish(ev.Progressed("qc", len(found), len(due), ab.name))
        finally:
            await beside.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(width, len(jobs))):
            group.create_task(stream())
    _warn(context, found.values())
    unscored = tuple(ab.name for ab in due if all(one.mark == GREY for one in found[ab.name].scores))
    return QcOutcome(tuple(ab.name for ab in due if ab.name not in unscored), unscored)


def jobs_of(abs_: Iterable[AB]) -> list[list[AB]]:
    """The ABs of each DATE in their order as one job; the largest job first, so that it does not end alone."""
    jobs: dict[str, list[AB]] = {}
    for ab in abs_:
        jobs.setdefault(ab.date, []).append(ab)
    return sorted(jobs.values(), key=len, reverse=True)


def _warn(context: Context, found: Iterable[Record]) -> None:
    """What went wrong, once for a run and not for every AB: QC1 that takes nothing, why ABs have no scores."""
    waits: list[str] = []
    reasons: dict[str, list[str]] = {}
    for record in found:
        waits += [trouble for trouble in record.troubles if WAIT in trouble]
        if record.scores and all(one.mark == GREY for one in record.scores):
            why = next((one.remark for one in record.scores if one.remark), "nothing to score")
            reasons.setdefault(why, []).append(record.ab)
    for why, names in reasons.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        context.bus.publish(ev.Notice("warning", f"{names[0]}{more}: {why}"))
    if waits:
        context.bus.publish(ev.Notice("warning", waits[-1]))


def _known(context: Context, abs_: Iterable[AB]) -> None:
    """The board shows scores that an earlier engine could not tell it any more."""
    for ab in abs_:
        row = context.board.rows.get(ab.name)
        if row is None or row.score or not processed(ab):
            continue
        record = records.load(records.place_of(context.tree, ab))
        if record and record.digest:
            context.bus.publish(ev.AbScored(ab.name, record.digest))


def processed(ab: AB) -> bool:
    """Has a recipe made its products?"""
    return ab.status == "SUCCESSFUL" and not ab.runs_no_recipe
