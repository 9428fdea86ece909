"""How long ABs take and what they need, by what was measured in this account before (rows 335-337).

Until a kind has been measured its profile speaks. Forecasts never fall when the number of inputs grows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import NamedTuple

from engine.core.cascade import Kind
from engine.stores.attempts import measured

_RECENT = 40  # measurements of a kind that count


class Needs(NamedTuple):
    """What one AB is forecast to take: seconds, GB of memory, GB of disk."""

    forecast_s: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One AB that was processed: its kind and main inputs, seconds at work, peak memory (0: not measured)."""

    kind: str
    inputs: int
    seconds: float
    memory_gb: float = 0.0


class History:
    """What was measured, newest first."""

    def __init__(self, found: Iterable[Measured] = ()) -> None:
        self._of: dict[str, list[Measured]] = {}
        self._known: dict[tuple[str, int], Needs] = {}
        for item in found:
            of_kind = self._of.setdefault(item.kind, [])
            if len(of_kind) < _RECENT and item.seconds >= 0:
                of_kind.append(item)

    @classmethod
    def of(cls, db: sqlite3.Connection) -> History:
        """The history of an account."""
        return cls(Measured(kind, inputs, seconds, rss / 1024) for kind, inputs, seconds, rss in measured(db))

    def count(self, kind: str) -> int:
        """How many measurements of a kind there are; at most 40 count."""
        return len(self._of.get(kind, ()))

    def needs(self, kind: Kind, inputs: int) -> Needs:
        """What an AB of a kind with so many main inputs takes."""
        key = (kind.name, inputs)
        if key not in self._known:
            self._known[key] = Needs(self.seconds(kind, inputs), self.memory(kind, inputs), _disk(kind, inputs))
        return self._known[key]

    def seconds(self, kind: Kind, inputs: int) -> float:
        """The forecast duration: the median of what was measured, along the inputs where the kind scales."""
        found = self._of.get(kind.name)
        scaled = bool(kind.forecast_per_input_s and inputs)
        if not found:
            return kind.forecast_per_input_s * inputs if scaled else kind.forecast_s
        if not scaled:
            return median(item.seconds for item in found)
        pairs = [(item.inputs, item.seconds) for item in found if item.inputs]
        return _line(pairs, inputs) if pairs else kind.forecast_per_input_s * inputs

    def memory(self, kind: Kind, inputs: int) -> float:
        """GB: what the profile says, or what was measured where that is more."""
        profile = max(kind.memory_gb, kind.memory_gb_per_input * inputs)
        found = [item for item in self._of.get(kind.name, ()) if item.memory_gb > 0]
        if not (kind.memory_gb_per_input and inputs):
            return max([profile, *(item.memory_gb for item in found)])
        # It took that much with no more inputs than these; beyond what was measured, the line goes on.
        fewer = [item.memory_gb for item in found if item.inputs <= inputs]
        pairs = [(item.inputs, item.memory_gb) for item in found if item.inputs]
        several = len({count for count, _ in pairs}) > 1
        return max([profile, *fewer, _line(pairs, inputs) if several else 0.0])


def _disk(kind: Kind, inputs: int) -> float:
    return max(kind.disk_gb, kind.disk_gb_per_input * inputs)


def _line(pairs: list[tuple[int, float]], inputs: int) -> float:
    """The value at `inputs` of a robust line (Theil-Sen) through the pairs, rising, never below zero at zero.

    With one number of inputs alone, it is proportional to them.
    """
    slopes = [(b - a) / (m - n) for (n, a), (m, b) in combinations(pairs, 2) if n != m]
    ratio = median(value / count for count, value in pairs)
    if not slopes:
        return ratio * inputs
    slope = max(0.0, median(slopes))
    base = median(value - slope * count for count, value in pairs)
    return ratio * inputs if base < 0 else base + slope * inputs
