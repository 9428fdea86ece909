"""The board as the journal knows it, for commands that run without an engine."""

from __future__ import annotations

import sqlite3

from config.tree import DfoTree
from engine.board import Board
from engine.events import Stamped
from engine.stores.attempts import Attempts
from engine.stores.database import connect


def board_of(tree: DfoTree) -> Board:
    """The last known rows of the account's ABs; an empty board where nothing was ever run."""
    board = Board()
    if not tree.journal.exists():
        return board
    connection = connect(tree.journal, readonly=True)
    try:
        for event in Attempts(connection, readonly=True).seen():
            board.fold(Stamped("", 0, 0.0, event))
    except sqlite3.OperationalError:
        return board  # a journal that never held an AB
    finally:
        connection.close()
    return board
