"""What a batch system really runs: one recipe, once, with a claim before and an exit record after.

`python -I wrapper.py SPEC.json [NUMBER]`, the number the engine gave the job. Standard library only, no other
module of ours: the host that runs it needs nothing but Python 3.11 and the directories. Exit code: the
recipe's own, 128 + n for signal n; 75 when another run has the claim, 76 when a job it comes after did not end
well, 74 when the record cannot be written, 64 when the spec makes no sense, 127 when the recipe cannot be started.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

CLAIMED, NOT_AFTER, NO_RECORD, NO_SPEC, NO_START = 75, 76, 74, 64, 127
REMOVED = "removed before it began"
_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)
_TO_SAY = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
_GRACE_S = 10
_WAIT_S = 0.1
_PR_SET_PDEATHSIG = 1
_MARK = "DFOS_ATTEMPT"  # recipes carry it, with their job's token, wherever they go
_ROUNDS = 5  # one that forks meanwhile is found in the next
_LOOKS = 20  # a millisecond apart, at a process that changes its program


class Gone(Exception):
    """Told to end before the recipe was started."""


class Signals:
    """What we are told we tell the recipe; `told` is the first signal that was to end it."""

    def __init__(self) -> None:
        self.child = 0
        self.told = 0
        self.frozen = False
        self.waiting = True
        for number in _TO_END:
            signal.signal(number, self._end)
        for number in _TO_SAY:
            signal.signal(number, self._say)
        signal.signal(signal.SIGTSTP, self._freeze)
        signal.signal(signal.SIGALRM, lambda *_: self._pass(signal.SIGKILL))

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.told = self.told or number
        if self.child:
            self._pass(number)
            self._pass(signal.SIGCONT)  # a frozen process would not hear
            signal.alarm(_GRACE_S)
        elif self.waiting:
            raise Gone

    def begun(self, child: int) -> None:
        """The recipe runs: what we were told meanwhile it hears now."""
        self.child = child
        if self.told:
            self._end(self.told, None)
        elif self.frozen:
            self._pass(signal.SIGSTOP)

    def _freeze(self, _number: int, _frame: FrameType | None) -> None:
        self.frozen = True
        self._pass(signal.SIGSTOP)

    def _say(self, number: int, _frame: FrameType | None) -> None:
        self.frozen = self.frozen and number != signal.SIGCONT
        self._pass(number)

    def _pass(self, number: int) -> None:
        if self.child:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child, number)


def main(path: str, job: str = "") -> int:
    """Run the job of a spec file, which its engine calls `job`; the exit code."""
    try:
        spec = json.loads(Path(path).read_bytes())
        argv, env = [str(word) for word in spec["argv"]], {str(k): str(v) for k, v in spec["env"].items()}
        note = {"token": spec["token"], "attempt": int(spec["attempt"]), "host": socket.gethostname()}
        record, place = Path(spec["record"]), Path(spec["claim"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as trouble:
        _say(f"{path}: no job can be read: {trouble}")
        return NO_SPEC
    signals = Signals()
    note |= {"pid": os.getpid(), "started": time.time(), "code": None, "signal": None, "job": job}
    note["asked_mb"] = spec.get("memory_mb", 0)
    try:
        skipped = _not_after(spec)
    except Gone:
        return _written(record, note | {"ended": time.time(), "told": signals.told, "skipped": REMOVED}, NOT_AFTER)
    if skipped:
        _say(skipped)
        return _written(record, note | {"ended": time.time(), "skipped": skipped}, NOT_AFTER)
    signals.waiting = False
    note["started"] = time.time()
    try:
        claim(place, note)
    except FileExistsError:
        _say(f"{place}: another run has this job")
        return CLAIMED
    except OSError as trouble:
        _say(f"{place}: {trouble.strerror}")
        return NO_RECORD
    try:
        found = _run(argv, env, spec, signals)
    except (OSError, ValueError) as trouble:
        found = {"code": NO_START, "trouble": f"{argv[0]} cannot be started: {trouble}"}
    code = found["code"] if found.get("signal") is None else 128 + found["signal"]
    return _written(record, note | found | {"ended": time.time(), "told": signals.told}, code)


def _run(argv: list[str], env: dict[str, str], spec: dict[str, Any], signals: Signals) -> dict[str, Any]:
    """Start the recipe in a group of its own and wait for its end."""
    log = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        if signals.told:
            return {"code": None, "signal": signals.told}
        child = subprocess.Popen(
            argv,
            cwd=spec["cwd"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=die_with_us,
        )
    finally:
        os.close(log)
    signals.begun(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    signals.child = 0
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever it left behind; the zombie still reserves the number
    _end_marked(f"{_MARK}={spec['token']}".encode())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    code = os.waitstatus_to_exitcode(status)
    ended = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
    return ended | {"max_rss_mb": round(usage.ru_maxrss / 1024, 1)}


def _end_marked(mark: bytes) -> None:
    """End what has left the group of the recipe (setsid)."""
    ended = {os.getpid()}
    for _ in range(_ROUNDS):
        pids = {int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()} - ended
        found = {pid for pid in pids if mark in _environ(f"/proc/{pid}")}
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
        if not found:
            break


def _environ(process: str) -> list[bytes]:
    """The environment of a process. In the moment of an exec it has none: looked at again."""
    with suppress(OSError):
        for _ in range(_LOOKS):
            if data := Path(process, "environ").read_bytes():
                return data.split(b"\0")
            Path(process, "exe").readlink()  # what has ended, and a thread of the kernel, have none
            time.sleep(0.001)
    return []


def die_with_us() -> None:
    """In the child: a recipe whose wrapper is killed could never be accounted for."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _not_after(spec: dict[str, Any]) -> str:
    """Why it must not run: a job it comes after has not ended well. Where there is no queue, we wait here."""
    waits = bool(spec.get("waits"))
    for token, name in dict(spec.get("after") or {}).items():
        path = Path(name)
        while waits and not path.exists():
            time.sleep(_WAIT_S)
        try:
            ended = json.loads(path.read_bytes())
            well = isinstance(ended, dict) and ended.get("code") == 0 and not ended.get("told")
        except (OSError, ValueError):
            well = False
        if not well:
            return f"{token} did not end well"
    hold = spec.get("hold")
    while waits and hold and os.path.lexists(hold):
        time.sleep(_WAIT_S)
    return ""


def claim(path: Path, note: dict[str, Any]) -> None:
    """Say durably that this job runs, here; FileExistsError when it was said before."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        os.write(file, json.dumps(note).encode())
        os.fsync(file)
    finally:
        os.close(file)
    _sync(path.parent)


def _written(record: Path, note: dict[str, Any], code: int) -> int:
    """Leave the exit record, whole or not at all; the exit code."""
    temporary = record.with_name(f".{record.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(json.dumps(note).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(record)
        _sync(record.parent)
    except OSError as trouble:
        _say(f"{record}: {trouble.strerror}")
        return NO_RECORD
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _sync(place: Path) -> None:
    directory = os.open(place, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) in (2, 3) else NO_SPEC)
