"""Unfinished journal: say what is left to do, then finish it.

Recovery rolls forward: the intent was complete before the first file was touched, and every step
may be repeated. A second recovery finds nothing to do.
"""

from __future__ import annotations

import itertools
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
    """A transaction that was cut: how many steps are done, and what finishing it will do, phase by phase, in words.

    The words count files, lines and directories; a step may be about many of them.
    """

    transaction: Transaction
    done: int
    of: int
    words: tuple[str, ...]


def unfinished(db: sqlite3.Connection, tree: DfoTree, mode: str = "", date: str = "") -> list[Unfinished]:
    """What earlier runs left half-way, oldest first; a transaction at work right now is among them."""
    journal = Journal(db, tree)
    found = []
    for transaction in journal.unfinished(mode, date):
        found.append(_left(journal, transaction))
    return found


def _left(journal: Journal, transaction: Transaction) -> Unfinished:
    steps = journal.steps(transaction)
    rest = steps[len(steps) - len(journal.remaining(transaction)) :]
    return Unfinished(transaction, len(steps) - len(rest), len(steps), _words(transaction, rest, steps))


async def recover(context: Context, mode: str = "", date: str = "") -> list[Transaction]:
    """Finish every unfinished transaction (of one MODE and DATE if given); returns those that were.

    What will be done is said before, phase by phase, as notices.
    Busy when one of them is not unfinished but under way in another process.
    """
    journal = Journal(context.db, context.tree)
    finished = []
    for candidate in journal.unfinished(mode, date):
        with lock.pool(context.tree, candidate.mode, candidate.date, "recover", context.who):
            for transaction in journal.unfinished(candidate.mode, candidate.date):
                words = _left(journal, transaction).words
                context.bus.publish(ev.PhaseStarted("recover", f"{transaction.label}: {words[0]}"))
                for text in words[1:]:
                    context.bus.publish(ev.Notice("info", f"{transaction.label}: {text}"))
                await journal.run(transaction, context.utc, telling(context.bus, "recover"))
                _tell_states(context, journal, transaction)
                finished.append(transaction)
    return finished


def _tell_states(context: Context, journal: Journal, transaction: Transaction) -> None:
    """States that the engine which was killed may not have written down any more."""
    for step in journal.steps(transaction):
        for event in events_of(step):
            if event["event"] == "AbGone" and event["ab"] in context.board.rows:
                context.bus.publish(ev.AbGone(str(event["ab"]), str(event["reason"])))
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


_UNITS = {
    "make_dir": ("directory", "directories"),
    "remove_dir": ("directory", "directories"),
    "expunge": ("directory", "directories"),
    "add_line": ("line", "lines"),
    "add_lines": ("line", "lines"),
    "drop_line": ("line", "lines"),
}
_FILES = ("file", "files")


def _words(transaction: Transaction, rest: Sequence[Step], steps: Sequence[Step]) -> tuple[str, ...]:
    of, left = sum(_number(step) for step in steps), sum(_number(step) for step in rest)
    head = (
        f"{transaction.summary}, begun {transaction.begun} UT by {transaction.who}:"
        f" {of - left:,} of {of:,} files, lines and directories are done"
    )
    if not rest:
        return (head, "only its seal is missing")
    phases = (list(group) for _, group in itertools.groupby(rest, key=lambda step: step.phase))
    return (head, *(f"{group[0].phase}: {_counted(group)} to do, next: {group[0].words}" for group in phases))


def _number(step: Step) -> int:
    """Files, lines or directories of one step."""
    if "folders" in step.data:
        return sum(len(names) for _, names in step.data["folders"])
    return len(step.data["lines"]) if "lines" in step.data else step.files


def _counted(steps: Sequence[Step]) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    for step in steps:
        counts[_UNITS.get(step.act, _FILES)] += _number(step)
    return " and ".join(f"{count:,} {one if count == 1 else many}" for (one, many), count in counts.items())
