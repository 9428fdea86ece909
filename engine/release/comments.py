"""`prod_comment_<DATE>.txt` of $DFO_LST_DIR/PRODCOM: one line per commented verdict.

Columns (inferred): AB, RAW_TYPE, PATTERN, verdict, who, when (UTC), comment.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs, lock


class Comments:
    """The comment file of one DATE; lines are added once and never taken out."""

    def __init__(self, tree: DfoTree, date: str) -> None:
        self.path: Path = tree.lst / "PRODCOM" / f"prod_comment_{date}.txt"
        self._tree = tree
        self._lines: dict[str, None] = {}
        self._size = 0
        self._torn = ""
        self._whole = True

    def add(self, lines: Iterable[str]) -> None:
        """Add the lines that are not there yet, durably. A line that a crash has cut is completed."""
        wanted = list(lines)
        if not wanted:
            return
        fs.make_dir(self.path.parent)
        with lock.shared_file(self._tree, self.path):
            self._refresh()
            if self._torn and not any(line.startswith(self._torn) for line in wanted):
                self._lines[self._torn] = None
            missing = [line for line in dict.fromkeys(wanted) if line not in self._lines]
            if not self._whole:
                fs.replace(self.path, _bytes([*self._lines, *missing]))
            elif missing:
                fs.append(self.path, _bytes(missing))
            self._lines.update(dict.fromkeys(missing))
            self._torn, self._whole = "", True
            self._size = self.path.stat().st_size if self.path.exists() else 0

    def _refresh(self) -> None:
        """Read the file again where somebody else wrote to it."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == self._size:
            return
        text = self.path.read_bytes().decode("utf-8", "surrogateescape")
        *lines, last = text.split("\n")
        self._torn, self._whole = last.rstrip("\0"), not last  # a cut may leave zeros where a line was to stand
        self._lines = dict.fromkeys(lines)
        self._size = size


def _bytes(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
