"""Never two pushes of one id at the same time, over all processes of the account (NGAS page, rule 3)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

_LOOK_S = 0.5


@contextlib.asynccontextmanager
async def turn(folder: Path, what: str, sleep: Callable[[float], Awaitable[None]]) -> AsyncIterator[None]:
    """Hold the lock of `what` inside the block; waits for whoever holds it. The lock dies with its process."""
    path = folder / f"push-{hashlib.sha256(what.encode()).hexdigest()[:24]}"
    while (handle := _taken(path)) is None:
        await sleep(_LOOK_S)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # while it is held: whoever waits for it sees that its file is another one
        os.close(handle)


def _taken(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None
