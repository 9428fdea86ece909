"""Which question the present products of an AB belong to: the one that was asked about this very content.

Cheap where nothing has changed: a file of the noted size and time counts as the noted one, and only others
are read. The move, which reads everything anyway, compares the checksums themselves (`unseen`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.schema import Settings
from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB
from engine.core.cascade import cascade
from engine.stores.contents import Held, Note, mark_of

_PRODUCT = re.compile(r"(r\..+)_\d{4}\.fits")


@dataclass(frozen=True, slots=True)
class Stood:
    """A product file as it stands: its path, bytes, time in ns."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class About:
    """The question that what stands there now belongs to.

    `files`: its content, None where nothing was ever noted. `fresh`: nobody was asked about it yet; `why` says
    what changed since somebody was. `touched`: the same content, with other times than noted.
    """

    question: str
    files: Mapping[str, Held] | None = None
    why: str = ""
    fresh: bool = False
    touched: bool = False


class Present:
    """The product files of ABs as they stand now; every directory is read once."""

    def __init__(self, tree: DfoTree, raw_types: Iterable[str]) -> None:
        self._tree = tree
        self._raw_types = tuple(dict.fromkeys(raw_types))
        self._of_root: dict[str, dict[str, dict[str, Stood]]] = {}
        self._other: dict[str, dict[str, Stood]] = {}

    def of(self, abs_: Iterable[AB]) -> dict[str, Stood]:
        """The products of these ABs by `<RAW_TYPE>/<name>`: listed in them, or named by their root."""
        found: dict[str, Stood] = {}
        for ab in abs_:
            if ab.date not in self._of_root:
                self._read(ab.date)
            for root in {ab.root, ab.name.removesuffix(".ab")}:
                found |= self._of_root[ab.date].get(root, {})
            for product in ab.products:
                key = f"{ab.raw_type}/{product.name}"
                if key in self._other[ab.date]:
                    found[key] = self._other[ab.date][key]
        return found

    def _read(self, date: str) -> None:
        roots = self._of_root.setdefault(date, {})
        other = self._other.setdefault(date, {})
        for raw_type in self._raw_types:
            try:
                entries = list(os.scandir(self._tree.product / raw_type / date))
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith(".") or entry.is_dir(follow_symlinks=False):
                    continue
                status = entry.stat(follow_symlinks=False)
                stood = Stood(Path(entry.path), status.st_size, status.st_mtime_ns)
                match = _PRODUCT.fullmatch(entry.name)
                mine = roots.setdefault(match[1], {}) if match else other
                mine[f"{raw_type}/{entry.name}"] = stood


def key_of(path: str) -> str:
    """`<RAW_TYPE>/<name>` of a file in $DFS_PRODUCT/<RAW_TYPE>/<DATE>."""
    raw_type, _, name = path.split("/")[-3:]
    return f"{raw_type}/{name}"


def covered(pool: Sequence[AB], heads: Iterable[AB], settings: Settings) -> dict[str, tuple[AB, ...]]:
    """What a verdict on each reviewed AB is about: its own products, and those of its followers that are saved."""
    found: dict[str, tuple[AB, ...]] = {head.name: (head,) for head in heads}
    saved = {(row.mode, row.raw_type) for row in settings.move.raw_types if row.save != "NONE"}
    followers = {ab.name: ab for ab in pool if ab.name not in found and (ab.mode, ab.raw_type) in saved}
    if not followers:
        return found
    order = cascade(list(pool), {})
    return {
        name: (*mine, *(followers[above] for above in order.above(name) if above in followers))
        for name, mine in found.items()
    }


def about(base: str, notes: Sequence[Note], stands: Mapping[str, Stood], sums: Mapping[str, str]) -> About:
    """The question what stands there belongs to. `base` is the first one of this attempt, `notes` newest first.

    `sums` are SHA-256 by key of files that were just read; the others are read where they are not as noted.
    What is gone is no reason to ask anew: it cannot move unseen.
    """
    if not notes and not sums:
        return About(base, fresh=True)
    if not sums:
        for note in notes:
            if all(_untouched(stood, note.files.get(key)) for key, stood in stands.items()):
                return About(note.question, note.files)
    files = {key: Held(stood.size, stood.mtime_ns, _sum(key, stood, notes, sums)) for key, stood in stands.items()}
    for note in notes:
        if not _changed(note, files):
            same = all(note.files[key] == held for key, held in files.items())
            return About(note.question, {**note.files, **files}, touched=not same)
    if not notes:
        return About(base, files, fresh=True)
    return About(f"{base}:{mark_of(files)}", files, _difference(notes[0], files), fresh=True)


def unseen(note: Note, present: Mapping[str, Held]) -> str:
    """What differs from what the question was about, as words; '' when nothing does."""
    return _difference(note, present) if _changed(note, present) else ""


def _untouched(stood: Stood, held: Held | None) -> bool:
    return held is not None and (stood.size, stood.mtime_ns) == (held.size, held.mtime_ns)


def _sum(key: str, stood: Stood, notes: Sequence[Note], sums: Mapping[str, str]) -> str:
    if key in sums:
        return sums[key]
    for note in notes:
        held = note.files.get(key)
        if held is not None and _untouched(stood, held):
            return held.sha256
    return content_of(stood.path)


def content_of(path: Path) -> str:
    """SHA-256 (hex) of a file; what cannot be read is like nothing that was ever noted."""
    try:
        return fs.sha256(path) if path.is_file() and not path.is_symlink() else "no file"
    except OSError as trouble:
        return f"unreadable: {trouble.strerror}"


def _changed(note: Note, files: Mapping[str, Held]) -> list[str]:
    return [key for key, held in files.items() if key not in note.files or note.files[key].sha256 != held.sha256]


def _difference(note: Note, files: Mapping[str, Held]) -> str:
    changed = _changed(note, files)
    new = sum(key not in note.files for key in changed)
    words = f"{len(changed) - new} of its products changed" if len(changed) > new else ""
    if new:
        words += f"{' and ' if words else ''}{new} more came"
    return f"{words}, e.g. {changed[0].rpartition('/')[2]}"
