"""How far the ingestion of every product got, durably (decision 18)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from engine.atomic import fs

QUEUED, VERIFIED, INGESTING, INGESTED, FAILED = "QUEUED", "VERIFIED", "INGESTING", "INGESTED", "FAILED"


@dataclass(frozen=True, slots=True)
class Item:
    """One product on its way to the archive. `size` in bytes, `tries` of the archive so far."""

    name: str
    size: int
    mtime_ns: int
    state: str
    tries: int = 0
    sha256: str = ""
    result: str = ""


class IngestStates:
    """The items of one MODE and DATE in the engine's database, and the lines of their log."""

    def __init__(self, connection: sqlite3.Connection, mode: str, date: str) -> None:
        self._db = connection
        self._key = (mode, date)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ingestion (mode TEXT, date TEXT, name TEXT, size INTEGER, mtime_ns INTEGER,"
            " state TEXT, tries INTEGER, sha256 TEXT, result TEXT, PRIMARY KEY (mode, date, name)) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ingestion_log (seq INTEGER PRIMARY KEY, mode TEXT, date TEXT, line TEXT)"
        )

    def items(self) -> dict[str, Item]:
        """All items by name."""
        rows = self._db.execute(
            "SELECT name, size, mtime_ns, state, tries, sha256, result FROM ingestion WHERE mode = ? AND date = ?",
            self._key,
        )
        return {row[0]: Item(*row) for row in rows}

    def save(self, *items: Item, line: str = "") -> None:
        """Note items, and a line of the log with them; on disk when this returns."""
        fs.acting("commit", "ingestion")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO ingestion VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (*self._key, item.name, item.size, item.mtime_ns, item.state, item.tries, item.sha256, item.result)
                    for item in items
                ),
            )
            if line:
                self._db.execute("INSERT INTO ingestion_log (mode, date, line) VALUES (?, ?, ?)", (*self._key, line))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def lines(self) -> list[str]:
        """The lines of the log, oldest first."""
        rows = self._db.execute("SELECT line FROM ingestion_log WHERE mode = ? AND date = ? ORDER BY seq", self._key)
        return [row[0] for row in rows]
