"""The acts a journalled step may consist of. Each may be repeated: done before, it changes nothing.

Every path is checked to lie inside the account before anything is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from config.tree import DIRECTORIES, DfoTree
from engine.atomic import fs, lock
from engine.errors import MoveTrouble

Act = Callable[[DfoTree, Mapping[str, Any]], None]


def inside(tree: DfoTree, text: str) -> Path:
    """The path, when it lies inside the account; MoveTrouble otherwise."""
    path = Path(os.path.normpath(text))
    roots = (tree.root, *(getattr(tree, attribute) for attribute in DIRECTORIES.values()))
    if not path.is_absolute() or not any(path.is_relative_to(root) and path != root for root in roots):
        raise MoveTrouble("this path leaves the account", where=text, remedy="correct the AB or the configuration")
    return path


def make_dir(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """A directory with its parents."""
    fs.make_dir(Path(data["path"]))


def place(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`target` becomes a second name or verified copy of `source`; never over another file."""
    fs.place(Path(data["source"]), Path(data["target"]))


def drop(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Take `source` away once `target` is known to hold the same."""
    fs.drop(Path(data["source"]), Path(data["target"]))


def rename(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`source` gets the name `target`; never over another file."""
    source, target = Path(data["source"]), Path(data["target"])
    if not os.path.lexists(source) and not os.path.lexists(target):
        raise MoveTrouble("gone, under its old name and its new one", where=str(source))
    fs.rename(source, target)


def write(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`path` holds `text`, whole; an older version is replaced."""
    path, content = Path(data["path"]), data["text"].encode("utf-8", "surrogateescape")
    if not path.is_file() or path.read_bytes() != content:
        fs.replace(path, content)


def remove_dir(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Remove a directory if nothing is left in it."""
    fs.remove_empty_dir(Path(data["path"]))


def add_line(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`line` stands in the file once; beyond `keep` lines (0: any number) the oldest go."""
    path, line, keep = Path(data["path"]), data["line"].encode(), int(data.get("keep", 0))
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines() if path.is_file() else []
        if line not in lines:
            lines = [*lines, line]
            fs.replace(path, b"\n".join(lines[-keep:] if keep else lines) + b"\n")


ACTS: dict[str, Act] = {
    "make_dir": make_dir,
    "place": place,
    "drop": drop,
    "rename": rename,
    "write": write,
    "remove_dir": remove_dir,
    "add_line": add_line,
}
_PATHS = ("path", "source", "target")


def checked(tree: DfoTree, act: str, data: Mapping[str, Any]) -> None:
    """Refuse a step that names an unknown act or leaves the account."""
    if act not in ACTS:
        raise MoveTrouble(f"'{act}' is no act of the journal")
    for key in _PATHS:
        if key in data:
            inside(tree, data[key])


def perform(tree: DfoTree, act: str, data: Mapping[str, Any]) -> None:
    """Carry out one step."""
    checked(tree, act, data)
    ACTS[act](tree, data)
