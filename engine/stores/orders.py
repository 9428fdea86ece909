"""Orders: what the engine was told to do, and how far that got.

The durable queue of an account. An order that was running when its engine died runs again at the
next start; one that is parked runs again when its questions are answered. Standard library only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.core.dates import date_label, is_month, mode_label
from engine.errors import UsageTrouble
from engine.stores.database import add_columns

QUEUED, RUNNING, PARKED, ENDED = "queued", "running", "parked", "ended"
_ADDED = {"begun": "TEXT NOT NULL DEFAULT ''", "questions": "TEXT NOT NULL DEFAULT ''"}  # since the first version


@dataclass(frozen=True, slots=True)
class Order:
    """One order for one pool (MODE and DATE).

    `date` is a month YYYY-MM where all ABs of its DATEs are processed as one pool, which only part P does.
    `parts` is a subset of `CPMI`: C create ABs, P process them, M certify and move, I ingest; or `tool`
    names a tool of `engine.workflows.tools`, e.g. renameProducts. `options` are those of the tool or part.
    `run_id` names a deep run; `only` restricts it to one dpc AB's target; `reason` forces M over
    an unfinished P; `recover` allows finishing what an earlier run left open; `auto` means that
    nobody may be asked. `number` is given by the queue.
    """

    mode: str
    date: str
    parts: str = ""
    run_id: str = ""
    only: str = ""
    reason: str = ""
    auto: bool = False
    recover: bool = False
    who: str = ""
    number: int = 0
    tool: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> Order:
        """The order, when its words are legal; UsageTrouble otherwise."""
        mode_label(self.mode)
        if not is_month(self.date):
            date_label(self.date)
        elif self.parts != "P":
            raise UsageTrouble(f"{self.date} is a month, not a DATE", remedy="give one order for each DATE")
        if bool(self.tool) == bool(self.parts) or set(self.parts) - set("CPMI"):
            raise UsageTrouble(f"'{self.parts}' names no parts", remedy="use letters of C, P, M, I")
        return self

    @property
    def pool(self) -> str:
        """How the pool is called on screen: the run ID first, where there is one."""
        return f"{self.run_id} = {self.date}" if self.run_id else f"{self.mode} {self.date}"


class Orders:
    """The queue in the engine's journal file."""

    def __init__(self, connection: sqlite3.Connection, *, readonly: bool = False) -> None:
        self._db = connection
        if readonly:
            return
        connection.execute(
            "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, what TEXT NOT NULL, state TEXT NOT NULL,"
            " run TEXT NOT NULL DEFAULT '', given TEXT NOT NULL, ended TEXT NOT NULL DEFAULT '',"
            " exit_code INTEGER, text TEXT NOT NULL DEFAULT '')"
        )
        add_columns(connection, "orders", _ADDED)

    def give(self, order: Order, when: str, *, anew: bool = False) -> Order:
        """Queue an order, durably. One that is open already for the same pool and parts is not doubled.

        `anew`: what is at work already may have missed what this one is about, and does not count.
        """
        order.checked()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")  # two commands may give the same at once, or it may end just now
            for old in self.waiting(QUEUED, PARKED) if anew else self.waiting():
                if replace(old, number=0, auto=order.auto, who=order.who, recover=order.recover) == replace(
                    order, number=0
                ):
                    self._db.execute(
                        "UPDATE orders SET what = ?, state = ? WHERE number = ?",
                        (json.dumps(asdict(replace(order, number=old.number))), QUEUED, old.number),
                    )
                    return replace(order, number=old.number)
            row = self._db.execute(
                "INSERT INTO orders (what, state, given) VALUES (?, ?, ?)", (json.dumps(asdict(order)), QUEUED, when)
            )
        return replace(order, number=row.lastrowid or 0)

    def mark(
        self,
        number: int,
        state: str,
        *,
        run: str = "",
        when: str = "",
        code: int | None = None,
        text: str = "",
        questions: Sequence[str] = (),
    ) -> None:
        """Note how far an order got at `when`; `questions` are the ids of those it is parked for."""
        self._db.execute(
            "UPDATE orders SET state = ?, run = max(run, ?), begun = CASE ? WHEN 'running' THEN ? ELSE begun END,"
            " ended = ?, exit_code = ?, text = ?, questions = ? WHERE number = ?",
            (
                state,
                run,
                state,
                when,
                when if state in (ENDED, PARKED) else "",
                code,
                text,
                json.dumps(questions) if questions else "",
                number,
            ),
        )

    def waiting(self, *states: str) -> list[Order]:
        """Orders in one of `states` (by default all that have not ended), oldest first."""
        states = states or (QUEUED, RUNNING, PARKED)
        marks = ",".join("?" * len(states))
        rows = self._db.execute(
            f"SELECT number, what FROM orders WHERE state IN ({marks}) ORDER BY number",  # noqa: S608 - only marks
            states,
        )
        return [Order(**{**json.loads(row["what"]), "number": row["number"]}) for row in rows]

    def numbered(self, number: int) -> dict[str, Any]:
        """One order as plain data, as `last` gives it; `what` has its number. UsageTrouble when there is none."""
        row = self._db.execute("SELECT * FROM orders WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise UsageTrouble(f"there is no order {number}", remedy="see dfos jobs --orders")
        return _plain(row)

    def listed(self, ended: int) -> list[dict[str, Any]]:
        """All that have not ended, what runs first, then oldest first; then the last `ended` that have, newest first.

        A journal that never held an order has none.
        """
        try:
            rows = self._db.execute(
                "SELECT * FROM orders WHERE state != ? ORDER BY state = ? DESC, state = ? DESC, number",
                (ENDED, RUNNING, QUEUED),
            ).fetchall()
            rows += self._db.execute(
                "SELECT * FROM orders WHERE state = ? ORDER BY ended DESC, number DESC LIMIT ?", (ENDED, ended)
            ).fetchall()
        except sqlite3.OperationalError as trouble:
            if "no such table" not in str(trouble):
                raise
            return []
        return [_plain(row) for row in rows]

    def take_back(self, number: int, when: str) -> bool:
        """End an order that has not begun; False when it has."""
        done = self._db.execute(
            "UPDATE orders SET state = ?, ended = ?, exit_code = 130, text = ? WHERE number = ? AND state = ?",
            (ENDED, when, "taken back before it began", number, QUEUED),
        )
        return done.rowcount == 1

    def run_of(self, mode: str, date: str) -> str:
        """The run ID that was last ordered for a pool; '' when there was none."""
        for order in reversed(self.waiting(QUEUED, RUNNING, PARKED, ENDED)):
            if (order.mode, order.date) == (mode, date) and order.run_id:
                return order.run_id
        return ""

    def last(self) -> dict[str, Any] | None:
        """The newest order as plain data: what, state, run, given, begun, ended, exit_code, text, questions."""
        row = self._db.execute("SELECT * FROM orders ORDER BY number DESC LIMIT 1").fetchone()
        return _plain(row) if row else None


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    """A row with what was ordered and the questions written out; what an older journal lacks is empty."""
    values = {"begun": "", **dict(row)}
    what = {**json.loads(row["what"]), "number": row["number"]}
    return {**values, "what": what, "questions": json.loads(values.get("questions") or "[]")}
