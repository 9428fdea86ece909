"""Passwords: only from files that nobody else can read (decision 27)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.errors import UsageTrouble


def password_of(path: Path) -> str:
    """The password in a file: its first line. UsageTrouble when anybody but its owner could read it."""
    remedy = f"chmod 600 {path}"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as trouble:
        raise UsageTrouble(f"the password file cannot be read: {trouble.strerror}", where=str(path)) from trouble
    with os.fdopen(handle, "rb") as file:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise UsageTrouble("the password file is no plain file", where=str(path))
        if state.st_uid != os.getuid() and os.getuid() != 0:
            raise UsageTrouble("the password file belongs to somebody else", where=str(path))
        if stat.S_IMODE(state.st_mode) & 0o177:
            mode = stat.S_IMODE(state.st_mode)
            raise UsageTrouble(f"the password file has mode {mode:04o}, not 0600", where=str(path), remedy=remedy)
        lines = file.read(4096).decode("utf-8", "replace").splitlines()
    if not lines or not lines[0] or not lines[0].isprintable():
        raise UsageTrouble("the password file holds no password", where=str(path), remedy="one line, mode 0600")
    return lines[0]
