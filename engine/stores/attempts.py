"""Every attempt to process an AB, and the last known row of every AB, durably.

Standard library only: `dfos status` reads this without asyncio. Writes are collected and
committed together (one commit per turn of the loop, synchronous=FULL): the intent before a recipe
is started, its pid with the next commit, its end before anything that depends on it starts.
A commit takes a fraction of a millisecond on most disks and is done where it is called.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine import events as ev
from engine.board import Board, Row
from engine.bus import Bus

_TABLES = """
CREATE TABLE IF NOT EXISTS ab_rows (
  ab TEXT PRIMARY KEY, mode TEXT, date TEXT, kind TEXT, recipe TEXT, raw_type TEXT, target TEXT,
  "order" INTEGER, parents TEXT, forecast_s REAL, state TEXT, reason TEXT, stream INTEGER, started REAL,
  duration_s REAL, score TEXT, message TEXT, verdict TEXT, comment TEXT, attempt INTEGER, change INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY, ab TEXT, attempt INTEGER, workdir TEXT, token TEXT, pid INTEGER, pid_start INTEGER,
  boot TEXT, started REAL, exited REAL, rc INTEGER, ended REAL, verdict TEXT,
  kind TEXT, inputs INTEGER, busy_s REAL, rss_mb REAL, pipeline TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS attempts_of ON attempts (ab, attempt);
CREATE INDEX IF NOT EXISTS attempts_open ON attempts (id) WHERE verdict IS NULL;
"""
_FIXED = ("mode", "date", "kind", "recipe", "raw_type", "target", "order", "forecast_s")
_MOVING = ("state", "reason", "stream", "started", "duration_s", "score", "message", "verdict", "comment")
_COLUMNS = ("ab", *_FIXED, "parents", *_MOVING, "attempt", "change")
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_SEEN = f"INSERT OR REPLACE INTO ab_rows ({_QUOTED}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our names
_CHANGED = f"UPDATE ab_rows SET {', '.join(f'{name}=?' for name in _MOVING)}, attempt=?, change=? WHERE ab=?"  # noqa: S608
_INTEND = (
    "INSERT INTO attempts (id, ab, attempt, workdir, token, boot, started, pipeline) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_SPAWNED = "UPDATE attempts SET pid=?, pid_start=?, started=? WHERE id=?"
_EXITED = "UPDATE attempts SET exited=?, rc=? WHERE id=?"
_ENDED = "UPDATE attempts SET ended=?, verdict=?, kind=?, inputs=?, busy_s=?, rss_mb=? WHERE id=?"
_ATTEMPT = "id, ab, attempt, workdir, token, pid, pid_start, boot, started, exited, rc, ended, verdict"
_ADDED = {
    "kind": "TEXT",
    "inputs": "INTEGER",
    "busy_s": "REAL",
    "rss_mb": "REAL",
    "pipeline": "TEXT",
}  # since the first version
_MEASURED = """SELECT kind, inputs, busy_s, coalesce(rss_mb, 0) FROM attempts
  WHERE verdict = 'done' AND kind != '' AND busy_s >= 0 ORDER BY id DESC LIMIT ?"""


_FOLLOWING: weakref.WeakKeyDictionary[Bus, Attempts] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to run an AB. `pid_start` in clock ticks since boot `boot`, times in seconds since 1970.

    `rc` follows subprocess: negative is a signal; None is unknown. `verdict` is None while it is open.
    """

    id: int
    ab: str
    attempt: int
    workdir: str
    token: str
    pid: int | None
    pid_start: int | None
    boot: str
    started: float
    exited: float | None
    rc: int | None
    ended: float | None
    verdict: str | None


class Attempts:
    """Attempts and rows in the engine's database. Nothing is durable before `flush` returns."""

    def __init__(self, db: sqlite3.Connection, *, readonly: bool = False) -> None:
        self.db = db
        if not readonly:
            db.executescript(_TABLES)
            known = {row[1] for row in db.execute("PRAGMA table_info(attempts)")}
            for name, type_ in _ADDED.items():
                if name not in known:
                    db.execute(f"ALTER TABLE attempts ADD COLUMN {name} {type_}")
        self._id: int = db.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0]
        self._change: int = db.execute("SELECT coalesce(max(change), 0) FROM ab_rows").fetchone()[0]
        self._pending: list[tuple[str, tuple[object, ...]]] = []
        self._seen: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._numbers: dict[str, int] = {}
        self._unsealed: set[str] = set()
        self._board: Board | None = None
        self._soon: Callable[[], object] | None = None
        self.pipeline = ""  # what runs the recipes of the attempts that are noted from now on

    # --- attempts ---------------------------------------------------------------------------

    def intend(self, ab: str, workdir: str, token: str, boot: str, started: float, attempt: int) -> int:
        """Note that an AB is about to be run, soon or later; the attempt's id. `flush` before starting the recipe."""
        self._id += 1
        self._numbers[ab] = attempt
        self._pending.append((_INTEND, (self._id, ab, attempt, workdir, token, boot, started, self.pipeline)))
        return self._id

    def withdraw(self, id_: int) -> None:
        """The attempt was never started after all."""
        self._pending.append(("DELETE FROM attempts WHERE id=?", (id_,)))

    def spawned(self, id_: int, pid: int, pid_start: int, started: float) -> None:
        """The recipe of an attempt runs as process `pid` since `started`."""
        self._pending.append((_SPAWNED, (pid, pid_start, started, id_)))
        self._wake()

    def exited(self, id_: int, at: float, rc: int | None) -> None:
        """The recipe ended; its products are still to be judged."""
        self._pending.append((_EXITED, (at, rc, id_)))
        self._wake()

    def ended(
        self,
        id_: int,
        at: float,
        verdict: str,
        ab: str = "",
        *,
        kind: str = "",
        inputs: int = 0,
        busy_s: float = 0.0,
        rss_mb: float = 0.0,
    ) -> None:
        """The attempt is over: done, failed or interrupted. Until the next `flush` the AB is not `sealed`.

        What follows is its measurement, for later forecasts: kind, main inputs, seconds at work, peak memory in MB.
        """
        self._pending.append((_ENDED, (at, verdict, kind, inputs, busy_s, rss_mb, id_)))
        self._unsealed.add(ab)
        self._wake()

    def sealed(self, abs_: Iterable[str]) -> bool:
        """True when the ends of these ABs are durable: what depends on them may start."""
        return not self._unsealed or self._unsealed.isdisjoint(abs_)

    def number(self, ab: str) -> int:
        """The number of the last attempt of an AB; 0 when there was none."""
        if ab not in self._numbers:
            row = self.db.execute("SELECT max(attempt) FROM attempts WHERE ab=?", (ab,)).fetchone()
            self._numbers[ab] = row[0] or 0
        return self._numbers[ab]

    def open(self) -> list[Attempt]:
        """Attempts without a verdict, oldest first: what was under way when an engine died."""
        return [
            Attempt(*row)
            for row in self.db.execute(f"SELECT {_ATTEMPT} FROM attempts WHERE verdict IS NULL ORDER BY id")  # noqa: S608
        ]

    def of(self, ab: str) -> list[Attempt]:
        """All attempts of an AB, oldest first."""
        return [
            Attempt(*row)
            for row in self.db.execute(f"SELECT {_ATTEMPT} FROM attempts WHERE ab=? ORDER BY attempt", (ab,))  # noqa: S608
        ]

    # --- rows -------------------------------------------------------------------------------

    def follow(self, bus: Bus, board: Board, soon: Callable[[], object] | None = None) -> Callable[[], None]:
        """Keep the rows as the board shows them; `soon` must call `flush` before long. Returns the way out.

        Subscribe the board before: rows are read from it. Following already, it goes on as it is.
        """
        if self._board is not None:
            return lambda: None
        self._board, self._soon = board, soon
        unsubscribe = bus.subscribe(self._hear)
        _FOLLOWING[bus] = self

        def leave() -> None:
            unsubscribe()
            self._board = self._soon = None
            _FOLLOWING.pop(bus, None)

        return leave

    @staticmethod
    def following(bus: Bus) -> Attempts | None:
        """The attempts that follow this bus: one engine has one memory."""
        return _FOLLOWING.get(bus)

    def _hear(self, stamped: ev.Stamped) -> None:
        event = stamped.event
        if isinstance(event, ev.AbSeen):
            self._seen.add(event.ab)
        elif isinstance(event, ev.AbGone):
            self._seen.discard(event.ab)
            self.forget([event.ab])
        elif not isinstance(event, (ev.AbChanged, ev.AbScored, ev.AbMessage, ev.AbDecided)):
            return
        self._dirty[event.ab] = None
        if event.durable:
            self._wake()

    def rows(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """The last known rows in execution order: the fields of AbSeen, `attempt` and `change`.

        `since`: only rows changed after that `change` number.
        """
        for row in self.db.execute('SELECT * FROM ab_rows WHERE change > ? ORDER BY "order", ab', (since,)):
            found = dict(row)
            found["parents"] = tuple(json.loads(found["parents"]))
            yield found

    def seen(self) -> Iterator[ev.AbSeen]:
        """The last known rows as events: a board folds them to what the operator saw last."""
        for row in self.rows():
            del row["attempt"], row["change"]
            yield ev.AbSeen(**row)

    def forget(self, names: Iterable[str]) -> None:
        """Drop rows of ABs that are no longer of this account's pool; their attempts stay."""
        self._pending += [("DELETE FROM ab_rows WHERE ab=?", (name,)) for name in names]

    # --- committing -------------------------------------------------------------------------

    def flush(self) -> None:
        """Commit everything collected, durably. On sqlite3.Error nothing is lost: it is tried again next time."""
        if not self._pending and not self._dirty:
            return
        execute = self.db.execute
        change = self._change
        execute("BEGIN IMMEDIATE")
        try:
            for statement, values in self._pending:
                execute(statement, values)
            if self._board is not None:
                rows = self._board.rows
                for name in self._dirty:
                    change += 1
                    if name in rows:
                        self._write(rows[name], change)
            execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                execute("ROLLBACK")
            raise
        self._change = change
        self._pending.clear()
        self._dirty.clear()
        self._unsealed.clear()
        self._seen.clear()

    def _write(self, row: Row, change: int) -> None:
        attempt = self._numbers.get(row.ab, 0)
        state = (row.state, row.reason, row.stream, row.started, row.duration_s)
        moving = (*state, row.score, row.message, row.verdict, row.comment)
        if row.ab in self._seen:
            fixed = (row.mode, row.date, row.kind, row.recipe, row.raw_type, row.target, row.order, row.forecast_s)
            self.db.execute(_SEEN, (row.ab, *fixed, json.dumps(row.parents), *moving, attempt, change))
        else:
            self.db.execute(_CHANGED, (*moving, attempt, change, row.ab))

    def _wake(self) -> None:
        if self._soon is not None:
            self._soon()


def made_by(db: sqlite3.Connection) -> dict[str, str]:
    """What ran the recipe of every AB that was done, the last time it was; '' where nobody noted it."""
    try:
        return {
            row["ab"]: row["pipeline"] or ""
            for row in db.execute("SELECT ab, pipeline, max(id) FROM attempts WHERE verdict = 'done' GROUP BY ab")
        }
    except sqlite3.OperationalError:  # an account that has processed nothing yet, or not since this is kept
        return {}


def measured(db: sqlite3.Connection, most: int = 5000) -> list[tuple[str, int, float, float]]:
    """Kind, main inputs, seconds at work and peak memory (MB) of the ABs that were done last, newest first."""
    try:
        return [tuple(row) for row in db.execute(_MEASURED, (most,))]
    except sqlite3.OperationalError:  # an account that has processed nothing yet, or not since these are kept
        return []
