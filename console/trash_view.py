"""The trash as a person sees it: by transaction, with sizes and the day until which it is kept. Changes nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from config.tree import DfoTree
from console.journal_view import runs
from engine.atomic.trash import Retired, listing
from engine.core.sizes import size_text
from screens.links import Thrown


def thrown(tree: DfoTree, today: str = "") -> list[Thrown]:
    """What each transaction retired, oldest first; `today` is the UTC day (ISO) that decides what has expired."""
    today = today or datetime.now(UTC).strftime("%Y-%m-%d")
    pools = {f"{run.kind}-{run.number:06d}": (run.mode, run.date) for run in runs(tree)}
    found = []
    for (day, label), files in _by_transaction(tree).items():
        whys = Counter(file.why for file in files).most_common()
        why = whys[0][0] + (f", and {len(whys) - 1} other reasons" if len(whys) > 1 else "")
        until = max(file.until for file in files)
        size, expired = sum(file.size for file in files), bool(until) and until < today
        mode, date = pools.get(label, ("", ""))
        found.append(Thrown(label, mode, date, day, files[0].who, why, until, len(files), size, expired))
    return found


def files(tree: DfoTree, wanted: Thrown) -> list[Retired]:
    """The files of one transaction."""
    return _by_transaction(tree).get((wanted.day, wanted.label), [])


def file_lines(tree: DfoTree, wanted: Thrown) -> list[str]:
    """Its files in lines: bytes, where each came from, why."""
    return [f"{size_text(file.size):>9}  {tree.shorten(file.origin)}  ({file.why})" for file in files(tree, wanted)]


def _by_transaction(tree: DfoTree) -> dict[tuple[str, str], list[Retired]]:
    found: dict[tuple[str, str], list[Retired]] = {}
    for file in listing(tree):
        day, label = file.path.relative_to(tree.trash).parts[:2]
        found.setdefault((day, label), []).append(file)
    return found
