"""The journal as a person reads it: what was moved, renamed, undone, and what was cut. Changes nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import unfinished
from engine.core.sizes import size_text
from engine.errors import DfosError, UsageTrouble
from engine.release.undo.undo import looked, recorded
from engine.stores.database import connect
from screens.release.released import Run, Undo


def runs(tree: DfoTree) -> list[Run]:
    """All transactions: open ones first, the oldest of them first; then the newest first."""
    with _opened(tree) as journal:
        if journal is None:
            return []
        history = journal.history()
        counts = {tx: int(of) for tx, of in journal.db.execute("SELECT tx, count(*) FROM steps GROUP BY tx")}
        words = {
            left.transaction.number: (*left.words, *_to_go(journal.remaining(left.transaction)))
            for left in unfinished(journal.db, tree)
        }
    found = [_run(tree, transaction, counts, words.get(transaction.number, ())) for transaction in history]
    return [run for run in reversed(found) if not run.sealed] + [run for run in found if run.sealed]


def steps(tree: DfoTree, number: int) -> list[tuple[bool, str, str]]:
    """The steps of one transaction: done, phase, what it does in words. UsageTrouble when there is no such."""
    with _opened(tree) as journal:
        for transaction in journal.history() if journal is not None else ():
            if journal is not None and transaction.number == number:
                left = {step.n for step in journal.remaining(transaction)} if not transaction.sealed else set()
                return [(step.n not in left, step.phase, step.words) for step in journal.steps(transaction)]
    raise UsageTrouble(f"there is no run {number}", remedy="dfos journal lists them")


def step_lines(tree: DfoTree, number: int) -> list[str]:
    """The steps in lines: under each phase what it does, what is left to do marked."""
    lines, phase = [], ""
    for done, of, words in steps(tree, number):
        if of != phase:
            phase = of
            lines.append(of)
        lines.append(f"  {'      ' if done else 'TO DO '}{_inside(tree, words)}")
    return lines


def _inside(tree: DfoTree, text: str) -> str:
    """Places of the account without the part that all have."""
    return text.replace(f"{tree.root}/", "")


def undo(tree: DfoTree, mode: str, date: str, *, keep_created: bool = False) -> Undo:
    """What undoing the last run of MODE and DATE would do; sizes are compared, contents when it is done.

    `keep_created`: runs of createAB are passed over.
    """
    with _opened(tree) as journal:
        if journal is None:
            return Undo(mode, date)
        known = recorded(journal.db, journal, mode, date, keep_created=keep_created)
    plan = looked(tree, known, read=False)
    products = len(plan.products)
    return Undo(
        mode,
        date,
        plan.transaction,
        plan.summary,
        products,
        len(plan.back) - products,
        plan.size,
        len(plan.away),
        plan.refusals,
        tuple(_inside(tree, line) for line in (*plan.describe(), *(f"remedy   {text}" for text in plan.remedies))),
        plan.digest,
        len(plan.taken),
        keep_created,
    )


class _Readable(Journal):
    """The journal as it stands, for reading."""

    def __init__(self, connection: sqlite3.Connection, tree: DfoTree) -> None:
        super().__init__(connection, tree, readonly=True)
        self.db = connection


@contextlib.contextmanager
def _opened(tree: DfoTree) -> Iterator[_Readable | None]:
    """None where nothing was ever begun."""
    if not tree.journal.exists():
        yield None
        return
    db = connect(tree.journal, readonly=True)
    try:
        known = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'transactions'").fetchone()[0]
        yield _Readable(db, tree) if known else None
    except sqlite3.Error as trouble:
        raise DfosError(
            f"the journal cannot be read: {trouble}",
            where=str(tree.journal),
            remedy="was it written by an earlier version? An engine that starts brings it up to date: dfos console",
        ) from trouble
    finally:
        db.close()


def _to_go(rest: Sequence[Step]) -> tuple[str, ...]:
    """How much is still on its way."""
    files = sum(len(step.data["names"]) for step in rest if step.act == "shift")
    size = sum(sum(step.event["sizes"]) for step in rest if step.act == "shift" and step.event)
    if not files:
        return ()
    return (f"still to go: {files:,} files{f', {size_text(size)}' if size else ''}",)


def _run(tree: DfoTree, tx: Transaction, counts: dict[int, int], words: tuple[str, ...]) -> Run:
    of = counts.get(tx.number, 0)
    done = of if tx.sealed else tx.done
    busy = not tx.sealed and is_held(tree.state / "LOCKS" / f"{tx.mode}_{tx.date}")
    return Run(tx.number, tx.kind, tx.mode, tx.date, tx.who, tx.begun, tx.sealed, done, of, tx.summary, words, busy)


def is_held(path: Path) -> bool:
    """True when some process holds this lock file. Only looks: trying the lock would get in its taker's way."""
    try:
        inode = str(path.stat().st_ino)
        held = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    taken = (line.split() for line in held)
    return any(len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode for words in taken)


def whole(tree: DfoTree) -> bool:
    """True when nothing was cut: every run is sealed, or under way in a process right now."""
    return all(run.sealed or run.busy for run in runs(tree))
