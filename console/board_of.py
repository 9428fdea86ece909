"""The board as the journal and the files know it: for commands without an engine, and for one that starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from config.tree import DfoTree
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
    $DFO_AB_DIR only was undone.
    """
    for event in attempts.seen():
        if event.state not in _GONE and not (tree.ab / event.ab).exists() and _moved(tree, event):
            yield replace(event, state="MOVED", reason="found moved")
        elif event.state == "MOVED" and (tree.ab / event.ab).exists() and not _moved(tree, event):
            yield replace(event, state="ACCEPTED", reason="found undone")
        else:
            yield event


def _moved(tree: DfoTree, event: AbSeen) -> bool:
    return (tree.log / event.date / event.ab).exists()


def refuse_if_moved(question: Question, board: Board) -> None:
    """UsageTrouble when a verdict comes after its products have left."""
    row = board.rows.get(question.subject)
    if question.kind == CERTIFY and row is not None and row.state in _GONE:
        raise UsageTrouble(f"the products of {row.ab} have moved already", remedy="its verdict stands")


def board_of(tree: DfoTree) -> Board:
    """The last known rows of the account's ABs; an empty board where nothing was ever run."""
    board = Board()
    if not tree.journal.exists():
        return board
    connection = connect(tree.journal, readonly=True)
    try:
        for event in known(tree, Attempts(connection, readonly=True)):
            board.fold(Stamped("", 0, 0.0, event))
    except sqlite3.OperationalError:
        return board  # a journal that never held an AB
    finally:
        connection.close()
    return board
