from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from engine.process.executors.spawn import popen, started

Start = Callable[[Sequence[str], str, Mapping[str, str], int], int]
ENV = {"PATH": os.defpath, "MARK": "ä=1"}
BOTH = pytest.mark.parametrize("start", [started, popen])


def said(start: Start, argv: Sequence[str], cwd: Path, env: Mapping[str, str] = ENV) -> tuple[int, str]:
    """Exit code and output of a program."""
    log = cwd / "log"
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        pid = start(argv, str(cwd), env, out)
    finally:
        os.close(out)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), log.read_text()


@BOTH
def test_it_runs_in_its_directory_with_its_environment_alone(start: Start, tmp_path: Path) -> None:
    assert said(start, ["/bin/sh", "-c", "pwd; echo $MARK $HOME; cat; echo oops >&2; exit 3"], tmp_path) == (
        3,
        f"{tmp_path}\nä=1\noops\n",
    )


@BOTH
def test_it_leads_a_session_of_its_own_and_has_none_of_our_files(start: Start, tmp_path: Path) -> None:
    ours = os.open(tmp_path / "ours", os.O_WRONLY | os.O_CREAT)
    os.set_inheritable(ours, True)
    try:
        code, text = said(
            start, ["/bin/sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat | tr ' ' '\\n' | uniq; ls /proc/$$/fd"], tmp_path
        )
    finally:
        os.close(ours)
    assert code == 0
    assert text.split()[1:4] == ["0", "1", "2"]
    assert str(ours) not in text.split()[1:]


@BOTH
def test_signals_that_python_ignores_end_it(start: Start, tmp_path: Path) -> None:
    assert said(start, ["/bin/sh", "-c", "kill -PIPE $$; echo alive"], tmp_path) == (-signal.SIGPIPE, "")


@BOTH
def test_a_name_without_a_directory_is_looked_up(start: Start, tmp_path: Path) -> None:
    assert said(start, ["echo", "here"], tmp_path) == (0, "here\n")


@BOTH
@pytest.mark.parametrize("argv", [["/bin/no-such-program"], ["no-such-program"]])
def test_a_program_that_is_not_there(start: Start, argv: list[str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        said(start, argv, tmp_path)


@BOTH
def test_a_directory_that_is_not_there(start: Start, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        start(["/bin/true"], str(tmp_path / "gone"), ENV, 1)


@BOTH
def test_what_no_program_can_get(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null byte"):
        said(start, ["/bin/true", "a\0b"], tmp_path)
    with pytest.raises(ValueError, match="null byte"):
        said(start, ["/bin/true"], tmp_path, {"A": "x\0B=y"})
