"""Who goes first: whole targets one after the other, and in a target the longest path that remains.

Several orders of the targets are tried on a virtual clock (`simulate`), and the best is kept. Everything
here is a matter of forecasts: a wrong one costs time, never correctness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.process.plan.bounds import johnson
from engine.process.plan.pool import LAST_RANK, Entry

_Group = tuple[str, str, str]  # MODE, DATE, target


@dataclass(frozen=True)
class Plan:
    """The priorities of a pool: (place of its target, -remaining seconds) by AB; smaller is more urgent.

    `barriers`: a rank starts when all lower ones of its pool have ended. `name` says how it was found.
    """

    name: str = "as listed"
    barriers: bool = False
    urgencies: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    def urgency(self, entry: Entry) -> tuple[int, float]:
        """How urgent an AB is."""
        return self.urgencies.get(entry.ab, (0, 0.0))


AS_LISTED = Plan()


def remaining(entries: dict[str, Entry]) -> dict[str, float]:
    """The seconds of the longest path from the start of each AB to the end of the cascade."""
    found: dict[str, float] = {}
    for entry in reversed(entries.values()):
        below = max((found.get(child, 0.0) for child in entry.children), default=0.0)
        found[entry.ab] = entry.forecast_s + below
    return found


def planned(
    name: str,
    entries: dict[str, Entry],
    tails: Mapping[str, float],
    targets: Iterable[_Group],
    *,
    stages: bool = False,
) -> Plan:
    """The plan that takes targets in this order, and in each the longest remaining path first; in `stages` by rank.

    What several targets need goes with the first of them. ABs that run one at a time keep the order they were
    listed in; those of no known kind come last.
    """
    places = {group: number for number, group in enumerate(targets)}
    last = len(places)
    first: dict[str, int] = {}
    urgencies: dict[str, tuple[int, float]] = {}
    for entry in reversed(entries.values()):
        place = min([places.get(_group(entry), last), *(first.get(child, last) for child in entry.children)])
        first[entry.ab] = place = last + 1 if entry.rank == LAST_RANK else place
        stage = entry.rank if stages else 0
        urgencies[entry.ab] = (place * (LAST_RANK + 1) + stage, 0.0 if entry.kind.lane else -tails[entry.ab])
    return Plan(name, urgencies=urgencies)


def in_ranks(entries: dict[str, Entry], *, barriers: bool) -> Plan:
    """The original's sequence: rank by rank, as listed."""
    return Plan("ranks", barriers, {entry.ab: (entry.rank, 0.0) for entry in entries.values()})


def orders(entries: dict[str, Entry], streams: int) -> Iterator[tuple[str, list[_Group]]]:
    """The orders of the targets worth trying, each with a name; one only when there is nothing to choose.

    The narrow place of a cascade is one kind of AB (the combination): targets are to reach it as early as
    possible, and to leave as little as possible behind it (Johnson's rule for two machines).
    """
    work: defaultdict[_Group, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    lanes: defaultdict[str, float] = defaultdict(float)
    for entry in entries.values():
        work[_group(entry)][entry.lane] += entry.forecast_s
        lanes[entry.lane] += entry.forecast_s / min(entry.kind.streams, streams)
    narrow = max(lanes, key=lambda lane: lanes[lane], default="")
    targets = list(work)
    at = {group: of[narrow] for group, of in work.items()}
    before = {group: (sum(of.values()) - of[narrow]) / streams for group, of in work.items()}
    if len({(round(at[group], 3), round(before[group], 3)) for group in work}) <= 1:
        yield "as listed", targets
        return
    share = 1 - 1 / streams  # the narrow place is one of the streams that do the rest
    yield "Johnson's rule", [targets[n] for n in johnson([(before[group], at[group] * share) for group in targets])]
    smallest = sorted(work, key=lambda group: before[group] + at[group])
    yield "smallest first", smallest
    yield "smallest, then largest", [*smallest[:1], *reversed(smallest[1:])]
    yield "largest first", smallest[::-1]
    yield "as listed", targets


def _group(entry: Entry) -> _Group:
    return entry.mode, entry.date, entry.target
