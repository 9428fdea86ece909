"""The engine's durable memory: one SQLite file per account, WAL, synchronous=FULL.

Standard library only and quick to open, so that `dfos status` and `dfos answer` read the same
truth as the engine. Each store creates its own tables.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from engine.errors import DfosError

_PATIENCE_S = 10.0
_PAUSE_S = 0.01


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """An open database; commits are explicit transactions (`with connection:`), durable when they return.

    DfosError when the file is no database of ours or cannot be opened.
    """
    try:
        if readonly:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10, isolation_level=None)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=10, isolation_level=None)
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")
        connection.row_factory = sqlite3.Row
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as trouble:
        raise DfosError(
            f"the engine's journal cannot be opened: {trouble}",
            where=str(path),
            remedy="is the disk full or the file damaged? Do not delete it: it knows what was under way",
        ) from trouble
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Of two that make a journal at once the second is refused without being made to wait."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as trouble:
            if "locked" not in str(trouble) or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)


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
