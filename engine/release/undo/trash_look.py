"""What is in the trash, by what put it there: complete, also where an index is gone. Reads only.

Symbolic links are shown and never followed.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Journal
from engine.atomic.trash import INDEX, Retired
from engine.errors import BadAb, UsageTrouble
from engine.stores.abs import read

UNLISTED = "not in the index"
_NOT_SAVED = ("SAVE_MODE of ", "DELETE ")  # how config.moveProducts says it
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Retirement:
    """All that one transaction (or one attempt of an AB) put into the trash on a UTC day.

    `label` names it, `place` is its directory, `until` the last UTC day it is kept ('' when nobody knows: its index
    is gone). `files` are those that are still there; the index itself is not among them.
    """

    label: str
    day: str
    place: Path
    who: str
    until: str
    files: tuple[Retired, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why they are there, with how many: first products that were not saved, then what is most."""
        counts = Counter(
            f"not saved: {file.why}" if file.why.startswith(_NOT_SAVED) else file.why for file in self.files
        )
        return sorted(counts.items(), key=lambda one: (not one[0].startswith("not saved: "), -one[1], one[0]))

    def expired(self, today: str) -> bool:
        """True when its last day is past; never without a day."""
        return bool(self.until) and self.until < today


def retirements(tree: DfoTree) -> list[Retirement]:
    """Everything in the trash, oldest first."""
    return [_read(tree, place) for day in _folders(tree.trash) for place in _folders(day)]


def named(tree: DfoTree, labels: Sequence[str]) -> list[Retirement]:
    """Those with these labels; UsageTrouble names one that is not there."""
    there = retirements(tree)
    for label in labels:
        if label not in {item.label for item in there}:
            raise UsageTrouble(f"'{label}' is not in the trash", remedy="dfos trash lists what is")
    return [item for item in there if item.label in labels]


def sought(tree: DfoTree, text: str) -> list[Retired]:
    """The files a person means: by label, by place in the trash, or by where they came from. UsageTrouble: none, or
    a place that several came from."""
    there = retirements(tree)
    for item in there:
        if item.label == text:
            return list(item.files)
    path = Path(os.path.normpath(tree.expand(text)))
    files = [file for item in there for file in item.files]
    inside = [file for file in files if file.path == path]
    came = inside or [file for file in files if file.why != UNLISTED and file.origin == path]
    if not came:
        raise UsageTrouble(f"'{text}' is not in the trash", remedy="dfos trash --json lists every file")
    if len(came) > 1:
        places = ", ".join(file.transaction for file in came)
        raise UsageTrouble(
            f"{len(came)} files of that name are in the trash: of {places}",
            where=text,
            remedy="name its place in the trash instead: dfos trash --json",
        )
    return came


def pools(tree: DfoTree, db: sqlite3.Connection | None, labels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """MODE and DATE by label: of the transaction, else of the AB that was made again."""
    known: dict[str, tuple[str, str]] = {}
    if db is not None and db.execute("SELECT 1 FROM sqlite_master WHERE name = 'transactions'").fetchone():
        history = Journal(db, tree, readonly=True).history()
        known = {transaction.label: (transaction.mode, transaction.date) for transaction in history}
    return {label: known.get(label) or _of_attempt(tree, label) for label in labels}


def _of_attempt(tree: DfoTree, label: str) -> tuple[str, str]:
    """Of `<AB>.<attempt>`: what the AB says, wherever it stands; else SCIENCE and the date in its name."""
    name = label.rpartition(".")[0]
    for path in (tree.ab / name, *tree.log.glob(f"*/{_literal(name)}")):
        try:
            ab = read(path)
        except BadAb:
            continue
        return ab.mode, ab.date
    match = _DATE.search(label)
    return "SCIENCE", match[0] if match else "2099-99-99"


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name) or "-"


def _folders(place: Path) -> Iterator[Path]:
    if place.is_dir() and not place.is_symlink():
        yield from sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def _read(tree: DfoTree, place: Path) -> Retirement:
    day, label = place.parent.name, place.name
    try:
        content = json.loads((place / INDEX).read_text("utf-8"))
        until, who = str(content["until"]), str(content["who"])
        listed = {os.path.normpath(place / entry["trash"]): entry for entry in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        until, who, listed = "", "", {}
    files = []
    for path in _files(place):
        if path == place / INDEX:
            continue
        entry = listed.get(str(path))
        origin = tree.expand(str(entry["origin"])) if entry else Path()
        why = str(entry.get("why", "")) if entry else UNLISTED
        files.append(Retired(path, origin, why, until, path.lstat().st_size, label, who))
    return Retirement(label, day, place, who, until, tuple(files))


def _files(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        links = (name for name in folders if Path(folder, name).is_symlink())
        yield from (Path(folder, name) for name in sorted([*names, *links]))
