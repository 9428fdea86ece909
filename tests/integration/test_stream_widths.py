"""`dfos streams`, and the next engine: what was changed still holds."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from config.tree import DfoTree
from console.hosting.host import Host
from console.hosting.verbs import Verbs
from engine.errors import UsageTrouble
from engine.stores.orders import Order
from tests.accounts import DFOS
from tests.fakes import LIMIT_S
from tests.moving import account


def streams(tree: DfoTree, *words: str, code: int = 0) -> list[tuple[str, int, int]]:
    command = [*DFOS, "streams", "--root", str(tree.root), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
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


async def test_a_change_is_the_next_engines_too_and_can_be_taken_back(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    async with Host(context.tree, {}, who="anna") as first:
        order = Verbs(first)
        assert await order("streams", {"n": 2, "kind": "scipost"}, "anna") == "scipost: 2 at once"
        assert await order("streams", {"n": 7}, "anna") == "7 streams"
        with pytest.raises(UsageTrouble):
            await order("streams", {"n": 2, "kind": "no"}, "anna")
    async with Host(context.tree, {}, who="bert") as second:
        assert (second.board.streams, second.board.configured) == (7, "configured 3, scipost 3")
        settings = second.context(Order("SCIENCE", "2094-01-16", "P")).settings
        assert (settings.streams, settings.kinds["scipost"].streams) == (7, 2), "what a run works with"
        found = await asyncio.to_thread(streams, context.tree)
        assert ("scipost", 2, 3) in found, "by the engine"
        assert (await asyncio.to_thread(streams, context.tree, "--configured"))[0] == ("", 3, 3)
        assert (second.board.streams, second.board.configured) == (3, "")
