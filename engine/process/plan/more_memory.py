"""How much memory an AB is offered whose job was ended for its memory."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from config.schema import Settings
from engine.core.ab import AB
from engine.core.cascade import kind_of
from engine.kinds import kinds_of
from engine.process.plan.history import History
from engine.process.plan.pool import main_inputs
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs

_MORE = 2.0  # times what it asked for
_MARGIN = 1.25  # times what was measured: it was cut off there, and others of its kind vary
_STEP_MB = 100


@dataclass(frozen=True, slots=True)
class MoreMemory:
    """What a job asked for and used when it was ended, what its kind needs by forecast, what to ask for.

    MB, 0 where it is not known.
    """

    ab: str
    asked_mb: float
    used_mb: float
    forecast_mb: float
    proposed_mb: int


def more_memory(db: sqlite3.Connection, settings: Settings, ab: AB) -> MoreMemory | None:
    """The offer for an AB; None when its last attempt was not ended for its memory. Reads the engine's database."""
    killed = BatchJobs(db).killed(ab.name)
    last = next(reversed(Attempts(db, readonly=True).of(ab.name)), None)
    if killed is None or last is None or last.token != killed.token:
        return None
    kind = kind_of(ab, kinds_of(settings))
    forecast_mb = History.of(db).memory(kind, main_inputs(ab)) * 1024 if kind else 0.0
    wanted = max(killed.asked_mb * _MORE, killed.used_mb * _MARGIN, forecast_mb * _MARGIN, _STEP_MB)
    proposed = math.ceil(wanted / _STEP_MB) * _STEP_MB
    return MoreMemory(ab.name, killed.asked_mb, killed.used_mb, forecast_mb, proposed)
