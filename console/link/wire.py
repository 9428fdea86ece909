"""The wire between an engine and its consoles: JSON lines over a Unix socket.

Down: `{"events": [...]}` (engine.events.encode), first the snapshot, then everything that happens;
`{"reply": id, "text": ...}` or `{"reply": id, "error": ..., "code": ...}`. Up: `{"id":, "verb":,
"arguments": {...}}`. Only the account's own user can open the socket (mode 0600 in its own directory).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import DfosError

NAME = "socket"
LIMIT = 64 << 20  # bytes of one line: a snapshot of 10,000 ABs has about 5 MB
BATCH = 500  # events in one line


@contextlib.contextmanager
def reachable(directory: Path) -> Iterator[str]:
    """A short path of the socket in `directory`: a Unix socket's own path may not exceed 107 bytes."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)


def is_ours(path: Path) -> bool:
    """True when a socket file belongs to us and nobody else may open it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid()


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", packed)[1])


def pack(message: dict[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


async def unpack(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None when the other end is gone. DfosError when it is not one of ours."""
    try:
        line = await reader.readline()
    except ValueError:
        raise DfosError("a line on the engine's socket is too long") from None
    except OSError:
        return None
    if not line.endswith(b"\n"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        raise DfosError("what came over the engine's socket is not JSON") from None
    if not isinstance(message, dict):
        raise DfosError("what came over the engine's socket is not a message")
    return message
