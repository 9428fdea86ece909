"""The plan of a move, made without an engine: reads the account, changes nothing, asks nobody."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.account import open_settings
from console.cli import words
from console.operators import Auto
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.release.move.move_products import MovePlan, planned
from engine.stores.answers import Answers
from engine.stores.database import connect

if TYPE_CHECKING:
    from config.tree import DfoTree


def plan_of(
    tree: DfoTree, mode: str, date: str, *, recreate: bool = False, only: str = "", sets: Sequence[str] = ()
) -> MovePlan:
    """The plan as it would be now; blocks while it reads. Settings are the account's, with `--set` on top."""
    settings = open_settings(tree, os.environ, sets).settings
    db = _copy(tree)
    try:
        bus = Bus("plan")
        operator = Auto(Answers(db), bus, words.user())
        context = Context(settings, tree, bus, Board(), operator, db, words.user(), True, clock=_now)
        return asyncio.run(planned(context, mode, date, recreate=recreate, only=only))
    finally:
        db.close()


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _copy(tree: DfoTree) -> sqlite3.Connection:
    """What the engine knows, in memory: nothing that is done here reaches the account."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    if tree.journal.is_file():
        source = connect(tree.journal, readonly=True)
        try:
            source.backup(copy)
        finally:
            source.close()
    return copy
