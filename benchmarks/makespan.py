"""How near to the shortest possible a deep run is: simulated with the times of the MUSE_DEEP page.

scibasic and create_sky 3-5 min, scipost 10-30, exp_align 1-30 growing with N, exp_combine 0.22 h and 16 GB x N, on 2 TB
in three streams; where a range is given, the ABs are spread evenly over it. One sky per three exposures. The
decisions are the engine's own (`engine.process.plan.simulate`), the lower bound is proven (`.bounds`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from config.schema import KindOfAb, Settings
from engine.core.cascade import Kind
from engine.kinds import kinds_of
from engine.process.plan.bounds import lower_bound
from engine.process.plan.pool import Entry
from engine.process.plan.priority import in_ranks
from engine.process.plan.simulate import best_plan, simulate
from tests.builders import KINDS

STREAMS, MEMORY_GB, GOAL = 3, 2000.0, 1.05
_MINUTE = 60.0
_GOLDEN = 0.6180339887498949
_NEEDS = {"combine": {"memory_gb_per_input": 16.0}, "sky_basic": {"memory_gb": 24.0}, "scibasic": {"memory_gb": 24.0}}
CASES: tuple[tuple[int, ...], ...] = (
    *((n,) for n in (4, 8, 20, 60, 120)),
    *((n, n, n) for n in (4, 20, 60)),
    *((n,) * 10 for n in (4, 20, 120)),
    (4, 8, 20, 40, 80),
    (120, 100, 80, 60, 40, 30, 20, 12, 8, 4),
)


def kinds() -> dict[str, Kind]:
    """The kinds of MUSE_DEEP with their widths 1/1/3/3/1/1 and what they need."""
    made = {name: KindOfAb(**{**kind.model_dump(), **_NEEDS.get(name, {})}) for name, kind in KINDS.items()}
    settings = Settings(instance="MUSE_DEEP", instrument="MUSE", streams=STREAMS, kinds=made)
    return {kind.name: kind for kind in kinds_of(settings)}


def deep_pool(targets: Sequence[int], *, sky: bool) -> dict[str, Entry]:
    """The ABs of targets with so many exposures each, in execution order."""
    known = kinds()
    made: list[Entry] = []

    def add(name: str, kind: str, minutes: float, parents: Sequence[str], target: str, inputs: int = 0) -> None:
        what = known[kind]
        memory = max(what.memory_gb, what.memory_gb_per_input * inputs)
        entry = Entry(
            name, "SCIENCE", "2094-01-16", what, what.recipe, "", target, 0, what.rank, tuple(parents), (), "CREATED"
        )
        entry.forecast_s, entry.memory_gb, entry.inputs = minutes * _MINUTE, memory, inputs
        made.append(entry)

    for number, exposures in enumerate(targets):
        target = f"T{number:02d}"
        skies = max(1, exposures // 3) if sky else 0
        for n in range(skies):
            add(f"{target}_sky{n}", "sky_basic", _spread(n, 3, 5), (), target)
            add(f"{target}_csky{n}", "create_sky", _spread(n + 0.5, 3, 5), (f"{target}_sky{n}",), target)
        for n in range(exposures):
            add(f"{target}_{n}", "scibasic", _spread(n + 7, 3, 5), (), target)
            nearest = (f"{target}_csky{n * skies // exposures}",) if skies else ()
            add(f"{target}_{n}_pst", "scipost", _spread(n + 3, 10, 30), (f"{target}_{n}", *nearest), target)
        posts = [f"{target}_{n}_pst" for n in range(exposures)]
        add(f"{target}_dal", "align", 1 + 29 * exposures / 120, posts, target, exposures)
        add(f"{target}_dpc", "combine", 13.2 * exposures, (*posts, f"{target}_dal"), target, exposures)
    pool = {entry.ab: entry for entry in sorted(made, key=lambda entry: entry.rank)}
    for order, entry in enumerate(pool.values(), 1):
        entry.order = order
        for parent in entry.parents:
            pool[parent].children += (entry.ab,)
    return pool


def _spread(n: float, least: float, most: float) -> float:
    """Evenly over a range, always the same."""
    return least + (most - least) * ((n * _GOLDEN) % 1)


def rows(cases: Sequence[Sequence[int]] = CASES) -> Iterator[dict[str, object]]:
    """The published rows: hours of our plan against the proven lower bound, and the rank sequence's."""
    for targets in cases:
        for sky in (False, True):
            pool = deep_pool(targets, sky=sky)
            plan = best_plan(pool, STREAMS, memory_gb=MEMORY_GB)
            ours = simulate(pool, plan, STREAMS, memory_gb=MEMORY_GB)
            ranks = simulate(pool, in_ranks(pool, barriers=True), STREAMS, memory_gb=MEMORY_GB)
            bound = lower_bound(pool, STREAMS, memory_gb=MEMORY_GB)
            same = len(set(targets)) == 1
            size = f"{len(targets)} x {targets[0]}" if same else "+".join(map(str, targets))
            yield {
                "work": f"{size} exposures{' with sky' if sky else ''}",
                "ours": f"{ours.seconds / 3600:.2f} h (rank by rank {ranks.seconds / 3600:.2f})",
                "peer": f"{bound.seconds / 3600:.2f} h",
                "ratio": round(ours.seconds / bound.seconds, 3),
                "goal": GOAL,
                "ranks": round(ranks.seconds / ours.seconds, 3),
                "bound": bound.by,
            }


def main() -> None:
    """Print one JSON row per line."""
    for row in rows():
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
