"""What a batch system was given, durably: our token, its number, and what was asked for again with more memory."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import UsageTrouble

_TABLES = """
CREATE TABLE IF NOT EXISTS batch_jobs (
  token TEXT PRIMARY KEY, engine TEXT NOT NULL, native TEXT NOT NULL, unwanted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_memory (
  ab TEXT PRIMARY KEY, factor REAL NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_amounts (ab TEXT PRIMARY KEY, mb REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_kills (
  ab TEXT PRIMARY KEY, token TEXT NOT NULL, asked_mb REAL NOT NULL, used_mb REAL NOT NULL
) WITHOUT ROWID;
"""
_UNITS = {"": 0.0, "mb": 1.0, "m": 1.0, "gb": 1000.0, "g": 1000.0}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(gb|mb|g|m|)", re.IGNORECASE)
_MOST_MB = 10_000_000


@dataclass(frozen=True, slots=True)
class Killed:
    """The last job of an AB that was ended for its memory: what it had asked for and used, MB, 0 if not known."""

    token: str
    asked_mb: float
    used_mb: float


class BatchJobs:
    """The jobs given to batch systems, in the engine's database. Every call commits."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_TABLES)

    def note(self, jobs: Iterable[tuple[str, str, str]]) -> None:
        """Remember (token, engine, native id) of jobs that were submitted."""
        self._many("INSERT OR REPLACE INTO batch_jobs (token, engine, native) VALUES (?, ?, ?)", jobs)

    def native(self, token: str) -> str:
        """The number a job was given; '' when it was not heard of."""
        row = self._db.execute("SELECT native FROM batch_jobs WHERE token=?", (token,)).fetchone()
        return str(row[0]) if row else ""

    def unwant(self, tokens: Iterable[str]) -> None:
        """These jobs are to be cancelled; the batch system could not be told yet."""
        self._many("UPDATE batch_jobs SET unwanted=1 WHERE token=?", [(token,) for token in tokens])

    def known(self, engine: str) -> dict[str, bool]:
        """The tokens given to an engine, and whether they are still to be cancelled."""
        rows = self._db.execute("SELECT token, unwanted FROM batch_jobs WHERE engine=?", (engine,))
        return {str(row[0]): bool(row[1]) for row in rows}

    def forget(self, tokens: Iterable[str]) -> None:
        """These have ended, and their ends are kept elsewhere."""
        self._many("DELETE FROM batch_jobs WHERE token=?", [(token,) for token in tokens])

    def asks(self, ab: str, mb: float) -> float:
        """What an AB asks for whose kind asks for `mb`: that, or what an operator said."""
        row = self._db.execute("SELECT mb FROM batch_amounts WHERE ab=?", (ab,)).fetchone()
        if row:
            return float(row[0])
        row = self._db.execute("SELECT factor FROM batch_memory WHERE ab=?", (ab,)).fetchone()
        return mb * float(row[0]) if row else mb

    def ask_for(self, ab: str, factor: float, mb: float, who: str, at: str) -> None:
        """From now on an AB asks for `mb`, or if that is 0 for `factor` times what its kind asks for.

        `who` ordered it, and when (ISO, UTC).
        """
        self._many("INSERT OR REPLACE INTO batch_memory VALUES (?, ?, ?, ?)", [(ab, factor, who, at)])
        self._many("DELETE FROM batch_amounts WHERE ab=?", [(ab,)])
        self._many("INSERT INTO batch_amounts VALUES (?, ?)", [(ab, mb)] if mb else [])

    def lacked(self, ab: str, killed: Killed) -> None:
        """A job of an AB was ended for its memory."""
        found = (ab, killed.token, killed.asked_mb, killed.used_mb)
        self._many("INSERT OR REPLACE INTO batch_kills VALUES (?, ?, ?, ?)", [found])

    def killed(self, ab: str) -> Killed | None:
        """The last job of an AB that was ended for its memory; None when there is none."""
        row = self._db.execute("SELECT token, asked_mb, used_mb FROM batch_kills WHERE ab=?", (ab,)).fetchone()
        return Killed(str(row[0]), float(row[1]), float(row[2])) if row else None

    def _many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(statement, values)


def ask_for(db: sqlite3.Connection, ab: str, said: str, who: str) -> None:
    """An operator's order what an AB asks for from now on: an amount (`8GB`), or a factor (`2`).

    UsageTrouble for nonsense, and for a factor where nothing was asked for that it could multiply.
    """
    found = _AMOUNT.fullmatch(said.strip())
    number, unit = (float(found[1]), _UNITS[found[2].lower()]) if found else (0.0, 0.0)
    jobs = BatchJobs(db)
    killed = jobs.killed(ab)
    mb = number * unit
    if not unit and killed and not killed.asked_mb:
        mb = number * killed.used_mb
        if not mb:
            raise UsageTrouble("it asked for no amount that could be multiplied", remedy="say how much, e.g. 8GB")
    if not (1 <= mb <= _MOST_MB if unit else 0.1 <= number <= 100):
        raise UsageTrouble(f"memory {said!a}", remedy="an amount, e.g. 8GB, or a factor from 0.1 to 100, e.g. 2")
    jobs.ask_for(ab, 1.0 if mb else number, mb, who, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
