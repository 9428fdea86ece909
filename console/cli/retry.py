"""`dfos retry`: run ABs again, with everything that depends on them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.tree import DfoTree
    from engine.board import Board, Row


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos retry",
        "Run ABs again, with everything that depends on them. Verdicts on them are withdrawn; what has moved stays.",
    )
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("ab", metavar="AB", nargs="?", help="its name, or a part that only one AB has")
    which.add_argument("--failed", action="store_true", help="all that failed or were interrupted")
    made.add_argument(
        "--memory",
        metavar="AMOUNT",
        default="",
        help="what they ask the batch system for from now on: 8GB, 500MB, or a factor, e.g. 2",
    )
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Hand it to the engine that runs; without one, process the pools here."""
    given = parser().parse_args(argv)
    import asyncio

    tree = words.tree(given.root)
    from console.hosting.board_of import board_of
    from console.link.running import carry_out
    from engine.stores.orders import Order

    rows = _chosen(board_of(tree), given.ab or "", given.failed)
    told = asyncio.run(_by_engine(tree, [row.ab for row in rows], given.memory))
    if told:
        words.say(told)
        return 0
    pools = _reset(tree, rows, given.set, given.memory)
    orders = [Order(mode, date, "P", run_id=run_id) for mode, date, run_id in pools]
    return carry_out(tree, orders, given) if orders else 0


def _chosen(board: Board, part: str, failed: bool) -> list[Row]:
    from engine.errors import UsageTrouble

    if failed:
        return [row for row in board.rows.values() if row.state in ("FAILED", "INTERRUPTED", "STALE")]
    found = [row for name, row in board.rows.items() if part == name] or [
        row for name, row in board.rows.items() if part in name
    ]
    if len(found) != 1:
        raise UsageTrouble(f"{len(found)} ABs have '{part}' in their name", remedy="see dfos status --all")
    return found


async def _by_engine(tree: DfoTree, names: list[str], memory: str) -> list[str]:
    from console.link.client import Gone, Link

    link, more = Link(), {"memory": memory} if memory else {}
    try:
        await link.attach(tree.state)
    except Gone:
        return []
    try:
        return [f"{name}: {await link.command('retry', ab=name, **more)}" for name in names] or ["nothing has failed"]
    finally:
        await link.leave()


def _reset(tree: DfoTree, rows: list[Row], sets: Sequence[str], memory: str) -> list[tuple[str, str, str]]:
    """Make the ABs CREATED again; the pools they belong to."""
    import os

    from console.account import open_settings
    from console.link.running import run_of
    from engine.atomic import lock
    from engine.errors import UsageTrouble
    from engine.process.run.run_pool import reset

    settings = open_settings(tree, os.environ, sets).settings
    for row in rows:
        if row.state in ("MOVED", "INGESTED"):
            raise UsageTrouble(f"the products of {row.ab} have moved", remedy="it cannot run again here")
    pools: dict[tuple[str, str, str], None] = {}
    with lock.engine(tree, "retry", words.user()):
        for row in rows:
            if memory:
                _ask_for(tree, row.ab, memory)
            _withdraw(tree, reset(tree, settings, row.ab, row.mode, row.date))
            pools[row.mode, row.date, run_of(tree, row.mode, row.date)] = None
    return list(pools)


def _ask_for(tree: DfoTree, ab: str, memory: str) -> None:
    from engine.stores.batch_jobs import ask_for
    from engine.stores.database import connect

    connection = connect(tree.journal)
    try:
        ask_for(connection, ab, memory, words.user())
    finally:
        connection.close()


def _withdraw(tree: DfoTree, names: Sequence[str]) -> None:
    """Questions about ABs that run again no longer matter."""
    from engine.questions import CERTIFY
    from engine.stores.answers import Answers
    from engine.stores.database import connect

    connection = connect(tree.journal)
    answers = Answers(connection)
    for question in answers.open():
        if question.kind == CERTIFY and question.subject in names:
            answers.close(question.id)
    connection.close()
