"""Which AB is next: kinds have widths, and with barriers a rank waits for all lower ones.

The work per AB grows with the number of kinds and pools only, not with the number of ABs.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping

from engine.process.pool import Entry

Heap = list[tuple[int, int, str]]  # rank, execution order, AB


class Ready:
    """The ABs whose parents are done and that have not started. True while there are any.

    `widths` says how many ABs of a kind may run at once, `busy` how many do. `fresh` are those
    that are still to be told what they wait for.
    """

    def __init__(self, entries: Mapping[str, Entry], *, barriers: bool) -> None:
        self.widths = {entry.kind.name: entry.kind.streams for entry in entries.values()}
        self.busy: Counter[str] = Counter()
        self.fresh: list[Entry] = []
        self._entries = entries
        self._barriers = barriers
        self._heaps: dict[tuple[str, str, str], Heap] = {}
        self._unfinished: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    def __bool__(self) -> bool:
        return any(self._heaps.values())

    def add(self, entry: Entry) -> None:
        """An AB may start as far as its parents are concerned."""
        heap = self._heaps.setdefault((entry.kind.name, entry.mode, entry.date), [])
        heapq.heappush(heap, (entry.rank, entry.order, entry.ab))
        self.fresh.append(entry)

    def best(self) -> Heap | None:
        """The heap whose head may start next, as far as kinds and barriers are concerned."""
        best: Heap | None = None
        for (kind, mode, date), heap in self._heaps.items():
            if not heap or self.busy[kind] >= self.widths[kind] or self._below(heap[0][0], mode, date):
                continue
            if best is None or heap[0] < best[0]:
                best = heap
        return best

    @staticmethod
    def first(heap: Heap, count: int) -> list[str]:
        """The names at the head of a heap, which stays as it is."""
        items = [heapq.heappop(heap) for _ in range(min(count, len(heap)))]
        for item in items:
            heapq.heappush(heap, item)
        return [item[2] for item in items]

    def take(self, heap: Heap) -> Entry:
        """The AB at the head of a heap; it is ready no more."""
        return self._entries[heapq.heappop(heap)[2]]

    def drop(self, names: set[str]) -> None:
        """These ABs are ready no more."""
        for key, heap in self._heaps.items():
            kept = [item for item in heap if item[2] not in names]
            heapq.heapify(kept)
            self._heaps[key] = kept

    # --- barriers ---------------------------------------------------------------------------

    def barred(self, entry: Entry) -> bool:
        """With barriers: does a lower rank of its pool still have ABs that have not ended?"""
        return self._below(entry.rank, entry.mode, entry.date)

    def _below(self, rank: int, mode: str, date: str) -> bool:
        if not self._barriers:
            return False
        return any(count > 0 and lower < rank for lower, count in self._unfinished[(mode, date)].items())

    def unfinished(self, entry: Entry) -> None:
        """An AB has not ended, or is to run again: it bars higher ranks."""
        self._unfinished[(entry.mode, entry.date)][entry.rank] += 1

    def finished(self, entry: Entry) -> None:
        """An AB has ended, well or badly: it bars nobody any more."""
        ranks = self._unfinished[(entry.mode, entry.date)]
        ranks[entry.rank] -= 1
        if self._barriers and not ranks[entry.rank]:
            self.look_again()

    def look_again(self) -> None:
        """What the ready ABs wait for may have changed: tell them all."""
        for heap in self._heaps.values():
            self.fresh += [self._entries[item[2]] for item in heap]
