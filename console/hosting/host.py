"""One engine of one account: its memory, its bus and board, its queue of orders, its socket.

It wires and carries out; what an order means stands in `engine.workflows.phoenix`. Headless commands
run a host in their own process, `dfos serve` runs one that consoles attach to.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from config.tree import DfoTree
from console.account import open_settings
from console.exit_codes import ExitCode
from console.hosting.board_of import known
from console.hosting.job_orders import ended_line
from console.hosting.operators import AnswersFile, Auto, Desk, Parking, PlainTerminal
from console.hosting.run_log import RunLog
from console.hosting.server import Server
from console.hosting.verbs import Verbs
from console.plugins.find import load
from engine import events as ev
from engine import threads
from engine.atomic import lock
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.create.jobs import job_files
from engine.create.obtain import Pgis
from engine.errors import DfosError, RecipeTrouble
from engine.process.ab.pipeline import Pipeline, none_of, pipeline_of
from engine.process.run.run_pool import Streams
from engine.questions import Operator
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from engine.stores.nights import Nights, night_of
from engine.stores.orders import ENDED, PARKED, QUEUED, RUNNING, Order, Orders
from engine.stores.refused import RefusedAbs
from engine.stores.widths import Widths
from engine.workflows.phoenix import carry_out
from engine.workflows.under_way import Ended, Plugins

LINGER = 15.0  # seconds an engine without consoles and orders stays
POLL = 1.0  # seconds between two looks for answers that another process gave
PULSE = 30.0  # seconds between two looks at disk and memory


class Host:
    """The engine of an account, from the lock to the last event. Use as an async context."""

    def __init__(
        self,
        tree: DfoTree,
        environ: Mapping[str, str],
        sets: Sequence[str] = (),
        *,
        who: str,
        answers_file: Path | None = None,
        terminal: bool = False,
    ) -> None:
        self.tree = tree
        loaded = open_settings(tree, environ, sets)
        self.settings, self._notices = loaded.settings, loaded.notices
        self.who = who
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self.bus = Bus(f"{stamp}-{self.settings.instance}")
        self.board = Board()
        self.bus.subscribe(self.board.fold)
        self._answers_file = answers_file
        self._terminal = terminal
        self.streams: Streams | None = None
        self._wake = asyncio.Event()
        self.waiting: dict[int, list[asyncio.Future[Ended]]] = {}
        self._parked: dict[int, tuple[str, ...]] = {}
        self._stack = AsyncExitStack()
        self._ending = ""
        self._not_before = 0.0
        self._pardoned: set[tuple[int, float]] = set()
        self._current: asyncio.Task[Ended] | None = None

    async def __aenter__(self) -> Host:
        tree, stack = self.tree, self._stack
        found = load(self.settings, tree)  # all that is configured must be there, before anything moves
        self.plugins = Plugins(
            Pgis(found.get("AB_PGI"), found.get("JOB_PGI")),
            found.get("SPECIAL_PLUGIN"),
            found,
        )
        self.pipeline = self._pipeline()
        try:
            stack.enter_context(lock.engine(tree, "dfos", self.who))
            tree.state.chmod(0o700)
            self.db = connect(tree.journal)
            stack.callback(self.db.close)
            self.orders, self.answers = Orders(self.db), Answers(self.db)
            self.attempts = Attempts(self.db)
            self.widths = Widths(self.db, self.settings)
            self.desk = Desk(self.answers, self.bus, time.time, self.who)
            log = RunLog(tree.state / "runs", self.bus.run)
            stack.callback(log.close)
            self.bus.subscribe(log)
            self._show_what_is_known()
            stack.callback(self.attempts.follow(self.bus, self.board, self._flush_soon))
            self.server = await stack.enter_async_context(Server(tree.state, self.bus, self.board, Verbs(self)))
            self._watch = asyncio.create_task(self._keep_looking())
            stack.push_async_callback(self._stop_looking)
        except BaseException:
            await stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flush()
        await self._stack.aclose()

    # --- orders ---------------------------------------------------------------------------

    def give(self, order: Order, *, anew: bool = False) -> Order:
        """Queue an order, durably; `anew` also when the same one is at work."""
        given = self.orders.give(order, _utc(), anew=anew)
        self._parked.pop(given.number, None)
        self._wake.set()
        return given

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    async def work_off(self, orders: Sequence[Order] = ()) -> list[int]:
        """Carry out `orders`, or everything that waits; the exit codes. Parked orders stay parked unless answered.

        An operator who stops or aborts one order stops those behind it too: they are not begun.
        """
        codes: list[int] = []
        if orders:
            for given in orders:
                codes.append((await self._carry_out(self.give(given))).exit_code)
                if codes[-1] == ExitCode.INTERRUPTED:
                    break
            return codes
        self._take_up()
        while order := self._next():
            codes.append((await self._carry_out(order)).exit_code)
        return codes

    async def take_up(self, number: int) -> Ended:
        """Carry out an order that waits in the queue."""
        return await self._carry_out(Order(**self.orders.numbered(number)["what"]))

    async def serve(self) -> None:
        """Carry out orders as they come; ends when told, or when nobody is attached and nothing waits."""
        self._introduce()
        self._take_up()
        while not self._ending:
            self._wake.clear()
            if order := self._next():
                self._current = asyncio.create_task(self._carry_out(order))
                try:
                    await self._current
                except asyncio.CancelledError:
                    if not self._ending:
                        raise
                finally:
                    self._current = None
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await self._wake.wait()
                continue
            if not self.server.consoles:
                return

    def end(self, why: str) -> None:
        """End as soon as what runs has been left in order: recipes go on and are found again."""
        self._ending = why
        self._wake.set()
        if self._current is not None:
            self._current.cancel()

    def _pipeline(self) -> Pipeline:
        """Where recipes cannot run all else goes on: whoever orders them is told."""
        try:
            return pipeline_of(self.settings)
        except RecipeTrouble as trouble:
            self._notices = (*self._notices, f"no recipe can run: {trouble}")
            return none_of(trouble)

    def _take_up(self) -> None:
        """What an earlier engine was at, or left parked, is taken up again."""
        for order in self.orders.waiting(RUNNING):
            self.orders.mark(order.number, QUEUED)
        still_open = tuple(question.id for question in self.answers.open())
        for order in self.orders.waiting(PARKED):
            its_own = self.orders.numbered(order.number)["questions"]
            if left := tuple(id for id in its_own or still_open if id in still_open):
                self._parked[order.number] = left
            else:
                self.orders.mark(order.number, QUEUED)

    def _next(self) -> Order | None:
        return next(iter(self.orders.waiting(QUEUED)), None)

    async def _carry_out(self, order: Order) -> Ended:
        self._parked.pop(order.number, None)
        self.orders.mark(order.number, RUNNING, run=self.bus.run, when=_utc())
        try:
            ended = await carry_out(
                self.context(order),
                order,
                self.plugins,
                self.pipeline.name,
                self.pipeline.standin,
                self.at_work,
                lambda ended: self._kept(order, ended),
            )
        finally:
            self.streams = None
        self.settle(order.number, ended)
        return ended

    async def _kept(self, order: Order, ended: Ended) -> None:
        """Write down how an order ended: who hears of it and looks into the queue finds it so."""
        self.streams = None
        state = PARKED if ended.exit_code == 3 else ENDED
        self.orders.mark(
            order.number, state, when=_utc(), code=ended.exit_code, text=ended.text, questions=ended.questions
        )
        if state == PARKED:
            self._parked[order.number] = ended.questions
        await self._line_done(order)

    async def _line_done(self, order: Order) -> None:
        """With the last order of a line of JOBS_NIGHT or JOBS_AUTO, the line goes."""
        if not (job := ended_line(self.orders, order)):
            return
        queue, line = job
        try:
            await threads.to_end(job_files.done, self.tree, self.tree.job / queue, line)
        except OSError as trouble:
            self.bus.publish(ev.Notice("warning", f"{queue}: {line} has ended and still stands there: {trouble}"))

    def settle(self, number: int, ended: Ended) -> None:
        """Tell those who wait for an order how it ended."""
        for future in self.waiting.pop(number, ()):
            if not future.done():
                future.set_result(ended)

    def context(self, order: Order) -> Context:
        """What an order works with."""
        return Context(
            self.widths.settings(),
            self.tree,
            self.bus,
            self.board,
            self._operator(order),
            self.db,
            order.who or self.who,
            order.auto,
            pardoned=self._pardoned,
        )

    def _operator(self, order: Order) -> Operator:
        who = order.who or self.who
        operator: Operator
        if order.auto:
            operator = Auto(self.answers, self.bus, who)
        elif self._terminal:
            operator = PlainTerminal(self.answers, self.bus, who)
        else:
            operator = Parking(self.answers, self.bus, who)
        if self._answers_file:
            operator = AnswersFile(self._answers_file, operator, self.answers, self.bus, who)
        return operator

    def at_work(self, streams: Streams) -> None:
        """The streams that can be paused and stopped now."""
        self.streams = streams

    # --- looking after things ---------------------------------------------------------------

    def _show_what_is_known(self) -> None:
        for event in known(self.tree, self.attempts):
            self.bus.publish(event)
        for where, why in RefusedAbs(self.db).all():
            self.bus.publish(ev.AbRefused(where, why))
        self.bus.publish(ev.StreamsChanged(self.widths.settings().streams))
        self.bus.publish(ev.WidthsDiffer(self.widths.differs()))
        aside_s = Nights(self.db).aside_s(night_of(time.time()))
        if aside_s:
            self.bus.publish(ev.GateOpened("", aside_s))
        self.desk.announce()

    def _introduce(self) -> None:
        """An engine that has nothing to do yet says whose it is, and how its last order ended."""
        last = self.orders.last()
        order = Order(**last["what"]) if last else None
        pool = order.pool if order else "no pool yet"
        name, standin = self.pipeline.name, self.pipeline.standin
        self.bus.publish(
            ev.RunStarted(
                "ready", pool, self.settings.instance, name, standin, socket.gethostname(), self.who, os.getpid()
            )
        )
        code, text = (int(last["exit_code"] or 0), str(last["text"])) if last else (0, "")
        self.bus.publish(ev.RunEnded(code, text or "nothing was ordered yet"))
        for notice in self._notices:
            self.bus.publish(ev.Notice("warning", notice))

    def _flush_soon(self) -> None:
        asyncio.get_running_loop().call_later(0.05, self._flush)

    def _flush(self) -> None:
        """Write the rows; on a full disk they wait for the next time, and whoever starts recipes pauses."""
        with suppress(sqlite3.Error):
            self.attempts.flush()

    def think_again(self) -> None:
        """A verdict was given: what follows from it waits a moment, so that it can be taken back."""
        self._not_before = time.monotonic() + self.settings.certification.undo_s

    def look_at_parked(self) -> None:
        """Take up parked orders whose questions are all answered."""
        if time.monotonic() < self._not_before:
            return
        still_open = {question.id for question in self.answers.open()}
        for number, ids in tuple(self._parked.items()):
            if not still_open.intersection(ids):
                self.orders.mark(number, QUEUED)
                del self._parked[number]
                self._wake.set()

    async def _keep_looking(self) -> None:
        last = 0.0
        while True:
            await asyncio.sleep(POLL)
            with suppress(DfosError, sqlite3.Error, OSError):  # a full disk, a journal that another holds: next time
                self.desk.poll()
                self.look_at_parked()
                if self._next():
                    self._wake.set()
            if time.monotonic() - last >= PULSE:
                last = time.monotonic()
                with suppress(OSError):  # a disk that is away
                    self._look_at_host()

    async def _stop_looking(self) -> None:
        self._watch.cancel()
        with suppress(asyncio.CancelledError):
            await self._watch

    def _look_at_host(self) -> None:
        import psutil

        seen = ev.HostSeen(
            round(psutil.disk_usage(str(self.tree.product)).percent), round(psutil.virtual_memory().percent)
        )
        if seen != self.board.host:
            self.bus.publish(seen)


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
