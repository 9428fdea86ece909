"""The journal as a person reads it: what was moved, renamed, undone, and what was cut. Changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Journal, Transaction
from engine.atomic.recover import unfinished
from engine.errors import UsageTrouble
from engine.stores.database import connect
from screens.links import Run


def runs(tree: DfoTree) -> list[Run]:
    """All transactions: open ones first, the oldest of them first; then the newest first."""
    if not tree.journal.exists():
        return []
    db = connect(tree.journal, readonly=True)
    try:
        history = Journal(db, tree).history()
        counts = {
            tx: (of, done) for tx, of, done in db.execute("SELECT tx, count(*), sum(done) FROM steps GROUP BY tx")
        }
        open_ = {left.transaction.number: left.words for left in unfinished(db, tree)}
    except sqlite3.OperationalError:
        return []  # a journal in which nothing was ever begun
    finally:
        db.close()
    found = [_run(tree, transaction, counts, open_.get(transaction.number, ())) for transaction in history]
    return [run for run in reversed(found) if not run.sealed] + [run for run in found if run.sealed]


def steps(tree: DfoTree, number: int) -> list[tuple[bool, str, str]]:
    """The steps of one transaction: done, phase, what it does in words. UsageTrouble when there is no such."""
    if tree.journal.exists():
        db = connect(tree.journal, readonly=True)
        try:
            journal = Journal(db, tree)
            for transaction in journal.history():
                if transaction.number == number:
                    left = {step.n for step in journal.remaining(transaction)}
                    return [(step.n not in left, step.phase, step.words) for step in journal.steps(transaction)]
        except sqlite3.OperationalError:
            pass  # a journal in which nothing was ever begun
        finally:
            db.close()
    raise UsageTrouble(f"there is no run {number}", remedy="dfos journal lists them")


def step_lines(tree: DfoTree, number: int) -> list[str]:
    """The steps in lines: under each phase what it does, what is left to do marked."""
    lines, phase = [], ""
    for done, of, words in steps(tree, number):
        if of != phase:
            phase = of
            lines.append(of)
        lines.append(f"  {'      ' if done else 'TO DO '}{words}")
    return lines


def _run(tree: DfoTree, tx: Transaction, counts: dict[int, tuple[int, int]], words: tuple[str, ...]) -> Run:
    of, done = counts.get(tx.number, (0, 0))
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
