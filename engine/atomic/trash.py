"""What was retired, until when, and where it came from.

Retired files stand under `$DFO_MON_DIR/TRASH/<UTC day>/<transaction>/<path in the account>`, with
an `INDEX.json` beside them. Nothing is deleted here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from config.tree import DfoTree

INDEX = "INDEX.json"


@dataclass(frozen=True, slots=True)
class Retired:
    """One file in the trash: where it is, where it came from, why, and the UTC day until which it stays."""

    path: Path
    origin: Path
    why: str
    until: str


def until(day: str, days: int) -> str:
    """The UTC day until which something retired on `day` (ISO, a real calendar day) stays."""
    return (date.fromisoformat(day[:10]) + timedelta(days=days)).isoformat()


def place_of(tree: DfoTree, day: str, transaction: str, path: Path) -> Path:
    """Where `path` is kept when `transaction` retires it on UTC `day`."""
    inside = path.relative_to(tree.root) if path.is_relative_to(tree.root) else path.relative_to(path.anchor)
    return tree.trash / day[:10] / transaction / inside


def index(tree: DfoTree, entries: Iterable[tuple[Path, Path, str]], top: Path, last_day: str, who: str) -> bytes:
    """The INDEX.json of one transaction: place in the trash (below `top`), origin, why, per file."""
    files = [
        {"trash": str(place.relative_to(top)), "origin": tree.shorten(origin), "why": why}
        for place, origin, why in entries
    ]
    return (json.dumps({"until": last_day, "who": who, "files": files}, indent=1) + "\n").encode()


def listing(tree: DfoTree) -> list[Retired]:
    """Everything in the trash that is still there, oldest first."""
    found: list[Retired] = []
    for path in sorted(tree.trash.glob(f"*/*/{INDEX}")):
        try:
            content: Mapping[str, object] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        files = content.get("files")
        for entry in files if isinstance(files, list) else ():
            place = path.parent / entry["trash"]
            if place.exists():
                found.append(Retired(place, tree.expand(entry["origin"]), entry["why"], str(content.get("until", ""))))
    return found
