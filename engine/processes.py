"""Processes of this host as /proc shows them: which one it is, what it was started with, and whether it lives.

A pid is given again; with its start and the boot it is unique. A process is told to be ours by a
mark in its environment, which it keeps where it leaves the group it was started in (setsid).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_BOOT = PROC / "sys/kernel/random/boot_id"
_ROUNDS = 20  # one that has come meanwhile is looked at in the next
_LOOKS = 1000  # a millisecond apart, at a process that changes its program
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of include/linux/sched.h
_FLAGS, _START, _CODE, _ENV_START, _ENV_END = 6, 19, 23, 47, 48  # fields 9, 22, 26, 50, 51 of proc(5), from the state


def boot_id() -> str:
    """Which boot of the machine this is: pids of another one mean nothing."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def start_of(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone or a zombie."""
    fields = _stat(pid)
    return int(fields[_START]) if _lives(fields) else 0


def birth_of(child: int) -> int:
    """The same of a child of ours, also when it has ended and waits to be asked for its exit code."""
    fields = _stat(child)
    return int(fields[_START]) if fields else 0


def state_of(pid: int) -> str:
    """A process's state letter as ps shows it; '' when it is gone."""
    fields = _stat(pid)
    return fields[0].decode() if fields else ""


def environ(pid: int) -> list[bytes]:
    """A process's environment as it was started with; empty when it has none or it may not be seen.

    In the moment of an exec the old one is gone and the new one is not there yet: looked at again.
    Blocking, for a second at most.
    """
    for _ in range(_LOOKS):
        try:
            data = (PROC / str(pid) / "environ").read_bytes()
        except OSError:
            return []
        if data:
            return data.split(b"\0")
        if not _between_programs(_stat(pid)):
            break
        time.sleep(0.001)
    return []


def mark_of(pid: int, name: str) -> str:
    """The value of an environment variable of a process; '' when it has none, or has ended."""
    for entry in environ(pid):
        if entry.startswith(f"{name}=".encode()):
            return os.fsdecode(entry.partition(b"=")[2])
    return ""


def end_marked(name: str, value: str) -> int:
    """End (SIGKILL) every process of this user with `name=value` in its environment; how many. Blocking."""
    looked = {os.getpid()}
    ended = 0
    for _ in range(_ROUNDS if value else 0):
        fresh = {int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()} - looked
        if not fresh:
            break  # nobody has come since the last look, so nobody is left
        found = [(pid, start) for pid in fresh if (start := _ended_if(pid, name, value))]
        for pid, start in found:
            _until_gone(pid, start)
        looked |= fresh
        ended += len(found)
    return ended


def _ended_if(pid: int, name: str, value: str) -> int:
    """End a process that has this mark; its start, 0 when it has not. The number may be given to another meanwhile:
    what is ended is what was looked at.
    """
    handle = pidfd(pid)
    try:
        if mark_of(pid, name) != value or not (start := start_of(pid)):
            return 0
        with suppress(ProcessLookupError, PermissionError):
            if handle >= 0:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        return start
    finally:
        if handle >= 0:
            os.close(handle)


def pidfd(pid: int) -> int:
    """A hold of a process; -1 where the system has none (before Linux 5.3), or the process is gone."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _until_gone(pid: int, start: int) -> None:
    """SIGKILL is heard when the process has its turn; a disk that does not answer may hold it up for ever."""
    for _ in range(_LOOKS):
        if start_of(pid) != start:
            return
        time.sleep(0.001)


def _stat(pid: int) -> list[bytes]:
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return []
    try:
        data = os.read(handle, 1024)
    except OSError:
        return []
    finally:
        os.close(handle)
    return data[data.rindex(b")") + 2 :].split()


def _lives(fields: list[bytes]) -> bool:
    return bool(fields) and fields[0] not in (b"Z", b"X")


def _between_programs(fields: list[bytes]) -> bool:
    # An exec that was over before this second look shows an environment (start < end): worth another look too.
    if not _lives(fields) or int(fields[_FLAGS]) & _KERNEL_THREAD:
        return False
    # Where its code is comes last: until then even an environment that seems empty need not be.
    return fields[_CODE] == b"0" or int(fields[_ENV_START]) < int(fields[_ENV_END])
