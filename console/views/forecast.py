"""The forecast of a pool as the screen shows it."""

from __future__ import annotations

import os

from config.tree import DfoTree
from console.account import open_settings
from engine.process.plan.forecast import PoolForecast, forecast
from engine.stores.database import connect
from engine.stores.widths import Widths
from screens.shown import Forecast, KindForecast, TargetForecast

_GB = 1_000_000_000


def forecast_of(tree: DfoTree, mode: str, date: str) -> Forecast:
    """What processing a MODE and DATE will take, by the account's files and journal. Blocking."""
    settings = open_settings(tree, os.environ, ()).settings
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        return shown(forecast(tree, Widths(db, settings).settings() if db else settings, db, mode, date))
    finally:
        if db is not None:
            db.close()


def shown(found: PoolForecast) -> Forecast:
    """The forecast with what must be known first as notes."""
    notes = [f"{ab}: {why}" for ab, why in found.refused]
    notes += [f"{ab} is asked about before it starts" for ab in found.asked]
    if not found.fits_disk:
        notes.append(f"no room: {found.reserve_gb:,.4g} GB must stay free; the last ABs would wait for disk")
    return Forecast(
        found.mode,
        found.date,
        found.total,
        found.abs,
        found.seconds,
        found.ranks_s,
        found.peak_gb,
        found.host_gb,
        round(found.disk_gb * _GB),
        round(found.free_gb * _GB),
        tuple(
            KindForecast(
                one.kind, one.abs, one.streams, one.each_s, one.work_s, one.memory_gb, found.measured.get(one.kind, 0)
            )
            for one in found.kinds
        ),
        tuple(
            TargetForecast(one.target, one.abs, one.inputs, one.begin_s, one.end_s, one.memory_gb)
            for one in found.targets
            if one.target
        ),
        tuple(notes),
        len(found.refused),
    )
