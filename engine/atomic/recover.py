"""Unfinished journal: say what is left to do, then finish it.

Recovery rolls forward: the intent was complete before the first file was touched, and every step
may be repeated. A second recovery finds nothing to do.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.shifts import events_of
from engine.bus import Bus
from engine.context import Context


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A transaction that was cut: how many steps are done, and in words what finishing it will do."""

    transaction: Transaction
    done: int
    of: int
    words: tuple[str, ...]


def unfinished(db: sqlite3.Connection, tree: DfoTree, mode: str = "", date: str = "") -> list[Unfinished]:
    """What earlier runs left half-way, oldest first; a transaction at work right now is among them."""
    journal = Journal(db, tree)
    found = []
    for transaction in journal.unfinished(mode, date):
        rest, of = journal.remaining(transaction), len(journal.steps(transaction))
        found.append(Unfinished(transaction, of - len(rest), of, _words(transaction, rest, of)))
    return found


async def recover(context: Context, mode: str = "", date: str = "") -> list[Transaction]:
    """Finish every unfinished transaction (of one MODE and DATE if given); returns those that were.

    Busy when one of them is not unfinished but under way in another process.
    """
    journal = Journal(context.db, context.tree)
    finished = []
    for candidate in journal.unfinished(mode, date):
        with lock.pool(context.tree, candidate.mode, candidate.date, "recover", context.who):
            for transaction in journal.unfinished(candidate.mode, candidate.date):
                rest = len(journal.remaining(transaction))
                context.bus.publish(ev.PhaseStarted("recover", f"{transaction.label}: {rest} steps left"))
                await journal.run(transaction, context.utc, telling(context.bus, "recover"))
                _tell_states(context, journal, transaction)
                finished.append(transaction)
    return finished


def _tell_states(context: Context, journal: Journal, transaction: Transaction) -> None:
    """States that the engine which was killed may not have written down any more."""
    for step in journal.steps(transaction):
        for event in events_of(step):
            row = context.board.rows.get(str(event.get("ab"))) if event["event"] == "AbChanged" else None
            if row and row.state != event["state"]:
                context.bus.publish(ev.AbChanged(row.ab, str(event["state"]), str(event["reason"])))


class telling:
    """Publishes the events of a batch that is done, and how far the transaction got."""

    def __init__(self, bus: Bus, phase: str) -> None:
        self._bus = bus
        self._phase = phase

    def __call__(self, steps: Sequence[Step], done: int, of: int) -> None:
        """Hear of a batch."""
        for step in steps:
            for fields in events_of(step):
                self._bus.publish(ev.KINDS[fields.pop("event")](**fields))
        self._bus.publish(ev.Progressed(self._phase, done, of, steps[-1].phase))


def _words(transaction: Transaction, rest: Sequence[Step], of: int) -> tuple[str, ...]:
    head = (
        f"{transaction.summary}, begun {transaction.begun} UT by {transaction.who}:"
        f" {of - len(rest)} of {of} steps are done"
    )
    if not rest:
        return (head, "only its seal is missing")
    counts = Counter(step.phase for step in rest)
    return (head, *(f"{phase}: {count} to do, next: {_first(rest, phase)}" for phase, count in counts.items()))


def _first(rest: Sequence[Step], phase: str) -> str:
    return next(step.words for step in rest if step.phase == phase)
