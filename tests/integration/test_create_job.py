"""createJob on an account: the files, the queue, a sub-cascade, what it says and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.hosting.job_orders import orders_of
from engine.atomic.journal import Journal
from engine.context import Context
from engine.core.ab import AB
from engine.core.done import Done
from engine.create.jobs import job_files
from engine.create.jobs.create_job import planned
from engine.errors import Busy, UsageTrouble
from engine.events import AbRefused
from engine.stores import dfos_status
from engine.stores.abs import AbStore, read
from engine.stores.orders import Order
from engine.workflows import tools
from tests.builders import PSEUDO, make_ab, record
from tests.released import NIGHT, release_context

STEM = "MUSE.2014-10-22T23:57:32."


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return release_context(tmp_path)


def cascade_of(context: Context, date: str = PSEUDO) -> list[AB]:
    """Two exposures with their scipost, and the combination of both; the list has them the wrong way round."""
    basic = [make_ab(f"{STEM}{n}18", "scibasic", date=date) for n in (1, 2)]
    post = [
        make_ab(f"{STEM}{n}18", "scipost", date=date, waitfor=[parent.name])
        for n, parent in zip((1, 2), basic, strict=True)
    ]
    deep = make_ab(f"{STEM}118", "combine", date=date, waitfor=[ab.name for ab in post])
    store = AbStore(context.tree)
    for ab in (*basic, *post, deep):
        store.write(ab)
    store.write_list("SCIENCE", date, [deep, *post, *basic])
    return [*basic, *post, deep]


async def called(context: Context, date: str = PSEUDO, **options: str) -> Done:
    return await tools.ordered(context, Order("SCIENCE", date, tool="createJob", options=options), {})


def calls(context: Context, name: str) -> list[str]:
    return [call.ab for call in job_files.read(context.tree.job / name).calls]


async def test_both_files_parents_first_and_both_in_the_queue_once(context: Context) -> None:
    abs_ = cascade_of(context)
    for _ in range(2):
        done = await called(context)
    assert done.exit_code == 0
    for tool in ("AB", "QC"):
        found = calls(context, f"exec{tool}_SCIENCE_{PSEUDO}")
        assert sorted(found) == sorted(ab.name for ab in abs_)
        assert found.index(abs_[0].name) < found.index(abs_[2].name) < found.index(abs_[4].name)
    lines = (context.tree.job / "JOBS_NIGHT").read_text().splitlines()
    assert lines == [f"execAB_SCIENCE_{PSEUDO}", f"execQC_SCIENCE_{PSEUDO}"]
    assert dfos_status.current(context.tree, PSEUDO)["SCIENCE"] == "sci_Queued"


async def test_plan_and_deed_agree_and_the_plan_writes_nothing(context: Context) -> None:
    cascade_of(context)
    plan = planned(context.tree, context.settings, "SCIENCE", PSEUDO, queue="JOBS_AUTO")
    assert not list(context.tree.job.iterdir())
    await called(context, queue="JOBS_AUTO")
    for name, text in plan.files:
        assert (context.tree.job / name).read_text() == text
    assert (context.tree.job / "JOBS_AUTO").exists()


async def test_a_sub_cascade_runs_one_ab_and_what_depends_on_it_again(context: Context) -> None:
    abs_ = cascade_of(context)
    store = AbStore(context.tree)
    for ab in abs_:
        store.write(ab.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    done = await called(context, ab=abs_[2].name)
    assert "run again" in done.text
    part = abs_[2].name.removesuffix(".ab")
    assert calls(context, f"execAB_SCIENCE_{PSEUDO}_{part}") == [abs_[2].name, abs_[4].name]
    status = {ab.name: read(store.path(ab.name)).status for ab in abs_}
    assert [status[ab.name] for ab in abs_] == ["SUCCESSFUL", "SUCCESSFUL", "CREATED", "SUCCESSFUL", "CREATED"]
    assert job_files.queue(context.tree.job / "JOBS_NIGHT")[0].name == f"execAB_SCIENCE_{PSEUDO}_{part}"


async def test_the_placeholder_date_gets_jobs_and_no_status(context: Context) -> None:
    cascade_of(context, "2099-99-99")
    await called(context, "2099-99-99")
    assert calls(context, "execAB_SCIENCE_2099-99-99")
    assert dfos_status.entries(context.tree) == []


async def test_abs_that_wait_for_each_other_are_written_down_all_the_same(context: Context) -> None:
    one = make_ab(f"{STEM}118", waitfor=[f"{STEM}218.ab"])
    two = make_ab(f"{STEM}218", waitfor=[f"{STEM}118.ab"])
    for ab in (one, two):
        AbStore(context.tree).write(ab)
    done = await called(context)
    assert sorted(calls(context, f"execAB_SCIENCE_{PSEUDO}")) == [one.name, two.name]
    assert done.exit_code == 1
    assert f"a circle: {one.name} waits for {two.name} waits for {one.name}" in done.text


async def test_a_bad_ab_is_told_and_the_others_get_their_job(context: Context) -> None:
    cascade_of(context)
    bad = context.tree.ab / f"{STEM}999.ab"
    bad.write_bytes(b"\0\1")
    heard = record(context)
    done = await called(context)
    assert done.exit_code == 1
    assert [event.where for event in heard if isinstance(event, AbRefused)]
    assert len(calls(context, f"execAB_SCIENCE_{PSEUDO}")) == 5


async def test_what_cannot_be_done_says_so(context: Context) -> None:
    with pytest.raises(UsageTrouble, match="createAB makes them"):
        await called(context, NIGHT)
    cascade_of(context)
    with pytest.raises(UsageTrouble, match="is none of the 5 ABs"):
        await called(context, ab="MUSE.2014-10-22T00:00:00.000.ab")
    with pytest.raises(UsageTrouble, match="JOBS_NIGHT or JOBS_AUTO"):
        await called(context, queue="../x")
    from engine.atomic import lock

    with lock.pool(context.tree, "SCIENCE", PSEUDO, "moveProducts", "rh"), pytest.raises(Busy):
        await called(context)


async def test_what_stands_where_a_job_file_belongs_is_told_before_anything_is_begun(context: Context) -> None:
    cascade_of(context)
    queue = context.tree.job / "JOBS_NIGHT"
    queue.mkdir(parents=True)
    with pytest.raises(UsageTrouble, match="is no file"):
        await called(context)
    assert list(context.tree.job.iterdir()) == [queue]
    Journal(context.db, context.tree)
    assert not context.db.execute("SELECT 1 FROM transactions").fetchall()


def test_a_call_of_an_ab_elsewhere_is_passed_over(context: Context, tmp_path: Path) -> None:
    name = cascade_of(context)[0].name
    lines = [f"processAB -a {place}/{name}\n" for place in (tmp_path / "elsewhere", context.tree.ab, "$DFO_AB_DIR")]
    orders, lost = orders_of(context.tree, job_files.parse("".join(lines).encode(), Path("execAB")))
    assert [order.options["abs"] for order in orders] == [name]
    assert lost == [f"execAB: {tmp_path}/elsewhere/{name} is not in $DFO_AB_DIR, passed over"]
