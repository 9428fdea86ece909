"""How far the ingestion of every product got, durably (decision 18), and who owns which name of the archive."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from engine.atomic import fs
from engine.transfer.archives.protocol import Receipt

QUEUED, CONVERTED, VERIFIED, INGESTING, INGESTED, FAILED = (
    "QUEUED",
    "CONVERTED",
    "VERIFIED",
    "INGESTING",
    "INGESTED",
    "FAILED",
)
_TABLES = (
    "CREATE TABLE IF NOT EXISTS ingest_items (mode TEXT, date TEXT, name TEXT, size INTEGER, mtime_ns INTEGER,"
    " state TEXT, tries INTEGER, sha256 TEXT, result TEXT, stored_as TEXT, receipt TEXT,"
    " PRIMARY KEY (mode, date, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ingest_receipts (seq INTEGER PRIMARY KEY, mode TEXT, date TEXT, name TEXT,"
    " stored_as TEXT, receipt TEXT, at TEXT)",
    "CREATE INDEX IF NOT EXISTS ingest_owners ON ingest_receipts (stored_as)",
    "CREATE TABLE IF NOT EXISTS ingest_stages (mode TEXT, date TEXT, stage TEXT, state TEXT, text TEXT, mark TEXT,"
    " at TEXT, PRIMARY KEY (mode, date, stage)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ingestion_log (seq INTEGER PRIMARY KEY, mode TEXT, date TEXT, line TEXT)",
)
_ITEMS = (
    "SELECT name, size, mtime_ns, state, tries, sha256, result, stored_as, receipt FROM ingest_items"
    " WHERE mode = ? AND date = ?"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One product on its way to the archive. `size` in bytes, `tries` of the archive in the last call.

    INGESTING between two calls means that the archive may hold it or not.

    `stored_as` is the name it gets there, '' for its own; `receipt` what the archive confirmed, None before.
    """

    name: str
    size: int
    mtime_ns: int
    state: str
    tries: int = 0
    sha256: str = ""
    result: str = ""
    stored_as: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of an ingestion: `convert` or `ingest`; running, done, parked or failed, since when (UTC).

    `mark` tells what it worked on, so that a change is noticed.
    """

    stage: str
    state: str
    text: str
    mark: str
    at: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose file the archive holds under a name, as far as this account knows: MODE, DATE, its name there, when."""

    mode: str
    date: str
    name: str
    when: str
    sha256: str


class IngestStates:
    """The items of one MODE and DATE in the engine's database, and the lines of their log."""

    def __init__(self, connection: sqlite3.Connection, mode: str, date: str) -> None:
        self._db = connection
        self._key = (mode, date)
        for table in _TABLES:
            connection.execute(table)

    def items(self) -> dict[str, Item]:
        """All items by name."""
        return {item.name: item for item in results(self._db, *self._key)}

    def save(self, items: Iterable[Item], lines: Iterable[str] = (), now: str = "") -> None:
        """Note items, and lines of the log with them; on disk when this returns."""
        noted = tuple(items)
        fs.acting("commit", f"ingestion of {len(noted)}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO ingest_items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((*self._key, *_row(item)) for item in noted),
            )
            self._db.executemany(
                "INSERT INTO ingest_receipts (mode, date, name, stored_as, receipt, at) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (*self._key, item.name, item.stored_as or item.name, _row(item)[-1], now)
                    for item in noted
                    if item.receipt
                ),
            )
            self._db.executemany(
                "INSERT INTO ingestion_log (mode, date, line) VALUES (?, ?, ?)", ((*self._key, line) for line in lines)
            )
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def forget(self, names: Iterable[str]) -> None:
        """Items whose files are gone before they were handed over no longer count."""
        gone = [(*self._key, name) for name in names]
        if gone:
            fs.acting("commit", f"forget {len(gone)}")
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("DELETE FROM ingest_items WHERE mode = ? AND date = ? AND name = ?", gone)

    def lines(self) -> list[str]:
        """The lines of the log, oldest first."""
        rows = self._db.execute("SELECT line FROM ingestion_log WHERE mode = ? AND date = ? ORDER BY seq", self._key)
        return [row[0] for row in rows]

    def stage(self, name: str) -> Stage | None:
        """How a part stands."""
        return next((stage for stage in stages(self._db, *self._key) if stage.stage == name), None)

    def mark(self, stage: Stage) -> None:
        """Note how a part stands; on disk when this returns. Nothing is written when it stood there already."""
        known = self.stage(stage.stage)
        if known is not None and (known.state, known.text, known.mark) == (stage.state, stage.text, stage.mark):
            return
        fs.acting("commit", f"stage {stage.stage} {stage.state}")
        self._db.execute(
            "INSERT OR REPLACE INTO ingest_stages VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*self._key, stage.stage, stage.state, stage.text, stage.mark, stage.at),
        )


def results(connection: sqlite3.Connection, mode: str, date: str) -> list[Item]:
    """What became of every product of a MODE and DATE, by name; also from a database nobody ever ingested with."""
    rows = _rows(connection, _ITEMS, mode, date)
    return [Item(**{**dict(row), "receipt": _receipt(row["receipt"])}) for row in rows]


def stages(connection: sqlite3.Connection, mode: str, date: str) -> list[Stage]:
    """The parts of an ingestion that were begun: conversion first."""
    words = "SELECT stage, state, text, mark, at FROM ingest_stages WHERE mode = ? AND date = ? ORDER BY stage"
    return [Stage(*row) for row in _rows(connection, words, mode, date)]


def owners(connection: sqlite3.Connection, name: str) -> list[Owner]:
    """Who ingested something under this name of the archive, the last one first; none when we know of nobody."""
    words = "SELECT mode, date, name, at, receipt FROM ingest_receipts WHERE stored_as = ? ORDER BY seq DESC"
    return [
        Owner(row[0], row[1], row[2], row[3], json.loads(row[4])["sha256"]) for row in _rows(connection, words, name)
    ]


def _rows(connection: sqlite3.Connection, words: str, *values: str) -> list[Any]:
    try:
        return connection.execute(words, values).fetchall()
    except sqlite3.OperationalError as trouble:
        if "no such table" in str(trouble):
            return []
        raise


def _receipt(text: str) -> Receipt | None:
    return Receipt(**json.loads(text)) if text else None


def _row(item: Item) -> tuple[str | int, ...]:
    return (
        item.name,
        item.size,
        item.mtime_ns,
        item.state,
        item.tries,
        item.sha256,
        item.result,
        item.stored_as,
        json.dumps(asdict(item.receipt)) if item.receipt else "",
    )
