"""How short a pool cannot be: bounds that hold for every schedule, to measure ours against.

For a set of ABs on a number of streams, nothing can beat

* the longest path;
* per lane of width w (and for all streams together): of any of its ABs, the least time before the first of them
  + the larger of (their work / w) and (what the pigeonholes force into one stream) + the least time after the last;
* memory times seconds of all / the host's memory;
* for a lane of width 1: the preemptive one-machine schedule (Jackson), with, for each AB, the bound of everything
  it depends on as its head;
* for a lane of width 1: one of its ABs is the last. All others, and all that any of them depends on, have ended
  before it starts: the bound of these + the last one + what must follow. The least over who is last counts.
* for a lane of width 1, in whatever order its ABs run: before the k-th starts, the streams have done the k-1 before
  it and what these k alone depend on; from then on the k-th and all later ones follow each other. The order for which
  the worst k is best is that of a flow shop of two machines with time lags (Johnson 1954, Mitten 1959), so the
  bound is that order's.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from engine.process.plan.pool import Entry

_FEW = 16  # ABs of a lane up to which each is tried as the last


@dataclass(frozen=True, slots=True, order=True)
class Bound:
    """Seconds that no schedule can beat, and what forces them."""

    seconds: float
    by: str


@dataclass(frozen=True, slots=True)
class Piece:
    """An AB with the least time that must pass before it and after it."""

    head: float
    seconds: float
    tail: float


def lower_bound(
    entries: Mapping[str, Entry], streams: int, *, memory_gb: float = 0.0, widths: Mapping[str, int] | None = None
) -> Bound:
    """The best of the bounds. Every AB takes as long as forecast."""
    return _Bounds(entries, streams, memory_gb, widths or {}).of(entries)


def quick_bound(
    entries: Mapping[str, Entry], tails: Mapping[str, float], streams: int, widths: Mapping[str, int] | None = None
) -> float:
    """Seconds no schedule can beat, at little cost: the longest path, all work on all streams, each lane's work."""
    lanes: defaultdict[str, float] = defaultdict(float)
    wide = dict(widths or {})
    for entry in entries.values():
        lane = entry.kind.lane or entry.kind.name
        lanes[lane] += entry.forecast_s
        wide.setdefault(lane, entry.kind.streams)
    narrow = max((work / min(wide[lane], streams) for lane, work in lanes.items()), default=0.0)
    return max(narrow, sum(lanes.values()) / streams, max(tails.values(), default=0.0))


class _Bounds:
    """The bounds of parts of one pool."""

    def __init__(self, entries: Mapping[str, Entry], streams: int, memory_gb: float, widths: Mapping[str, int]) -> None:
        self.entries = entries
        self.streams = streams
        self.memory_gb = memory_gb
        self.widths = {e.lane: min(streams, widths.get(e.lane, e.kind.streams)) for e in entries.values()}
        self._heads: dict[str, float] = {}

    def of(self, names: Iterable[str]) -> Bound:
        """The bound of the whole."""
        part = [name for name in self.entries if name in set(names)]
        found = [self.simple(part)]
        lanes: defaultdict[str, list[str]] = defaultdict(list)
        for name in part:
            lanes[self.entries[name].lane].append(name)
        pieces = self._pieces(part)
        for lane, members in lanes.items():
            if self.widths[lane] == 1 and len(members) <= _FEW:
                found += self._narrow(lane, members, pieces)
        return max(found)

    def simple(self, part: Sequence[str]) -> Bound:
        """Longest path, lanes, all streams, memory, of ABs in execution order."""
        if not part:
            return Bound(0.0, "nothing to do")
        pieces = self._pieces(part)
        found = [Bound(max(piece.head + piece.seconds + piece.tail for piece in pieces.values()), "longest path")]
        lanes: defaultdict[str, list[Piece]] = defaultdict(list)
        for name in part:
            lanes[self.entries[name].lane].append(pieces[name])
        found += [Bound(_parallel(lane, self.widths[name]), name) for name, lane in lanes.items()]
        found.append(Bound(_parallel(list(pieces.values()), self.streams), "all streams"))
        if self.memory_gb:
            area = sum(self.entries[name].memory_gb * self.entries[name].forecast_s for name in part)
            found.append(Bound(area / self.memory_gb, "memory"))
        return max(found)

    def _narrow(self, lane: str, members: list[str], pieces: Mapping[str, Piece]) -> Iterator[Bound]:
        """The bounds of a lane of width 1."""
        above = {name: self._above([name]) for name in members}
        heads = {name: max(pieces[name].head, self._head(name, above[name])) for name in members}
        machine = [Piece(heads[name], pieces[name].seconds, pieces[name].tail) for name in members]
        yield Bound(jackson(machine), f"{lane}, one at a time")
        least: list[Bound] = []
        for last in members:
            before = self._above(members) | (set(members) - {last})
            part = [name for name in self.entries if name in before and name != last]
            others = [Piece(heads[name], pieces[name].seconds, 0.0) for name in members if name != last]
            earliest = max(self.simple(part).seconds, jackson(others), heads[last])
            least.append(Bound(earliest + pieces[last].seconds + pieces[last].tail, f"{lane}: the last of them"))
        yield min(least)
        yield Bound(self._flow_shop(members, above, pieces), f"{lane}: all that goes before each")

    def _flow_shop(self, members: list[str], above: Mapping[str, set[str]], pieces: Mapping[str, Piece]) -> float:
        owners = Counter(name for own in above.values() for name in own - set(members))
        jobs = []
        for name in members:
            alone = sum(pieces[other].seconds for other in above[name] if owners[other] == 1)
            jobs.append((alone / self.streams, pieces[name].seconds))
        return in_sequence(jobs, self.streams) + min(pieces[name].tail for name in members)

    def _head(self, name: str, above: set[str]) -> float:
        if name not in self._heads:
            self._heads[name] = self.simple([other for other in self.entries if other in above]).seconds
        return self._heads[name]

    def _above(self, names: Iterable[str]) -> set[str]:
        """Everything these ABs depend on."""
        found: set[str] = set()
        queue = list(names)
        while queue:
            for parent in self.entries[queue.pop()].parents:
                if parent in self.entries and parent not in found:
                    found.add(parent)
                    queue.append(parent)
        return found

    def _pieces(self, part: Sequence[str]) -> dict[str, Piece]:
        heads: dict[str, float] = {}
        tails: dict[str, float] = {}
        for name in part:
            entry = self.entries[name]
            heads[name] = max((heads[p] + self.entries[p].forecast_s for p in entry.parents if p in heads), default=0.0)
        for name in reversed(part):
            entry = self.entries[name]
            tails[name] = max(
                (tails[c] + self.entries[c].forecast_s for c in entry.children if c in tails), default=0.0
            )
        return {name: Piece(heads[name], self.entries[name].forecast_s, tails[name]) for name in part}


def jackson(pieces: Iterable[Piece]) -> float:
    """The end of the preemptive schedule on one machine: what is there with the longest tail goes first.

    It is the shortest that heads and tails allow, so no schedule without preemption is shorter.
    """
    waiting = sorted((piece.head, piece.seconds, piece.tail) for piece in pieces)
    there: list[tuple[float, float]] = []  # -tail, seconds left
    now = end = 0.0
    index = 0
    while index < len(waiting) or there:
        if not there:
            now = max(now, waiting[index][0])
        while index < len(waiting) and waiting[index][0] <= now:
            heapq.heappush(there, (-waiting[index][2], waiting[index][1]))
            index += 1
        tail, left = heapq.heappop(there)
        until = min(now + left, waiting[index][0] if index < len(waiting) else now + left)
        if until < now + left:
            heapq.heappush(there, (tail, left - (until - now)))
        else:
            end = max(end, until - tail)
        now = until
    return end


def johnson(jobs: Sequence[tuple[float, float]]) -> list[int]:
    """The order of jobs (before, at) on two machines in line, by their places: the shortest end of the last."""
    quick = sorted((job[0], place) for place, job in enumerate(jobs) if job[0] <= job[1])
    slow = sorted((-job[1], place) for place, job in enumerate(jobs) if job[0] > job[1])
    return [place for _, place in (*quick, *slow)]


def in_sequence(jobs: Sequence[tuple[float, float]], streams: int) -> float:
    """The least end of jobs that need `before` seconds of all streams, then `at` seconds one by one in one of them."""
    passed = end = 0.0
    for place in johnson([(before, at * (1 - 1 / streams)) for before, at in jobs]):
        before, at = jobs[place]
        passed += before
        end = max(end, passed) + at
        passed += at / streams
    return end


def _parallel(pieces: list[Piece], width: int) -> float:
    """Head + work or pigeonholes + tail, over the ABs that begin late and those that must end early."""
    best = 0.0
    for late in (True, False):
        ordered = sorted(pieces, key=lambda piece: -(piece.head if late else piece.tail))
        others = list(accumulate((piece.tail if late else piece.head for piece in ordered), min))
        total = 0.0
        for count, piece in enumerate(ordered):
            total += piece.seconds
            outer = (piece.head if late else piece.tail) + others[count]
            best = max(best, outer + total / width)
    least = min(piece.head for piece in pieces) + min(piece.tail for piece in pieces)
    return max(best, least + pigeonholes([piece.seconds for piece in pieces], width))


def pigeonholes(seconds: Iterable[float], width: int) -> float:
    """Of the i x width + 1 longest, one stream gets i + 1 at least: the shortest of them, for the best i."""
    longest = sorted(seconds, reverse=True)
    best = 0.0
    for i in range((len(longest) - 1) // width + 1):
        best = max(best, sum(longest[i * width - i : i * width + 1]))
    return best
