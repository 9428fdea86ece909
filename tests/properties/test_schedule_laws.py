from __future__ import annotations

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.makespan import deep_pool
from config.schema import KindOfAb
from engine.core.cascade import Kind
from engine.process.plan.admission import Admission
from engine.process.plan.bounds import in_sequence, jackson, lower_bound, pigeonholes
from engine.process.plan.history import History, Measured
from engine.process.plan.pool import Entry
from engine.process.plan.priority import Plan, in_ranks
from engine.process.plan.simulate import Schedule, best_plan, simulate
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.stores.attempts import Attempts
from tests.builders import KINDS, make_ab, make_context
from tests.fakes import PaperJob

_QUICK = settings(max_examples=120)
_LANES = {"a": (1, 3), "b": (2, 2), "c": (3, 1)}  # rank, width


@st.composite
def cascades(draw: st.DrawFn, most: int = 12) -> dict[str, Entry]:
    """A pool of a few lanes with any dependencies, durations and memory needs up to 100 GB."""
    pool: dict[str, Entry] = {}
    for number in range(draw(st.integers(1, most))):
        name = f"{number:02d}"
        lane = draw(st.sampled_from(sorted(_LANES)))
        rank, width = _LANES[lane]
        parents = draw(st.sets(st.sampled_from(sorted(pool)), max_size=3)) if pool else set()
        kind = Kind(lane, lane, "", (), rank, width)
        target = draw(st.sampled_from(["", "T1", "T2", "T3"]))
        entry = Entry(name, "SCIENCE", "D", kind, lane, "", target, number, rank, tuple(sorted(parents)), (), "CREATED")
        entry.forecast_s = draw(st.integers(1, 20)) * 1.0
        entry.memory_gb = draw(st.sampled_from([0.0, 0.0, 20.0, 50.0, 100.0]))
        pool[name] = entry
        for parent in parents:
            pool[parent].children += (name,)
    for entry in reversed(list(pool.values())):
        entry.rank = min([entry.rank, *(pool[child].rank for child in entry.children)])
    return pool


def lawful(pool: dict[str, Entry], found: Schedule, streams: int, memory_gb: float) -> None:
    """Nothing runs twice or never, before its parents, beside too many others, or in memory that is not there."""
    assert sorted(found.spans) == sorted(pool) and not found.left
    for name, span in found.spans.items():
        assert span.end - span.begin == pytest.approx(pool[name].forecast_s)
        assert all(found.spans[parent].end <= span.begin + 1e-9 for parent in pool[name].parents)
        at_once = [pool[n] for n, s in found.spans.items() if s.begin <= span.begin < s.end]
        assert len(at_once) <= streams
        assert sum(entry.memory_gb for entry in at_once) <= memory_gb + 1e-9
        for lane, (_, width) in _LANES.items():
            assert sum(entry.lane == lane for entry in at_once) <= width
    assert found.seconds == max(span.end for span in found.spans.values())
    assert found.peak_gb <= memory_gb


@pytest.mark.row(210)
@_QUICK
@given(cascades(), st.integers(1, 4), st.integers(0, 10**6))
def test_any_plan_makes_a_lawful_schedule_that_the_lower_bound_does_not_exceed(
    pool: dict[str, Entry], streams: int, seed: int
) -> None:
    chance = random.Random(seed)
    bound = lower_bound(pool, streams, memory_gb=100.0)
    for _ in range(6):
        plan = Plan("dice", chance.random() < 0.2, {name: (chance.randrange(3), chance.random()) for name in pool})
        found = simulate(pool, plan, streams, memory_gb=100.0)
        lawful(pool, found, streams, 100.0)
        assert bound.seconds <= found.seconds + 1e-6, bound


@_QUICK
@given(cascades(), st.integers(1, 4))
def test_the_best_plan_is_never_worse_than_the_rank_sequence_and_always_the_same(
    pool: dict[str, Entry], streams: int
) -> None:
    plan = best_plan(pool, streams, memory_gb=100.0)
    ours = simulate(pool, plan, streams, memory_gb=100.0)
    lawful(pool, ours, streams, 100.0)
    assert ours.seconds <= simulate(pool, in_ranks(pool, barriers=True), streams, memory_gb=100.0).seconds + 1e-6
    assert best_plan(pool, streams, memory_gb=100.0) == plan


@pytest.mark.parametrize("sky", [False, True])
@pytest.mark.parametrize("targets", [(4,), (5,), (7,), (20,), (4, 4), (7, 7, 7), (4, 9, 30), (30, 9, 4), (12,) * 10])
def test_deep_runs_are_within_five_percent_of_what_nothing_can_beat(targets: tuple[int, ...], sky: bool) -> None:
    pool = deep_pool(targets, sky=sky)
    ours = simulate(pool, best_plan(pool, 3, memory_gb=2000.0), 3, memory_gb=2000.0)
    assert ours.seconds <= 1.05 * lower_bound(pool, 3, memory_gb=2000.0).seconds
    finished = sorted(ours.spans[name].end for name in pool if name.endswith("_dpc"))
    begun = sorted(ours.spans[name].begin for name in pool if name.endswith("_dpc"))
    assert all(end <= begin for end, begin in zip(finished, begun[1:], strict=False)), "whole targets, one by one"


@_QUICK
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=5))
def test_one_machine_bounds_hold_for_every_order(jobs: list[tuple[int, int, int]]) -> None:
    from itertools import permutations

    from engine.process.plan.bounds import Piece

    pieces = [Piece(float(head), float(at), float(tail)) for head, at, tail in jobs]
    flow = [(head / 2, float(at)) for head, at, _ in jobs]
    for order in permutations(range(len(jobs))):
        now = end = 0.0
        for n in order:
            now = max(now, pieces[n].head) + pieces[n].seconds
            end = max(end, now + pieces[n].tail)
        assert jackson(pieces) <= end + 1e-9
        before = done = 0.0
        for n in order:
            before += flow[n][0]
            done = max(done, before) + flow[n][1]
            before += flow[n][1] / 2
        assert in_sequence(flow, 2) <= done + 1e-9


@_QUICK
@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.integers(1, 3))
def test_pigeonholes_hold_for_every_distribution(seconds: list[int], width: int) -> None:
    from itertools import product

    shortest = min(
        max(sum(s for s, place in zip(seconds, places, strict=True) if place == w) for w in range(width))
        for places in product(range(width), repeat=len(seconds))
    )
    assert pigeonholes(map(float, seconds), width) <= shortest


@pytest.mark.row(335)
@pytest.mark.row(337)
@_QUICK
@given(
    st.lists(st.tuples(st.integers(1, 120), st.floats(1, 1e5), st.floats(0, 2000)), max_size=12),
    st.integers(1, 124),
    st.floats(0, 900),
)
def test_forecasts_never_fall_when_inputs_grow(
    measured: list[tuple[int, float, float]], inputs: int, each: float
) -> None:
    kind = Kind(
        "combine", "r", "dpc", (), 6, 1, forecast_per_input_s=each, memory_gb_per_input=16.0, disk_gb_per_input=1
    )
    history = History(Measured("combine", count, seconds, gb) for count, seconds, gb in measured)
    fewer, more = history.needs(kind, inputs), history.needs(kind, inputs + 1)
    assert all(0 <= a <= b * (1 + 1e-9) for a, b in zip(fewer, more, strict=True))
    assert fewer.memory_gb >= 16.0 * inputs


class Weighed(PaperJob):
    """Keeps the most memory that ran at once."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.peak = 0.0
        self.streams: Streams | None = None

    async def run(self, task: Task) -> Result:
        assert self.streams
        running = [self.streams.entries[other.ab].memory_gb for other in self.streams.running]
        self.peak = max(self.peak, sum(running))
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        return await super().run(task)


@pytest.mark.row(210)
@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(["scibasic", "scipost", "align"]), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(0, 1000),
)
def test_the_engine_keeps_within_memory_and_starves_nobody(
    wanted: list[tuple[str, bool]], width: int, seed: int
) -> None:
    needs = {"scibasic": 30.0, "scipost": 55.0, "align": 100.0}
    kinds = {name: KindOfAb(**{**kind.model_dump(), "memory_gb": needs.get(name, 0.0)}) for name, kind in KINDS.items()}
    abs_ = []
    for number, (kind, chained) in enumerate(wanted):
        parent = [abs_[-1].name] if chained and abs_ else []
        abs_.append(make_ab(f"MUSE.2014-10-22T00:{number:02d}:00.000", kind, waitfor=parent))
    with TemporaryDirectory() as root:
        context = make_context(Path(root), streams=width, kinds=kinds)
        job = Weighed(seed)
        job.streams = Streams(context, abs_, job, Attempts(context.db), admission=Admission(100.0))
        outcome = asyncio.run(job.streams.run())
        context.db.close()
    assert len(outcome.done) == len(abs_) == len(set(job.started)) == len(job.started)
    assert job.peak <= 100.0
