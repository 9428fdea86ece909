"""A console's end of the Unix socket: the engine as screens and commands see it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console.link import wire
from engine.board import Board, Change
from engine.errors import DfosError, UsageTrouble
from engine.events import Stamped, decode

Heard = Callable[[Stamped, Change], None]
_FAREWELL = 2.0  # seconds that what was said last may take to reach an engine that does not listen


class Gone(DfosError):
    """The engine does not answer; what it had finished is in its journal."""


class Link:
    """A link to a running engine. Folds every event into `board`, then tells `heard`.

    `heard` may be set at any time; of the snapshot it hears once, when it is whole. `lost` is called once when the
    engine goes away.
    """

    def __init__(self) -> None:
        self.board = Board()
        self.heard: Heard | None = None
        self.lost: Callable[[], None] | None = None
        self.ready = asyncio.Event()
        self._alive = False
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._last: Stamped | None = None

    @property
    def alive(self) -> bool:
        """False when the engine is gone."""
        return self._alive

    async def attach(self, directory: Path) -> None:
        """Attach to the engine whose socket is in `directory`; Gone when none listens there."""
        if self._alive:
            return
        path = directory / wire.NAME
        if not wire.is_ours(path):
            raise Gone("no engine listens", where=str(path))
        try:
            with wire.reachable(directory) as short:
                reader, writer = await asyncio.open_unix_connection(short, limit=wire.LIMIT)
        except OSError as trouble:
            raise Gone(f"the engine does not answer: {trouble.strerror}", where=str(path)) from None
        if self._alive:  # somebody else was quicker
            writer.close()
            return
        self.board.clear()
        self.ready.clear()
        self._alive, self._writer = True, writer
        self._task = asyncio.ensure_future(self._listen(reader, writer))

    async def leave(self) -> None:
        """Detach; the engine goes on."""
        self.lost = None
        self._alive = False  # a listener that is cancelled before its first turn cannot say so
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._writer:
            self._writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._writer.wait_closed()
            self._writer.transport.abort()

    async def ask(self, verb: str, **arguments: Any) -> Any:
        """Send a command and wait for its reply; the engine's refusal is raised as a DfosError."""
        if not self._alive or self._writer is None:
            raise Gone("the engine is gone", remedy="start it again: dfos console")
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        self._writer.write(wire.pack({"id": number, "verb": verb, "arguments": arguments}))
        try:
            return await future
        finally:
            self._replies.pop(number, None)

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Order something; the reply is one line to show."""
        return str(await self.ask(verb, **arguments))

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        """Answer a question; saved before this returns."""
        return str(await self.ask("answer", number=number, choice=choice, comment=comment))

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await wire.unpack(reader)) is not None:
                for data in message.get("events", ()):
                    self._fold(data)
                if "ready" in message:
                    self._whole()
                if "reply" in message:
                    self._settle(message)
        except DfosError:
            pass  # whoever talks like that is no engine of ours, or of another time
        finally:
            self._alive = False
            writer.close()
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(Gone("the engine went away before it replied"))
            self.ready.set()
            if self.lost:
                self.lost()

    def _fold(self, data: dict[str, Any]) -> None:
        try:
            stamped = decode(data)
        except (KeyError, TypeError, ValueError):
            return  # an event of a newer engine: what we do not know we do not show
        change = self.board.fold(stamped)
        self._last = stamped
        if self.heard and self.ready.is_set():
            self.heard(stamped, change)

    def _whole(self) -> None:
        """The snapshot is there: half of it would have shown ABs as gone that only had not come yet."""
        self.ready.set()
        if self.heard and self._last:
            self.heard(self._last, Change(tuple(self.board.rows), fresh=True, head=True))

    def _settle(self, message: dict[str, Any]) -> None:
        future = self._replies.get(message["reply"])
        if future is None or future.done():
            return
        if "error" in message:
            kind = UsageTrouble if message.get("code") == 2 else DfosError
            future.set_exception(kind(message["error"]))
        else:
            future.set_result(message.get("text", ""))
