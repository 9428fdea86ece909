"""Executables of the account: plain names in $DFO_BIN_DIR, run only when nobody else could have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.errors import PluginTrouble


def check_safe(path: Path) -> None:
    """PluginTrouble unless the file and its directory are this account's (or root's) and nobody else may write them."""
    for place in (path, path.resolve().parent, path.parent):
        try:
            state = place.stat()
        except OSError as trouble:
            raise PluginTrouble(f"{place}: {trouble.strerror}") from trouble
        if state.st_uid not in (os.getuid(), 0):
            raise PluginTrouble(f"{place} belongs to another user; it is not run")
        if state.st_mode & stat.S_IWOTH:
            raise PluginTrouble(f"{place} may be written by everybody; run: chmod o-w {place}")
    if not stat.S_ISREG(path.stat().st_mode) or not os.access(path, os.X_OK):
        raise PluginTrouble(f"{path} is not executable; run: chmod u+x {path}")


def plain_name(name: str) -> bool:
    """Is this the plain name of a file, nothing with directories, blanks or a leading dot?"""
    return bool(name) and "/" not in name and not name.startswith((".", "-")) and name.isprintable() and " " not in name
