"""The plan of a move, made without an engine: reads the account, changes nothing, asks nobody."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.account import open_settings
from console.cli import words
from console.hosting.board_of import board_in
from console.hosting.operators import Auto
from console.plugins.find import load
from engine.bus import Bus
from engine.context import Context
from engine.release.move.hooks import naming_of
from engine.release.move.move_products import MovePlan, planned
from engine.stores.answers import Answers
from engine.stores.database import connect

if TYPE_CHECKING:
    from config.tree import DfoTree

_CALLED = ("SPECIAL_PLUGIN", "RENAME_PRE_PLUGIN", "RENAME_SPECIAL_PLUGIN")  # by a move; all must be there


def plan_of(
    tree: DfoTree, mode: str, date: str, *, recreate: bool = False, only: str = "", sets: Sequence[str] = ()
) -> MovePlan:
    """The plan as it would be now; blocks while it reads. Settings are the account's, with `--set` on top.

    PluginTrouble when a plugin that a move calls cannot be used.
    """
    settings = open_settings(tree, os.environ, sets).settings
    elsewhere = replace(tree, tmp=Path(tempfile.gettempdir()))  # an executable PRE_PLUGIN has its copies there
    naming = naming_of(load(settings, elsewhere, _CALLED))
    db = _copy(tree)
    try:
        bus = Bus("plan")
        operator = Auto(Answers(db), bus, words.user())
        context = Context(settings, tree, bus, board_in(tree, db), operator, db, words.user(), True, clock=_now)
        return asyncio.run(planned(context, mode, date, recreate=recreate, only=only, naming=naming))
    finally:
        db.close()


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _copy(tree: DfoTree) -> sqlite3.Connection:
    """What the engine knows, in memory: nothing that is done here reaches the account."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    if not tree.journal.is_file():
        return copy
    before = _at_rest(tree)
    try:
        if before:
            _backed_up(sqlite3.connect(f"file:{tree.journal}?immutable=1", uri=True, isolation_level=None), copy)
    except sqlite3.Error:
        before = ()  # read again as usual, which says what is wrong with it
    if not before or _at_rest(tree) != before:
        _backed_up(connect(tree.journal, readonly=True), copy)
    return copy


def _at_rest(tree: DfoTree) -> tuple[int, ...]:
    """Size and time of the journal while no engine has it open; () otherwise. To read it then leaves no trace."""
    if tree.journal.with_name(f"{tree.journal.name}-wal").exists():
        return ()
    status = tree.journal.stat()
    return status.st_size, status.st_mtime_ns


def _backed_up(source: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    try:
        source.backup(copy)
    finally:
        source.close()
