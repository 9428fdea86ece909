"""What was retired, until when, and where it came from.

Retired files stand under `$DFO_MON_DIR/TRASH/<UTC day>/<transaction>/<path in the account>`, with
an `INDEX.json` beside them. Nothing is deleted here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Step, Transaction
from engine.atomic.shifts import shifts

INDEX = "INDEX.json"


@dataclass(frozen=True, slots=True)
class Retired:
    """One file in the trash: where it is, where it came from, why, and the UTC day until which it stays.

    `size` in bytes, `transaction` retired it, `who` ordered that.
    """

    path: Path
    origin: Path
    why: str
    until: str
    size: int = 0
    transaction: str = ""
    who: str = ""


def until(day: str, days: int) -> str:
    """The UTC day until which something retired on `day` (ISO, a real calendar day) stays."""
    return (date.fromisoformat(day[:10]) + timedelta(days=days)).isoformat()


def retiring(
    tree: DfoTree,
    transaction: Transaction,
    entries: Sequence[tuple[Path, str, int]],
    last_day: str,
    *,
    phase: str = "move to the trash",
    event: Mapping[str, object] | None = None,
) -> Iterator[Step]:
    """Steps that retire files (path, why, size in bytes) by themselves: directories, index, then the files.

    A tool that retires in several phases makes these steps one by one instead: `preparing`, then `away`.
    """
    yield from preparing(tree, transaction, entries, last_day)
    yield from away(tree, transaction, [path for path, _, _ in entries], phase, event)


def preparing(
    tree: DfoTree, transaction: Transaction, entries: Sequence[tuple[Path, str, int]], last_day: str
) -> Iterator[Step]:
    """The directories of what will be retired, and the index that says what it is."""
    if not entries:
        return
    top = top_of(tree, transaction)
    places = [
        (place_of(tree, transaction.begun, transaction.label, path), path, why, size) for path, why, size in entries
    ]
    phase = "note what goes to the trash"
    for folder in dict.fromkeys([str(top), *(str(place.parent) for place, _, _, _ in places)]):
        yield Step(phase, "make_dir", {"path": folder}, f"make {folder}")
    text = index(tree, places, top, last_day, transaction.who).decode()
    yield Step(f"{phase}: index", "write", {"path": str(top / INDEX), "text": text}, "write its index")


def away(
    tree: DfoTree,
    transaction: Transaction,
    paths: Iterable[Path],
    phase: str,
    event: Mapping[str, object] | None = None,
) -> Iterator[Step]:
    """The files go to their places in the trash, which are there by then."""
    moves = ((path, place_of(tree, transaction.begun, transaction.label, path)) for path in paths)
    yield from shifts(phase, moves, "to the trash:", event)


def top_of(tree: DfoTree, transaction: Transaction) -> Path:
    """The directory of all that one transaction retires."""
    return tree.trash / transaction.begun[:10] / transaction.label


def place_of(tree: DfoTree, day: str, transaction: str, path: Path) -> Path:
    """Where `path` is kept when `transaction` retires it on UTC `day`."""
    inside = path.relative_to(tree.root) if path.is_relative_to(tree.root) else path.relative_to(path.anchor)
    return tree.trash / day[:10] / transaction / inside


def index(tree: DfoTree, entries: Iterable[tuple[Path, Path, str, int]], top: Path, last_day: str, who: str) -> bytes:
    """The INDEX.json of one transaction: place in the trash (below `top`), origin, why and bytes, per file."""
    files = [
        {"trash": str(place.relative_to(top)), "origin": tree.shorten(origin), "why": why, "size": size}
        for place, origin, why, size in entries
    ]
    return (json.dumps({"until": last_day, "who": who, "files": files}, indent=1) + "\n").encode()


def listing(tree: DfoTree) -> list[Retired]:
    """Everything in the trash that is still there, oldest first; an index that cannot be read is left out."""
    found: list[Retired] = []
    for path in sorted(tree.trash.glob(f"*/*/{INDEX}")):
        try:
            content = json.loads(path.read_text("utf-8"))
            entries = [(path.parent / entry["trash"], entry["origin"], entry["why"]) for entry in content["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        for place, origin, why in entries:
            if ".." in place.parts or not place.is_relative_to(path.parent):
                continue
            try:
                size = place.lstat().st_size
            except OSError:
                continue
            last, who = str(content.get("until", "")), str(content.get("who", ""))
            found.append(Retired(place, tree.lengthen(origin), why, last, size, path.parent.name, who))
    return found
