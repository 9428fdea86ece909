"""What stood where before a transaction began, noted with its steps: without it nothing can be taken back.

Files that a transaction moves need no note, their content is there. What it writes over, makes or adds to does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BEFORE = "before"  # the key of the note in a step's data
_LARGEST = 4 << 20  # bytes of a text that is kept; ABs, pages and lists are smaller


class Before:
    """Notes for the steps of one transaction, in their order. Reads only."""

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def noted(self, act: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data of a step with what it will change as it stands now; the same data where nothing must be known.

        - `write`: None when nothing stands there or an earlier step keeps it, else its text and mode; only its size
          when it is no small text
        - `write_all`: the same by name, of those that stand there · `virtual`: the same, only their sizes
        - `place`: whether the name is taken (by the same content, else it fails) · `make_dir`: the directories that
          are missing, the topmost last · `remove_dir`: whether it is there
        - `add_line`, `drop_line`: whether the file and the line are there
        """
        if act == "shift":
            self._kept.update(f"{data['source']}/{pair[0]}" for pair in data["names"])
            return data
        if act in ("place", "rename"):
            self._kept.add(data["source"])
        if act == "write" and data["path"] in self._kept:
            return {**data, BEFORE: None}
        if act in ("write_all", "virtual"):
            return {**data, BEFORE: self._of_texts(data, _of_file if act == "write_all" else _of_size)}
        note = _NOTES.get(act)
        return {**data, BEFORE: note(data)} if note else data

    def _of_texts(self, data: Mapping[str, Any], note_of: Callable[[str], object]) -> Mapping[str, Any]:
        paths = ((name, f"{data['folder']}/{name}") for name, _ in data["texts"])
        notes = ((name, None if path in self._kept else note_of(path)) for name, path in paths)
        return {name: note for name, note in notes if note is not None}


def _of_write(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return _of_file(data["path"])


def _of_file(path: str) -> Mapping[str, Any] | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
        text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        return {"text": text, "mode": stat.S_IMODE(status.st_mode)}
    return {"size": status.st_size}


def _of_size(path: str) -> Mapping[str, int] | None:
    try:
        return {"size": os.lstat(path).st_size}
    except FileNotFoundError:
        return None


def _of_place(data: Mapping[str, Any]) -> bool:
    return os.path.lexists(data["target"])


def _of_make_dir(data: Mapping[str, Any]) -> list[str]:
    missing = []
    path = Path(data["path"])
    while not path.exists():
        missing.append(str(path))
        path = path.parent
    return missing


def _of_remove_dir(data: Mapping[str, Any]) -> bool:
    return Path(data["path"]).is_dir()


def _of_line(data: Mapping[str, Any]) -> Mapping[str, bool]:
    path = Path(data["path"])
    if not path.is_file():
        return {"file": False, "line": False}
    return {"file": True, "line": data["line"].encode() in path.read_bytes().splitlines()}


_NOTES: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "write": _of_write,
    "place": _of_place,
    "make_dir": _of_make_dir,
    "remove_dir": _of_remove_dir,
    "add_line": _of_line,
    "drop_line": _of_line,
}
