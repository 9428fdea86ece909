"""One engine, many consoles: the engine's end of the Unix socket.

A console that attaches gets the board as events and then everything that happens. One that
reads too slowly is cut off (it attaches again and gets a fresh board); none can block the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from console.exit_codes import code_of
from console.link import wire
from engine.board import Board
from engine.bus import Bus
from engine.errors import DfosError, UsageTrouble
from engine.events import Stamped, encode

Command = Callable[[str, dict[str, Any], str], Awaitable[Any]]
_SLOW = 32 << 20  # bytes waiting for one console


class Server:
    """Serves the board, the events and the commands of one engine."""

    def __init__(self, directory: Path, bus: Bus, board: Board, command: Command) -> None:
        self._directory = directory
        self._bus = bus
        self._board = board
        self._command = command
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting: list[dict[str, Any]] = []
        self._flushing = False
        self._over = False

    @property
    def consoles(self) -> int:
        """How many consoles are attached."""
        return len(self._clients)

    async def __aenter__(self) -> Server:
        path = self._directory / wire.NAME
        if path.exists() and not wire.is_ours(path):
            raise DfosError("something that is not our socket stands there", where=str(path), remedy="move it away")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # the account's lock is ours, so no engine answers there
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with wire.reachable(self._directory) as short:
                listening.bind(short)
            path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._client, sock=listening, limit=wire.LIMIT)
        except BaseException:
            listening.close()
            raise
        self._leave = self._bus.subscribe(self._heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        self._flush()
        self._leave()
        self._server.close()
        for writer in tuple(self._clients):
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(2):
                    await writer.drain()
            writer.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            (self._directory / wire.NAME).unlink()

    def _heard(self, stamped: Stamped) -> None:
        if not self._clients:
            return
        self._waiting.append(encode(stamped))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(0.05, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if not self._waiting:
            return
        line = wire.pack({"events": self._waiting})
        self._waiting = []
        for writer in tuple(self._clients):
            if writer.transport.get_write_buffer_size() > _SLOW:
                self._clients.discard(writer)
                writer.transport.abort()
            else:
                writer.write(line)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._over:  # accepted in the last moment: it looks for the next engine
            writer.close()
            return
        uid = wire.peer_uid(writer.get_extra_info("socket"))
        who = _user(uid)
        self._flush()
        snapshot = [
            encode(Stamped(self._bus.run, self._bus.seq, self._board.seen_at, event))
            for event in self._board.snapshot()
        ]
        for start in range(0, len(snapshot), wire.BATCH):
            writer.write(wire.pack({"events": snapshot[start : start + wire.BATCH]}))
        writer.write(wire.pack({"ready": True}))
        self._clients.add(writer)
        try:
            while (message := await wire.unpack(reader)) is not None:
                task = asyncio.ensure_future(self._answered(message, writer, who))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (DfosError, asyncio.CancelledError):
            pass  # a console that talks nonsense is hung up on; one that is attached at our end is let go
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answered(self, message: dict[str, Any], writer: asyncio.StreamWriter, who: str) -> None:
        reply: dict[str, Any] = {"reply": message.get("id")}
        try:
            verb, arguments = message.get("verb"), message.get("arguments", {})
            if not isinstance(verb, str) or not isinstance(arguments, dict):
                raise UsageTrouble("a command needs a verb and arguments")
            reply["text"] = await self._command(verb, arguments, who)
        except DfosError as trouble:
            reply |= {"error": str(trouble), "code": code_of(trouble)}
        except Exception as trouble:  # noqa: BLE001 - a bad command must not end the engine
            reply |= {"error": f"the engine failed at it: {trouble!r}", "code": 10}
        self._flush()
        if not writer.is_closing():
            writer.write(wire.pack(reply))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
