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
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from console.account import open_settings
from console.operators import AnswersFile, Auto, Desk, Parking, PlainTerminal
from console.plugins import load, slots
from console.run_log import RunLog
from console.server import Server
from engine import events as ev
from engine.atomic import lock
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.status import may_become
from engine.create.obtain import Pgis
from engine.errors import DfosError, UsageTrouble
from engine.process.pipeline import Pipeline, pipeline_of
from engine.process.run_pool import Streams
from engine.questions import CERTIFY, LATER, Answer, Operator, Question
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from engine.stores.orders import ENDED, PARKED, QUEUED, RUNNING, Order, Orders
from engine.stores.verdicts import ACCEPTED, WORDS
from engine.workflows.phoenix import Ended, Plugins, carry_out

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
        self._streams: Streams | None = None
        self._wake = asyncio.Event()
        self._waiting: dict[int, list[asyncio.Future[Ended]]] = {}
        self._parked: dict[int, tuple[str, ...]] = {}
        self._stack = AsyncExitStack()
        self._ending = ""
        self._current: asyncio.Task[Ended] | None = None

    async def __aenter__(self) -> Host:
        tree, stack = self.tree, self._stack
        found = load(self.settings, tree)  # all that is configured must be there, before anything moves
        self.plugins = Plugins(
            Pgis(found.get("AB_PGI"), found.get("JOB_PGI")),
            found.get("PRE_PLUGIN"),
            found.get("FINAL_PLUGIN"),
            found.get("SPECIAL_PLUGIN"),
        )
        self.pipeline: Pipeline = pipeline_of(self.settings)
        try:
            stack.enter_context(lock.engine(tree, "dfos", self.who))
            tree.state.chmod(0o700)
            self.db = connect(tree.journal)
            stack.callback(self.db.close)
            self.orders, self.answers = Orders(self.db), Answers(self.db)
            self.attempts = Attempts(self.db)
            self.desk = Desk(self.answers, self.bus, time.time, self.who)
            log = RunLog(tree.state / "runs", self.bus.run)
            stack.callback(log.close)
            self.bus.subscribe(log)
            self._show_what_is_known()
            stack.callback(self.attempts.follow(self.bus, self.board, self._flush_soon))
            self.server = await stack.enter_async_context(Server(tree.state, self.bus, self.board, self.command))
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

    def give(self, order: Order) -> Order:
        """Queue an order, durably."""
        given = self.orders.give(order, _utc())
        self._parked.pop(given.number, None)
        self._wake.set()
        return given

    async def work_off(self, orders: Sequence[Order] = ()) -> list[int]:
        """Carry out `orders`, or everything that waits; the exit codes. Parked orders stay parked unless answered."""
        if orders:
            return [(await self._carry_out(self.give(order))).exit_code for order in orders]
        self._take_up()
        codes = []
        while order := self._next():
            codes.append((await self._carry_out(order)).exit_code)
        return codes

    async def serve(self) -> None:
        """Carry out orders as they come; ends when told, or when nobody is attached and nothing waits."""
        self._introduce()
        self._take_up()
        while not self._ending:
            self._wake.clear()
            if order := self._next():
                self._current = asyncio.create_task(self._carry_out(order))
                with suppress(asyncio.CancelledError):
                    await self._current
                self._current = None
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LINGER)
                continue
            if not self.server.consoles:
                return

    def end(self, why: str) -> None:
        """End as soon as what runs has been left in order: recipes go on and are found again."""
        self._ending = why
        self._wake.set()
        if self._current is not None:
            self._current.cancel()

    def _take_up(self) -> None:
        """What an earlier engine was at, or left parked, is taken up again."""
        for order in self.orders.waiting(RUNNING):
            self.orders.mark(order.number, QUEUED)
        still_open = tuple(question.id for question in self.answers.open())
        for order in self.orders.waiting(PARKED):
            if still_open:
                self._parked[order.number] = still_open
            else:
                self.orders.mark(order.number, QUEUED)

    def _next(self) -> Order | None:
        return next(iter(self.orders.waiting(QUEUED)), None)

    async def _carry_out(self, order: Order) -> Ended:
        self.orders.mark(order.number, RUNNING, run=self.bus.run)
        context = Context(
            self.settings,
            self.tree,
            self.bus,
            self.board,
            self._operator(order),
            self.db,
            order.who or self.who,
            order.auto,
        )
        try:
            ended = await carry_out(
                context, order, self.plugins, self.pipeline.name, self.pipeline.standin, self._at_work
            )
        finally:
            self._streams = None
        state = PARKED if ended.exit_code == 3 else ENDED
        self.orders.mark(order.number, state, when=_utc(), code=ended.exit_code, text=ended.text)
        if state == PARKED:
            self._parked[order.number] = ended.questions
        for future in self._waiting.pop(order.number, ()):
            if not future.done():
                future.set_result(ended)
        return ended

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

    def _at_work(self, streams: Streams) -> None:
        self._streams = streams

    # --- what consoles and signals order ----------------------------------------------------

    async def command(self, verb: str, arguments: dict[str, Any], who: str) -> Any:
        """Carry out one command of a console; the reply is one line to show, or plain data."""
        action = getattr(self, f"_do_{verb}", None)
        if action is None:
            raise UsageTrouble(f"'{verb}' is no command of the engine")
        return await action(who, **arguments)

    def _running(self) -> Streams:
        if self._streams is None:
            raise UsageTrouble("nothing is being processed", remedy="start it first")
        return self._streams

    async def _do_pause(self, who: str) -> str:
        self._running().pause(who)
        return "paused: nothing new starts; what runs goes on"

    async def _do_resume(self, who: str) -> str:
        self._running().resume(who)
        return "goes on"

    async def _do_stop(self, who: str) -> str:
        self._running().stop(who)
        return "stops when what runs has finished"

    async def _do_abort(self, who: str) -> str:
        self._running().abort(who)
        return "aborted: recipes are being terminated; they run again at the next start"

    async def _do_override(self, who: str) -> str:
        self._running().override(who)
        return "runs in spite of the foreign task; recorded"

    async def _do_streams(self, who: str, n: int) -> str:
        self._running().set_streams(int(n))
        return f"{n} streams"

    async def _do_retry(self, who: str, ab: str) -> str:
        if self._streams is not None:
            names = await self._streams.retry(ab)
            self._withdraw(names)
            return f"{len(names)} ABs run again"
        row = self.board.rows.get(ab)
        if row is None:
            raise UsageTrouble(f"{ab} is not known here")
        names = await self._reset(ab, row.mode, row.date)
        self._withdraw(names)
        self.give(Order(row.mode, row.date, "P", run_id=self._run_id(row.mode, row.date), who=who))
        return f"{len(names)} ABs run again"

    def _withdraw(self, names: Sequence[str]) -> None:
        """Questions about ABs that run again no longer matter."""
        for question in self.answers.open():
            if question.kind == CERTIFY and question.subject in names:
                self.desk.withdraw(question.id, "its AB runs again")

    async def _reset(self, ab: str, mode: str, date: str) -> list[str]:
        from engine.process.run_pool import reset

        return await asyncio.to_thread(reset, self.tree, self.settings, ab, mode, date)

    async def _do_answer(self, who: str, number: int, choice: str, comment: str = "") -> str:
        question = self.answers.find(int(number))
        row = self.board.rows.get(question.subject)
        if question.kind == CERTIFY and row is not None and row.state in ("MOVED", "INGESTED"):
            raise UsageTrouble(f"the products of {row.ab} have moved already", remedy="its verdict stands")
        answer = self.desk.answered(int(number), choice, comment, who)
        self._show_verdict(question, answer)
        self._look_at_parked()
        return "left open" if choice == LATER else f"saved: {choice}"

    def _show_verdict(self, question: Question, answer: Answer) -> None:
        """A verdict shows at once, although what follows from it is the order's business."""
        row = self.board.rows.get(question.subject)
        if question.kind != CERTIFY or row is None:
            return
        verdict = WORDS.get(answer.choice, "")
        state = {ACCEPTED: "ACCEPTED", "": "REVIEW"}.get(verdict, "REJECTED")
        self.bus.publish(ev.AbDecided(row.ab, verdict, answer.comment, answer.who, answer.when))
        if may_become(row.state, state):
            self.bus.publish(ev.AbChanged(row.ab, state, answer.comment))

    async def _do_comments(self, who: str) -> list[str]:
        return list(self.settings.certification.comments)

    async def _do_history(self, who: str) -> str:
        return str(self.tree.expand(self.settings.history)) if self.settings.history else ""

    async def _do_slots(self, who: str) -> list[tuple[str, str, bool, str]]:
        return slots(self.settings, self.tree)

    async def _do_why(self, who: str, ab: str) -> list[str]:
        if self._streams is not None and ab in self._streams.entries:
            return self._streams.why(ab)
        from engine.process.why import why_known

        return why_known(self.board, ab)

    async def _do_order(self, who: str, **order: Any) -> dict[str, Any]:
        given = self.give(replace(Order(**order), number=0, who=who).checked())
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(given.number, []).append(future)
        return asdict(await future)

    async def _do_process(self, who: str) -> str:
        return self._give_pools("P", who)

    async def _do_release(self, who: str) -> str:
        return self._give_pools("M", who)

    async def _do_ingest(self, who: str) -> str:
        return self._give_pools("I", who)

    async def _do_quit(self, who: str) -> str:
        if self._streams is not None:
            raise UsageTrouble("ABs are being processed", remedy="stop or abort first")
        self.end(f"ended by {who}")
        return "the engine ends"

    def _give_pools(self, parts: str, who: str) -> str:
        pools = dict.fromkeys((row.mode, row.date) for row in self.board.rows.values())
        if not pools:
            raise UsageTrouble("no ABs are known here", remedy="create them first: phoenix -C")
        for mode, date in pools:
            self.give(Order(mode, date, parts, run_id=self._run_id(mode, date), recover=True, who=who))
        return f"{len(pools)} orders given"

    def _run_id(self, mode: str, date: str) -> str:
        for order in reversed(self.orders.waiting(QUEUED, RUNNING, PARKED, ENDED)):
            if (order.mode, order.date) == (mode, date) and order.run_id:
                return order.run_id
        return ""

    # --- looking after things ---------------------------------------------------------------

    def _show_what_is_known(self) -> None:
        for event in self.attempts.seen():
            self.bus.publish(event)
        self.bus.publish(ev.StreamsChanged(self.settings.streams))
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

    def _look_at_parked(self) -> None:
        still_open = {question.id for question in self.answers.open()}
        for number, ids in tuple(self._parked.items()):
            if not still_open.intersection(ids):
                del self._parked[number]
                self.orders.mark(number, QUEUED)
                self._wake.set()

    async def _keep_looking(self) -> None:
        last = 0.0
        while True:
            await asyncio.sleep(POLL)
            with suppress(DfosError):
                self.desk.poll()
                self._look_at_parked()
            if time.monotonic() - last >= PULSE:
                last = time.monotonic()
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
