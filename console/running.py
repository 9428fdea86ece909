"""Carry out orders headless: by the account's engine if one runs, else by one in this process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words
from console.client import Gone, Link
from console.exit_codes import worst
from console.headless import JsonLines, Lines
from console.host import Host
from engine.board import Board
from engine.errors import UsageTrouble
from engine.stores.database import connect
from engine.stores.orders import Order, Orders

if TYPE_CHECKING:
    from config.tree import DfoTree


def carry_out(tree: DfoTree, orders: Sequence[Order], given: argparse.Namespace) -> int:
    """Carry out `orders` in turn and show what happens; the exit code of the table.

    `given` holds the options of `words.add_running`. An empty list carries out what waits in the queue.
    """
    signal.signal(signal.SIGTERM, _terminated)
    return asyncio.run(_carry_out(tree, [_signed(order, given) for order in orders], given))


def _terminated(*_: object) -> None:
    """SIGTERM leaves as Ctrl-C does: recipes go on and are found again."""
    raise KeyboardInterrupt


def queue(tree: DfoTree, orders: Sequence[Order]) -> None:
    """Queue orders for the account's engine, which takes them up at once or when it starts."""
    connection = connect(tree.journal)
    try:
        for order in orders:
            when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
            Orders(connection).give(replace(order, who=words.user()), when)
    finally:
        connection.close()


def listener(given: argparse.Namespace, board: Board) -> Lines | JsonLines:
    """How this command shows events."""
    asks = words.on_terminal(sys.stdin) and not given.auto  # a question and a bar cannot share the last line
    return JsonLines(sys.stdout) if given.json else Lines(board, sys.stderr, bar=not asks)


def run_of(tree: DfoTree, mode: str, date: str) -> str:
    """The run ID that was last ordered for a pool; '' when there was none."""
    connection = connect(tree.journal)
    try:
        return Orders(connection).run_of(mode, date)
    finally:
        connection.close()


def _signed(order: Order, given: argparse.Namespace) -> Order:
    auto = bool(given.auto or not words.on_terminal(sys.stdin))
    return replace(order, who=words.user(), auto=auto, recover=bool(given.recover)).checked()


async def _carry_out(tree: DfoTree, orders: list[Order], given: argparse.Namespace) -> int:
    link = Link()
    try:
        await link.attach(tree.state)
    except Gone:
        return await _here(tree, orders, given)
    try:
        return await _there(link, orders, given)
    finally:
        await link.leave()


async def _there(link: Link, orders: list[Order], given: argparse.Namespace) -> int:
    if given.set or given.answers:
        raise UsageTrouble(
            "an engine runs in this account with settings of its own; --set and --answers cannot change them",
            remedy="leave them out, or end that engine first (close its consoles)",
        )
    await link.ready.wait()
    show = listener(given, link.board)
    link.heard = lambda stamped, _: show(stamped)
    codes = []
    try:
        for order in orders:
            ended = await link.ask("order", **asdict(order))
            codes.append(int(ended["exit_code"]))
    finally:
        show.close()
    return worst(codes)


async def _here(tree: DfoTree, orders: list[Order], given: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        terminal = words.on_terminal(sys.stdin) and not given.auto
        host = Host(tree, os.environ, given.set, who=words.user(), answers_file=_path(given.answers), terminal=terminal)
        show = listener(given, host.board)
        stack.callback(show.close)
        host.bus.subscribe(show)
        await stack.enter_async_context(host)
        return worst(await host.work_off(orders))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
