"""Part 1 of phoenix: obtain the ABs of a pool, complete them, write the AB_list and the job plan.

ABs come from the source branch (`ab_source`, one directory per run_ID or DATE). What stands in
$DFO_AB_DIR already is kept as it is, because operators edit ABs there; what was moved is not made again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from config.tree import DfoTree
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

    `refused`: files of the source that could not be read, file:line and why.
    """

    new: tuple[AB, ...]
    kept: tuple[str, ...]
    moved: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


def restricted(abs_: list[AB], only: str) -> list[AB]:
    """Only the ABs of one target: the dpc AB `only` and all it depends on; UsageTrouble when it is not there."""
    names = {ab.name for ab in abs_}
    if only not in names:
        raise UsageTrouble(f"{only} is none of the {len(abs_)} ABs of this pool", remedy="dfos status --all lists them")
    wanted = {only, *cascade(abs_, {}).above(only)}
    return [ab for ab in abs_ if ab.name in wanted]


def obtained(tree: DfoTree, mode: str, date: str, proposed: tuple[AB, ...]) -> Obtained:
    """Which of the proposed ABs are new; BadAb when one belongs to another pool or name twice."""
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
    return Obtained(tuple(new), tuple(kept), tuple(moved))


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
    store = AbStore(context.tree)
    found, refused = await asyncio.to_thread(_read_all, place) if place else ([], [])
    for where, why in refused:
        context.bus.publish(AbRefused(where, why))
    complete = tuple(found)
    if pgis.ab_pgi and found:
        complete = checked_abs(context.settings.plugins.AB_PGI, found, pgis.ab_pgi.propose(complete))
    if only and complete:
        complete = tuple(restricted(list(complete), only))
    result = obtained(context.tree, mode, date, complete)
    for ab in result.new:
        store.write(ab)
    kinds = kinds_of(context.settings)
    pool_abs = ordered_abs(store.load(mode, date), kinds)
    store.write_list(mode, date, pool_abs)
    if pool_abs:
        lines: tuple[str, ...] = ()
        if pgis.job_pgi:
            proposed = pgis.job_pgi.plan(tuple(pool_abs), kinds, context.settings.streams)
            lines = checked_plan(context.settings.plugins.JOB_PGI, pool_abs, proposed)
        for name, text in job_plan(mode, date, pool_abs, context.settings, streams=lines).files:
            fs.replace(context.tree.job / name, text.encode())
    context.bus.publish(
        Notice(
            "info",
            f"{len(result.new)} new ABs, {len(result.kept)} kept as they are, {len(result.moved)} moved already",
        )
    )
    return replace(result, refused=tuple(refused))


def _read_all(place: Path) -> tuple[list[AB], list[tuple[str, str]]]:
    found, refused = [], []
    for path in sorted(place.glob("*.ab")):
        try:
            found.append(read(path))
        except BadAb as trouble:
            refused.append((trouble.where, trouble.what))
    return found, refused
