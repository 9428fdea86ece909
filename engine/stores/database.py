"""The engine's durable memory: one SQLite file per account, WAL, synchronous=FULL.

Standard library only and quick to open, so that `dfos status` and `dfos answer` read the same
truth as the engine. Each store creates its own tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep

from engine.errors import DfosError

WAIT_S = 60.0  # seconds to wait for another process that is writing


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """An open database; commits are explicit transactions (`with connection:`), durable when they return.

    DfosError when the file is no database of ours or cannot be opened.
    """
    try:
        if readonly:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=WAIT_S, isolation_level=None)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
        connection.row_factory = sqlite3.Row
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as trouble:
        raise DfosError(
            f"the engine's journal cannot be opened: {trouble}",
            where=str(path),
            remedy="is the disk full or the file damaged? Do not delete it: it knows what was under way",
        ) from trouble
    return connection


def add_columns(connection: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> None:
    """Give a table of an older version the columns (name: type) it lacks; others may be about to do the same."""
    if not _missing(connection, table, columns):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for name in _missing(connection, table, columns):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")


def _missing(connection: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> list[str]:
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    return [name for name in columns if name not in known]


def _write_ahead(connection: sqlite3.Connection) -> None:
    # A file that is new to two processes: SQLite does not wait for the other one here, whatever its timeout.
    until = monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as trouble:
            if trouble.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
        sleep(0.01)
