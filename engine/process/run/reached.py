"""How far a DATE has come by processing: all its ABs ended well, all their QC done. DFO_STATUS has each once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.ab import AB
from engine.errors import Busy, OpenJournal
from engine.process.qc.stage import waiting
from engine.stores import dfos_status

KIND = "status"
EXEC_AB, EXEC_QC = "execAB", "execQC"  # who writes cal_Processed and cal_QC (dfos_status.yaml)


async def note(context: Context, abs_: Iterable[AB]) -> None:
    """Write the states that the DATEs of these ABs have newly reached; `abs_` are all ABs of every DATE among them.

    A DATE on which another tool works, or left something open, is passed over with a warning: it is looked at again
    when it is processed again.
    """
    dates: dict[tuple[str, str], list[AB]] = defaultdict(list)
    for ab in abs_:
        dates[ab.mode, ab.date].append(ab)
    for (mode, date), found in sorted(dates.items()):
        writers = await asyncio.to_thread(_reached, context, mode, date, found)
        if not writers:
            continue
        try:
            await _written(context, mode, date, writers)
        except (Busy, OpenJournal) as trouble:
            context.bus.publish(ev.Notice("warning", f"the state of {mode} {date} is not written: {trouble}"))


def _reached(context: Context, mode: str, date: str, abs_: list[AB]) -> list[str]:
    """Whose words a DATE deserves and has not; none while an AB has not ended well, or when it is further already."""
    if any(ab.status != "SUCCESSFUL" for ab in abs_):
        return []
    writers = [EXEC_AB] if waiting(context, abs_) else [EXEC_AB, EXEC_QC]
    return [writer for writer in writers if _news(context.tree, mode, date, writer)]


def _news(tree: DfoTree, mode: str, date: str, writer: str) -> bool:
    ladder = dfos_status.ladder()
    if date in ladder.no_status:
        return False
    there = dfos_status.current(tree, date)[mode]
    return ladder.height(mode, ladder.word(mode, writer)) > ladder.height(mode, there)


async def _written(context: Context, mode: str, date: str, writers: list[str]) -> None:
    with lock.pool(context.tree, mode, date, writers[-1], context.who):
        journal = Journal(context.db, context.tree)
        transaction = journal.begin(
            KIND,
            mode,
            date,
            context.who,
            lambda begun: dfos_status.steps(context.tree, mode, date, writers, begun.who),
            begun=context.utc(),
            summary=f"state of {mode} {date}",
        )
        await journal.run(transaction, context.utc, telling(context.bus, KIND))
