"""Part P's QC as ordered: what is due, or what processQC names; scores again, forced or deleted.

Options: `qc` "only" (every AB anew) or nothing; `abs` blank-separated AB names; `file` yes: they stand in a job
file, so that those without products are passed over; `rescore` yes: the values that
are known against the limits of now; `green` WHY: all scores green; `delete` yes: no scores.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.sizes import counted
from engine.errors import UsageTrouble
from engine.process.qc import record as records
from engine.process.qc.job import QcJob
from engine.process.qc.record import Record
from engine.process.qc.stage import processed, qc_pool


async def checked(
    context: Context,
    pool: Sequence[AB],
    options: Mapping[str, str],
    plugins: Mapping[str, Any],
    *,
    daily: bool = False,
) -> str:
    """Carry out the QC of an order; one line on what was done, '' when nothing was due.

    `daily`: the ABs of a DATE are one QC job, and the jobs of all DATEs one batch (QCJOB_CONCENTRATION).
    """
    names, only = options.get("abs", "").split(), options.get("qc") == "only"
    unknown = sorted(set(names) - {ab.name for ab in pool})
    if unknown and only:
        raise UsageTrouble(f"{unknown[0]} is not among the ABs of this pool", remedy="check the name, or -m and -d")
    abs_ = [ab for ab in pool if not names or ab.name in names]
    unready = [ab for ab in abs_ if not processed(ab)]
    if only and names and len(unready) == len(abs_) and "file" not in options:
        raise UsageTrouble(f"{unready[0].name} is {unready[0].status}", remedy="process it first")
    if only and not names and unready and len(unready) == len(abs_):
        open_ = Counter(ab.status for ab in unready if not ab.runs_no_recipe)
        if not open_:
            return "nothing to do, no recipe runs for these ABs"
        states = ", ".join(f"{count} {status}" for status, count in open_.items())
        where = f"{abs_[0].mode} {abs_[0].date}"
        raise UsageTrouble(
            f"none of the {len(abs_)} ABs is processed: {states}", where=where, remedy="process them first: dfos exec"
        )
    if {"rescore", "green", "delete"} & options.keys():
        return await _corrected(context, [ab for ab in abs_ if processed(ab)], options, plugins)
    width = context.settings.qc.streams
    outcome = await qc_pool(context, abs_, plugins=plugins, width=width, again=only, daily=daily)
    return "; ".join(words for words in (outcome.text, _passed(passed_over(pool, options))) if words)


def passed_over(pool: Sequence[AB], options: Mapping[str, str]) -> list[AB]:
    """The ABs of a job file that have no QC, as no recipe has made their products."""
    names = options.get("abs", "").split() if "file" in options else []
    return [ab for ab in pool if ab.name in names and not processed(ab) and not ab.runs_no_recipe]


def _passed(abs_: Sequence[AB]) -> str:
    return (
        f"QC of {counted(len(abs_), 'AB')} passed over, first {abs_[0].name}, which is {abs_[0].status}" if abs_ else ""
    )


async def _corrected(
    context: Context, abs_: Sequence[AB], options: Mapping[str, str], plugins: Mapping[str, Any]
) -> str:
    """The scores of ABs changed without measuring anything again."""
    done = 0
    for ab in abs_:
        path = records.place_of(context.tree, ab)
        record = await asyncio.to_thread(records.load, path)
        if record is None:
            context.bus.publish(ev.Notice("warning", f"{ab.name} has no scores: run its QC first"))
            continue
        now = await QcJob(context, ab, plugins).rescored(_changed(context, record, options), again="rescore" in options)
        done += now.scores != record.scores or bool(record.decided and "rescore" in options)
    return f"scores of {done} of {counted(len(abs_), 'AB')} {'deleted' if 'delete' in options else 'changed'}"


def _changed(context: Context, record: Record, options: Mapping[str, str]) -> Record:
    if "delete" in options:
        return record.deleted(context.who, context.utc())
    if "green" in options:
        if not options["green"].strip():
            raise UsageTrouble("scores are forced green with a reason", remedy="say why")
        return record.forced(context.who, options["green"], context.utc())
    return record
