"""Which AB is next: by priority, as kinds have room, memory allows, and barriers are open.

The work per AB grows with the number of kinds and of different memory needs, not with the number of ABs.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping

from engine.process.plan.admission import Admission
from engine.process.plan.pool import Entry
from engine.process.plan.priority import AS_LISTED, Plan

Heap = list[tuple[int, float, int, str]]  # place of its target, -remaining seconds, execution order, AB
_Like = tuple[str, str, str, int, float, float]  # lane, pool and rank (with barriers), memory, disk


class Ready:
    """The ABs whose parents are done and that have not started. True while there are any.

    `widths` says how many ABs of a lane may run at once, `busy` how many do. `fresh` are those
    that are still to be told what they wait for.
    """

    def __init__(
        self, entries: Mapping[str, Entry], plan: Plan = AS_LISTED, admission: Admission | None = None
    ) -> None:
        self.widths = {entry.lane: entry.kind.streams for entry in entries.values()}
        self.busy: Counter[str] = Counter()
        self.fresh: list[Entry] = []
        self.admission = admission or Admission()
        self._entries = entries
        self._plan = plan
        self._heaps: dict[_Like, Heap] = {}
        self._unfinished: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    def __bool__(self) -> bool:
        return any(self._heaps.values())

    def add(self, entry: Entry) -> None:
        """An AB may start as far as its parents are concerned."""
        barred = (entry.mode, entry.date, entry.rank) if self._plan.barriers else ("", "", 0)
        heap = self._heaps.setdefault((entry.lane, *barred, entry.memory_gb, entry.disk_gb), [])
        heapq.heappush(heap, (*self._plan.urgency(entry), entry.order, entry.ab))
        self.fresh.append(entry)

    def replan(self, plan: Plan) -> None:
        """Other priorities from now on."""
        waiting = [item[-1] for heap in self._heaps.values() for item in heap]
        fresh, self._plan = self.fresh, plan
        self._heaps.clear()
        for name in waiting:
            self.add(self._entries[name])
        self.fresh = fresh

    # --- next -------------------------------------------------------------------------------

    def best(self, now: float) -> Heap | None:
        """The heap whose head starts next; None when nothing may start now."""
        best: Heap | None = None
        for (lane, mode, date, rank, _, _), heap in self._heaps.items():
            if not heap or self.busy[lane] >= self.widths[lane] or (best and heap[0] > best[0]):
                continue
            if not self._plan.barriers or not self._below(rank, mode, date):
                best = heap
        if best is None:
            return None
        entry = self._entries[best[0][-1]]
        if not self.admission.may_hold(entry) or not self.admission.lacks(entry):
            return best
        self.admission.reserve(entry, now)
        return self._passing(entry, now)

    def _passing(self, first: Entry, now: float) -> Heap | None:
        """The most urgent AB that may start before one that waits for memory or disk."""
        for heap in sorted(heap for heap in self._heaps.values() if heap):
            entry = self._entries[heap[0][-1]]
            if entry is first or self.busy[entry.lane] >= self.widths[entry.lane] or self.barred(entry):
                continue
            if not self.admission.lacks(entry) and self.admission.may_pass(entry, first, now):
                return heap
        return None

    @staticmethod
    def first(heap: Heap, count: int) -> list[str]:
        """The names at the head of a heap, which stays as it is."""
        items = [heapq.heappop(heap) for _ in range(min(count, len(heap)))]
        for item in items:
            heapq.heappush(heap, item)
        return [item[-1] for item in items]

    def take(self, heap: Heap) -> Entry:
        """The AB at the head of a heap; it is ready no more."""
        return self._entries[heapq.heappop(heap)[-1]]

    def drop(self, names: set[str]) -> None:
        """These ABs are ready no more."""
        for key, heap in self._heaps.items():
            kept = [item for item in heap if item[-1] not in names]
            heapq.heapify(kept)
            self._heaps[key] = kept

    # --- who runs ---------------------------------------------------------------------------

    def started(self, entry: Entry, now: float) -> None:
        """An AB has a stream, memory and disk."""
        self.busy[entry.lane] += 1
        self.admission.take(entry, now)

    def ended(self, entry: Entry) -> None:
        """They are free again."""
        self.busy[entry.lane] -= 1
        self.admission.give_back(entry)

    # --- barriers ---------------------------------------------------------------------------

    def barred(self, entry: Entry) -> bool:
        """With barriers: does a lower rank of its pool still have ABs that have not ended?"""
        return self._plan.barriers and self._below(entry.rank, entry.mode, entry.date)

    def _below(self, rank: int, mode: str, date: str) -> bool:
        return any(count > 0 and lower < rank for lower, count in self._unfinished[(mode, date)].items())

    def unfinished(self, entry: Entry) -> None:
        """An AB has not ended, or is to run again: it bars higher ranks."""
        self._unfinished[(entry.mode, entry.date)][entry.rank] += 1

    def finished(self, entry: Entry) -> None:
        """An AB has ended, well or badly: it bars nobody any more."""
        ranks = self._unfinished[(entry.mode, entry.date)]
        ranks[entry.rank] -= 1
        if self._plan.barriers and not ranks[entry.rank]:
            self.look_again()

    def look_again(self) -> None:
        """What the ready ABs wait for may have changed: tell them all."""
        for heap in self._heaps.values():
            self.fresh += [self._entries[item[-1]] for item in heap]
