"""Carry out orders headless: by the account's engine if one runs, else by one in this process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli import words
from console.exit_codes import ExitCode, worst
from console.hosting.host import Host
from console.link.client import Gone, Link
from console.link.headless import JsonLines, Lines
from engine.atomic.journal import Journal
from engine.board import Board
from engine.core.dates import within
from engine.errors import Busy, DfosError, UsageTrouble
from engine.stores.database import connect
from engine.stores.orders import ENDED, PARKED, QUEUED, Order, Orders

if TYPE_CHECKING:
    from config.tree import DfoTree

PATIENCE = 60.0  # seconds an engine may hold the account without listening, while it begins or ends


def carry_out(tree: DfoTree, orders: Sequence[Order], given: argparse.Namespace) -> int:
    """Carry out `orders` in turn and show what happens; the exit code of the table.

    `given` holds the options of `words.add_running`. An empty list carries out what waits in the queue.
    Ctrl-C ends at once, with what goes on and what does not.
    """
    errand = _Errand(tree, [_signed(order, given) for order in orders], given)
    try:
        return asyncio.run(_until_terminated(errand.run()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"interrupted; {errand.last_words()}", file=sys.stderr)
        return ExitCode.INTERRUPTED


async def _until_terminated(errand: Coroutine[Any, Any, int]) -> int:
    """SIGTERM leaves as Ctrl-C does: recipes go on and are found again, and nothing is cut between two statements,
    also by Ctrl-C once more.
    """
    task = asyncio.create_task(errand)
    told = [signal.SIGTERM, *([signal.SIGINT] * (signal.getsignal(signal.SIGINT) != signal.SIG_IGN))]
    for number in told:  # a shell may have SIGINT ignored
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def queue(tree: DfoTree, orders: Sequence[Order]) -> list[int]:
    """Queue orders for the account's engine, which takes them up at once or when it starts; their numbers."""
    connection = connect(tree.journal)
    try:
        return [Orders(connection).give(replace(order, who=words.user()), _utc()).number for order in orders]
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


class _Errand:
    """Orders on their way: to the engine that runs, or carried out in this process when none does.

    An order given to an engine stands in the queue of the account. When that engine ends without having begun it
    (the headless engine of another command ends with its own orders), it is carried out here, once.
    """

    def __init__(self, tree: DfoTree, orders: list[Order], given: argparse.Namespace) -> None:
        self.tree = tree
        self.left = orders
        self.given = given
        self.queued = 0  # number of the order that waits in the queue of an engine
        self.taken_back = False
        self.here = False
        self.board = Board()
        self.codes: list[int] = []

    async def run(self) -> int:
        """The exit code of all. Busy when an engine neither listens nor ends."""
        until = time.monotonic() + PATIENCE
        while True:
            link = Link()
            try:
                await link.attach(self.tree.state)
            except Gone:
                try:
                    return worst(self.codes + await self._here())
                except Busy as trouble:  # it begins or ends just now
                    if time.monotonic() > until:
                        raise self._too_busy(trouble) from None
                await asyncio.sleep(0.1)
                continue
            try:
                await self._there(link)
                return worst(self.codes)
            except Gone:
                until = time.monotonic() + PATIENCE
            except asyncio.CancelledError:
                self.taken_back = bool(self.queued) and self._taken_back()
                raise
            finally:
                await link.leave()

    def last_words(self) -> str:
        """What becomes of it after Ctrl-C."""
        if self.taken_back:
            return "the order had not begun and was taken back"
        if self.queued:
            return "the engine goes on with the order: dfos status"
        if any(row.state == "RUNNING" for row in self.board.rows.values()):
            return "recipes that run go on, and the same command follows them"
        if cut := self._cut():
            return f"{cut} is half done, nothing goes on: call again with --recover, that finishes it"
        if self.board.questions:
            numbers = ", ".join(str(number) for number in self.board.questions)
            return f"nothing goes on; the same command asks again; open: question {numbers} (dfos questions)"
        return "nothing goes on; the same command takes it up again (dfos status)"

    def _cut(self) -> str:
        """The name of the transaction that was cut, of the pools that were ordered; '' when there is none."""
        if not self.tree.journal.exists():
            return ""
        connection = connect(self.tree.journal)
        try:
            open_ = Journal(connection, self.tree).unfinished()
            ordered = [cut for cut in open_ for it in self.left if cut.mode == it.mode and within(it.date, cut.date)]
            return ordered[0].label if ordered else ""
        finally:
            connection.close()

    async def _there(self, link: Link) -> None:
        """Give what is left to the engine at the other end. Gone when it ends without having begun it."""
        given = self.given
        if given.set or given.answers:
            raise UsageTrouble(
                "an engine runs in this account with settings of its own; --set and --answers cannot change them",
                remedy="leave them out, or end that engine first (close its consoles)",
            )
        await link.ready.wait()
        self.board = link.board
        show = listener(given, link.board)
        link.heard = lambda stamped, _: show(stamped)
        try:
            while self.left:
                self.queued = self.queued or queue(self.tree, self.left[:1])[0]
                try:
                    ended = await link.ask("ended", number=self.queued)
                except Gone:
                    ended = self._ended_without()
                self.codes.append(int(ended["exit_code"]))
                self.queued = 0
                del self.left[0]
                if self.codes[-1] == ExitCode.INTERRUPTED:
                    self.left.clear()
        finally:
            show.close()

    def _ended_without(self) -> dict[str, Any]:
        """How the order in the queue ended before its engine went away. Gone when it has not begun."""
        order = self._in_queue()
        if order["state"] in (ENDED, PARKED):
            return order
        if order["state"] == QUEUED:
            raise Gone("the engine has ended")
        raise DfosError(
            f"the engine went away while it carried out {Order(**order['what']).pool}",
            remedy="call again (with --recover if a move was cut); dfos console takes it up by itself",
        )

    async def _here(self) -> list[int]:
        given, terminal = self.given, words.on_terminal(sys.stdin) and not self.given.auto
        async with AsyncExitStack() as stack:
            host = Host(
                self.tree,
                os.environ,
                given.set,
                who=words.user(),
                answers_file=_path(given.answers),
                terminal=terminal,
            )
            show = listener(given, host.board)
            stack.callback(show.close)
            host.bus.subscribe(show)
            await stack.enter_async_context(host)
            self.board = host.board
            codes = []
            if self.queued:  # another command may have been quicker: the lock is ours now, so what stands there holds
                order = self._in_queue()
                if order["state"] == QUEUED:
                    order = asdict(await host.take_up(self.queued))
                codes.append(int(order["exit_code"] or 0))
                self.queued = 0
                del self.left[0]
                if not self.left:
                    return codes
            return codes + await host.work_off(self.left)

    def _in_queue(self) -> dict[str, Any]:
        connection = connect(self.tree.journal)
        try:
            return Orders(connection).numbered(self.queued)
        finally:
            connection.close()

    def _taken_back(self) -> bool:
        connection = connect(self.tree.journal)
        try:
            return Orders(connection).take_back(self.queued, _utc())
        finally:
            connection.close()

    def _too_busy(self, trouble: Busy) -> Busy:
        if not self.queued:
            return trouble
        return Busy(
            f"the order waits in the queue, and {trouble.what}",
            remedy="the next engine carries it out (dfos console), or the same command when that has ended",
        )


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
