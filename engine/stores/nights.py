"""What an account remembers of each night: how long it stood aside for tasks that come first.

In the engine's database, so that the night's total survives the engine. Standard library only.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

_NOON_S = 43200


class Nights:
    """The nights of an account; sqlite3.Error when they cannot be written."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute("CREATE TABLE IF NOT EXISTS nights (night TEXT PRIMARY KEY, aside_s REAL NOT NULL) WITHOUT ROWID")

    def aside_s(self, night: str) -> float:
        """Seconds stood aside in a night; 0 when never."""
        row = self._db.execute("SELECT aside_s FROM nights WHERE night = ?", (night,)).fetchone()
        return float(row[0]) if row else 0.0

    def note(self, night: str, aside_s: float) -> None:
        """Remember the seconds stood aside in a night, durably."""
        self._db.execute("INSERT OR REPLACE INTO nights (night, aside_s) VALUES (?, ?)", (night, aside_s))


def night_of(at: float) -> str:
    """The night a moment belongs to: the day it began. A night goes from noon to noon UTC; `at` in seconds."""
    return datetime.fromtimestamp(at - _NOON_S, UTC).strftime("%Y-%m-%d")
