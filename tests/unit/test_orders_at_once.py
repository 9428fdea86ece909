from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.stores.database import add_columns, connect
from engine.stores.orders import Order, Orders


class Meanwhile(sqlite3.Connection):
    """Another process does the same between our look and what follows from it."""

    def execute(self, sql: str, *given: object) -> sqlite3.Cursor:  # type: ignore[override]
        found = super().execute(sql, *given)  # type: ignore[arg-type]
        if "table_info" in sql and not self.in_transaction:
            with sqlite3.connect(self.path, isolation_level=None) as other:  # type: ignore[attr-defined]
                other.execute("ALTER TABLE t ADD COLUMN b TEXT")
            other.close()
        return found


def test_columns_that_somebody_else_adds_meanwhile_are_no_trouble(tmp_path: Path) -> None:
    connect(tmp_path / "journal.sqlite").close()
    db = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None, factory=Meanwhile)
    db.path = tmp_path / "journal.sqlite"  # type: ignore[attr-defined]
    db.execute("CREATE TABLE t (a TEXT)")
    add_columns(db, "t", {"b": "TEXT", "c": "INTEGER"})
    assert [row[1] for row in sqlite3.Connection.execute(db, "PRAGMA table_info(t)")] == ["a", "b", "c"]
    assert not db.in_transaction
    db.close()


def test_an_order_is_looked_for_and_given_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = connect(tmp_path / "journal.sqlite"), connect(tmp_path / "journal.sqlite")
    two.execute("PRAGMA busy_timeout=0")
    mine, theirs = Orders(one), Orders(two)
    refused: list[str] = []
    look = Orders.waiting

    def meanwhile(self: Orders, *states: str) -> list[Order]:
        found = look(self, *states)
        if self is mine:
            with pytest.raises(sqlite3.OperationalError, match="locked") as trouble:
                theirs.give(Order("CALIB", "2014-10-22", "P"), "now")
            refused.append(str(trouble.value))
        return found

    monkeypatch.setattr(Orders, "waiting", meanwhile)
    assert mine.give(Order("CALIB", "2014-10-22", "P"), "now").number == 1 and len(refused) == 1
    assert theirs.give(Order("CALIB", "2014-10-22", "P"), "now").number == 1
    assert not one.in_transaction and not two.in_transaction
    one.close()
    two.close()
