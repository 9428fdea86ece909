"""phoenix on a month: day by day, or all ABs first, then all QC jobs as one batch; killed, parked, again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.admission import Admission
from config.qc import Qc
from console.exit_codes import worst
from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.errors import UsageTrouble
from engine.process.plan.phases import phases
from engine.process.qc.stage import jobs_of, waiting
from engine.process.run import run_pool
from engine.stores import dfos_status
from engine.stores.abs import AbStore
from engine.stores.orders import Order, Orders
from engine.workflows.month import concentrated, dates_of, month_of, orders_of
from engine.workflows.phoenix import carry_out
from engine.workflows.under_way import Ended, Plugins
from tests.builders import KINDS, make_ab, make_context, make_settings
from tests.fakes import make_fits, stub_pipeline

DAYS = ("2014-10-01", "2014-10-31", "2014-10-99")
CP = Order("SCIENCE", "2014-10", "CP")


class Site:
    """An account with two ABs for each of three DATEs, whose ABs were made elsewhere."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, concentration: bool, **settings: Any) -> None:
        pipeline = stub_pipeline(root)
        monkeypatch.setattr(run_pool, "pipeline_of", lambda _: pipeline)
        qc = Qc(concentration=concentration, streams=2)
        self.context: Context = make_context(root, qc=qc, auto=True, pool="month", **settings)
        self.tree = self.context.tree
        self.store = AbStore(self.tree)
        self.told: list[ev.Event] = []
        self.context.bus.subscribe(lambda stamped: self.told.append(stamped.event))
        make_fits(self.tree.raw / "raw.fits", "RAW")
        for day, hour in itertools.product(DAYS, (1, 2)):
            self.made(day, hour)

    def made(self, day: str, hour: int, *params: str, inputs: int = 1) -> AB:
        ab = make_ab(
            f"MUSE.{day}T0{hour}:00:00.000",
            date=day,
            sof=[("$DFO_RAW_DIR/raw.fits", "OBJECT")] * inputs,
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", *params],
        )
        self.store.write(ab)
        return ab

    async def carry(self, order: Order) -> Ended:
        return await carry_out(self.context, order, Plugins(), "stub", True, lambda _: None)

    async def month(self, order: Order = CP) -> list[int]:
        """All orders in turn, as the command carries them out; their exit codes."""
        dates = dates_of(self.tree, order.mode, order.date)
        orders = orders_of(order, dates, concentration=self.context.settings.qc.concentration)
        return [(await self.carry(one)).exit_code for one in orders]

    def steps(self) -> list[tuple[str, str]]:
        """What was done in turn: ('abs' or 'qc', DATE)."""
        date = {ab.name: ab.date for ab in self.store.load()}
        found = []
        for event in self.told:
            if isinstance(event, ev.AbChanged) and event.state == "RUNNING":
                found.append(("abs", date[event.ab]))
            elif isinstance(event, ev.AbScored) and event.score:
                found.append(("qc", date[event.ab]))
        return found

    def words(self) -> list[tuple[str, str]]:
        return [(entry.date, entry.word) for entry in dfos_status.entries(self.tree)]


def turns(steps: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [step for step, _ in itertools.groupby(steps)]


@pytest.mark.row(212, 213)
async def test_day_by_day_each_its_abs_then_its_qc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, monkeypatch, concentration=False)
    assert await site.month() == [0, 0, 0]
    assert turns(site.steps()) == [step for day in DAYS for step in (("abs", day), ("qc", day))]
    assert site.words() == [step for day in DAYS for step in ((day, "sci_Processed"), (day, "sci_QC"))]


@pytest.mark.row(203, 213)
async def test_concentrated_all_abs_come_before_one_batch_of_qc_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, concentration=True)
    site.made(DAYS[2], 3)
    assert set(await site.month()) == {0}
    steps = site.steps()
    assert [work for work, _ in steps] == ["abs"] * 7 + ["qc"] * 7
    (batch,) = [event for event in site.told if isinstance(event, ev.PhaseStarted) and event.phase == "qc"]
    assert batch.text == "7 ABs, 3 QC jobs"
    order = [date for _, date in steps[7:]]
    last_begun = max(DAYS, key=order.index)  # two at once, the longest first, each sequential inside
    before = order[: order.index(last_begun)]
    assert any(before.count(date) == order.count(date) for date in DAYS if date != last_begun)
    assert {date for date, word in site.words() if word == "sci_QC"} == set(DAYS)
    words = site.words()
    site.told.clear()
    assert set(await site.month()) == {0} and site.words() == words
    assert not [event for event in site.told if isinstance(event, ev.PhaseStarted) and event.phase == "qc"]
    assert "abs" not in {work for work, _ in site.steps()}


@pytest.mark.row(203)
@pytest.mark.parametrize("after", [1, 3, 6, 8, 11])
async def test_cut_anywhere_the_next_call_does_only_what_is_left(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, concentration=True)
    work = asyncio.create_task(site.month())
    left = [after]

    def cut(stamped: ev.Stamped) -> None:
        event = stamped.event
        ended = isinstance(event, ev.AbChanged) and event.state == "DONE"
        if ended or (isinstance(event, ev.AbScored) and event.score):
            left[0] -= 1
            if not left[0]:
                work.cancel()

    site.context.bus.subscribe(cut)
    with pytest.raises(asyncio.CancelledError):
        await work
    done = {ab.name for ab in site.store.load() if ab.status == "SUCCESSFUL"}
    site.told.clear()
    codes = await site.month()
    assert set(codes) == {0}
    again = {event.ab for event in site.told if isinstance(event, ev.AbChanged) and event.state == "RUNNING"}
    assert not again & done
    assert waiting(site.context, site.store.load()) == []
    assert sorted(site.words()) == sorted((day, word) for day in DAYS for word in ("sci_Processed", "sci_QC"))


@pytest.mark.parametrize("concentration", [False, True])
async def test_a_question_of_one_date_stops_no_other(
    concentration: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {**KINDS, "scibasic": KINDS["scibasic"].model_copy(update={"memory_gb_per_input": 0.001})}
    site = Site(
        tmp_path,
        monkeypatch,
        concentration=concentration,
        kinds=kinds,
        admission=Admission(ask_above=1, refuse_above=0),
    )
    large = site.made(DAYS[0], 3, inputs=2)
    codes = await site.month()
    assert worst(codes) == 3
    assert [ab.name for ab in site.store.load() if ab.status != "SUCCESSFUL"] == [large.name]
    assert waiting(site.context, site.store.load()) == []
    assert {date for date, word in site.words() if word == "sci_QC"} == set(DAYS[1:])


async def test_a_failed_ab_keeps_its_date_unprocessed_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, concentration=True)
    site.made(DAYS[1], 3, "--act=rc255")
    assert 1 in await site.month()
    assert {date for date, _ in site.words()} == {DAYS[0], DAYS[2]}
    (site.tree.ab / "MUSE.2014-10-01T09:00:00.000.ab").write_text("no AB\n")
    dfos_status.file_of(site.tree).unlink()
    assert 1 in await site.month()
    assert site.words() == [], "an AB file that cannot be read may be of any date"


async def test_pre_imaging_has_no_status_and_a_date_that_is_further_goes_not_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, concentration=False)
    site.made("2099-99-99", 1)
    dfos_status.file_of(site.tree).write_text(f"sci_Finished {DAYS[0]} 2014-11-01T00:00:00 somebody\n")
    assert (await site.carry(Order("SCIENCE", "2099-99-99", "P"))).exit_code == 0
    assert (await site.carry(Order("SCIENCE", DAYS[0], "P"))).exit_code == 0
    assert site.words() == [(DAYS[0], "sci_Finished")]


def test_the_dates_of_a_month_are_labels_with_something_to_do(tmp_path: Path) -> None:
    context = make_context(tmp_path, [make_ab(date="2014-10-99"), make_ab("MUSE.1", mode="CALIB", date="2014-10-98")])
    tree = replace(context.tree, variables={**context.tree.variables, "DFO_HDR_DIR": str(tmp_path / "headers")})
    for place in (tree.raw / "2014-10-31", tmp_path / "headers" / "2014-10-02", tree.raw / "2014-10-3x"):
        place.mkdir(parents=True)
        (place / "x.fits").touch()
    (tree.raw / "2014-10-30").mkdir()
    (tree.raw / "2014-10-29").touch()
    assert dates_of(tree, "SCIENCE", "2014-10") == ("2014-10-02", "2014-10-31", "2014-10-99")
    with pytest.raises(UsageTrouble, match="nothing of SCIENCE 2014-11"):
        dates_of(tree, "SCIENCE", "2014-11")
    with pytest.raises(UsageTrouble, match="not a month"):
        dates_of(tree, "SCIENCE", "../x-y")
    with pytest.raises(UsageTrouble, match="one month"):
        month_of(["2014-10-01", "2014-11-01"])


def test_a_month_is_processed_as_one_pool_and_nothing_else(tmp_path: Path) -> None:
    assert Order("SCIENCE", "2014-10", "P").checked().pool == "SCIENCE 2014-10"
    for order in (replace(CP, parts="M"), replace(CP, parts="", tool="createAB"), replace(CP, date="2014-1")):
        with pytest.raises(UsageTrouble):
            order.checked()
    context = make_context(tmp_path)
    given = Orders(context.db).give(Order("SCIENCE", "2014-10", "P"), "now")
    assert Orders(context.db).waiting() == [given]


def test_qc_orders_of_one_month_are_one_batch() -> None:
    orders = [Order("SCIENCE", day, "P", options={"abs": f"{day}.ab", "qc": "only"}) for day in (*DAYS, "2014-11-01")]
    october, november = concentrated(orders)
    assert (october.date, november.date) == ("2014-10", "2014-11-01")
    assert october.options == {"abs": " ".join(f"{day}.ab" for day in DAYS), "qc": "only"}


@pytest.mark.row(203)
@pytest.mark.parametrize("parts", ["C", "CP", "CPM", "M"])
def test_orders_follow_the_phases(parts: str) -> None:
    plain = orders_of(replace(CP, parts=parts), DAYS, concentration=False)
    assert [(one.date, one.parts) for one in plain] == [(day, parts) for day in DAYS]
    made = orders_of(replace(CP, parts=parts), DAYS, concentration=True)
    pools = [one.date for one in made if one.parts == "P"]
    assert pools == (["2014-10"] if "P" in parts else [])
    assert [step.work for step in phases(DAYS, True)] == ["abs", "qc"]
    assert [one.date for one in made if one.parts == "PM"] == (list(DAYS) if parts == "CPM" else [])
    assert orders_of(CP, DAYS[:1], concentration=True) == [replace(CP, date=DAYS[0])]


def test_jobs_hold_every_ab_once_in_its_order() -> None:
    abs_ = [make_ab(f"MUSE.{n}", date=DAYS[n % 3 - (n == 4)]) for n in range(7)]
    jobs = jobs_of(abs_)
    assert sorted(ab.name for job in jobs for ab in job) == [ab.name for ab in abs_]
    assert all([ab.name for ab in job] == sorted(ab.name for ab in job) for job in jobs)
    assert [len(job) for job in jobs] == sorted((len(job) for job in jobs), reverse=True)
    assert make_settings().qc.concentration is False
