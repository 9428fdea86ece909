"""Is there room for a move? Only what goes to another filesystem needs any."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from config.tree import DfoTree
from engine.core.product import MOVE
from engine.core.sizes import size_text
from engine.release.move.move_steps import retired
from engine.release.move.plan import MovePlan
from engine.release.move.survey import device_of, ground_of


def too_full(plan: MovePlan, tree: DfoTree) -> list[str]:
    """A sentence for each filesystem that cannot take what the plan copies to it, what it retires included."""
    needed: Counter[int] = Counter()
    places: dict[int, Path] = {}
    for (source, target), size in _ways(plan, tree).items():
        there = device_of(Path(target))
        if device_of(Path(source)) != there:
            needed[there] += size
            places.setdefault(there, Path(target))
    found = []
    for device, size in needed.items():
        room = os.statvfs(ground_of(places[device]))
        free = room.f_bavail * room.f_frsize
        if size > free:
            where = tree.shorten(places[device])
            found.append(
                f"{size_text(size)} must be copied to the filesystem of {where}, where {size_text(free)} are free:"
                f" {size_text(size - free)} too little"
            )
    return found


def _ways(plan: MovePlan, tree: DfoTree) -> Counter[tuple[str, str]]:
    """Bytes by the directories they come from and go to."""
    found: Counter[tuple[str, str]] = Counter()
    for fate in plan.of(MOVE):
        found[fate.product.path.rpartition("/")[0], plan.final_dir] += fate.product.size
    for entry in plan.carried:
        found[entry.source.rpartition("/")[0], entry.target.rpartition("/")[0]] += entry.size
    for path, _, size in retired(plan):
        found[str(path.parent), str(tree.trash)] += size
    return found
