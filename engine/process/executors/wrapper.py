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
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
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
_ROUNDS = 20  # one that has come meanwhile is looked at in the next
_LOOKS = 1000  # a millisecond apart, at a process that changes its program
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of include/linux/sched.h
_FLAGS, _CODE, _ENV_START, _ENV_END = 6, 23, 47, 48  # fields 9, 26, 50, 51 of proc(5), from the state


class Signals:
    """What we are told we tell the recipe; `told` is the first signal that was to end it.

    Handlers only note and pass on: whatever we are at when one comes is finished, the exit record above all. They run
    between two statements: one that comes as a call begins to wait would be heard when it ends. So we wait for the
    pipe that every signal writes to.
    """

    def __init__(self) -> None:
        self.child = 0
        self.told = 0
        self.frozen = False
        self._came, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored by who started us, no child could be waited for
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

    def begun(self, child: int) -> None:
        """The recipe runs: what we were told meanwhile it hears now."""
        self.child = child
        if self.told:
            self._end(self.told, None)
        elif self.frozen:
            self._pass(signal.SIGSTOP)

    def until_ended(self, child: int) -> None:
        """Wait for the end of the recipe; it stays a zombie."""
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            select.select([self._came], [], [])
            with suppress(BlockingIOError):
                os.read(self._came, 4096)

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
    skipped = _not_after(spec, signals)
    note["started"] = time.time()
    try:  # also of one that is skipped: another run of this job may be at work, and the record is its
        claim(place, note)
    except FileExistsError:
        _say(f"{place}: another run has this job")
        return CLAIMED
    except OSError as trouble:
        _say(f"{place}: {trouble.strerror}")
        return NO_RECORD
    if skipped:
        _say(skipped)
        return _written(record, note | {"ended": time.time(), "told": signals.told, "skipped": skipped}, NOT_AFTER)
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
            preexec_fn=tied(os.getpid()),
        )
    finally:
        os.close(log)
    signals.begun(child.pid)
    signals.until_ended(child.pid)
    signals.child = 0
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever it left behind; the zombie still reserves the number
    with suppress(OSError):
        _end_marked(f"{_MARK}={spec['token']}".encode())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    code = os.waitstatus_to_exitcode(status)
    ended = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
    return ended | {"max_rss_mb": round(usage.ru_maxrss / 1024, 1)}


def _end_marked(mark: bytes) -> None:
    """End what has left the group of the recipe (setsid)."""
    looked = {os.getpid()}
    for _ in range(_ROUNDS):
        fresh = {int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()} - looked
        if not fresh:
            break  # nobody has come since the last look
        found = [pid for pid in fresh if mark in _environ(f"/proc/{pid}")]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:  # until then it may have children yet
            _until_gone(f"/proc/{pid}")
        looked |= fresh


def _environ(process: str) -> list[bytes]:
    """The environment of a process. In the moment of an exec it has none: looked at again."""
    with suppress(OSError):
        for _ in range(_LOOKS):
            if data := Path(process, "environ").read_bytes():
                return data.split(b"\0")
            fields = _stat(process)
            if fields[0] in (b"Z", b"X") or int(fields[_FLAGS]) & _KERNEL_THREAD:
                break
            # An exec that was over before this second look shows an environment: worth another one, too.
            if fields[_CODE] != b"0" and int(fields[_ENV_START]) >= int(fields[_ENV_END]):
                break
            time.sleep(0.001)
    return []


def _until_gone(process: str) -> None:
    with suppress(OSError):
        for _ in range(_LOOKS):
            if _stat(process)[0] in (b"Z", b"X"):
                break
            time.sleep(0.001)


def _stat(process: str) -> list[bytes]:
    return Path(process, "stat").read_bytes().rpartition(b")")[2].split()


def tied(parent: int) -> Callable[[], None]:
    """What a child of process `parent` calls before its program, so that it dies with the thread that started it.

    A recipe whose wrapper is killed could never be accounted for. All is looked up here: between fork and exec another
    thread's locks may be held for ever.
    """
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before we had said so: nobody will tell us
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _not_after(spec: dict[str, Any], signals: Signals) -> str:
    """Why it must not run: a job it comes after has not ended well. Where there is no queue, we wait here."""
    waits = bool(spec.get("waits"))
    for token, name in dict(spec.get("after") or {}).items():
        path = Path(name)
        while waits and not path.exists():
            if signals.told:
                return REMOVED
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
        if signals.told:
            return REMOVED
        time.sleep(_WAIT_S)
    return REMOVED if signals.told else ""


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
