"""Processes that left the group they were started in (setsid), found by a mark in their environment."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_ROUNDS = 5  # one that forks meanwhile is found in the next


def mark_of(pid: int, name: str) -> str:
    """The value of an environment variable of a process; '' when it has none, or has ended."""
    with suppress(OSError):
        for entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            if entry.startswith(f"{name}=".encode()):
                return os.fsdecode(entry.partition(b"=")[2])
    return ""


def end_marked(name: str, value: str) -> int:
    """End (SIGKILL) every process of this user with `name=value` in its environment; how many. Blocking."""
    ended: set[int] = set()
    for _ in range(_ROUNDS if value else 0):
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        found = [pid for pid in pids if pid not in {os.getpid(), *ended} and mark_of(pid, name) == value]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended.update(found)
        if not found:
            break
    return len(ended)
