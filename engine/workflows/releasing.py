"""Parts M and I of an order: certified, moved, exported, ingested."""

from __future__ import annotations

import asyncio
from functools import partial

from engine import events as ev
from engine.core.product import MOVE
from engine.core.sizes import counted
from engine.errors import DfosError, UsageTrouble
from engine.pgi import checked_withheld
from engine.process.ab.hooks import options_of
from engine.process.ab.stale import stale_of
from engine.questions import Question
from engine.release.certify import Certified, certify
from engine.release.move.hooks import naming_of
from engine.release.move.move_products import MovePlan, move
from engine.stores.nothing import nothing_of
from engine.transfer.ingest.ingest_products import ingest, verify_only
from engine.transfer.ingest.jobs_ingest import Call, queued
from engine.workflows.under_way import Ended, UnderWay


async def released(run: UnderWay) -> tuple[Question, ...]:
    """Certify and move; the questions that must be answered before, () when it has moved."""
    order = run.order
    pool = await run.pool(whole=True)
    abs_ = run.wanted(pool)
    open_ = [ab for ab in abs_ if ab.status == "CREATED" and not ab.runs_no_recipe]
    if open_ and "P" not in order.parts and not order.reason:
        raise UsageTrouble(
            f"{len(open_)} of {counted(len(abs_), 'AB')} of {order.pool} not processed yet, e.g. {open_[0].name}",
            remedy="process them first (-P), or force it with a reason (--force REASON)",
        )
    stale = sorted({ab.name for ab in abs_}.intersection(stale_of(run.context.board, order.mode, order.date)))
    if stale and "P" not in order.parts and not order.reason:
        raise UsageTrouble(
            f"{counted(len(stale), 'stale AB')} of {order.pool}, e.g. {stale[0]}: an input was made anew",
            remedy="process them again (-P), or force it with a reason (--force REASON)",
        )
    digest = order.options.get("digest", "")
    if not abs_ and not digest:
        nothing = await asyncio.to_thread(nothing_of, run.context.tree, order.mode, order.date)
        run.notes.append(f"nothing to move: {nothing.text}")
        return ()
    run.phase("certify", f"{order.pool}")
    scores = {name: row.score for name, row in run.context.board.rows.items()}
    certified: Certified = await certify(run.context, pool, scores, only=order.only)
    if certified.parked:
        return certified.parked
    plugin = partial(_withheld, run) if run.plugins.special else None
    recreate = {"yes": True, "no": False}.get(order.options.get("recreate", ""))
    moved = await move(
        run.context,
        order.mode,
        order.date,
        scores=scores,
        plugin=plugin,
        only=order.only,
        recreate=recreate,
        digest=digest,
        naming=naming_of(run.plugins.by_slot),
    )
    run.failed += len(set(moved.unfinished) - run.bad)
    run.notes.append("move stopped, nothing changed" if moved.stopped else f"{counted(moved.moved, 'product')} moved")
    await _exported(run)
    return ()


async def _exported(run: UnderWay) -> None:
    """Logs and plots go to the web server at once; where it cannot be reached, the export stays queued."""
    from engine.transfer.export.export import export
    from engine.transfer.export.queue import Call as Export
    from engine.transfer.export.queue import queued as waiting

    if Export(run.order.mode, run.order.date) in waiting(run.context.tree):
        run.phase("export", f"{run.order.mode} {run.order.date}")
        try:
            run.notes.append((await export(run.context, run.order.mode, run.order.date)).text)
        except DfosError as trouble:  # what has moved has moved; the call stays in JOBS_EXPORT
            run.context.bus.publish(ev.Notice("warning", f"the export stays queued: {trouble}"))


async def _withheld(run: UnderWay, plan: MovePlan) -> dict[str, str]:
    """What the SPECIAL_PLUGIN takes away, of the products that would move."""
    name = run.context.settings.move.special_plugin
    if run.plugins.special is None:
        return {}
    pipefiles = {fate.product.path: fate.product.pipefile for fate in plan.of(MOVE)}
    options = options_of(run.context, name)
    found = await asyncio.to_thread(run.plugins.special.keep, run.order.mode, run.order.date, tuple(pipefiles), options)
    return {pipefiles[file]: f"withheld by {name}" for file in checked_withheld(name, tuple(pipefiles), found)}


async def ingested(run: UnderWay) -> Ended | None:
    """The ingestion of the date; how the order ends when the archive has not confirmed everything."""
    order, options = run.order, run.order.options
    call = Call(order.mode, order.date)
    if order.parts != "I" and call not in queued(run.context.tree):
        return None
    if options.get("verify") == "yes":
        seen = await verify_only(run.context, order.mode, order.date)
        return Ended(seen.exit_code, f"{order.pool}: {seen.text}")
    run.phase("ingest", f"{order.mode} {order.date}")
    done = await ingest(
        run.context,
        order.mode,
        order.date,
        convert=options.get("convert") != "no",
        skip_bad=options.get("skip_bad") == "yes",
    )
    run.notes.append(done.text)
    if not done.exit_code:
        return None
    return Ended(
        done.exit_code, f"{order.pool}: {'; '.join(run.notes)}", tuple(question.id for question in done.questions)
    )
