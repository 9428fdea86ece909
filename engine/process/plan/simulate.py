"""A pool on a virtual clock: the decisions are those of the engine (`Ready`), only nothing runs.

Used before the start, to find the best order of the targets, to forecast, and to compare with the original's
rank sequence.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.core.status import ENDED_WELL
from engine.process.plan.admission import Admission
from engine.process.plan.bounds import quick_bound
from engine.process.plan.pool import Entry
from engine.process.plan.priority import Plan, in_ranks, orders, planned, remaining
from engine.process.plan.ready import Ready

_BUDGET = 6000  # ABs; a pool that is larger than half of it is not searched through
_GOOD_ENOUGH = 1.005  # so near to what nothing can beat, one does not search on


@dataclass(frozen=True, slots=True)
class Span:
    """When an AB runs: seconds from the start."""

    begin: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """How a pool would run: `seconds` in all, when each AB runs, the most memory at once (GB), what never starts."""

    plan: Plan
    seconds: float
    spans: Mapping[str, Span]
    peak_gb: float
    left: tuple[str, ...]


def simulate(
    entries: dict[str, Entry],
    plan: Plan,
    streams: int,
    *,
    memory_gb: float = 0.0,
    widths: Mapping[str, int] | None = None,
) -> Schedule:
    """The schedule of a plan when every AB takes as long as forecast. The entries stay as they are."""
    ready = Ready(entries, plan, Admission(memory_gb))
    ready.widths.update(widths or {})
    missing: dict[str, int] = {}
    for entry in entries.values():
        missing[entry.ab] = sum(parent in entries for parent in entry.parents)
        ready.unfinished(entry)
        if not missing[entry.ab]:
            ready.add(entry)
    spans: dict[str, Span] = {}
    running: list[tuple[float, int, str]] = []
    now = used = peak = 0.0
    while True:
        while len(running) < streams and (heap := ready.best(now)):
            entry = ready.take(heap)
            ready.started(entry, now)
            heapq.heappush(running, (now + entry.forecast_s, entry.order, entry.ab))
            spans[entry.ab] = Span(now, now + entry.forecast_s)
            used += entry.memory_gb
            peak = max(peak, used)
        if not running:
            left = tuple(name for name in entries if name not in spans)
            return Schedule(plan, now, spans, peak, left)
        now = running[0][0]
        while running and running[0][0] <= now:
            entry = entries[heapq.heappop(running)[2]]
            used -= entry.memory_gb
            ready.ended(entry)
            ready.finished(entry)
            for child in entry.children:
                if child in missing:
                    missing[child] -= 1
                    if not missing[child]:
                        ready.add(entries[child])


def best_plan(
    entries: dict[str, Entry],
    streams: int,
    *,
    barriers: bool = False,
    memory_gb: float = 0.0,
    widths: Mapping[str, int] | None = None,
    budget: int = _BUDGET,
) -> Plan:
    """The best of a few plans, tried on the virtual clock as far as the budget goes; always the same for the same pool.

    With `barriers` the ranks are the plan. The rank sequence itself is tried too, so that none is worse than it.
    """
    if barriers:
        return in_ranks(entries, barriers=True)
    open_ = waiting(entries)
    tails = remaining(open_)
    tries = candidates(open_, tails, streams)
    first = next(tries)
    if len(open_) * 2 > budget:
        return first
    best, shortest = first, simulate(open_, first, streams, memory_gb=memory_gb, widths=widths).seconds
    least = quick_bound(open_, tails, streams, widths) * _GOOD_ENOUGH
    for plan in tries:
        if shortest <= least:
            break
        seconds = simulate(open_, plan, streams, memory_gb=memory_gb, widths=widths).seconds
        if seconds < shortest - 1e-6:
            best, shortest = plan, seconds
    return best


def candidates(entries: dict[str, Entry], tails: Mapping[str, float], streams: int) -> Iterator[Plan]:
    """The plans worth trying, the most promising first."""
    for name, targets in orders(entries, streams):
        yield planned(name, entries, tails, targets)
        yield planned(f"{name}, by rank", entries, tails, targets, stages=True)
    yield planned("longest path", entries, tails, ())
    yield in_ranks(entries, barriers=True)


def waiting(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The ABs that are still to run, without those that cannot and what depends on them."""
    return sorted_out(entries)[0]


def sorted_out(entries: Mapping[str, Entry]) -> tuple[dict[str, Entry], dict[str, str]]:
    """The ABs that are still to run, and those that a start of the pool will not run, with the reason."""
    found: dict[str, Entry] = {}
    never: dict[str, str] = {}
    for entry in entries.values():
        if entry.state in ENDED_WELL or (entry.status == "SUCCESSFUL" and entry.state != "STALE"):
            continue
        if why := _never(entry, entries, never):
            never[entry.ab] = why
        else:
            found[entry.ab] = entry
    return found, never


def _never(entry: Entry, entries: Mapping[str, Entry], never: Mapping[str, str]) -> str:
    if entry.refused:
        return entry.refused
    if entry.state == "FAILED":
        return f"FAILED: {entry.reason}" if entry.reason else "FAILED"
    if entry.state == "STALE":
        return "stale: one of its inputs was made anew"
    if entry.outside and any(parent not in entries for parent in entry.parents):
        return entry.outside
    return next((f"waits for {parent}, which will not run" for parent in entry.parents if parent in never), "")
