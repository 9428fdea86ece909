"""Part 1 of phoenix: obtain the ABs of a pool, complete them, write the AB_list and the job plan.

ABs come from the source branch (`ab_source`, one directory per run_ID or DATE), or, where an instance has none,
createAB makes them from the raw headers. What stands in $DFO_AB_DIR already is kept as it is, because operators edit
ABs there; what was moved is not made again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine import threads
from engine.atomic import fs
from engine.context import Context
from engine.core.ab import AB
from engine.core.cascade import cascade
from engine.create.in_order import ordered_abs
from engine.create.jobs.create_job import job_plan
from engine.errors import BadAb, DfosError, UsageTrouble
from engine.events import AbRefused, Notice
from engine.kinds import kinds_of
from engine.pgi import AbPgi, JobPgi, checked_abs, checked_plan
from engine.stores.abs import AbStore, read


@dataclass(frozen=True, slots=True)
class Pgis:
    """The plugins that part 1 calls; None where none is configured."""

    ab_pgi: AbPgi | None = None
    job_pgi: JobPgi | None = None


@dataclass(frozen=True, slots=True)
class Obtained:
    """What is to be written: new ABs, and those that stay as they are ('kept') or are finished ('moved').

    `refused`: files of the source that could not be read, file:line and why. `findings` counts raw headers and ABs
    that createAB wants looked at; `notes` is what it says.
    """

    new: tuple[str, ...]
    kept: tuple[str, ...]
    moved: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()
    findings: int = 0
    notes: tuple[str, ...] = ()


Triage = tuple[tuple[AB, ...], tuple[str, ...], tuple[str, ...]]


def restricted(abs_: list[AB], only: str) -> list[AB]:
    """Only the ABs of one target: the dpc AB `only` and all it depends on; UsageTrouble when it is not there."""
    names = {ab.name for ab in abs_}
    if only not in names:
        raise UsageTrouble(f"{only} is none of the {len(abs_)} ABs of this pool", remedy="dfos status --all lists them")
    wanted = {only, *cascade(abs_, {}).above(only)}
    return [ab for ab in abs_ if ab.name in wanted]


def obtained(tree: DfoTree, mode: str, date: str, proposed: tuple[AB, ...]) -> Triage:
    """Which of the proposed ABs are new, kept, moved; BadAb when one belongs to another pool or comes twice."""
    new, kept, moved = [], [], []
    names: set[str] = set()
    for ab in proposed:
        if (ab.mode, ab.date) != (mode, date):
            raise BadAb(f"belongs to {ab.mode} {ab.date}, not to {mode} {date}", where=ab.name)
        if ab.name in names:
            raise BadAb("comes twice", where=ab.name, remedy="look into the AB source")
        names.add(ab.name)
        if (tree.ab / ab.name).exists():
            kept.append(ab.name)
        elif (tree.log / date / ab.name).exists():
            moved.append(ab.name)
        else:
            new.append(ab)
    return tuple(new), tuple(kept), tuple(moved)


def source(context: Context, run_id: str, date: str) -> Path | None:
    """The directory of the source branch for a pool; None when its ABs are made elsewhere.

    DfosError when it is configured and not there.
    """
    by_run = context.settings.pool == "run"
    if not context.settings.ab_source or (by_run and not run_id):
        return None
    place = context.tree.expand(context.settings.ab_source) / (run_id if by_run else date)
    if not place.is_dir():
        raise DfosError(
            "no ABs were prepared for this pool", where=str(place), remedy="check ab_source, or prepare the ABs first"
        )
    return place


async def obtain(context: Context, mode: str, date: str, run_id: str, only: str, pgis: Pgis) -> Obtained:
    """Obtain the ABs of a pool and write what is new, the AB_list and the job plan."""
    place = source(context, run_id, date)
    if place is None and context.settings.pool != "run":
        result = await _created(context, mode, date, pgis.ab_pgi)
    else:
        result = await _copied(context, mode, date, place, only, pgis.ab_pgi)
    await threads.to_end(_planned, context, mode, date, pgis.job_pgi)
    context.bus.publish(
        Notice(
            "info",
            f"{len(result.new)} new ABs, {len(result.kept)} kept as they are, {len(result.moved)} moved already",
        )
    )
    return result


async def _copied(
    context: Context, mode: str, date: str, place: Path | None, only: str, ab_pgi: AbPgi | None
) -> Obtained:
    """The ABs of the source branch; without one those that stand in $DFO_AB_DIR, which are left alone."""
    store = AbStore(context.tree)
    found, refused = await asyncio.to_thread(_read_all, place) if place else ([], [])
    for where, why in refused:
        context.bus.publish(AbRefused(where, why))
    complete = tuple(found)
    if ab_pgi and found:
        complete = checked_abs(context.settings.plugins.AB_PGI, found, ab_pgi.propose(complete))
    if only and complete:
        complete = tuple(restricted(list(complete), only))
    new, kept, moved = obtained(context.tree, mode, date, complete)
    for ab in new:
        store.write(ab)
    abs_ = await asyncio.to_thread(store.load, mode, date)
    store.write_list(mode, date, ordered_abs(abs_, kinds_of(context.settings)))
    return Obtained(tuple(ab.name for ab in new), kept, moved, tuple(refused))


async def _created(context: Context, mode: str, date: str, ab_pgi: AbPgi | None) -> Obtained:
    """The ABs that createAB makes from the headers of a DATE, completed by the AB_PGI.

    ABs that stand there already are enough where there are no headers or no rules (any more). Errors as `create`.
    """
    from engine.create.createab.night import listed
    from engine.create.createab.order import create
    from engine.create.createab.plan import AGAIN, KEPT, MOVED, NEW
    from engine.create.createab.rules_file import rules_path

    tree, settings = context.tree, context.settings
    try:
        listed(tree, date)
        rules_path(settings, tree)
    except UsageTrouble as trouble:
        store = AbStore(tree)
        abs_ = await asyncio.to_thread(store.load, mode, date)
        if not abs_ and not store.refused and not store.knows(mode, date):
            raise
        context.bus.publish(Notice("info", f"no ABs are made from headers: {trouble.what}"))
        store.write_list(mode, date, ordered_abs(abs_, kinds_of(settings)))
        return Obtained((), tuple(ab.name for ab in abs_), ())

    def edit(abs_: tuple[AB, ...]) -> tuple[AB, ...]:
        return checked_abs(settings.plugins.AB_PGI, abs_, ab_pgi.propose(abs_)) if ab_pgi else abs_

    plan = await create(context, mode, date, edit if ab_pgi else None)
    names = {what: tuple(one.made.name for one in plan.of(what)) for what in (NEW, AGAIN, KEPT, MOVED)}
    new = (*names[NEW], *names[AGAIN], *(ab.name for ab in plan.added))
    findings = len(plan.findings)
    return Obtained(new, names[KEPT], names[MOVED], findings=findings, notes=(plan.text,) if findings else ())


def _planned(context: Context, mode: str, date: str, job_pgi: JobPgi | None) -> None:
    """Write the job files of the ABs there are now. Blocking."""
    kinds = kinds_of(context.settings)
    abs_ = ordered_abs(AbStore(context.tree).load(mode, date), kinds)
    if not abs_:
        return
    lines: tuple[str, ...] = ()
    if job_pgi:
        proposed = job_pgi.plan(tuple(abs_), kinds, context.settings.streams)
        lines = checked_plan(context.settings.plugins.JOB_PGI, abs_, proposed)
    for name, text in job_plan(mode, date, abs_, context.settings, streams=lines).files:
        fs.replace(context.tree.job / name, text.encode())


def _read_all(place: Path) -> tuple[list[AB], list[tuple[str, str]]]:
    found, refused = [], []
    for path in sorted(place.glob("*.ab")):
        try:
            found.append(read(path))
        except BadAb as trouble:
            refused.append((trouble.where, trouble.what))
    return found, refused
