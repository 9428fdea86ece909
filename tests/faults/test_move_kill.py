"""The real command, really killed: before seeded random calls, by SIGKILL; then the same command with --recover."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts import DFOS
from tests.fakes import LIMIT_S
from tests.faults.killed import at_a_call
from tests.faults.moves import contents
from tests.faults.power import differences
from tests.moving import account
from tests.released import NIGHT, bias, biases, processed

COMMAND = ["moveProducts", "-m", "CALIB", "-d", NIGHT, "--auto", "--json"]
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
        [*DFOS, *COMMAND, "--root", str(root / "account"), *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
    )


@pytest.mark.row(68)
def test_killed_at_random_moments(tmp_path: Path, template: Path) -> None:
    root = tmp_path / "site"
    command = [*COMMAND, "--root", str(root / "account")]
    shutil.copytree(template, root)
    done = at_a_call(0, *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    calls = int(done.stderr.splitlines()[-1])
    wanted, dice = _seen(root), random.Random(20141022)
    before = contents(template)
    for number in sorted(dice.sample(range(1, calls * 9 // 10), KILLS)):
        shutil.rmtree(root)
        shutil.copytree(template, root)
        killed = at_a_call(number, *command, cwd=tmp_path)
        assert killed.returncode == -signal.SIGKILL, f"call {number} of {calls}: {killed.stderr}"
        assert before <= contents(root, all_of_it=True), f"call {number}: content is gone"
        again = _called(root, "--recover")
        assert again.returncode == 0, f"call {number}: {again.stderr.decode()}"
        assert differences(_seen(root), wanted) == [], f"call {number}"


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
