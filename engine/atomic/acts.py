"""The acts a journalled step may consist of. Each may be repeated: done before, it changes nothing.

Every path is checked to lie inside the account before anything is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from config.tree import DIRECTORIES, DfoTree
from engine.atomic import fs, lock, slim
from engine.atomic import place as placing
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
    """`target` becomes a second name or verified copy of `source` (`sha256`: what it must be); never over a file."""
    placing.place(Path(data["source"]), Path(data["target"]), data.get("sha256", ""))


def drop(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Take `source` away once `target` is known to hold the same."""
    placing.drop(Path(data["source"]), Path(data["target"]), data.get("sha256", ""))


def rename(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`source` gets the name `target`; never over another file."""
    source, target = Path(data["source"]), Path(data["target"])
    if not os.path.lexists(source) and not os.path.lexists(target):
        raise MoveTrouble("gone, under its old name and its new one", where=str(source))
    fs.rename(source, target)


def shift(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Files of directory `source` go to directory `target`: `names` are pairs (name there, name here)."""
    placing.shift(Path(data["source"]), Path(data["target"]), data["names"])


def settle(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """What recipes and plugins wrote into these directories (`folders`: directory and names) becomes durable."""
    fs.settle(Path(folder, name) for folder, names in data["folders"] for name in names)


def write(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`path` holds `text`, whole; an older version is replaced. `mode` is an octal number, default 0o644."""
    path, content = Path(data["path"]), data["text"].encode("utf-8", "surrogateescape")
    if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
        fs.make_dir(path.parent)
        fs.replace(path, content, int(data.get("mode", 0o644)))


def write_all(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Files of directory `folder` hold these `texts` (pairs of name and text), each whole; older versions go."""
    files = ((name, text.encode("utf-8", "surrogateescape")) for name, text in data["texts"])
    fs.replace_all(Path(data["folder"]), files)


def virtual(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Virtual calibrations in `folder`: `texts` are pairs of name and own cards, `headers` the raw headers of each."""
    from engine.headers.virtual import write_virtual

    entries = ((name, cards, files) for (name, cards), files in zip(data["texts"], data["headers"], strict=True))
    write_virtual(Path(data["folder"]), entries)


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


def add_lines(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Each of `lines` stands in the file once."""
    path = Path(data["path"])
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines() if path.is_file() else []
        known = set(lines)
        fresh = [line for line in (text.encode() for text in data["lines"]) if line not in known]
        if fresh:
            fs.replace(path, b"\n".join([*lines, *fresh]) + b"\n")


def drop_line(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`line` no longer stands in the file; every other line stays as it is. `remove`: an empty file goes."""
    path, line = Path(data["path"]), data["line"].encode()
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        rest = [kept for kept in lines if kept.rstrip(b"\r\n") != line]
        if len(rest) != len(lines):
            fs.replace(path, b"".join(rest))
        if data.get("remove") and path.is_file() and not path.stat().st_size:
            fs.remove(path)
            fs.sync_dir(path.parent)


def expunge(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Delete what one transaction retired: a directory `TRASH/<day>/<transaction>` with all in it, and no other."""
    path = Path(data["path"])
    if (
        path.parent.parent != tree.trash
        or ".." in path.parts
        or any(folder.is_symlink() for folder in (path, path.parent, tree.trash))
    ):
        raise MoveTrouble("this is no directory of the trash; nothing is deleted elsewhere", where=str(path))
    fs.remove_tree(path)


def header(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`path` holds the headers of all HDUs of the FITS file `source`, which has this `size` and `mtime_ns`."""
    slim.write_headers(Path(data["source"]), data["size"], data["mtime_ns"], Path(data["path"]))


def slim_down(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """Remove the FITS file `source` once `path` is known to hold its headers, or (`keys`) to be made from it."""
    source, stays = Path(data["source"]), Path(data["path"])
    slim.slim(source, data["size"], data["mtime_ns"], stays, data.get("keys", ()))


def link_graphic(tree: DfoTree, data: Mapping[str, Any]) -> None:
    """`path` becomes a link to `target`, which holds the same."""
    slim.link_graphic(Path(data["path"]), data["size"], data["mtime_ns"], Path(data["target"]))


ACTS: dict[str, Act] = {
    "make_dir": make_dir,
    "shift": shift,
    "settle": settle,
    "place": place,
    "drop": drop,
    "rename": rename,
    "write": write,
    "write_all": write_all,
    "virtual": virtual,
    "remove_dir": remove_dir,
    "add_line": add_line,
    "add_lines": add_lines,
    "drop_line": drop_line,
    "expunge": expunge,
    "header": header,
    "slim": slim_down,
    "link_graphic": link_graphic,
}
_PATHS = ("path", "source", "target")


def checked(tree: DfoTree, act: str, data: Mapping[str, Any], known: set[str] | None = None) -> None:
    """Refuse a step that names an unknown act or leaves the account. `known` remembers directories found inside."""
    if act not in ACTS:
        raise MoveTrouble(f"'{act}' is no act of the journal")
    known = set() if known is None else known
    for key in _PATHS:
        if key in data:
            _inside(tree, data[key], act in ("shift", "make_dir", "remove_dir", "expunge"), known)
    for folder, _ in data.get("folders", ()):
        _inside(tree, folder, True, known)
    if "folder" in data:
        _inside(tree, data["folder"], True, known)
    names = [name for pair in data.get("names", ()) for name in pair]
    for name in (*names, *(name for name, _ in data.get("texts", ()))):
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise MoveTrouble(f"{name!r} is no name of a file", where=str(data.get("source", "")))


def _inside(tree: DfoTree, text: str, folder: bool, known: set[str]) -> None:
    place = text if folder else os.path.dirname(text)  # noqa: PTH120 - tens of thousands of them
    if place in known and (folder or os.path.basename(text) not in ("", ".", "..")):  # noqa: PTH119
        return
    inside(tree, text)
    real = os.path.realpath(place)
    roots = (tree.root, *(getattr(tree, attribute) for attribute in DIRECTORIES.values()))
    if not any(Path(real).is_relative_to(os.path.realpath(root)) for root in roots):
        raise MoveTrouble(
            f"a symbolic link leads out of the account, to {real}",
            where=text,
            remedy="put a directory in its place, or give the directory its variable in .dfosrc",
        )
    known.add(place)


def perform(tree: DfoTree, act: str, data: Mapping[str, Any], known: set[str]) -> None:
    """Carry out one step. Where it leads is looked at once more: a directory may have become a link meanwhile."""
    checked(tree, act, data, known)
    ACTS[act](tree, data)
