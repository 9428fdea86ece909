"""Which ABs are listed, and in which order: sorting, "failures float up", filter.

Knows no screen. One changed AB costs O(1): its place is looked up, and whether it still
belongs there is told by comparing its sort key; sorting anew is left to the caller's leisure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

from engine.board import Row
from engine.core.status import AT_WORK, STATES

SORTS = {
    "order": "execution order",
    "state": "state",
    "target": "target",
    "time": "time",
    "score": "score",
}
_TIME = re.compile(r"T\d\d:")
_FIELDS = ("state", "kind", "target", "ab", "recipe", "score", "date", "type")


class AbOrder:
    """The listed ABs. `names` from top to bottom, `place` the way back."""

    def __init__(self) -> None:
        self.sort = "order"
        self.failures_first = False
        self.terms: tuple[str, ...] = ()
        self.names: list[str] = []
        self.place: dict[str, int] = {}
        self._keys: list[tuple[Any, ...]] = []

    def rebuild(self, rows: Mapping[str, Row]) -> None:
        """Filter and sort all; O(n log n)."""
        chosen: Iterable[Row] = rows.values()
        if self.terms:
            chosen = [row for row in chosen if matches(row, self.terms)]
        keyed = sorted((self.key(row), row.ab) for row in chosen)
        self._keys = [key for key, _ in keyed]
        self.names = [name for _, name in keyed]
        self.place = {name: index for index, name in enumerate(self.names)}

    def misplaced(self, row: Row) -> bool:
        """True when this AB would now stand elsewhere, appear, or vanish."""
        index = self.place.get(row.ab)
        listed = not self.terms or matches(row, self.terms)
        if index is None:
            return listed
        return not listed or self._keys[index] != self.key(row)

    def nearest(self, row: Row) -> int:
        """The place where an AB that is filtered away would stand; 0 when the list is empty."""
        return max(0, min(bisect_left(self._keys, self.key(row)), len(self.names) - 1))

    def next_sort(self) -> str:
        """Go to the next sort order; returns its name in words."""
        keys = list(SORTS)
        self.sort = keys[(keys.index(self.sort) + 1) % len(keys)]
        return SORTS[self.sort]

    def key(self, row: Row) -> tuple[Any, ...]:
        """What the list is sorted by; ends with execution order and name, so it is total and stable."""
        band = STATES[row.state].display if self.failures_first else 0
        return (band, *_SORT_KEYS[self.sort](row), row.order, row.ab)


def _by_time(row: Row) -> tuple[Any, ...]:
    # Those at work first, longest first, by their start: the order stands still while they run.
    return (0, row.started) if row.state in AT_WORK else (1, -row.duration_s)


def _by_score(row: Row) -> tuple[Any, ...]:
    return (-row.score.count("o"), not row.score)


_SORT_KEYS = {
    "order": lambda row: (),
    "state": lambda row: (STATES[row.state].rank,),
    "target": lambda row: (row.target,),
    "time": _by_time,
    "score": _by_score,
}


def terms_of(text: str) -> tuple[str, ...]:
    """The filter an operator typed, as terms that must all hold: `pst state:failed !align`."""
    return tuple(term for term in text.casefold().split() if term.strip("!:"))


def matches(row: Row, terms: tuple[str, ...]) -> bool:
    """True when every term is found in the AB's name, state, target or kind; `field:` looks in one, `!` is not."""
    values = {
        "ab": row.ab,
        "state": f"{STATES[row.state].word} {row.state}",
        "kind": row.kind,
        "target": row.target,
        "recipe": row.recipe,
        "score": row.score,
        "date": row.date,
        "type": row.raw_type,
    }
    for term in terms:
        wanted = term.removeprefix("!")
        field, colon, text = wanted.partition(":")
        if colon and field in _FIELDS:
            found = text in values[field].casefold()
        else:
            found = any(wanted in values[name].casefold() for name in ("ab", "state", "target", "kind"))
        if found == term.startswith("!"):
            return False
    return True


def shared_prefix(names: Iterable[str]) -> str:
    """The beginning that all AB names share and the list may leave out; '' for fewer than two.

    Cut where a part of the stamp begins, and never inside the time of day: `T01:22:10.331` stays whole.
    """
    names = list(names)
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = next((i for i, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), len(first))
    time = _TIME.search(first)
    if time and time.start() < same:
        return first[: time.start()]
    return first[: max(first.rfind(".", 0, same), first.rfind("-", 0, same)) + 1]
