"""Intent before act, seal after: transactions in the engine's database.

`begin` writes the whole plan in one durable commit. `run` carries it out, phase by phase: the
steps of a phase do not depend on each other, each may be repeated, and a phase starts only when
the one before it is noted as done. So a transaction that was cut anywhere is simply run again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.tree import DfoTree
from engine import threads
from engine.atomic import acts, fs
from engine.atomic.before import Before
from engine.errors import DfosError, MoveTrouble, OpenJournal
from engine.stores.database import add_columns

MOST = 10_000  # files between two commits
LONGEST = 1.0  # seconds between two commits, where one step is not longer
_TABLES = (
    """CREATE TABLE IF NOT EXISTS transactions (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, mode TEXT NOT NULL, date TEXT NOT NULL, who TEXT NOT NULL,
        begun TEXT NOT NULL, summary TEXT NOT NULL, sealed TEXT NOT NULL DEFAULT '',
        done INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS steps (
        tx INTEGER NOT NULL, n INTEGER NOT NULL, phase TEXT NOT NULL, act TEXT NOT NULL, data TEXT NOT NULL,
        words TEXT NOT NULL, event TEXT NOT NULL,
        PRIMARY KEY (tx, n)) WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One repeatable act: its phase, name and arguments, what it does in words, the event to publish after it."""

    phase: str
    act: str
    data: Mapping[str, Any]
    words: str
    event: Mapping[str, Any] | None = None
    n: int = 0

    @property
    def files(self) -> int:
        """How many files it concerns, 1 for a step that concerns none."""
        return len(self.data.get("names", ())) or len(self.data.get("texts", ())) or 1


@dataclass(frozen=True, slots=True)
class Transaction:
    """One intent: `move`, ...; for a MODE and DATE, by whom, begun when (UTC), sealed when ('' while open).

    `done` is the number of the last step that is known to be done.
    """

    number: int
    kind: str
    mode: str
    date: str
    who: str
    begun: str
    summary: str
    sealed: str = ""
    done: int = 0

    @property
    def label(self) -> str:
        """Its name in the trash and in messages, e.g. `move-000012`."""
        return f"{self.kind}-{self.number:06d}"


class Journal:
    """The transactions of an account."""

    def __init__(self, connection: sqlite3.Connection, tree: DfoTree, *, readonly: bool = False) -> None:
        self._db = connection
        self._tree = tree
        if readonly:
            return
        for statement in _TABLES:
            connection.execute(statement)
        # Written by a version that marked single steps: they are repeated, which changes nothing.
        add_columns(connection, "transactions", {"done": "INTEGER NOT NULL DEFAULT 0"})

    def begin(
        self,
        kind: str,
        mode: str,
        date: str,
        who: str,
        steps: Callable[[Transaction], Iterable[Step]],
        *,
        begun: str,
        summary: str,
    ) -> Transaction:
        """Write the intent: all steps that `steps(transaction)` gives, in one durable commit.

        OpenJournal when an earlier transaction of this MODE and DATE is unfinished; MoveTrouble when
        a step would leave the account, or what it changes cannot be read. In all cases nothing is written.
        """
        fs.acting("commit", f"begin {kind}")
        with _commit(self._db), _readable():
            for old in self.unfinished(mode, date):
                raise OpenJournal(
                    f"{old.label} of {old.who} from {old.begun} is unfinished: {old.summary}",
                    where=f"{mode} {date}",
                    remedy="let it be finished first: call again with --recover",
                )
            cursor = self._db.execute(
                "INSERT INTO transactions (kind, mode, date, who, begun, summary) VALUES (?, ?, ?, ?, ?, ?)",
                (kind, mode, date, who, begun, summary),
            )
            transaction = Transaction(cursor.lastrowid or 0, kind, mode, date, who, begun, summary)
            self._db.executemany(
                "INSERT INTO steps (tx, n, phase, act, data, words, event) VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._rows(transaction.number, steps(transaction)),
            )
        return transaction

    def _rows(self, number: int, steps: Iterable[Step]) -> Iterator[tuple[object, ...]]:
        inside: set[str] = set()
        before = Before()
        for n, step in enumerate(steps, 1):
            acts.checked(self._tree, step.act, step.data, inside)
            event = json.dumps(step.event) if step.event else ""
            words = step.words.encode("utf-8", "replace").decode()
            data = before.noted(step.act, step.data)
            yield number, n, step.phase, step.act, json.dumps(data), words, event

    async def run(
        self,
        transaction: Transaction,
        now: Callable[[], str],
        told: Callable[[Sequence[Step], int, int], None] = lambda steps, done, of: None,
    ) -> None:
        """Carry out what is not done yet, then seal.

        `now` gives UTC in ISO; `told(steps, done, of)` hears of every batch that is durably done, counted in files.
        MoveTrouble says which step failed; the transaction stays open and can be run again.
        """
        steps, last = self.steps(transaction), self._done(transaction)
        rest = [step for step in steps if step.n > last]
        of = sum(step.files for step in steps)
        done = of - sum(step.files for step in rest)
        for _, group in itertools.groupby(rest, key=lambda step: step.phase):
            phase = self._dated(transaction.number, list(group), now())
            while phase:
                batch = phase[: await threads.to_end(self._perform, phase)]
                phase = phase[len(batch) :]
                fs.acting("commit", "done")
                with _commit(self._db):
                    self._db.execute(
                        "UPDATE transactions SET done = ? WHERE number = ?", (batch[-1].n, transaction.number)
                    )
                done += sum(step.files for step in batch)
                told(batch, done, of)
        fs.acting("commit", "seal")
        with _commit(self._db):
            self._db.execute("UPDATE transactions SET sealed = ? WHERE number = ?", (now(), transaction.number))

    def _dated(self, number: int, batch: Sequence[Step], utc: str) -> Sequence[Step]:
        """Lines that say when they were written get their time once, durably, before the first try."""
        fresh = [step for step in batch if "{utc}" in str(step.data.get("line", ""))]
        if not fresh:
            return batch
        fs.acting("commit", "time")
        before = Before()
        dated = {}
        for step in fresh:
            data = before.noted(step.act, {**step.data, "line": step.data["line"].replace("{utc}", utc)})
            dated[step.n] = Step(step.phase, step.act, data, step.words, step.event, step.n)
        with _commit(self._db):
            self._db.executemany(
                "UPDATE steps SET data = ? WHERE tx = ? AND n = ?",
                ((json.dumps(step.data), number, n) for n, step in dated.items()),
            )
        return [dated.get(step.n, step) for step in batch]

    def _perform(self, steps: Sequence[Step]) -> int:
        """Carry out steps until it is time to note it down; how many."""
        begun, files, done, inside = time.monotonic(), 0, 0, set[str]()
        words = ""
        try:
            with fs.synced_together():
                for step in steps:
                    words = step.words
                    acts.perform(self._tree, step.act, step.data, inside)
                    files, done = files + step.files, done + 1
                    if files >= MOST or time.monotonic() - begun >= LONGEST:
                        break
        except OSError as trouble:
            raise MoveTrouble(
                f"{words}: {trouble.strerror or trouble}",
                where=trouble.filename or "",
                remedy="nothing is lost; put this right, then recover: the rest will be finished",
            ) from trouble
        return done

    def unfinished(self, mode: str = "", date: str = "") -> list[Transaction]:
        """Transactions that were begun and not sealed, oldest first; of one MODE, or MODE and DATE, if given."""
        rows = self._db.execute("SELECT * FROM transactions WHERE sealed = '' ORDER BY number")
        found = [Transaction(**dict(row)) for row in rows]
        return [tx for tx in found if mode in ("", tx.mode) and date in ("", tx.date)]

    def history(self) -> list[Transaction]:
        """All transactions, newest first."""
        rows = self._db.execute("SELECT * FROM transactions ORDER BY number DESC")
        return [Transaction(**dict(row)) for row in rows]

    def remaining(self, transaction: Transaction) -> list[Step]:
        """The steps that are not noted as done, in order."""
        return self._steps(transaction.number, self._done(transaction))

    def steps(self, transaction: Transaction) -> list[Step]:
        """All steps, in order."""
        return self._steps(transaction.number, 0)

    def _done(self, transaction: Transaction) -> int:
        """As it stands now: the transaction at hand may be older."""
        row = self._db.execute("SELECT done FROM transactions WHERE number = ?", (transaction.number,)).fetchone()
        return int(row[0])

    def _steps(self, number: int, after: int) -> list[Step]:
        rows = self._db.execute("SELECT * FROM steps WHERE tx = ? AND n > ? ORDER BY n", (number, after))
        return [
            Step(
                row["phase"],
                row["act"],
                json.loads(row["data"]),
                row["words"],
                json.loads(row["event"]) if row["event"] else None,
                row["n"],
            )
            for row in rows
        ]


class _commit:
    """One durable transaction of the database: all of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as trouble:
            raise _unwritten(trouble) from trouble

    def __exit__(self, kind: type[BaseException] | None, trouble: BaseException | None, trace: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
                return
            except sqlite3.Error as error:
                trouble = error
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        if isinstance(trouble, sqlite3.Error):
            raise _unwritten(trouble) from trouble


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError as trouble:
        raise MoveTrouble(
            f"cannot be read: {trouble.strerror}", where=str(trouble.filename), remedy="nothing has begun"
        ) from trouble


def _unwritten(trouble: sqlite3.Error) -> DfosError:
    return DfosError(
        f"the journal cannot be written: {trouble}", remedy="is the disk full? Nothing was lost; then recover"
    )
