"""A console that comes in the moment an engine goes: the account's lock is still held, and nobody listens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.tree import DfoTree
from console.link import engine_process, wire
from console.link.client import Gone, Link
from console.link.engine_process import attach_or_start
from engine.atomic import lock
from tests.engines import end_engine
from tests.fakes import text_of, until
from tests.moving import account


async def test_an_engine_that_has_not_quite_ended_is_followed_by_another(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    tree, link = context.tree, Link()
    log = tree.state / "engine.log"
    # the first engine of the console finds it held, and ends
    with lock.engine(tree, "serve", "one"):
        coming = asyncio.create_task(attach_or_start(link, tree))
        await until(lambda: "is held by" in text_of(log))
    try:
        assert await coming, "an engine of its own"
        assert link.alive and link.ready.is_set()
    finally:
        await link.leave()
        end_engine(tree)


async def test_an_engine_that_ends_when_it_is_attached_to_is_followed_by_another(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    tree, link = context.tree, Link()

    def ending(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with wire.reachable(tree.state) as short:
        server = await asyncio.start_unix_server(ending, short)
    try:
        async with server:
            assert await attach_or_start(link, tree), "an engine of its own"
        assert link.alive and link.ready.is_set()
    finally:
        await link.leave()
        end_engine(tree)


async def test_an_engine_that_waited_in_vain_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal stood still while its engine came, saw nobody and ended well."""
    begun: list[DfoTree] = []

    class OfTheSecond(Link):
        async def attach(self, directory: Path) -> None:
            if len(begun) < 2:
                raise Gone("no engine listens")
            self.ready.set()
            self._alive = True

    def start(tree: DfoTree) -> int:
        begun.append(tree)
        return len(begun)

    monkeypatch.setattr(engine_process, "start", start)
    monkeypatch.setattr(engine_process, "ended", lambda engine: 0 if engine == 1 else None)
    assert await attach_or_start(OfTheSecond(), account(tmp_path).tree)
    assert len(begun) == 2
