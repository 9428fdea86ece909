from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks.makespan import deep_pool
from config.schema import KindOfAb
from engine.core.ab import AB
from engine.core.cascade import Kind
from engine.core.status import waits_for
from engine.process.plan.admission import Admission
from engine.process.plan.large import asked
from engine.process.plan.phases import Phase, phases, seconds
from engine.process.plan.pool import Entry, main_inputs
from engine.process.plan.simulate import best_plan, simulate
from engine.process.run.streams import Streams
from engine.questions import Answer, Question
from engine.stores.attempts import Attempts
from tests.builders import KINDS, make_ab, make_context
from tests.fakes import PaperJob, settle


def one(name: str, memory_gb: float, forecast_s: float = 60.0, disk_gb: float = 0.0) -> Entry:
    kind = Kind("k", "r", "", (), 1, 9)
    entry = Entry(name, "SCIENCE", "D", kind, "r", "", "", 1, 1, (), (), "CREATED")
    entry.memory_gb, entry.forecast_s, entry.disk_gb = memory_gb, forecast_s, disk_gb
    return entry


@pytest.mark.row(210)
def test_what_does_not_fit_says_how_much_is_free() -> None:
    admission = Admission(2000.0)
    admission.take(one("running", 1620.0), 0.0)
    assert admission.lacks(one("deep", 640.0)) == "waits for memory: needs 640 GB, 380 of 2,000 GB free"
    assert admission.lacks(one("small", 380.0)) == ""


def test_small_abs_pass_only_where_they_do_not_put_off_the_one_that_waits() -> None:
    admission = Admission(100.0)
    admission.take(one("running", 70.0, forecast_s=1000.0), 0.0)
    deep = one("deep", 80.0)
    admission.reserve(deep, 0.0)
    assert admission.may_pass(one("over by then", 30.0, forecast_s=1000.0), deep, 0.0)
    assert not admission.may_pass(one("in its way", 30.0, forecast_s=1001.0), deep, 0.0)
    assert admission.may_pass(one("beside it", 20.0, forecast_s=9999.0), deep, 0.0)
    # the forecast was wrong, 70 GB are still held: nothing may put it off any longer
    admission.reserve(deep, 1500.0)
    assert not admission.may_pass(one("late", 30.0, forecast_s=1.0), deep, 1500.0)


@pytest.mark.row(208)
def test_products_are_reserved_on_disk_before_the_start() -> None:
    admission = Admission(0.0, lambda: 100.0, reserve_gb=50.0)
    first = one("first", 0.0, disk_gb=30.0)
    assert admission.lacks(first) == ""
    admission.take(first, 0.0)
    said = admission.lacks(one("second", 0.0, disk_gb=30.0))
    assert said == "waits for disk: needs 30 GB, 20 GB free beside the reserve of 50 GB"


@pytest.mark.row(208)
async def test_one_that_waits_for_disk_holds_nobody_else_and_the_run_ends_with_the_reason(tmp_path: Path) -> None:
    kinds = {"align": {"disk_gb": 80.0, "forecast_s": 900.0}, "scibasic": {"disk_gb": 1.0, "memory_gb": 5.0}}
    abs_ = [make_ab(f"MUSE.2014-10-22T0{n}:00:00.000", kind) for n, kind in enumerate(("align", *["scibasic"] * 3))]
    scene = Scene(tmp_path, abs_, Admission(0.0, lambda: 60.0), **kinds)
    scene.job.at_once = True
    outcome = await scene.streams.run()
    assert set(outcome.done) == {ab.name for ab in abs_[1:]} and outcome.waiting == (abs_[0].name,)
    assert scene.state(abs_[0]) == ("SLOT", "waits for disk: needs 80 GB, 60 GB free")


@pytest.mark.row(208)
async def test_the_reserve_of_the_disk_holds_for_abs_whose_products_are_not_forecast(tmp_path: Path) -> None:
    abs_ = [make_ab(f"MUSE.2014-10-22T0{n}:00:00.000") for n in range(2)]
    scene = Scene(tmp_path, abs_, Admission(0.0, lambda: 20.0, reserve_gb=50.0))
    scene.job.at_once = True
    outcome = await scene.streams.run()
    assert not outcome.done and len(outcome.waiting) == 2
    state, reason = scene.state(abs_[0])
    assert (state, reason) == ("SLOT", "waits for disk: 20 GB free, 50 GB must stay free")
    assert waits_for(state, reason) == "waits for disk"
    assert waits_for("SLOT", "waits for a stream") == "waits for stream"


class Scene:
    """A pool with paper jobs on a host of 100 GB."""

    def __init__(self, root: Path, abs_: list[AB], admission: Admission, **kinds: dict[str, float]) -> None:
        made = {name: KindOfAb(**{**kind.model_dump(), **kinds.get(name, {})}) for name, kind in KINDS.items()}
        self.context = make_context(root, streams=3, kinds=made)
        self.job = PaperJob(at_once=False)
        self.streams = Streams(self.context, abs_, self.job, Attempts(self.context.db), admission=admission)

    def state(self, ab: AB) -> tuple[str, str]:
        return self.context.board.rows[ab.name].state, self.context.board.rows[ab.name].reason


@pytest.mark.row(210)
async def test_an_ab_that_is_too_large_never_starts_and_says_so_before(tmp_path: Path) -> None:
    small, large = make_ab("MUSE.2014-10-22T01:00:00.000"), make_ab("MUSE.2014-10-22T02:00:00.000", "align")
    child = make_ab("MUSE.2014-10-22T03:00:00.000", waitfor=[large.name])
    scene = Scene(tmp_path, [small, large, child], Admission(100.0), align={"memory_gb": 200.0})
    scene.streams.prepare()
    assert scene.state(large) == ("BLOCKED", "refused: needs 200 GB of memory, this host has 100 GB for recipes")
    assert scene.state(child)[0] == "BLOCKED"
    run = asyncio.create_task(scene.streams.run())
    await settle()
    scene.job.finish(small.name)
    outcome = await run
    assert outcome.done == (small.name,) and len(outcome.blocked) == 2
    assert "larger host" in scene.streams.why(child.name)[-1]


@pytest.mark.row(210)
async def test_the_board_and_why_tell_who_holds_the_memory(tmp_path: Path) -> None:
    abs_ = [make_ab(f"MUSE.2014-10-22T0{n}:00:00.000", kind) for n, kind in enumerate(("scipost", "align"))]
    scene = Scene(
        tmp_path, abs_, Admission(100.0), scipost={"memory_gb": 70.0, "forecast_s": 90.0}, align={"memory_gb": 60.0}
    )
    run = asyncio.create_task(scene.streams.run())
    await settle()
    first, second = abs_
    assert scene.state(second) == ("SLOT", "waits for memory: needs 60 GB, 30 of 100 GB free")
    why = scene.streams.why(second.name)
    assert "needs 60 GB" in why[0] and f"{first.name} holds 70 GB" in why[0]
    scene.job.finish(first.name)
    await settle()
    assert scene.state(second)[0] == "RUNNING"
    scene.job.finish(second.name)
    assert len((await run).done) == 2


class Says:
    """An operator who always says the same."""

    def __init__(self, choice: str) -> None:
        self.choice = choice
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer(question.id, self.choice, "", "operator", "now")


def combine(inputs: int) -> AB:
    tables = [(f"$DFS_PRODUCT/P/D/r.MUSE.X{n}_0000.fits", "PIXTABLE_REDUCED") for n in range(inputs)]
    return make_ab(f"MUSE.2014-10-22T{inputs // 60:02d}:{inputs % 60:02d}:00.000", "combine", sof=tables)


def deep(root: Path, **more: Any) -> Any:
    made = {
        **KINDS,
        "combine": KindOfAb(
            **{**KINDS["combine"].model_dump(), "memory_gb_per_input": 16, "forecast_per_input_s": 792}
        ),
    }
    return make_context(root, kinds=made, admission={"ask_above": 120, "refuse_above": 125, "memory_gb": 4000}, **more)


@pytest.mark.row(336)
async def test_above_120_inputs_it_is_asked_above_125_refused(tmp_path: Path) -> None:
    abs_ = [combine(n) for n in (120, 121, 125, 126)]
    assert [main_inputs(ab) for ab in abs_] == [120, 121, 125, 126]
    for choice, left in (("process", 0), ("leave", 2)):
        operator = Says(choice)
        found = await asked(deep(tmp_path / choice, operator=operator), abs_)
        assert [question.subject for question in operator.asked] == [abs_[1].name, abs_[2].name]
        assert "26 h 37" in operator.asked[0].text and "1,936 GB" in operator.asked[0].text
        assert len(found.refused) == left and not found.parked
    nobody = await asked(deep(tmp_path / "auto"), abs_)
    assert len(nobody.parked) == 2 and "waits for an answer" in nobody.refused[abs_[1].name]
    context = deep(tmp_path / "run")
    streams = Streams(context, abs_, PaperJob(), Attempts(context.db), refused=nobody.refused)
    outcome = await streams.run()
    assert outcome.done == (abs_[0].name,) and len(outcome.blocked) == 3
    assert "at most 125" in context.board.rows[abs_[3].name].reason


@pytest.mark.row(203)
@pytest.mark.row(213)
def test_one_batch_of_qc_jobs_beats_daily_mode() -> None:
    days = [f"2014-10-{day:02d}" for day in range(1, 11)]
    pool = {}
    for day in days:
        for name, entry in deep_pool((4,), sky=False).items():
            entry.ab, entry.date = f"{day} {name}", day
            entry.parents = tuple(f"{day} {parent}" for parent in entry.parents)
            entry.children = tuple(f"{day} {child}" for child in entry.children)
            pool[entry.ab] = entry
    daily, month = phases(days, False), phases([*days, days[0]], True, jobs=3)
    assert [phase.work for phase in daily[:4]] == ["abs", "qc", "abs", "qc"] and len(daily) == 20
    assert month == (Phase("abs", tuple(days)), Phase("qc", tuple(days), 3))
    assert phases([], True) == ()
    assert seconds(month, pool, 3) < 0.8 * seconds(daily, pool, 3)


@pytest.mark.row(326)
@pytest.mark.row(327)
@pytest.mark.row(332)
@pytest.mark.row(333)
@pytest.mark.parametrize("sky", [True, False])
def test_the_simulated_deep_run_keeps_the_streams_of_the_page(sky: bool) -> None:
    pool = deep_pool((12, 6), sky=sky)
    found = simulate(pool, best_plan(pool, 3, memory_gb=2000.0), 3, memory_gb=2000.0)
    most = {"sky_basic": 1, "create_sky": 1, "scibasic": 3, "scipost": 3, "align": 1, "combine": 1}
    assert {entry.lane for entry in pool.values()} == set(most) - (set() if sky else {"sky_basic", "create_sky"})
    for span in found.spans.values():
        running = [pool[name].lane for name, other in found.spans.items() if other.begin <= span.begin < other.end]
        assert len(running) <= 3 and all(running.count(lane) <= width for lane, width in most.items())
