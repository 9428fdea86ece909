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
    place = {name: index for index, name in enumerate(parents)}
    names = list(parents)
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, needed in parents.items():
        for parent in needed:
            children[parent].append(name)
    missing = {name: len(needed) for name, needed in parents.items()}
    circles = _Circles(parents)
    free = [place[name] for name, count in missing.items() if not count]
    cut = [place[name] for name in circles.free()]
    level, notes = dict[str, int](), []
    while len(level) < len(names):
        alone = not free
        name = names[heapq.heappop(cut if alone else free)]
        if name in level:
            continue
        if alone:
            others = ", ".join(sorted(parent for parent in parents[name] if parent not in level))
            notes.append(f"{name} needs products of {others}, which needs it: only real ones are used")
        level[name] = 1 + max((level[parent] for parent in parents[name] if parent in level), default=0)
        for child in children[name]:
            missing[child] -= 1
            if not missing[child] and child not in level:
                heapq.heappush(free, place[child])
            for member in circles.freed(name, child):
                heapq.heappush(cut, place[member])
    return Ladder(tuple(level), level, tuple(notes))


class _Circles:
    """Which actions wait for nothing but their own circle: those may be cut, the first in the file first."""

    def __init__(self, parents: Mapping[str, set[str]]) -> None:
        self._of = circles(parents)
        self._members: dict[int, list[str]] = {}
        self._waits: dict[int, int] = {}  # needs of a circle that are not met, outside of it
        for name, needed in parents.items():
            mine = self._of[name]
            self._members.setdefault(mine, []).append(name)
            self._waits[mine] = self._waits.get(mine, 0) + sum(self._of[parent] != mine for parent in needed)

    def free(self) -> list[str]:
        """The actions that may be cut from the beginning, in the order of the file."""
        return [name for name, mine in self._of.items() if not self._waits[mine]]

    def freed(self, parent: str, child: str) -> list[str]:
        """The actions that may be cut now that `child` need not wait for `parent` any more."""
        mine = self._of[child]
        if self._of[parent] == mine:
            return []
        self._waits[mine] -= 1
        return [] if self._waits[mine] else self._members[mine]
