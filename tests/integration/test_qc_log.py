"""What a QC procedure prints: all of it is in its log, whatever the engine does meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from engine.errors import DfosError, PluginTrouble
from engine.process.qc import external
from tests.fakes import LIMIT_S, text_of, until

FULL = 60_000  # bytes that a pipe holds


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "it.qclog"


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine gets to nothing while the procedure runs, and those that it left behind have no time."""
    monkeypatch.setattr(external, "_LEFT_BEHIND_S", 0.0)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_reader", lambda *_: None)


async def run(body: str, log: Path, limit_s: float = LIMIT_S) -> None:
    await external._run(["/bin/sh", "-c", body], Path("/"), log, {"PATH": os.environ["PATH"]}, limit_s)


@pytest.mark.usefixtures("stalled")
async def test_the_last_lines_are_kept_though_nobody_read_before_the_end(log: Path) -> None:
    await run(f"head -c {FULL} /dev/zero | tr '\\0' x; echo; echo last words", log)
    assert text_of(log) == "x" * FULL + "\nlast words\n"
    with pytest.raises(DfosError, match="exit code 3"):
        await run("echo why; exit 3", log)
    assert text_of(log) == "why\n"


@pytest.mark.usefixtures("stalled")
async def test_what_a_procedure_leaves_behind_holds_nobody_up(log: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    await run(f"sleep 1000 & echo $! > {note}; echo last words", log)
    os.kill(int(text_of(note)), signal.SIGKILL)
    assert text_of(log) == "last words\n"


async def test_what_writes_for_ever_holds_nobody_up(log: Path) -> None:
    await run("echo first words; yes &", log)
    assert text_of(log).startswith("first words\n")


async def test_what_is_left_behind_may_end_its_line(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the `tee` of a shell's `exec > >(tee ...)` does, which is no child that it waits for."""
    monkeypatch.setattr(external, "_LEFT_BEHIND_S", LIMIT_S)
    os.mkfifo(go := tmp_path / "go")
    doing = asyncio.create_task(run(f"(read x < {go}; echo late) & echo early", log))
    await until(lambda: text_of(log) == "early\n")
    await asyncio.to_thread(go.write_text, "go\n")
    await doing
    assert text_of(log) == "early\nlate\n"


async def test_a_procedure_that_is_ended_leaves_what_it_said(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginTrouble, match="did not end within 1 s"):
        await run("echo asleep; sleep 1000", log, 1.0)
    doing = asyncio.create_task(run("echo asleep again; sleep 1000", log))
    await until(lambda: text_of(log) == "asleep again\n")
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing


async def test_a_full_disk_is_said_and_does_not_hold_the_procedure_up() -> None:
    with pytest.raises(PluginTrouble, match=os.strerror(errno.ENOSPC)):
        await run("yes | head -c 3000000", Path("/dev/full"))
