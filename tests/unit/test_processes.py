"""Processes that come and go between two looks: a /proc of our own where the order must be forced."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import processes
from engine.process.executors import local, wrapper
from engine.process.executors.local import TOKEN, LocalExecutor, new_token
from engine.process.executors.records import WRAPPER, Records
from engine.processes import boot_id, end_marked, start_of
from engine.stores.attempts import Attempt
from tests.fakes import LIMIT_S, settle, text_of, until

Sleeper = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Start a process that sleeps; it is ended and waited for afterwards."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(**options: Any) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, **options))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


# --- ending what carries a mark ---------------------------------------------------------------


def test_a_child_whose_parent_ends_before_it_is_looked_at_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that forks twice: listed is the one between, found is nobody, and its child came after the listing."""
    (tmp_path / "10").mkdir()
    ended: list[int] = []

    def looked_at(pid: int, name: str, value: str) -> int:
        if pid == 10:  # it forks, and is gone
            (tmp_path / "11").mkdir()
            (tmp_path / "10").rmdir()
            return 0
        ended.append(pid)
        (tmp_path / str(pid)).rmdir()
        return 1

    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(processes, "_ended_if", looked_at)
    monkeypatch.setattr(processes, "start_of", lambda pid: 0)
    assert end_marked("DFOS_TEST", "x") == 1
    assert ended == [11]


def test_a_number_that_is_given_to_another_meanwhile_is_not_ended(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = sleeper(env={"DFOS_TEST": "x"})
    kill, mark_of, start = os.kill, processes.mark_of, start_of(marked.pid)

    def ends(pid: int, name: str) -> str:
        found = mark_of(pid, name)
        if pid == marked.pid:
            kill(pid, signal.SIGKILL)
            marked.wait()
        return found

    def number(*_: object) -> None:
        raise AssertionError("a number may be another's by now")

    monkeypatch.setattr(processes, "mark_of", ends)
    monkeypatch.setattr(processes, "start_of", lambda pid: start)
    monkeypatch.setattr(processes.os, "kill", number)
    assert processes._ended_if(marked.pid, "DFOS_TEST", "x") == start


# --- recipes of an earlier engine -------------------------------------------------------------


async def test_a_recipe_that_ends_while_it_is_found_again(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks its number went to another process, which is neither followed nor ended."""
    other = sleeper()
    starts = iter([4711])  # the recipe's, then what the other one has
    monkeypatch.setattr(local, "start_of", lambda pid: next(starts, start_of(pid)))
    recipe = LocalExecutor().reattach(other.pid, 4711, boot_id())
    assert recipe
    await settle()
    assert recipe.over and (await recipe.wait()).rc is None
    await recipe.terminate()
    assert other.poll() is None


async def test_what_a_recipe_left_behind_is_no_recipe(tmp_path: Path) -> None:
    """It ended while no engine was there; what had left its group must not write into the work directory any more."""
    note, token = tmp_path / "pid", new_token("a.ab", 1)
    recipe = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", f"setsid sh -c 'echo $$ > {note}; exec sleep 1000' & read word"),
        cwd=tmp_path,
        env={TOKEN: token},
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    start = start_of(recipe.pid)
    await until(lambda: text_of(note).endswith("\n"))
    assert recipe.stdin
    recipe.stdin.close()
    await recipe.wait()
    left = int(text_of(note))
    attempt = Attempt(1, "a.ab", 1, str(tmp_path), token, recipe.pid, start, boot_id(), 0.0, None, None, None, None)
    assert await LocalExecutor().found(attempt) is None
    assert not start_of(left)


# --- the wrapper of a job ---------------------------------------------------------------------


def spec(root: Path, **changes: Any) -> Path:
    """The spec of a job that says hello."""
    records = Records(root)
    said = {
        "token": "t:1:0",
        "attempt": 1,
        "argv": ["/bin/echo", "hello"],
        "cwd": str(root),
        "env": {},
        "log": str(root / "log"),
        "claim": str(records.claim_path("t:1:0")),
        "record": str(records.record_path("t:1:0")),
        **changes,
    }
    path = root / "spec"
    path.write_text(json.dumps(said))
    return path


def test_a_wrapper_whose_starter_forgets_children_knows_how_its_recipe_ended(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(WRAPPER), str(spec(tmp_path, argv=["/bin/sh", "-c", "exit 7"]))],
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        timeout=LIMIT_S,
        check=False,
    )
    ended = Records(tmp_path).ended("t:1:0")
    assert ended and (ended.code, ended.trouble, done.returncode) == (7, "", 7)


_TOLD = """
import os, runpy, signal, sys, time
sys.argv = sys.argv[1:]
now = time.time
def told():
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        os.kill(os.getpid(), signal.SIGTERM)
    return now()
time.time = told
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_wrapper_that_is_told_to_end_at_its_every_step_leaves_its_record(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _TOLD, str(WRAPPER), str(spec(tmp_path))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    ended = Records(tmp_path).ended("t:1:0")
    assert ended and (ended.skipped, ended.told) == (wrapper.REMOVED, signal.SIGTERM)
    assert done.returncode == wrapper.NOT_AFTER and "Traceback" not in done.stderr


_JUST_BEFORE_IT_WAITS = """
import runpy, signal, sys, threading
sys.argv = sys.argv[1:]
threading.Thread(target=threading.Event().wait, daemon=True).start()  # it takes the signal, and nobody's call is broken
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_wrapper_that_is_told_just_before_it_waits_tells_its_recipe(tmp_path: Path) -> None:
    """As a call begins to wait a signal is noted, but the call goes on."""
    path = spec(tmp_path, argv=["/bin/sh", "-c", f"echo begun; exec < {tmp_path / 'never'}"])
    os.mkfifo(tmp_path / "never")
    told = subprocess.Popen([sys.executable, "-c", _JUST_BEFORE_IT_WAITS, str(WRAPPER), str(path)])
    try:
        while not text_of(tmp_path / "log"):
            assert told.poll() is None
            time.sleep(0.01)
        told.send_signal(signal.SIGTERM)
        assert told.wait(LIMIT_S) == 128 + signal.SIGTERM
    finally:
        told.kill()
        told.wait()
    ended = Records(tmp_path).ended("t:1:0")
    assert ended and (ended.signal, ended.told) == (signal.SIGTERM, signal.SIGTERM)


def test_a_second_wrapper_that_is_removed_says_nothing_of_the_first(tmp_path: Path) -> None:
    """A job that was submitted twice: one runs, the other one is cancelled while it waits."""
    path = spec(tmp_path, waits=True, hold=str(tmp_path / "hold"))
    (tmp_path / "hold").touch()
    Records(tmp_path).claim_path("t:1:0").write_text(json.dumps({"token": "t:1:0"}))
    words = [sys.executable, "-c", _TOLD, str(WRAPPER), str(path)]
    assert subprocess.run(words, capture_output=True, timeout=LIMIT_S, check=False).returncode == wrapper.CLAIMED
    assert Records(tmp_path).ended("t:1:0") is None


def test_a_child_whose_wrapper_was_killed_before_they_were_tied_dies(sleeper: Sleeper) -> None:
    orphan = sleeper(preexec_fn=wrapper.tied(os.getpid() + 1))
    assert orphan.wait(LIMIT_S) == -signal.SIGKILL
    assert sleeper(preexec_fn=wrapper.tied(os.getpid())).poll() is None


def test_a_wrapper_waits_for_a_process_between_two_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exe").symlink_to("/bin/sleep")
    (tmp_path / "environ").touch()
    numbers = ["S", *(["0"] * 48)]
    (tmp_path / "stat").write_text(f"7 (a) b) {' '.join(numbers)}")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 100:  # a disk that is busy
            (tmp_path / "environ").write_bytes(b"A=1\0B=2\0")

    monkeypatch.setattr(wrapper, "time", SimpleNamespace(sleep=sleep))
    assert wrapper._environ(str(tmp_path)) == [b"A=1", b"B=2", b""]
    (tmp_path / "environ").write_bytes(b"")
    numbers[wrapper._CODE] = "4096"
    (tmp_path / "stat").write_text(f"7 (a) b) {' '.join(numbers)}")
    assert wrapper._environ(str(tmp_path)) == [] and len(looks) == 100, "it has none"


def test_a_command_whose_starter_forgets_children_waits_for_its_own() -> None:
    code = (
        "import signal; from console.cli.main import run; run('dfos', ['-v']); print(signal.getsignal(signal.SIGCHLD))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert "SIG_DFL" in done.stdout or done.stdout.rstrip().endswith("0"), done.stdout + done.stderr


async def test_a_child_that_somebody_else_has_waited_for_is_over(sleeper: Sleeper) -> None:
    child = sleeper()
    recipe = local.Recipe(child.pid, start_of(child.pid), child=True, pidfd=False)
    child.kill()
    child.wait()
    async with asyncio.timeout(LIMIT_S):
        assert (await recipe.wait()).rc is None
