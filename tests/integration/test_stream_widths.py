"""`dfos streams`, and an engine that is killed: what was changed still holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from config.tree import DfoTree
from console.engine_process import AccountLink, attach_or_start
from tests.accounts import DFOS
from tests.fakes import until
from tests.moving import account


def streams(tree: DfoTree, *words: str, code: int = 0) -> list[tuple[str, int, int]]:
    command = [*DFOS, "streams", "--root", str(tree.root), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return [(one["kind"], one["width"], one["configured"]) for one in json.loads(done.stdout)] if not code else []


def test_without_an_engine(tmp_path: Path) -> None:
    tree = account(tmp_path).tree
    assert streams(tree)[0] == ("", 3, 3)
    assert streams(tree, "5")[0] == ("", 5, 3)
    changed = streams(tree, "1", "--kind", "scipost")
    assert changed[0] == ("", 5, 3) and ("scipost", 1, 3) in changed
    assert ("scipost", 3, 3) in streams(tree, "--kind", "scipost", "--configured")
    assert all(width == configured for _, width, configured in streams(tree, "--configured"))
    for nonsense in (("0",), ("2", "--configured"), ("--kind", "scipost"), ("2", "--kind", "no")):
        streams(tree, *nonsense, code=2)


async def test_an_engine_that_is_killed_leaves_them_to_the_next(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    first = AccountLink(context.tree)
    await attach_or_start(first, context.tree)
    await first.ready.wait()
    assert await first.command("streams", n=2, kind="scipost") == "scipost: 2 at once"
    assert await first.command("streams", n=7) == "7 streams"
    await until(lambda: first.board.streams == 7 and first.board.configured == "configured 3, scipost 3")
    os.kill(_pid(context.tree), signal.SIGKILL)
    await until(lambda: not first.alive)
    second = AccountLink(context.tree)
    await attach_or_start(second, context.tree)
    await second.ready.wait()
    await until(lambda: second.board.streams == 7 and second.board.configured == "configured 3, scipost 3")
    assert ("scipost", 2, 3) in streams(context.tree), "by the engine"
    assert streams(context.tree, "--configured")[0] == ("", 3, 3)
    await until(lambda: second.board.streams == 3 and not second.board.configured)
    await second.command("quit")
    await second.leave()


def _pid(tree: DfoTree) -> int:
    return int(json.loads((tree.state / "lock").read_text())["pid"])
