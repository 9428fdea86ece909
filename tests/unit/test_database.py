"""The journal's file while somebody else has it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import DfosError
from engine.stores import database
from engine.stores.database import connect


@pytest.fixture
def other(tmp_path: Path) -> sqlite3.Connection:
    """Another process that has just made the file, and writes its first table."""
    connection = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE first (number INTEGER)")
    return connection


def test_two_that_make_a_journal_at_once_both_have_it(
    tmp_path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []

    def sleep(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            other.execute("COMMIT")

    monkeypatch.setattr(database, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    mine = connect(tmp_path / "journal.sqlite")
    assert len(paused) == 3
    assert mine.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    other.execute("INSERT INTO first VALUES (1)")
    assert mine.execute("SELECT number FROM first").fetchone()[0] == 1
    mine.close()
    other.close()


def test_one_that_is_never_let_go_is_told(
    tmp_path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100, 4))
    monkeypatch.setattr(database, "time", SimpleNamespace(sleep=lambda _: None, monotonic=lambda: next(clock)))
    with pytest.raises(DfosError, match="database is locked"):
        connect(tmp_path / "journal.sqlite")
    other.close()
