from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.context import Context
from engine.core.ab import AB
from engine.core.status import may_become
from engine.errors import UsageTrouble
from engine.events import AbChanged, AbSeen, ModeChanged, Notice
from engine.process.run.job import Outcome, Result
from engine.process.run.streams import Streams
from engine.stores.attempts import Attempts
from tests.builders import make_ab, make_context, make_product, make_run, record
from tests.fakes import PaperJob, settle


class Scene:
    """Streams over a paper job."""

    def __init__(self, root: Path, abs_: list[AB], job: PaperJob | None = None, **settings: Any) -> None:
        self.context: Context = make_context(root, abs_, **settings)
        self.job = job or PaperJob()
        self.events = record(self.context)
        self.attempts = Attempts(self.context.db)
        self.streams = Streams(self.context, abs_, self.job, self.attempts)

    def state(self, ab: str) -> tuple[str, str]:
        row = self.context.board.rows[ab]
        return row.state, row.reason

    def start(self) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.streams.run())


def names(abs_: list[AB], tag: str) -> list[str]:
    return [ab.name for ab in abs_ if ab.tag == tag]


@pytest.mark.row(325)
@pytest.mark.row(333)
async def test_a_run_goes_from_scibasic_to_the_deep_cube(tmp_path: Path) -> None:
    abs_ = make_run(exposures=3)
    scene = Scene(tmp_path, abs_)
    outcome = await scene.streams.run()
    assert outcome.how == "ended" and len(outcome.done) == 8 and not outcome.failed
    place = {ab: number for number, ab in enumerate(scene.job.started)}
    done = {ab: number for number, ab in enumerate(scene.job.ended)}
    for ab in abs_:
        for parent in scene.streams.entries[ab.name].parents:
            assert done[parent] < len(abs_) and place[parent] < place[ab.name]
    assert scene.job.started[-1] == names(abs_, "dpc")[0]
    assert all(not isinstance(event, AbChanged) or "sky" not in event.ab for event in scene.events)


@pytest.mark.row(329)
@pytest.mark.row(330)
async def test_three_scibasic_at_once_and_a_scipost_as_soon_as_its_own_is_done(tmp_path: Path) -> None:
    abs_ = make_run(exposures=5)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=6)
    run = scene.start()
    await settle()
    basics, posts = names(abs_, ""), names(abs_, "pst")
    assert scene.job.started == basics[:3]
    assert scene.state(basics[3]) == ("SLOT", "waits for a stream")
    assert scene.state(posts[0]) == ("PARENT", f"waits for {basics[0]}")
    scene.job.finish(basics[1])
    await settle()
    assert set(scene.job.now) == {basics[0], basics[2], basics[3], posts[1]}
    assert scene.context.board.rows[posts[1]].stream == 4
    while not run.done():
        for ab in list(scene.job.now):
            scene.job.finish(ab)
        await settle()
    assert scene.job.most["scibasic"] == 3 and scene.job.most["scipost"] == 3
    assert (await run).done == tuple(entry for entry in scene.streams.entries)


@pytest.mark.row(327)
@pytest.mark.row(328)
@pytest.mark.row(331)
@pytest.mark.row(332)
async def test_sky_align_and_combine_never_run_in_parallel(tmp_path: Path) -> None:
    skies = [make_ab(f"MUSE.2014-10-21T0{n}:00:00.000", "sky_basic") for n in range(3)]
    makers = [
        make_ab(f"MUSE.2014-10-21T0{n}:00:00.000", "create_sky", sof=[(make_product(sky), "PIXTABLE_SKY")])
        for n, sky in enumerate(skies)
    ]
    abs_ = skies + makers + make_run("NGC300", 3, day=22) + make_run("M83", 3, day=23)
    scene = Scene(tmp_path, abs_, streams=9)
    await scene.streams.run()
    for kind in ("sky_basic", "create_sky", "align", "combine"):
        assert scene.job.most[kind] == 1
    for sky, maker in zip(skies, makers, strict=True):
        assert scene.job.ended.index(sky.name) < scene.job.started.index(maker.name)
    dpc = [ab for ab in scene.job.started if ab.endswith("_dpc.ab")]
    for ab in dpc:
        align = ab.replace("_dpc", "_dal")
        assert scene.job.ended.index(align) < scene.job.started.index(ab)


async def test_a_failure_blocks_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    good, bad = make_run("NGC300", 2, day=22), make_run("M83", 2, day=23)
    fails = bad[0].name
    scene = Scene(tmp_path, good + bad, PaperJob(results={fails: Result("FAILED", "work area full")}))
    outcome = await scene.streams.run()
    assert outcome.failed == (fails,)
    assert set(outcome.blocked) == {names(bad, "pst")[0], *names(bad, "dal"), *names(bad, "dpc")}
    assert set(outcome.done) == {ab.name for ab in good} | {bad[1].name, names(bad, "pst")[1]}
    assert scene.state(names(bad, "dpc")[0]) == ("BLOCKED", f"{fails} FAILED")
    why = scene.streams.why(names(bad, "dpc")[0])
    assert f"{fails} FAILED: work area full." in why
    assert f"`r` (or dfos retry {fails}) runs it again" in why[-1]


async def test_retry_runs_it_and_what_depends_on_it(tmp_path: Path) -> None:
    abs_ = make_run(exposures=2)
    first = abs_[0].name
    job = PaperJob(results={first: Result("FAILED", "no")})
    scene = Scene(tmp_path, abs_, job)
    await scene.streams.run()
    assert scene.state(first)[0] == "FAILED"
    again = Streams(scene.context, _reread(scene.context), job, scene.attempts)
    again.prepare()
    job.results.clear()
    redone = await again.retry(first)
    assert redone[0] == first and set(names(abs_, "dpc")) <= set(redone)
    assert set(redone) <= set(job.resets)
    outcome = await again.run()
    assert first in outcome.done
    assert scene.attempts.number(first) == 2


def _reread(context: Context) -> list[AB]:
    from engine.stores.abs import AbStore

    store = AbStore(context.tree)
    found = []
    for ab in store.load():
        state = context.board.rows[ab.name].state
        found.append(ab.with_value("PROCESS_STATUS", {"DONE": "SUCCESSFUL", "FAILED": "FAILED"}.get(state, "CREATED")))
    return found


async def test_retry_while_other_work_goes_on(tmp_path: Path) -> None:
    abs_ = make_run("NGC300", 2, day=22) + make_run("M83", 2, day=23)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False))
    run = scene.start()
    await settle()
    first = abs_[0].name
    scene.job.finish(first, "FAILED", "no")
    await settle()
    assert scene.state(names(abs_, "pst")[0])[0] == "BLOCKED"
    with pytest.raises(UsageTrouble, match="is running"):
        await scene.streams.retry(abs_[1].name)
    await scene.streams.retry(first)
    await settle()
    assert scene.state(names(abs_, "pst")[0]) == ("PARENT", f"waits for {first}")
    while not run.done():
        for ab in list(scene.job.now):
            scene.job.finish(ab)
        await settle()
    assert len((await run).done) == len(abs_)


@pytest.mark.row(326)
async def test_streams_and_widths_change_while_it_runs(tmp_path: Path) -> None:
    abs_ = make_run(exposures=6)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=1)
    run = scene.start()
    await settle()
    assert len(scene.job.now) == 1
    scene.streams.set_streams(3)
    await settle()
    assert len(scene.job.now) == 3 and scene.context.board.streams == 3
    scene.streams.set_streams(1)
    scene.job.finish(scene.job.started[0])
    await settle()
    assert len(scene.job.now) == 2, "what runs beyond the lower number finishes, nothing new starts"
    scene.streams.set_streams(9)
    scene.streams.set_streams(5, "scibasic")
    await settle()
    assert sum(task.kind.name == "scibasic" for task in scene.job.now.values()) == 5
    with pytest.raises(UsageTrouble, match="at least 1"):
        scene.streams.set_streams(0)
    with pytest.raises(UsageTrouble, match="no kind 'scibasik'"):
        scene.streams.set_streams(2, "scibasik")
    scene.streams.abort("rh")
    for ab in list(scene.job.now):
        scene.job.finish(ab, "INTERRUPTED", "aborted by rh")
    assert (await run).how == "aborted"


async def test_pause_stop_abort(tmp_path: Path) -> None:
    abs_ = make_run(exposures=4)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=2)
    run = scene.start()
    await settle()
    scene.streams.pause("rh")
    await settle()
    assert scene.state(abs_[3].name) == ("PAUSED", "paused by rh")
    scene.job.finish(abs_[0].name)
    await settle()
    assert set(scene.job.now) == {abs_[1].name} and not run.done()
    assert "paused by rh" in scene.streams.why(abs_[3].name)[0]
    scene.streams.resume("rh")
    await settle()
    assert len(scene.job.now) == 2
    scene.streams.stop("rh")
    for ab in list(scene.job.now):
        scene.job.finish(ab)
    outcome = await run
    assert outcome.how == "stopped" and len(outcome.done) == 3 and not outcome.interrupted
    assert len(outcome.waiting) == len(abs_) - 3
    modes = [event.mode for event in scene.events if isinstance(event, ModeChanged)]
    assert modes == ["running", "paused", "running", "stopping", "idle"]


async def test_an_aborted_ab_is_interrupted_and_its_attempt_closed(tmp_path: Path) -> None:
    abs_ = make_run(exposures=2)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=1)
    run = scene.start()
    await settle()
    scene.streams.abort("rh")
    with pytest.raises(UsageTrouble, match="being aborted"):
        scene.streams.resume("rh")
    assert scene.job.now[abs_[0].name].aborted == "aborted by rh"
    scene.job.finish(abs_[0].name, "INTERRUPTED", "aborted by rh")
    outcome = await run
    assert outcome.interrupted == (abs_[0].name,)
    assert [attempt.verdict for attempt in scene.attempts.of(abs_[0].name)] == ["interrupted"]
    with pytest.raises(UsageTrouble, match="over"):
        scene.streams.resume("rh")


async def test_barriers_hold_a_rank_until_all_lower_ones_have_ended(tmp_path: Path) -> None:
    abs_ = make_run("NGC300", 2, day=22) + make_run("M83", 2, day=23)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=9, barriers=True)
    run = scene.start()
    await settle()
    assert len(scene.job.now) == 3
    for ab in names(abs_, "")[:2]:
        scene.job.finish(ab)
    await settle()
    assert not [ab for ab in scene.job.started if ab.endswith("_pst.ab")]
    assert scene.state(names(abs_, "pst")[0]) == ("SLOT", "waits until all before rank 4 have ended")
    while not run.done():
        ranks = {task.kind.rank for task in scene.job.now.values()}
        assert len(ranks) <= 1
        for ab in list(scene.job.now):
            scene.job.finish(ab)
        await settle()
    assert len((await run).done) == len(abs_)


async def test_without_barriers_targets_do_not_wait_for_each_other(tmp_path: Path) -> None:
    abs_ = make_run("NGC300", 2, day=22) + make_run("M83", 2, day=23)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=9)
    run = scene.start()
    await settle()
    scene.job.finish(abs_[0].name)
    await settle()
    assert names(abs_, "pst")[0] in scene.job.now
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_an_ab_whose_parent_is_of_another_pool_waits_with_a_reason(tmp_path: Path) -> None:
    stranger = "MUSE.2014-10-22T20:00:00.000_tpl.ab"
    abs_ = [make_ab(kind="scibasic", waitfor=[stranger])]
    scene = Scene(tmp_path, abs_)
    outcome = await scene.streams.run()
    assert outcome.waiting == (abs_[0].name,) and not scene.job.started
    assert scene.state(abs_[0].name) == ("PARENT", f"waits for {stranger}, which is not in this pool")
    why = scene.streams.why(abs_[0].name)
    assert stranger in why[0] and "other pool" in why[-1]


async def test_an_unknown_kind_runs_alone_and_is_said(tmp_path: Path) -> None:
    odd = [make_ab(f"MUSE.2014-10-22T0{n}:00:00.000", "scibasic", RECIPE="muse_new") for n in range(3)]
    scene = Scene(tmp_path, odd)
    outcome = await scene.streams.run()
    assert len(outcome.done) == 3 and scene.job.most["muse_new"] == 1
    said = [event.text for event in scene.events if isinstance(event, Notice) and "no kind 'muse_new'" in event.text]
    assert len(said) == 3 and all("tag" in text and "without limits of memory" in text for text in said)


async def test_a_circle_stops_only_those_in_it_and_what_depends_on_them(tmp_path: Path) -> None:
    one, two = "MUSE.2014-10-22T01:00:00.000", "MUSE.2014-10-22T02:00:00.000"
    three, four = "MUSE.2014-10-22T03:00:00.000", "MUSE.2014-10-22T04:00:00.000"
    abs_ = [
        make_ab(one, waitfor=[f"{two}.ab"]),
        make_ab(two, waitfor=[f"{one}.ab"]),
        make_ab(three, waitfor=[f"{two}.ab"]),
        make_ab(four),
    ]
    scene = Scene(tmp_path, abs_)
    outcome = await scene.streams.run()
    assert outcome.done == (f"{four}.ab",) and len(outcome.blocked) == 3
    circle = f"a circle: {one}.ab waits for {two}.ab waits for {one}.ab"
    assert scene.state(f"{one}.ab") == ("BLOCKED", circle)
    why = scene.streams.why(f"{three}.ab")
    assert f"{three}.ab waits for {two}.ab" in why[0] and "Remove the wrong WAITFOR" in why[-1]


async def test_a_job_that_breaks_is_one_failed_ab(tmp_path: Path) -> None:
    class Broken(PaperJob):
        async def run(self, task: Any) -> Result:
            if task.ab == abs_[0].name:
                raise ValueError("a fault of ours")
            return await super().run(task)

    abs_ = make_run(exposures=2)
    scene = Scene(tmp_path, abs_, Broken())
    outcome = await scene.streams.run()
    assert outcome.failed == (abs_[0].name,)
    assert "a fault of ours" in scene.state(abs_[0].name)[1]


async def test_done_and_failed_abs_of_an_earlier_run_are_not_run_again(tmp_path: Path) -> None:
    abs_ = make_run(exposures=2)
    abs_[0] = abs_[0].with_value("PROCESS_STATUS", "SUCCESSFUL")
    abs_[1] = abs_[1].with_value("PROCESS_STATUS", "FAILED")
    scene = Scene(tmp_path, abs_)
    outcome = await scene.streams.run()
    assert scene.job.started == [names(abs_, "pst")[0]]
    assert outcome.failed == (abs_[1].name,) and len(outcome.blocked) == 3


async def test_every_change_of_state_is_a_legal_one(tmp_path: Path) -> None:
    abs_ = make_run("NGC300", 3) + make_run("M83", 2, day=23)
    scene = Scene(tmp_path, abs_, PaperJob(results={abs_[0].name: Result("FAILED", "no")}))
    await scene.streams.run()
    known: dict[str, str] = {}
    for event in scene.events:
        if isinstance(event, AbSeen):
            known[event.ab] = event.state
        elif isinstance(event, AbChanged):
            assert may_become(known[event.ab], event.state)
            known[event.ab] = event.state


async def test_a_journal_that_cannot_be_written_pauses_the_run(tmp_path: Path) -> None:
    import sqlite3

    abs_ = make_run(exposures=2)
    scene = Scene(tmp_path, abs_)
    real = scene.attempts.flush
    broken = True

    def flush() -> None:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        real()

    scene.attempts.flush = flush  # type: ignore[method-assign]
    run = scene.start()
    await settle()
    assert not scene.job.started
    assert scene.state(abs_[0].name)[0] == "PAUSED"
    assert "disk is full" in scene.context.board.mode_why
    broken = False
    scene.streams.resume("rh")
    assert len((await run).done) == len(abs_)
    assert not scene.attempts.open()


async def test_why_names_who_is_busy(tmp_path: Path) -> None:
    abs_ = make_run(exposures=5)
    scene = Scene(tmp_path, abs_, PaperJob(at_once=False), streams=9)
    scene.streams.prepare()
    assert scene.streams.why(abs_[0].name)[-1] == "Start processing."
    run = scene.start()
    await settle()
    busy = scene.streams.why(abs_[4].name)[0]
    assert "all 3 streams of scibasic are busy" in busy and abs_[0].name in busy
    chain = scene.streams.why(names(abs_, "dpc")[0])
    assert chain[0].startswith(f"{names(abs_, 'dpc')[0]} waits for {names(abs_, 'dal')[0]}")
    assert [line.split()[0] for line in chain[:2]] == [names(abs_, "dpc")[0], names(abs_, "dal")[0]]
    assert chain[-1] == "Nothing to do but wait, or allow more streams."
    assert scene.streams.why("nobody.ab") == ["nobody.ab is not in this pool."]
    assert "in stream 1" in scene.streams.why(abs_[0].name)[0]
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
