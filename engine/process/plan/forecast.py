"""What a pool will take, before it starts: ABs, hours, memory, disk, target by target (rows 335-337, decision 13)."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from config.schema import Settings
from config.tree import DfoTree
from engine.bus import Bus
from engine.process.plan.admission import free_gb, host_memory_gb
from engine.process.plan.history import History
from engine.process.plan.pool import Entry, below, pool_of
from engine.process.plan.priority import in_ranks
from engine.process.plan.ready import Ready
from engine.process.plan.simulate import Schedule, best_plan, simulate, sorted_out
from engine.process.run.ab_states import AbStates
from engine.process.run.outside import outside
from engine.stores.abs import AbStore
from engine.stores.attempts import Attempts


@dataclass(frozen=True, slots=True)
class KindForecast:
    """One kind of AB: how many to run, in how many streams, seconds each (median) and in all, GB of the largest."""

    kind: str
    abs: int
    streams: int
    each_s: float
    work_s: float
    memory_gb: float


@dataclass(frozen=True, slots=True)
class TargetForecast:
    """One target: its ABs still to run, when it begins and is finished (seconds from now), what it takes.

    `inputs` are those of its largest combination, `memory_gb` what its largest AB needs, `work_s` its ABs together.
    """

    target: str
    abs: int
    inputs: int
    begin_s: float
    end_s: float
    work_s: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True, slots=True)
class PoolForecast:
    """A pool: `abs` still to run of `total`, seconds from the start to the end, and as the rank sequence would take.

    `host_gb` is the memory there is for recipes, `free_gb` the free disk. `refused` are ABs that will not be started
    and why (too large, FAILED, what waits for them or for nobody), `asked` those that are asked
    about first. `measured` says how many measurements each kind has.
    """

    mode: str
    date: str
    abs: int
    total: int
    streams: int
    seconds: float
    ranks_s: float
    peak_gb: float
    host_gb: float
    disk_gb: float
    free_gb: float
    reserve_gb: float
    plan: str
    kinds: tuple[KindForecast, ...]
    targets: tuple[TargetForecast, ...]
    refused: tuple[tuple[str, str], ...]
    asked: tuple[str, ...]
    measured: dict[str, int]

    @property
    def fits_disk(self) -> bool:
        """True when what will be written leaves the reserve untouched."""
        return self.free_gb - self.disk_gb >= self.reserve_gb


def forecast(tree: DfoTree, settings: Settings, db: sqlite3.Connection | None, mode: str, date: str) -> PoolForecast:
    """The forecast of MODE and DATE, from the ABs in $DFO_AB_DIR and what was measured. Blocking; changes nothing."""
    history = History.of(db) if db else History()
    rules = settings.admission
    host = rules.memory_gb or host_memory_gb()
    pool, _ = pool_of(AbStore(tree).load(mode, date), settings, history, memory_gb=host)
    _stand(pool, tree, db)
    open_, never = sorted_out(pool)
    plan = best_plan(open_, settings.streams, barriers=settings.barriers, memory_gb=host)
    ours = simulate(open_, plan, settings.streams, memory_gb=host)
    ranks = simulate(open_, in_ranks(open_, barriers=True), settings.streams, memory_gb=host)
    places = (tree.product, tree.expand(settings.process.work_area))
    most = rules.ask_above
    return PoolForecast(
        mode,
        date,
        len(open_),
        len(pool),
        settings.streams,
        ours.seconds,
        ranks.seconds,
        ours.peak_gb,
        host,
        sum(entry.disk_gb for entry in open_.values()),
        _least(places),
        rules.disk_reserve_gb,
        plan.name,
        _kinds(open_, settings.streams),
        _targets(open_, ours),
        tuple(never.items()),
        tuple(e.ab for e in open_.values() if most and e.kind.memory_gb_per_input and e.inputs > most),
        {entry.kind.name: history.count(entry.kind.name) for entry in open_.values()},
    )


def _stand(pool: dict[str, Entry], tree: DfoTree, db: sqlite3.Connection | None) -> None:
    """Every AB gets the state in which the engine would find it at the start; what is stale runs again by itself."""
    rows = {}
    if db:
        with suppress(sqlite3.OperationalError):  # a journal in which nothing was processed yet has no tables
            rows = {row["ab"]: row for row in Attempts(db, readonly=True).rows() if row["ab"] in pool}
    for stale in [name for name, row in rows.items() if row["state"] == "STALE"]:
        for entry in (pool[stale], *below(pool, stale)):
            entry.status = "CREATED"
    AbStates(Bus("forecast"), pool, Ready(pool), partial(outside, tree)).show(rows, {})


def _kinds(entries: dict[str, Entry], streams: int) -> tuple[KindForecast, ...]:
    """The kinds in the order of their ranks."""
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(entries.values(), key=lambda entry: (entry.kind.rank, entry.order)):
        groups.setdefault(entry.kind.name, []).append(entry)
    return tuple(
        KindForecast(
            name,
            len(group),
            min(streams, group[0].kind.streams),
            median(entry.forecast_s for entry in group),
            sum(entry.forecast_s for entry in group),
            max(entry.memory_gb for entry in group),
        )
        for name, group in groups.items()
    )


def _targets(entries: dict[str, Entry], schedule: Schedule) -> tuple[TargetForecast, ...]:
    """The targets in the order they will be finished."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries.values():
        if entry.ab in schedule.spans:
            groups.setdefault(entry.target, []).append(entry)
    found = [
        TargetForecast(
            target,
            len(group),
            max(entry.inputs for entry in group),
            min(schedule.spans[entry.ab].begin for entry in group),
            max(schedule.spans[entry.ab].end for entry in group),
            sum(entry.forecast_s for entry in group),
            max(entry.memory_gb for entry in group),
            sum(entry.disk_gb for entry in group),
        )
        for target, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.end_s, one.target)))


def _least(places: tuple[Path, ...]) -> float:
    return min(map(free_gb, places))
