"""phoenix: the phases composed. C creates ABs, P processes them, M certifies and moves, I ingests.

Every phase may be repeated: what is done stays done, so an order that was interrupted or parked is
simply carried out again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

from engine import events as ev
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.core.dates import within
from engine.core.sizes import counted
from engine.create.obtain import obtain
from engine.errors import AnswerNeeded, DfosError, OpenJournal, UsageTrouble, of_system
from engine.process.run.run_pool import Streams
from engine.questions import Parked
from engine.stores.orders import Order
from engine.workflows import processing, releasing, tools
from engine.workflows.under_way import Ended, Plugins, UnderWay

_HARMLESS = frozenset({"create", "status"})  # what was cut here is finished without a word: it writes what is new only
_WORDS = {"C": "create ABs", "P": "process", "M": "certify and move", "I": "ingest"}


async def carry_out(
    context: Context,
    order: Order,
    plugins: Plugins,
    pipeline: str,
    standin: bool,
    at_work: Callable[[Streams], None],
    kept: Callable[[Ended], Awaitable[None]] | None = None,
) -> Ended:
    """Carry out one order to its end, publishing RunStarted and RunEnded.

    `pipeline` names what runs the recipes; `at_work` is handed the streams as soon as they can be
    paused or stopped; `kept` writes down how it ended before anybody is told. Errors of ours become the order's end,
    with their exit code.
    """
    parts = order.tool or ", ".join(_WORDS[part] for part in "CPMI" if part in order.parts)
    context.bus.publish(
        ev.RunStarted(
            parts,
            order.pool,
            context.settings.instance,
            pipeline,
            standin,
            socket.gethostname(),
            order.who,
            os.getpid(),
        )
    )
    try:
        ended = await _carried_out(UnderWay(context, order, plugins, at_work))
    except AnswerNeeded as trouble:
        ids = (trouble.question.id,) if isinstance(trouble, Parked) else ()
        ended = Ended(3, str(trouble), ids)
    except DfosError as trouble:
        ended = Ended(trouble.exit_code, str(trouble))
    except Exception as trouble:  # noqa: BLE001 - one order must never end the engine
        ended = Ended(DfosError.exit_code, f"{order.pool}: {_unforeseen(trouble)}")
    if kept is not None:
        await kept(ended)
    context.bus.publish(ev.RunEnded(ended.exit_code, ended.text))
    return ended


def _unforeseen(trouble: BaseException) -> str:
    """Trouble nobody foresaw, in words: the file system's with its path and a remedy, else a fault of ours."""
    while isinstance(trouble, BaseExceptionGroup):
        trouble = trouble.exceptions[0]
    if isinstance(trouble, OSError) and (told := of_system(trouble)):
        return told
    return f"internal error: {type(trouble).__name__}: {trouble}; please report it"


async def _carried_out(run: UnderWay) -> Ended:
    """All parts of the order in their sequence."""
    order = run.order
    await _recovered(run)
    if "P" in order.parts and order.options.get("qc") != "no":
        await _defined(run)
    if order.tool:
        done = await tools.ordered(run.context, order, run.plugins.by_slot)
        return Ended(done.exit_code, f"{order.pool}: {done.text}")
    if "C" in order.parts:
        run.phase("create", f"the ABs of {order.pool}")
        found = await obtain(run.context, order.mode, order.date, order.run_id, order.only, run.plugins.create)
        run.source_refused = found.refused
        run.failed += len(found.refused)
        if found.refused:
            run.notes.append(f"{counted(len(found.refused), 'AB file')} of the source refused")
        run.failed += found.findings
        run.notes += found.notes
        await _inputs_checked(run)
        if order.parts == "C":
            run.keep_refused(())
            run.notes.append(f"{counted(len(found.new), 'AB')} created, {len(found.kept)} kept; nothing was executed")
    if "P" in order.parts:
        if order.options.get("qc") != "only":
            outcome = await processing.processed(run)
            if outcome.how != "ended":
                return Ended(130, f"{order.pool}: {outcome.how}; {processing.summary(run, outcome)}")
        await processing.checked(run)
        if run.parked:
            text = f"{order.pool}: {'; '.join(run.notes)}; waits for an answer about large ABs (dfos questions)"
            return Ended(3, text, tuple(question.id for question in run.parked))
    if "M" in order.parts:
        parked = await releasing.released(run)
        if parked:
            text = f"{order.pool}: waits for verdicts (C in the console, or dfos questions); nothing has moved"
            return Ended(3, text, tuple(question.id for question in parked))
    if "I" in order.parts:
        ended = await releasing.ingested(run)
        if ended:
            return ended
    text = f"{order.pool}: {'; '.join(run.notes) or 'nothing to do'}"
    return Ended(1 if run.failed else 0, text)


async def _recovered(run: UnderWay) -> None:
    order = run.order
    cut = unfinished(run.context.db, run.context.tree, order.mode)
    left = [item for item in cut if within(order.date, item.transaction.date)]
    if not left:
        return
    words = "; ".join(item.words[0] for item in left)
    harmless = bool(order.parts) and all(item.transaction.kind in _HARMLESS for item in left)
    if not order.recover and not harmless:
        raise OpenJournal(
            f"an earlier run of {order.pool} stopped half-way: {words}",
            remedy="call again with --recover to finish it",
        )
    for date in sorted({item.transaction.date for item in left}):
        await recover(run.context, order.mode, date)
    if not harmless:
        run.notes.append(f"{counted(len(left), 'interrupted move')} finished")


async def _defined(run: UnderWay) -> None:
    """All problems of the files that QC is defined by, before anything is touched."""
    from engine.process.qc.definitions import problems

    found = await asyncio.to_thread(problems, run.context.settings, run.context.tree.config)
    if found:
        raise UsageTrouble("; ".join(found), remedy="nothing was done; put this right and call again")


async def _inputs_checked(run: UnderWay) -> None:
    """Master calibrations are brought here, and HDR_PGI says what is wrong with them."""
    plugin = run.plugins.by_slot.get("HDR_PGI")
    if plugin is None and not run.context.settings.sources:
        return
    from engine.process.ab.sources.calibrations import checked

    abs_ = [ab for ab in await run.pool() if ab.status == "CREATED"]
    complaints = await checked(run.context, abs_, plugin)
    if complaints:
        names = len({complaint.ab for complaint in complaints})
        run.notes.append(f"{counted(names, 'AB')} without calibrations, first {complaints[0].ab}: {complaints[0].what}")
