"""One engine, many consoles: the socket."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from console.hosting.server import Server
from console.link import wire
from console.link.client import Gone, Link
from engine import events as ev
from engine.board import Board
from engine.bus import Bus
from engine.errors import DfosError, UsageTrouble


def seen(name: str, order: int = 0) -> ev.AbSeen:
    return ev.AbSeen(
        name, "SCIENCE", "2094-01-16", "scipost", "muse_scipost", "X", "NGC300", order, (), 60.0, "CREATED"
    )


class Desk:
    """A tiny engine: a bus, a board, and commands."""

    def __init__(self, directory: Path) -> None:
        self.board, self.bus = Board(), Bus("run1")
        self.bus.subscribe(lambda stamped: self.board.fold(stamped) and None)
        self.told: list[tuple[str, dict[str, Any], str]] = []
        self.server = Server(directory, self.bus, self.board, self.command)

    async def command(self, verb: str, arguments: dict[str, Any], who: str) -> Any:
        self.told.append((verb, arguments, who))
        if verb == "refuse":
            raise UsageTrouble("no such thing", remedy="try another")
        if verb == "crash":
            raise ZeroDivisionError("oops")
        return f"{verb} done"


async def until(link: Link, true: Any) -> None:
    changed = asyncio.Event()
    link.heard = lambda *_: changed.set()
    async with asyncio.timeout(180):
        while not true():
            changed.clear()
            await changed.wait()


async def test_two_consoles_see_the_same_board(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bus.publish(seen("a.ab"))
    async with desk.server:
        assert (tmp_path / wire.NAME).stat().st_mode & 0o777 == 0o600
        one, two = Link(), Link()
        await one.attach(tmp_path)
        await one.ready.wait()
        assert set(one.board.rows) == {"a.ab"}
        desk.bus.publish(ev.AbChanged("a.ab", "RUNNING", stream=2, started=5.0))
        await two.attach(tmp_path)
        await two.ready.wait()
        desk.bus.publish(seen("b.ab", 1))
        for link in (one, two):
            await until(link, lambda link=link: len(link.board.rows) == 2)
            assert link.board.rows == desk.board.rows
            assert link.board.counts["RUNNING"] == 1
        assert await two.command("pause") == "pause done"
        assert desk.told[0][0] == "pause" and desk.told[0][2]
        await one.leave()
        await two.leave()
    assert not (tmp_path / wire.NAME).exists()


async def test_a_socket_that_cannot_be_made_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Kept(socket.socket):
        def __init__(self, *words: Any) -> None:
            super().__init__(*words)
            made.append(self)

        def bind(self, address: Any, /) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr("console.hosting.server.socket.socket", Kept)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            await Desk(tmp_path).server.__aenter__()
    assert [one.fileno() for one in made] == [-1]
    async with Desk(tmp_path).server:
        assert (tmp_path / wire.NAME).is_socket()


async def test_refusals_and_crashes_are_answers(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.server:
        link = Link()
        await link.attach(tmp_path)
        with pytest.raises(UsageTrouble, match="no such thing"):
            await link.command("refuse")
        with pytest.raises(DfosError, match="ZeroDivision"):
            await link.command("crash")
        assert await link.command("still") == "still done"
        await link.leave()


async def test_the_engine_that_goes_away_is_gone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    link = Link()
    with pytest.raises(Gone):
        await link.attach(tmp_path)
    async with desk.server:
        await link.attach(tmp_path)
        await link.ready.wait()
        lost = asyncio.Event()
        link.lost = lost.set
    async with asyncio.timeout(180):
        await lost.wait()
    assert not link.alive
    with pytest.raises(Gone):
        await link.command("pause")


@pytest.mark.parametrize("line", [b"garbage\n", b"[1, 2]\n", b'{"verb": 3}\n', b"\xff\xfe\n", b"{}\n"])
async def test_nonsense_does_not_hurt_the_engine(tmp_path: Path, line: bytes) -> None:
    desk = Desk(tmp_path)
    async with desk.server:
        with wire.reachable(tmp_path) as short:
            _, writer = await asyncio.open_unix_connection(short)
        writer.write(line)
        await writer.drain()
        link = Link()
        await link.attach(tmp_path)
        assert await link.command("ok") == "ok done"
        await link.leave()
        writer.close()


async def test_a_console_hears_of_the_snapshot_when_it_is_whole(tmp_path: Path) -> None:
    rest = asyncio.Event()

    async def engine(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, name in enumerate(("a.ab", "b.ab")):
            writer.write(wire.pack({"events": [ev.encode(ev.Stamped("run1", number, 0.0, seen(name, number)))]}))
            await rest.wait()
        writer.write(wire.pack({"ready": True}))
        writer.close()

    heard: list[tuple[str, ...]] = []
    link, lost = Link(), asyncio.Event()
    link.heard, link.lost = lambda _, change: heard.append(change.rows), lost.set
    with wire.reachable(tmp_path) as short:
        server = await asyncio.start_unix_server(engine, short)
    async with server, asyncio.timeout(180):
        await link.attach(tmp_path)
        while "a.ab" not in link.board.rows:  # noqa: ASYNC110 - nobody tells us: that is the point
            await asyncio.sleep(0.005)
        assert heard == [], "b.ab has not come yet; it is not gone"
        rest.set()
        await lost.wait()
    assert heard == [("a.ab", "b.ab")]
    await link.leave()


async def test_what_is_no_engine_is_left(tmp_path: Path) -> None:
    async def stranger(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\n")
        writer.close()

    link, lost = Link(), asyncio.Event()
    link.lost = lost.set
    with wire.reachable(tmp_path) as short:
        server = await asyncio.start_unix_server(stranger, short)
    async with server, asyncio.timeout(180):
        await link.attach(tmp_path)
        await lost.wait()
        assert not link.alive
        await link.leave()


async def test_a_long_account_path_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90) / ("y" * 90)
    deep.mkdir(parents=True)
    desk = Desk(deep)
    async with desk.server:
        link = Link()
        await link.attach(deep)
        assert await link.command("ok") == "ok done"
        await link.leave()


async def test_something_else_at_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / wire.NAME).write_text("precious")
    with pytest.raises(DfosError, match="not our socket"):
        async with Desk(tmp_path).server:
            pass
    assert (tmp_path / wire.NAME).read_text() == "precious"


def test_every_event_survives_the_wire() -> None:
    for name, kind in ev.KINDS.items():
        values: dict[str, Any] = {}
        samples = {"tuple": ("p",), "dict": {"k": 1}, "float": 1.5, "bool": True, "int": 3, "str": "é\x1b"}
        for part in fields(kind):
            values[part.name] = next(value for word, value in samples.items() if str(part.type).startswith(word))
        stamped = ev.Stamped("run", 1, 2.0, kind(**values))
        assert ev.decode(json.loads(json.dumps(ev.encode(stamped)))) == stamped, name


async def test_a_console_that_is_accepted_in_the_last_moment_is_let_go(tmp_path: Path) -> None:
    desk, (ours, theirs) = Desk(tmp_path), socket.socketpair()
    async with desk.server:
        pass
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    await desk.server._client(reader, writer)
    assert writer.is_closing() and not desk.server.consoles
    await writer.wait_closed()
    theirs.close()


async def test_a_link_that_is_left_before_it_has_listened_is_not_alive(tmp_path: Path) -> None:
    desk, link = Desk(tmp_path), Link()
    async with desk.server:
        await link.attach(tmp_path)
        await link.leave()
        assert not link.alive
        with pytest.raises(Gone):
            await asyncio.wait_for(link.ask("pause"), 180)


async def test_what_is_no_engine_of_ours_is_an_engine_that_is_gone(tmp_path: Path) -> None:
    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n")
        writer.close()

    link = Link()
    async with await asyncio.start_unix_server(nonsense, tmp_path / wire.NAME):
        (tmp_path / wire.NAME).chmod(0o600)
        await link.attach(tmp_path)
        await asyncio.wait_for(link.ready.wait(), 180)
        assert not link.alive
        await link.leave()
