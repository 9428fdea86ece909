"""A console that comes in the moment an engine goes: the account's lock is still held, and nobody listens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from console.link.client import Link
from console.link.engine_process import attach_or_start
from engine.atomic import lock
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
    assert await coming, "an engine of its own"
    await link.ready.wait()
    assert link.alive
    await link.leave()
    engine = json.loads((tree.state / "lock").read_text())["pid"]  # a child of ours: its pid is not given again
    os.kill(engine, signal.SIGTERM)
    assert await asyncio.to_thread(os.waitpid, engine, 0) == (engine, 0)
