"""In which order actions are organised: one whose products others need comes first (decision 11a). Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.create.oca.model import Rules
from engine.create.oca.needs import circles, needs


@dataclass(frozen=True, slots=True)
class Ladder:
    """Actions in the order in which they are organised, the level of each (from 1), and circles that were cut."""

    order: tuple[str, ...]
    level: Mapping[str, int]
    notes: tuple[str, ...] = ()


def ladder(rules: Rules, makes: Mapping[str, Iterable[str]]) -> Ladder:
    """The order of the actions; `makes` are the categories of the products of each.

    Actions that need each other (a circle) follow in the order of the file: the first of them gets what is real.
    """
    parents = needs(rules, makes)
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, needed in parents.items():
        for parent in needed:
            children[parent].append(name)
    place = {name: index for index, name in enumerate(parents)}
    missing = {name: len(needed) for name, needed in parents.items()}
    free = [place[name] for name, count in missing.items() if not count]
    names, level, notes = list(parents), dict[str, int](), []
    found: dict[str, int] | None = None
    while len(level) < len(names):
        if not free:
            found = found if found is not None else circles(parents)
            name = _first_of_circle(names, parents, level, found)
            others = ", ".join(sorted(parents[name] - level.keys()))
            notes.append(f"{name} needs products of {others}, which needs it: only real ones are used")
        else:
            name = names[heapq.heappop(free)]
        if name in level:
            continue
        level[name] = 1 + max((level[parent] for parent in parents[name] if parent in level), default=0)
        for child in children[name]:
            missing[child] -= 1
            if not missing[child] and child not in level:
                heapq.heappush(free, place[child])
    return Ladder(tuple(level), level, tuple(notes))


def _first_of_circle(
    names: list[str], parents: Mapping[str, set[str]], level: Mapping[str, int], found: Mapping[str, int]
) -> str:
    """The first action in the order of the file that waits for nothing but its own circle."""
    rest = [name for name in names if name not in level]
    waits = {
        found[name]
        for name in rest
        if any(parent not in level and found[parent] != found[name] for parent in parents[name])
    }
    return next(name for name in rest if found[name] not in waits)
