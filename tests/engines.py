"""The engine of an account, as a process of its own: kept from ending by itself, and gone when a test is over."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.tree import DfoTree
from console.link import wire

HANG_S = 180.0


@contextmanager
def attached(tree: DfoTree) -> Iterator[socket.socket]:
    """A console that only listens: as long as it does, the engine does not end for want of one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(HANG_S)
        with wire.reachable(tree.state) as short:
            line.connect(short)
        heard(line, b'"ready":true')
        yield line


def heard(line: socket.socket, what: bytes) -> bytes:
    """What the engine says, up to the part that holds `what`."""
    said = b""
    while what not in said:
        part = line.recv(1 << 16)
        assert part, f"the engine went away before it said {what!r}"
        said += part
    return said


def engine_pid(tree: DfoTree) -> int:
    """The process of the engine that one is attached to."""
    return int(json.loads((tree.state / "lock").read_text())["pid"])


def end_engine(tree: DfoTree) -> None:
    """End the account's engine if one runs, and see it gone. No other process is signalled, whoever has its number."""
    until = time.monotonic() + HANG_S
    while _held(tree.state / "lock"):
        assert time.monotonic() < until, "the engine does not end"
        with suppress(ValueError, KeyError, OSError):  # it has not said who it is yet, or has just ended
            _end(engine_pid(tree), tree)
        time.sleep(0.01)


def _end(pid: int, tree: DfoTree) -> None:
    handle = os.pidfd_open(pid)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"serve" in words and os.fsencode(tree.root) in words:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            select.select([handle], [], [], HANG_S)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    finally:
        os.close(handle)


def _held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
