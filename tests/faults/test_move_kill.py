"""The real process, really killed: at seeded random moments, by SIGKILL."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine.atomic.recover import recover
from engine.release.move.move_products import move
from tests.builders import PSEUDO
from tests.released import picture, release_context, target

CHILD = """
import asyncio, sys
from pathlib import Path
from engine.release.move.move_products import move
from tests.released import release_context
context = release_context(Path(sys.argv[1]))
print("ready", flush=True)
asyncio.run(move(context, "SCIENCE", sys.argv[2]))
"""
HOME = Path(engine.__file__).parent.parent


@pytest.mark.parametrize("seed", range(6))
def test_killed_process(seed: int, tmp_path: Path) -> None:
    context = release_context(tmp_path / "killed")
    target(context)
    context.db.close()
    shutil.copytree(tmp_path / "killed", tmp_path / "whole")
    context = release_context(tmp_path / "whole")
    asyncio.run(move(context, "SCIENCE", PSEUDO))
    context.db.close()

    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "killed"), PSEUDO], stdout=subprocess.PIPE, cwd=HOME
    )
    with child:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        try:
            child.wait(timeout=random.Random(seed).uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            child.kill()

    context = release_context(tmp_path / "killed")
    asyncio.run(recover(context))
    asyncio.run(move(context, "SCIENCE", PSEUDO))
    assert picture(tmp_path / "killed" / "account") == picture(tmp_path / "whole" / "account")
    context.db.close()
