"""ABs first, then QC: the order of the phases of one date or of many (QCJOB_CONCENTRATION, row 203)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.process.plan.pool import Entry
from engine.process.plan.simulate import best_plan, simulate, waiting


@dataclass(frozen=True, slots=True)
class Phase:
    """One step: the ABs of these dates as one pool, or their QC jobs, one per date.

    `jobs` is how many QC jobs may run at once; each is sequential inside.
    """

    work: Literal["abs", "qc"]
    dates: tuple[str, ...]
    jobs: int = 1


def phases(dates: Iterable[str], concentration: bool, *, jobs: int = 1) -> tuple[Phase, ...]:
    """What is done one after the other for these dates.

    Daily mode: each date its ABs, then its QC reports. With concentration: the ABs of all dates as one pool, then all
    QC jobs as one batch, `jobs` of them in parallel. A date that stands there twice is done once.
    """
    days = tuple(dict.fromkeys(dates))
    if not days:
        return ()
    if concentration:
        return Phase("abs", days), Phase("qc", days, max(1, min(jobs, len(days))))
    return tuple(phase for day in days for phase in (Phase("abs", (day,)), Phase("qc", (day,))))


def seconds(
    steps: Iterable[Phase],
    entries: Mapping[str, Entry],
    streams: int,
    *,
    qc_s: float = 60.0,
    memory_gb: float = 0.0,
) -> float:
    """How long the phases take on the virtual clock, with `qc_s` for the QC report of one AB."""
    total = 0.0
    for phase in steps:
        part = {name: entry for name, entry in entries.items() if entry.date in phase.dates}
        if phase.work == "abs":
            open_ = waiting(part)
            total += simulate(
                open_, best_plan(open_, streams, memory_gb=memory_gb), streams, memory_gb=memory_gb
            ).seconds
        else:
            counts = sorted((sum(entry.date == date for entry in part.values()) for date in phase.dates), reverse=True)
            ends = [0.0] * phase.jobs
            for count in counts:
                ends[ends.index(min(ends))] += count * qc_s
            total += max(ends)
    return total
