"""What fits beside what runs: the memory of this host and room on its disks (rows 208 and 210).

An AB that waits for memory gets a reservation: the time by which, as forecast, enough will have ended. Smaller
ones pass it only when they will have ended by then, or fit beside it for good. That time is never put off, so
nobody starves, however wrong the forecasts are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from config.schema import Settings
from config.tree import DfoTree
from engine.process.plan.pool import Entry

_SHARE = 0.9  # of the host's memory, where the settings name none: the rest is the system's
_EPSILON = 1e-6


class _Held(NamedTuple):
    """What a running AB holds, and when it will have ended."""

    until: float
    memory_gb: float
    disk_gb: float


class Admission:
    """Memory and disk of a host and what holds them. `memory_gb` 0: as much as one likes."""

    def __init__(
        self, memory_gb: float = 0.0, free: Callable[[], float] | None = None, reserve_gb: float = 0.0
    ) -> None:
        self.memory_gb = memory_gb
        self._free = free
        self._reserve_gb = reserve_gb
        self._held: dict[str, _Held] = {}
        self._first = ("", 0.0)  # who has the reservation, and for when

    def take(self, entry: Entry, now: float) -> None:
        """An AB starts, or is found running."""
        if entry.memory_gb or entry.disk_gb:
            self._held[entry.ab] = _Held(now + entry.forecast_s, entry.memory_gb, entry.disk_gb)
        if entry.ab == self._first[0]:
            self._first = ("", 0.0)

    def give_back(self, entry: Entry) -> None:
        """It has ended."""
        self._held.pop(entry.ab, None)

    def may_hold(self, entry: Entry) -> bool:
        """True when `lacks` has to be asked before this AB starts."""
        return bool(entry.memory_gb or entry.disk_gb or (self._free and self._reserve_gb))

    @property
    def first(self) -> str:
        """The AB that has the reservation; '' when none waits."""
        return self._first[0]

    @property
    def free_memory_gb(self) -> float:
        """What nobody holds."""
        return self.memory_gb - sum(held.memory_gb for held in self._held.values())

    def lacks(self, entry: Entry) -> str:
        """What an AB that is ready waits for: memory or disk, in numbers; '' when there is enough."""
        if self.memory_gb and entry.memory_gb > self.free_memory_gb + _EPSILON:
            free = max(0.0, self.free_memory_gb)
            return f"waits for memory: needs {_gb(entry.memory_gb)} GB, {_gb(free)} of {_gb(self.memory_gb)} GB free"
        if self._free and (entry.disk_gb or self._reserve_gb):
            free = self._free() - sum(held.disk_gb for held in self._held.values())
            if free - entry.disk_gb < self._reserve_gb - _EPSILON:
                beside = f" beside the reserve of {_gb(self._reserve_gb)} GB" if self._reserve_gb else ""
                left = max(0.0, free - self._reserve_gb)
                if not entry.disk_gb:
                    return f"waits for disk: {_gb(max(0.0, free))} GB free, {_gb(self._reserve_gb)} GB must stay free"
                return f"waits for disk: needs {_gb(entry.disk_gb)} GB, {_gb(left)} GB free{beside}"
        return ""

    def reserve(self, entry: Entry, now: float) -> None:
        """This AB is next and does not fit: from now on nothing may put it off. Disk is freed by nobody's end."""
        if entry.ab == self._first[0]:
            return
        if not self.memory_gb or entry.memory_gb <= self.free_memory_gb + _EPSILON:
            self._first = (entry.ab, math.inf)
            return
        at, free = now, self.free_memory_gb
        for held in sorted(self._held.values()):
            if free >= entry.memory_gb:
                break
            at, free = max(now, held.until), free + held.memory_gb
        self._first = (entry.ab, at)

    def may_pass(self, entry: Entry, first: Entry, now: float) -> bool:
        """May an AB start before the one that has the reservation?"""
        at = self._first[1]
        if now + entry.forecast_s <= at or not (entry.memory_gb or entry.disk_gb):
            return True
        beside = sum(held.memory_gb for held in self._held.values() if held.until > at)
        return beside + entry.memory_gb + first.memory_gb <= self.memory_gb + _EPSILON


def admission_of(settings: Settings, tree: DfoTree, *, here: bool = True) -> Admission:
    """What an account lets start; `here`: on this host, whose memory counts when the settings name none."""
    most = settings.admission.memory_gb or (host_memory_gb() if here else 0.0)
    places = (tree.product, tree.expand(settings.process.work_area))
    return Admission(most, lambda: min(map(free_gb, places)), settings.admission.disk_reserve_gb)


def host_memory_gb() -> float:
    """What recipes may use of this host's memory when the settings do not say."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 * _SHARE


def free_gb(place: Path) -> float:
    """What is free on the disk of a directory, or of the nearest one above it that is there."""
    while not place.exists():
        place = place.parent
    room = os.statvfs(place)
    return room.f_bavail * room.f_frsize / 1e9


def _gb(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.2g}"
