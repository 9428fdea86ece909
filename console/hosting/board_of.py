"""The board as the journal and the files know it: for commands without an engine, and for one that starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from config.tree import DfoTree
from console.hosting.found_abs import found_abs
from engine.board import Board
from engine.errors import UsageTrouble
from engine.events import AbSeen, Stamped
from engine.questions import CERTIFY, Question
from engine.stores.attempts import Attempts
from engine.stores.database import connect

_GONE = ("MOVED", "INGESTED")


def known(tree: DfoTree, attempts: Attempts) -> Iterator[AbSeen]:
    """The last known rows, put right where the files have gone further than an engine could still write down.

    An AB that stands in $DFO_LOG_DIR/<DATE> and no longer in $DFO_AB_DIR has moved; one that moved and stands in
    $DFO_AB_DIR only was undone; one that stands in both was delivered again. ABs that no engine knows yet follow, as
    their files tell.
    """
    names, last = set(), 0
    for event in attempts.seen():
        names.add(event.ab)
        last = max(last, event.order)
        if event.state not in _GONE and not (tree.ab / event.ab).exists() and _moved(tree, event):
            yield replace(event, state="MOVED", reason="found moved")
        elif event.state == "MOVED" and (tree.ab / event.ab).exists() and not _moved(tree, event):
            yield replace(event, state="ACCEPTED", reason="found undone")
        elif event.state in _GONE and (tree.ab / event.ab).exists():
            yield replace(event, state="DONE", reason="delivered again", verdict="", comment="")
        else:
            yield event
    yield from _others(tree, names, _ordered(attempts.db), last)


def _others(tree: DfoTree, names: Collection[str], dates: Iterable[str], last: int) -> Iterator[AbSeen]:
    for order, event in enumerate(found_abs(tree, names, dates), last + 1):
        yield replace(event, order=order)


def _ordered(db: sqlite3.Connection) -> list[str]:
    """The dates anything was ever ordered for."""
    try:
        return [row[0] for row in db.execute("SELECT DISTINCT json_extract(what, '$.date') FROM orders")]
    except sqlite3.OperationalError:
        return []  # a journal that never held an order


def _moved(tree: DfoTree, event: AbSeen) -> bool:
    return (tree.log / event.date / event.ab).exists()


def refuse_if_moved(question: Question, board: Board, tree: DfoTree) -> None:
    """UsageTrouble when a verdict comes after its products have left, and the AB was not delivered again."""
    row = board.rows.get(question.subject)
    if question.kind == CERTIFY and row is not None and row.state in _GONE and not (tree.ab / row.ab).exists():
        raise UsageTrouble(f"the products of {row.ab} have moved already", remedy="its verdict stands")


def board_of(tree: DfoTree) -> Board:
    """The last known rows of the account's ABs, and those that only the files know; an empty board without either."""
    if not tree.journal.exists():
        return _folded(_others(tree, (), (), 0))
    connection = connect(tree.journal, readonly=True)
    try:
        return board_in(tree, connection)
    finally:
        connection.close()


def board_in(tree: DfoTree, connection: sqlite3.Connection) -> Board:
    """The same, of a journal that is open already."""
    try:
        return _folded(known(tree, Attempts(connection, readonly=True)))
    except sqlite3.OperationalError:  # a journal that never held an AB
        return _folded(_others(tree, (), _ordered(connection), 0))


def _folded(events: Iterable[AbSeen]) -> Board:
    board = Board()
    for event in events:
        board.fold(Stamped("", 0, 0.0, event))
    return board
