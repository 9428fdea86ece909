from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import AbChanged, AbMessage, AbScored, AbSeen
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from tests.builders import make_context


def _seen(ab: str, order: int) -> AbSeen:
    return AbSeen(ab, "SCIENCE", "2094-01-16", "scipost", "muse_scipost", "P", "M83", order, ("x.ab",), 60.0, "SLOT")


def test_nothing_is_durable_before_flush_and_everything_after(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    attempts = Attempts(context.db)
    id_ = attempts.intend("a.ab", "/scratch/a/1", "token", "boot", 100.0, 1)
    other = connect(context.tree.journal, readonly=True)
    assert other.execute("SELECT count(*) FROM attempts").fetchone()[0] == 0
    attempts.flush()
    attempts.spawned(id_, 4711, 99, 101.0)
    attempts.exited(id_, 110.0, -9)
    attempts.flush()
    (found,) = Attempts(other_db(context.tree.journal)).open()
    assert (found.ab, found.pid, found.pid_start, found.rc, found.verdict) == ("a.ab", 4711, 99, -9, None)
    attempts.ended(id_, 111.0, "failed", "a.ab")
    assert not attempts.sealed(["a.ab"]) and attempts.sealed(["b.ab"])
    attempts.flush()
    assert attempts.sealed(["a.ab"])
    assert not attempts.open() and attempts.number("a.ab") == 1 and attempts.number("b.ab") == 0
    assert [attempt.verdict for attempt in attempts.of("a.ab")] == ["failed"]


def other_db(path: Path) -> sqlite3.Connection:
    return connect(path)


def test_rows_follow_the_board_with_a_growing_change_number(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    attempts = Attempts(context.db)
    woken: list[int] = []
    leave = attempts.follow(context.bus, context.board, lambda: woken.append(1))
    assert Attempts.following(context.bus) is attempts
    for order, ab in enumerate(("a.ab", "b.ab"), 1):
        context.bus.publish(_seen(ab, order))
    attempts.flush()
    first = {row["ab"]: row["change"] for row in attempts.rows()}
    context.bus.publish(AbChanged("b.ab", "RUNNING", stream=2, started=5.0))
    context.bus.publish(AbScored("b.ab", "..o"))
    before = len(woken)
    context.bus.publish(AbMessage("b.ab", "3 WARNING"))
    assert len(woken) == before, "progress alone does not ask for a commit"
    attempts.flush()
    (row,) = attempts.rows(since=max(first.values()))
    assert row["ab"] == "b.ab" and row["parents"] == ("x.ab",)
    assert (row["state"], row["stream"], row["score"], row["message"]) == ("RUNNING", 2, "..o", "3 WARNING")
    assert [event.ab for event in attempts.seen()] == ["a.ab", "b.ab"]
    leave()
    assert Attempts.following(context.bus) is None
    attempts.forget(["a.ab"])
    attempts.flush()
    assert [row["ab"] for row in attempts.rows()] == ["b.ab"]


def test_a_commit_that_fails_loses_nothing(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    attempts = Attempts(context.db)
    attempts.intend("a.ab", "/scratch/a/1", "token", "boot", 100.0, 1)
    other = connect(context.tree.journal)
    context.db.execute("PRAGMA busy_timeout=0")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        attempts.flush()
    other.execute("ROLLBACK")
    attempts.flush()
    assert len(attempts.open()) == 1


@pytest.mark.row(339)
def test_rows_are_read_without_the_heavy_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from engine.stores.attempts import Attempts;"
        "sys.exit(any(name in sys.modules for name in ('asyncio','pydantic','yaml','numpy','astropy','textual')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
