"""A disk that forgets: what a power cut may leave of everything that was not synced.

A `Tape` records one run: before every mutating call it looks at the tree as it stands, and notes what has become
durable through which sync. From that it builds what could be found after a power cut before any of the calls. A new
name, a rename, a removal reaches the disk when its directory is synced, the content of a file when the file or its
filesystem is; until then each of them may be missing while later ones are there. A rename across directories of
which only the target was synced may leave both names. What SQLite has committed is there.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

Part = tuple[int, str, int, int]  # directory, name, node before, node after (0: none)
NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Node:
    """A file (`-`), directory (`d`) or symbolic link (`l`) as it stood; `data` is its content or where it leads."""

    kind: str
    mode: int = 0
    mtime_ns: int = 0
    data: bytes = b""


@dataclass(eq=False, slots=True)
class Change:
    """One change of names (`parts`) or of a file's content (`node`), seen at call `at`, on disk after call `durable`.

    `half` is the call after which its first part (the new name of a rename) is on disk.
    """

    at: int
    what: str
    parts: tuple[Part, ...] = ()
    node: int = 0
    old: Node | None = None
    new: Node | None = None
    durable: int = NEVER
    half: int = NEVER


@dataclass
class Found:
    """What stands on the disk after a cut: names by directory, and what they name."""

    names: dict[int, dict[str, int]]
    nodes: dict[int, Node]


@dataclass
class Tape:
    """The probe that records a run below `roots`, and what its cuts may leave."""

    roots: Sequence[Path]
    calls: list[tuple[str, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._alive: dict[tuple[int, int], int] = {}
        self._stat: dict[int, tuple[int, int, int]] = {}
        self._next = 1
        self.tops: dict[int, Path] = {}
        self._device: dict[int, int] = {}
        self._begun = False
        self.names: dict[int, dict[str, int]] = {}
        self.nodes: dict[int, Node] = {}
        self.ever: dict[int, Node] = {}
        self.settled: set[int] = set()  # files whose content was synced since the beginning
        self.unsettled: list[tuple[str, str]] = []  # files from before that moved with their content never synced
        self._where: dict[int, str] = {}
        self._look()
        self.first = Found({folder: dict(held) for folder, held in self.names.items()}, dict(self.nodes))
        self._begun = True

    def __call__(self, verb: str, path: str) -> None:
        self._look()
        self.calls.append((verb, path))
        self._note(verb, path)

    def end(self) -> None:
        """The run has ended: look a last time."""
        self._look()

    # --- recording ----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        names: dict[int, dict[str, int]] = {}
        nodes: dict[int, Node] = {}
        alive: dict[tuple[int, int], int] = {}
        for root in self.roots:
            top = self._seen(os.lstat(root), str(root), alive, nodes)
            self.tops[top] = root
            todo = [(top, str(root))]
            while todo:
                folder, where = todo.pop()
                held = names[folder] = {}
                self._where[folder] = where
                for entry in os.scandir(where):
                    if entry.name.endswith("-shm") or (entry.name in ("LOCKS", "lock") and "ENGINE" in where):
                        continue
                    held[entry.name] = self._seen(entry.stat(follow_symlinks=False), entry.path, alive, nodes)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append((held[entry.name], entry.path))
        if self._begun:
            self._compare(names, nodes)
        self.names, self.nodes, self._alive = names, nodes, alive

    def _seen(
        self, status: os.stat_result, path: str, alive: dict[tuple[int, int], int], nodes: dict[int, Node]
    ) -> int:
        key = (status.st_dev, status.st_ino)
        kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(stat.S_IFMT(status.st_mode), "-")
        number = alive.get(key) or self._alive.get(key, 0)
        if not number or (number in self.nodes and self.nodes[number].kind != kind):
            number, self._next = self._next, self._next + 1
        alive[key] = number
        self._device[number] = status.st_dev
        if number in nodes:
            return number
        marks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        mode = stat.S_IMODE(status.st_mode)
        if kind == "d":
            nodes[number] = Node("d", mode)
        elif number in self.nodes and self._stat.get(number) == marks:
            nodes[number] = self.nodes[number]
        elif kind == "l":
            nodes[number] = Node("l", 0, 0, os.fsencode(Path(path).readlink()))
        else:
            with open(path, "rb") as file:  # noqa: PTH123 - paths as they are
                nodes[number] = Node("-", mode, status.st_mtime_ns, file.read())
        self._stat[number] = marks
        return number

    def _compare(self, names: dict[int, dict[str, int]], nodes: dict[int, Node]) -> None:
        at = len(self.calls)
        before = {(folder, name): node for folder, held in self.names.items() for name, node in held.items()}
        after = {(folder, name): node for folder, held in names.items() for name, node in held.items()}
        gone = {node: where for where, node in before.items() if after.get(where) != node}
        fresh = sorted(
            ((where, node) for where, node in after.items() if before.get(where) != node),
            key=lambda item: nodes[item[1]].kind != "d",
        )
        renamed = set()
        for (folder, name), node in fresh:
            parts: list[Part] = [(folder, name, before.get((folder, name), 0), node)]
            if node in gone and node in self.nodes:
                source = gone.pop(node)
                if node in self.first.nodes and nodes[node].kind == "-" and node not in self.settled:
                    self.unsettled.append((f"{self._where[source[0]]}/{source[1]}", f"{self._where[folder]}/{name}"))
                renamed.add(source)
                if source not in after:
                    parts.append((*source, node, 0))
            self._changed(Change(at, f"new name {name}", tuple(parts)), name)
        for where in before.keys() - after.keys() - renamed:
            self._changed(Change(at, f"removal of {where[1]}", ((*where, before[where], 0),)), where[1])
        label = {node: name for (_, name), node in after.items()}
        self.ever = nodes | self.ever
        for number, new in nodes.items():
            old = self.nodes.get(number)
            if new.kind == "-" and new != old and (old or new.data):
                change = Change(at, f"content of {label.get(number, '?')}", (), number, old, new)
                self._changed(change, label.get(number, ""))

    def _changed(self, change: Change, name: str) -> None:
        if name.endswith((".sqlite", "-wal")):
            change.durable = -1
        self.changes.append(change)

    def _note(self, verb: str, path: str) -> None:
        """What call number len(calls) makes durable."""
        if verb not in ("sync", "fsync", "syncfs"):
            return
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            return
        number, call = self._alive.get((status.st_dev, status.st_ino), 0), len(self.calls)
        for change in self.changes:
            if change.durable != NEVER:
                continue
            if verb == "syncfs":
                inside = change.node or change.parts[0][0]
                if self._device[inside] == status.st_dev:
                    change.durable = call
            elif verb == "fsync":
                if change.node == number:
                    change.durable = call
            elif change.parts and change.parts[-1][0] == number:
                change.durable = call
            elif change.parts and change.parts[0][0] == number:
                change.half = min(change.half, call)
        self._empty(call)
        if verb == "fsync":
            self.settled.add(number)
        elif verb == "syncfs":
            self.settled |= {one for one in self.nodes if self._device[one] == status.st_dev}

    def _empty(self, call: int) -> None:
        """A directory whose removal is on disk is empty there: so is the removal of what it held."""
        gone: set[int] = set()
        while True:
            removed = {
                old for change in self.changes if change.durable <= call for _, _, old, new in change.parts if not new
            } - gone
            if not removed:
                return
            gone |= removed
            for change in self.changes:
                if change.durable == NEVER and change.parts and change.parts[-1][0] in removed:
                    change.durable = call

    # --- what a cut may leave -------------------------------------------------------------------------------------

    def pending(self, at: int) -> list[Change]:
        """What is not durable yet when the power goes before call `at` (1: the first; calls + 1: after the last)."""
        return [change for change in self.changes if change.at < at <= change.durable]

    def left(self, at: int, lost: Collection[Change] = (), seed: int = 0) -> Found:
        """What stands on the disk after a cut before call `at` that took the `lost` changes with it.

        The content of a lost write is torn: empty, cut off, or zeros. Of a rename whose new name is on disk only
        the removal of the old name is lost.
        """
        dice = random.Random(seed)
        names = {folder: dict(held) for folder, held in self.first.names.items()}
        nodes = dict(self.first.nodes)
        for change in self.changes:
            if change.at >= at:
                break
            if change.new is not None:
                nodes[change.node] = _torn(change.old, change.new, dice) if change in lost else change.new
                continue
            parts = change.parts
            if change in lost:
                parts = parts[:1] if change.half < at and len(parts) > 1 else ()
            if all(names.get(folder, {}).get(name, 0) == old for folder, name, old, _ in change.parts):
                for folder, name, old, new in parts:
                    self._apply(names, nodes, folder, name, old, new)
        return Found(names, nodes)

    def _apply(
        self, names: dict[int, dict[str, int]], nodes: dict[int, Node], folder: int, name: str, old: int, new: int
    ) -> None:
        if not new:
            if names.get(old):
                return  # what it holds was not removed on disk
            names[folder].pop(name)
            return
        names.setdefault(folder, {})[name] = new
        if new not in nodes:
            node = self.ever[new]
            nodes[new] = replace(node, data=b"") if node.kind == "-" else node
        if nodes[new].kind == "d":
            names.setdefault(new, {})

    def mark(self, found: Found) -> str:
        """The same for the same tree."""
        digest = hashlib.sha256()
        linked: dict[int, int] = {}
        todo = [(top, "") for top in self.tops]
        while todo:
            folder, path = todo.pop()
            for name, number in sorted(found.names.get(folder, {}).items()):
                node = found.nodes[number]
                same = linked.setdefault(number, len(linked))
                digest.update(f"{path}/{name} {node.kind} {node.mode} {same}\n".encode("utf-8", "surrogateescape"))
                digest.update(hashlib.sha256(node.data).digest())
                if node.kind == "d":
                    todo.append((number, f"{path}/{name}"))
        return digest.hexdigest()

    def lay_down(self, found: Found) -> None:
        """Make the trees below the roots what was found."""
        for top, root in self.tops.items():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True, exist_ok=True)
            where: dict[int, str] = {}
            todo = [(top, str(root))]
            while todo:
                folder, path = todo.pop()
                for name, number in found.names.get(folder, {}).items():
                    place, node = f"{path}/{name}", found.nodes[number]
                    if node.kind == "d":
                        os.mkdir(place, 0o700)  # noqa: PTH102 - thousands of them
                        os.chmod(place, node.mode)  # noqa: PTH101
                        todo.append((number, place))
                    elif number in where:
                        os.link(where[number], place, follow_symlinks=False)
                    elif node.kind == "l":
                        os.symlink(node.data, os.fsencode(place))  # noqa: PTH211
                    else:
                        with open(place, "wb") as file:  # noqa: PTH123
                            file.write(node.data)
                        os.chmod(place, node.mode)  # noqa: PTH101
                        os.utime(place, ns=(node.mtime_ns, node.mtime_ns))
                        where[number] = place


def _torn(old: Node | None, new: Node, dice: random.Random) -> Node:
    """What is left of a file that was being written."""
    if old is not None and old.data == new.data:
        return old
    before = old.data if old is not None and new.data.startswith(old.data) else b""
    fresh = new.data[len(before) :]
    rest = dice.choice((b"", fresh[: len(fresh) // 2], b"\0" * len(fresh)))
    return replace(new, data=before + rest)
