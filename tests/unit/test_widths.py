"""Stream widths that an operator changed: they hold until they are taken back, or another one is configured."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import UsageTrouble
from engine.stores.database import connect
from engine.stores.widths import Width, Widths
from screens.monitor.widths import changes, told
from screens.shown import Width as Shown
from tests.builders import make_settings

KINDS = {"pst": {"recipe": "muse_scipost", "tag": "pst", "rank": 4, "streams": 3}}


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    return connect(tmp_path / "db")


def test_a_change_holds_for_the_next_engine_and_can_be_taken_back(db: sqlite3.Connection) -> None:
    settings = make_settings(streams=4, kinds=KINDS)
    assert Widths(db, settings).settings() == settings and Widths(db, settings).differs() == ""
    assert Widths(db, settings).change("pst", 1, "anna") == 1
    assert Widths(db, settings).change("", 2, "anna") == 2
    later = Widths(db, settings)
    assert (later.settings().streams, later.settings().kinds["pst"].streams) == (2, 1)
    assert later.differs() == "configured 4, pst 3"
    assert [(one.kind, one.width, one.configured, one.who) for one in later.all()] == [
        ("", 2, 4, "anna"),
        ("pst", 1, 3, "anna"),
    ]
    assert later.change("pst", 0, "bert") == 3 and later.change("", 4, "bert") == 4
    assert later.settings() == settings and later.differs() == ""
    db.close()


def test_who_configures_another_number_afterwards_has_the_last_word(db: sqlite3.Connection) -> None:
    Widths(db, make_settings(streams=4, kinds=KINDS)).change("", 2, "anna")
    other = Widths(db, make_settings(streams=6, kinds=KINDS))
    assert other.settings().streams == 6 and other.all()[0] == Width("", 6, 6)
    db.close()


@pytest.mark.parametrize(("kind", "count"), [("pst", -1), ("", 1001), ("pts", 2)])
def test_nonsense_changes_nothing(db: sqlite3.Connection, kind: str, count: int) -> None:
    widths = Widths(db, make_settings(kinds=KINDS))
    with pytest.raises(UsageTrouble):
        widths.change(kind, count, "anna")
    assert widths.differs() == ""
    db.close()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("2", [("", 2)]),
        ("pst 5", [("pst", 5)]),
        ("pst configured", [("pst", 0)]),
        ("configured", [("", 0)]),
        ("", "nothing changed"),
        ("pst", "'pst' is no number of streams; p pauses"),
        ("0", "'0' is no number of streams; p pauses"),
        ("pst -1", "'-1' is no number of streams; p pauses"),
        ("dpc 2", "no kind 'dpc' here"),
    ],
)
def test_what_may_be_typed(said: str, wanted: object) -> None:
    known = [Shown("", 2, 4, "anna", "2026-01-01T10:00:00"), Shown("pst", 3, 3)]
    assert changes(known, said) == wanted
    assert told(known)[:2] == ["all together  2 (configured 4; by anna, 2026-01-01T10:00)", "pst  3"]
