"""Whether directories can be written to, asked before a transaction begins: nothing is then left half done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.errors import DfosError


def writable(places: Iterable[Path]) -> None:
    """DfosError for the first directory that takes no new file; one that is not there must be possible to make."""
    for place in places:
        there = place
        while not os.path.lexists(there) and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise DfosError(
                "a directory is needed here", where=str(there), remedy="take away what stands there, then call again"
            )
        if not os.access(there, os.W_OK | os.X_OK):
            raise DfosError(
                "cannot be written to; nothing was begun",
                where=str(there),
                remedy="give this user the right to it, then call again",
            )
