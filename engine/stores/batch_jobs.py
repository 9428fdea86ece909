"""What a batch system was given, durably: our token, its number, and what was asked for again with more memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from engine.errors import UsageTrouble

_TABLES = """
CREATE TABLE IF NOT EXISTS batch_jobs (
  token TEXT PRIMARY KEY, engine TEXT NOT NULL, native TEXT NOT NULL, unwanted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_memory (
  ab TEXT PRIMARY KEY, factor REAL NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
"""


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

    def factor(self, ab: str) -> float:
        """How many times the memory of its kind an AB is to ask for."""
        row = self._db.execute("SELECT factor FROM batch_memory WHERE ab=?", (ab,)).fetchone()
        return float(row[0]) if row else 1.0

    def ask_for(self, ab: str, factor: float, who: str, at: str) -> None:
        """From now on an AB asks for `factor` times the memory of its kind; who ordered it, and when (ISO, UTC)."""
        self._many("INSERT OR REPLACE INTO batch_memory VALUES (?, ?, ?, ?)", [(ab, factor, who, at)])

    def _many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(statement, values)


def ask_for(db: sqlite3.Connection, ab: str, factor: str, who: str) -> None:
    """An operator's order that an AB asks for `factor` times its memory from now on; UsageTrouble for nonsense."""
    try:
        times = float(factor)
    except ValueError:
        times = 0.0
    if not 0.1 <= times <= 100:
        raise UsageTrouble(f"memory {factor!a}", remedy="a factor from 0.1 to 100, e.g. 2 for twice as much")
    BatchJobs(db).ask_for(ab, times, who, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
