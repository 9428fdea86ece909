"""One writer per MODE and DATE, one engine per account.

A lock is a `flock` on a small file under `$DFO_MON_DIR/ENGINE`; it dies with its process, so a
file left behind by a crash locks nothing. The file says who holds it, for the one who comes second.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from config.tree import DfoTree
from engine.core.dates import date_label, mode_label
from engine.errors import Busy


@contextlib.contextmanager
def held(path: Path, what: str, who: str, subject: str) -> Iterator[None]:
    """Hold the lock file `path` inside the block; Busy names the holder when somebody else does.

    `subject` is what is locked in words, e.g. `SCIENCE 2094-01-16`; `what` the tool that wants it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{subject} is held by {_holder(path)}", remedy="wait until it has ended, or stop it there"
            ) from None
        note = {
            "what": what,
            "user": who,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        }
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(note).encode(), 0)
        yield
    finally:
        os.close(handle)


def pool(tree: DfoTree, mode: str, date: str, what: str, who: str) -> contextlib.AbstractContextManager[None]:
    """The lock of one MODE and DATE."""
    subject = f"{mode_label(mode)} {date_label(date)}"
    return held(tree.state / "LOCKS" / f"{mode}_{date}", what, who, subject)


def engine(tree: DfoTree, what: str, who: str) -> contextlib.AbstractContextManager[None]:
    """The lock of the account's engine: `ENGINE/lock`."""
    return held(tree.state / "lock", what, who, "the engine of this account")


@contextlib.contextmanager
def shared_file(tree: DfoTree, path: Path) -> Iterator[None]:
    """Wait for the turn to rewrite a file that several tools write: DFO_STATUS, JOBS_INGEST, comments."""
    place = tree.state / "LOCKS" / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text("utf-8"))
        return f"{note['what']} of {note['user']} on {note['host']} (pid {note['pid']}) since {note['since']} UT"
    except (OSError, ValueError, KeyError, TypeError):
        return "somebody who has not said who they are yet"
