"""The real command, really killed: at seeded random moments, by SIGKILL; then the same command with --recover."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.moves import contents
from tests.faults.power import differences
from tests.moving import account
from tests.released import NIGHT, bias, biases, processed

COMMAND = [sys.executable, "-P", "-m", "console", "moveProducts", "-m", "CALIB", "-d", NIGHT, "--auto", "--json"]
KILLS = 8
_WRITTEN = re.compile(rb"[0-9a-f]{64}\t(\d+)\t(ab|script)")  # the sum of a text that says when it was written
_NOW = re.compile(rb"20[2-9]\d-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?)?")


@pytest.fixture
def template(tmp_path: Path) -> Iterator[Path]:
    """An account with nine biases; each run has a copy of it at the same place."""
    context = account(tmp_path / "site")
    biases(context)
    for minute in range(30, 36):
        processed(context, bias(minute))
    context.db.close()
    (tmp_path / "site").rename(tmp_path / "template")
    yield tmp_path / "template"


def _seen(root: Path) -> dict[str, bytes]:
    """The tree, with the time of now left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        inside = str(path.relative_to(root))
        if "ENGINE" in inside or ".sqlite" in inside or not path.is_file():
            continue
        found[_NOW.sub(b"NOW", inside.encode()).decode()] = _WRITTEN.sub(
            rb"sum \1 \2", _NOW.sub(b"NOW", path.read_bytes())
        )
    return found


def _called(root: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "--root", str(root / "account"), *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )


@pytest.mark.row(68)
def test_killed_at_random_moments(tmp_path: Path, template: Path) -> None:
    root = tmp_path / "site"
    shutil.copytree(template, root)
    begun = time.monotonic()
    done = _called(root)
    whole = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    wanted, dice, cut = _seen(root), random.Random(20141022), 0
    before = contents(template)
    for number in range(KILLS):
        shutil.rmtree(root)
        shutil.copytree(template, root)
        child = subprocess.Popen(
            [*COMMAND, "--root", str(root / "account")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with child:
            assert child.stdout
            for line in child.stdout:
                if b'"PlanMade"' in line:
                    break
            try:
                child.wait(timeout=dice.uniform(0.0, whole / 6))
            except subprocess.TimeoutExpired:
                child.kill()
                cut += 1
        assert before <= contents(root, all_of_it=True), f"kill {number}: content is gone"
        again = _called(root, "--recover")
        assert again.returncode == 0, f"kill {number}: {again.stderr.decode()}"
        assert differences(_seen(root), wanted) == [], f"kill {number}"
    assert cut, "no kill came in time"


def test_the_second_command_is_told_who_is_first(tmp_path: Path, template: Path) -> None:
    from engine.atomic import lock
    from tests.builders import make_tree

    root = tmp_path / "site"
    shutil.copytree(template, root)
    with lock.pool(make_tree(root), "CALIB", NIGHT, "renameProducts", "somebody"):
        done = _called(root)
    assert done.returncode == 4, done.stderr
    assert b"renameProducts of somebody" in done.stderr + done.stdout
    assert _called(root).returncode == 0
