"""Part P of an order: the ABs are processed, then they get their QC."""

from __future__ import annotations

import asyncio
from collections import Counter

from engine import threads
from engine.core.ab import AB
from engine.core.cascade import cascade, circling
from engine.core.dates import is_month
from engine.core.sizes import counted
from engine.core.status import STATES, waits_for
from engine.process.ab.again import choose, done_of
from engine.process.ab.forced import kept
from engine.process.ab.stale import stale_of
from engine.process.plan.large import asked
from engine.process.run.run_pool import Outcome, process_pool, reset
from engine.stores.nothing import nothing_of
from engine.workflows.under_way import UnderWay


async def processed(run: UnderWay) -> Outcome:
    """The ABs of the order through their recipes; how that ended. Who failed or did not run is counted."""
    abs_ = await _chosen(run) if "abs" in run.order.options else await _renewed(run)
    if not abs_ and run.order.parts == "P" and "abs" not in run.order.options:
        await _nothing(run)
        return Outcome("ended", (), (), (), (), ())
    large = await asked(run.context, abs_)
    run.parked += large.parked
    run.phase("process", f"{counted(len(abs_), 'AB')} of {run.order.pool}")
    outcome = await process_pool(
        run.context, abs_, plugins=run.plugins.by_slot, at_work=run.at_work, refused=large.refused
    )
    run.bad = {*outcome.failed, *outcome.blocked, *outcome.interrupted, *outcome.waiting}
    run.failed += len(run.bad) + len(run.store.refused)
    run.notes.append(summary(run, outcome))
    if outcome.blocked:
        circles = cascade(abs_, {}, circles=True).circles
        run.notes += [circling(circle) for circle in circles if not set(outcome.blocked).isdisjoint(circle)]
    return outcome


async def _nothing(run: UnderWay) -> None:
    """Say why there are no ABs here. UsageTrouble when there should be some: of a DATE that nobody knows, too."""
    order = run.order
    if not is_month(order.date):
        found = await asyncio.to_thread(nothing_of, run.context.tree, order.mode, order.date)
        found.refused()
        run.notes.append(f"nothing to do, {found.text}")


async def _chosen(run: UnderWay) -> list[AB]:
    """Exactly the ABs that the order names, ready to run, with what stands in their way."""
    options, tree, plugins = run.order.options, run.context.tree, run.plugins.by_slot
    names = options["abs"].split()
    force, parents = options.get("force") == "yes", options.get("parents") == "yes"
    stale = stale_of(run.context.board, run.order.mode, run.order.date)
    done = await asyncio.to_thread(done_of, tree, names)
    held = await kept(run.context, [ab for ab in done if force or ab.name in stale], plugins, parents=parents)
    run.parked = held.parked
    found = await asyncio.to_thread(choose, tree, names, force=force, parents=parents, stale=stale, kept=held.refused)
    run.failed += len(found.stays)
    run.notes += found.stays
    run.notes += found.notes
    run.notes += found.waiting
    return list(found.abs)


async def _renewed(run: UnderWay) -> list[AB]:
    """The ABs of the pool; those that are stale, and all that depends on them, run again."""
    order, tree = run.order, run.context.tree
    abs_ = await run.pool()
    names = {ab.name for ab in abs_}
    stale = [name for name in stale_of(run.context.board, order.mode, order.date) if name in names]
    for name in stale:
        await threads.to_end(reset, tree, run.context.settings, name, order.mode, order.date)
    if not stale:
        return abs_
    run.notes.append(f"{counted(len(stale), 'stale AB')} again")
    return await run.pool()


async def checked(run: UnderWay) -> None:
    """ABs first, then QC: whatever has been processed and has no scores yet, or what processQC names."""
    from engine.process.qc.order import checked as qc_of
    from engine.process.qc.order import passed_over
    from engine.process.run.reached import note

    pool = await run.pool(whole=True)
    if not pool and run.order.options.get("qc") == "only":
        await _nothing(run)
        return
    if run.order.options.get("qc") != "no":
        daily = is_month(run.order.date)
        options, plugins = run.order.options, run.plugins.by_slot
        words = await qc_of(run.context, run.wanted(pool), options, plugins, daily=daily)
        run.notes += [words] if words else []
        run.failed += len(passed_over(pool, options))
    if pool and not run.store.refused:
        await note(run.context, pool)


def summary(run: UnderWay, outcome: Outcome) -> str:
    """How many ABs ended how, in words."""
    order = run.order
    stale = set(outcome.done).intersection(stale_of(run.context.board, order.mode, order.date))
    words = [f"{counted(len(outcome.done) - len(stale), 'AB')} done"]
    words += [f"{len(stale)} stale (the next -P runs {'it' if len(stale) == 1 else 'them'} again)"] if stale else []
    counts = {
        "FAILED": outcome.failed,
        "BLOCKED": outcome.blocked,
        "INTERRUPTED": outcome.interrupted,
    }
    words += [f"{len(names)} {STATES[state].word}" for state, names in counts.items() if names]
    waits = Counter(_waits_for(run, name) for name in outcome.waiting)
    words += [f"{count} {word}" for word, count in waits.items()]
    if outcome.standin:
        words.append("by the STAND-IN PIPELINE, not by ESO's recipes")
    if run.store.refused:
        words.append(f"{counted(len(run.store.refused), 'AB file')} refused")
    return ", ".join(words)


def _waits_for(run: UnderWay, name: str) -> str:
    """What an AB waits for that did not start, in a few words: an AB, a stream, memory, disk."""
    row = run.context.board.rows.get(name)
    return waits_for(row.state, row.reason) if row else STATES["PARENT"].word
