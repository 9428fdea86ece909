"""What comes in an order nobody expects: every one of them is forced here, none is waited for."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from console.hosting import host as hosting
from console.hosting.host import Host
from console.hosting.operators import Desk
from console.hosting.verbs import Verbs
from engine.atomic import acts
from engine.atomic.journal import Journal, Step
from engine.bus import Bus
from engine.errors import UsageTrouble
from engine.process.run.job import Result
from engine.process.run.streams import Streams
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from engine.stores.orders import QUEUED, RUNNING, Order
from tests.builders import make_ab, make_context, make_product, make_run
from tests.fakes import LIMIT_S, PaperJob, settle, until
from tests.integration.test_operators import CERTIFY
from tests.integration.test_process_ab import Scene
from tests.moving import account

NOBODY_ELSE = "2014-10-22"


async def test_an_abort_while_the_last_step_before_a_recipe_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin's AB is prepared in a thread of its own: what comes meanwhile holds before its recipe starts."""
    from engine.process.ab.before import Before

    scene = Scene(tmp_path)
    ab = scene.basic()
    streams: list[Streams] = []
    begun, go = threading.Event(), threading.Event()
    prepared = Before._prepared

    def slow(self: Before, *words: Any) -> Any:
        begun.set()
        go.wait(LIMIT_S)
        return prepared(self, *words)

    class Same:
        def prepare(self, ab: Any) -> Any:
            return ab

    monkeypatch.setattr(Before, "_prepared", slow)
    run = asyncio.create_task(scene.run(ab, plugins={"PRE_PLUGIN": Same()}, at_work=streams.append))
    await until(begun.is_set)
    streams[0].abort("anna")
    go.set()
    assert (await run).interrupted == (ab.name,)
    assert "started" not in scene.log(ab), "no recipe ran"
    (attempt,) = Attempts(scene.context.db).of(ab.name)
    assert attempt.pid is None


class Slow(PaperJob):
    """ABs are written anew when it is let."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.begun, self.go = threading.Event(), threading.Event()

    def reset(self, names: Any) -> None:
        self.begun.set()
        self.go.wait(LIMIT_S)
        super().reset(names)


async def test_nothing_that_is_to_run_again_starts_while_its_file_is_written(tmp_path: Path) -> None:
    """The other parent of an AB ends in that moment: the AB would run on what its first parent made before."""
    first, second = (make_ab(f"MUSE.2014-10-22T0{n}:00:00.000") for n in (1, 2))
    child = make_ab(
        "MUSE.2014-10-22T03:00:00.000",
        "align",
        sof=[(make_product(one), "PIXTABLE_OBJECT") for one in (first, second)],
    )
    job = Slow(at_once=False)
    context = make_context(tmp_path, [first, second, child])
    streams = Streams(context, [first, second, child], job, Attempts(context.db))
    run = asyncio.create_task(streams.run())
    await settle()
    job.finish(first.name)
    await settle()
    again = asyncio.create_task(streams.retry(first.name))
    await until(job.begun.is_set)
    job.finish(second.name)
    await settle()
    assert child.name not in job.started and not run.done()
    job.go.set()
    assert set(await again) == {first.name, child.name}
    await settle()
    assert list(job.now) == [first.name]
    for name in (first.name, child.name):
        job.finish(name)
        await settle()
    assert set((await run).done) == {first.name, second.name, child.name}
    assert job.started == [first.name, second.name, first.name, child.name]


async def test_a_run_does_not_end_while_an_ab_is_to_run_again(tmp_path: Path) -> None:
    abs_ = make_run("NGC300", 2, day=22)
    failed = abs_[0].name
    job = Slow(at_once=False)
    context = make_context(tmp_path, abs_[:2])
    streams = Streams(context, abs_[:2], job, Attempts(context.db))
    run = asyncio.create_task(streams.run())
    await settle()
    job.finish(failed, "FAILED", "no")
    await settle()
    again = asyncio.create_task(streams.retry(failed))
    await until(job.begun.is_set)
    job.finish(abs_[1].name)
    await settle()
    assert not run.done(), "the last that ran has ended"
    job.go.set()
    await again
    await settle()
    job.finish(failed)
    assert set((await run).done) == {ab.name for ab in abs_[:2]}
    with pytest.raises(UsageTrouble, match="the run is over"):
        await streams.retry(failed)


async def test_an_ab_that_runs_again_while_its_order_is_past_the_recipes(tmp_path: Path) -> None:
    """In the QC of an order its streams are over: they take nothing any more, so that a new order is given."""
    context = account(tmp_path)
    context.db.close()
    ab = make_ab("MUSE.2014-10-22T01:00:00.000").with_value("PROCESS_STATUS", "FAILED")
    async with Host(context.tree, {}, who="anna") as host:
        from engine.stores.abs import AbStore

        AbStore(context.tree).write(ab)
        job = PaperJob(results={ab.name: Result("FAILED", "no")})
        mine = host.context(Order(ab.mode, ab.date, "P"))
        at_work = Streams(mine, [ab.with_value("PROCESS_STATUS", "CREATED")], job, host.attempts)
        under_way = host.give(Order(ab.mode, ab.date, "P", who="anna"))
        host.orders.mark(under_way.number, RUNNING)
        await at_work.run()
        host.at_work(at_work)
        assert await Verbs(host)("retry", {"ab": ab.name}, "anna") == "1 ABs run again"
        assert AbStore(context.tree).load()[0].status == "CREATED"
        (new,) = host.orders.waiting(QUEUED)
        assert new.number != under_way.number, "the one that is at work would not see it any more"


async def test_a_journal_cancelled_twice_still_sees_its_thread_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C once more while a file is copied: the lock of the pool must not go before the file is there."""
    context = account(tmp_path)
    begun, go = threading.Event(), threading.Event()

    def slow(tree: Any, data: Any) -> None:
        begun.set()
        go.wait(LIMIT_S)

    monkeypatch.setitem(acts.ACTS, "make_dir", slow)
    journal = Journal(context.db, context.tree)
    step = Step("one", "make_dir", {"path": str(context.tree.cal / "new")}, "make new")
    transaction = journal.begin("move", "CALIB", NOBODY_ELSE, "anna", lambda _: [step], begun="now", summary="a move")
    moving = asyncio.create_task(journal.run(transaction, lambda: "now"))
    await until(begun.is_set)
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as the end of a loop does
            task.cancel()
        await settle()
        assert not moving.done(), "its thread works on"
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await moving
    assert journal.unfinished() == [transaction]


async def test_an_engine_goes_on_looking_after_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is busy and a disk that is away: the next look is as good, and its end is a clean one."""
    context = account(tmp_path)
    context.db.close()
    monkeypatch.setattr(hosting, "POLL", 0.0)
    monkeypatch.setattr(hosting, "PULSE", 0.0)
    looks: list[str] = []

    def busy(self: Desk) -> None:
        looks.append("desk")
        raise sqlite3.OperationalError("database is locked")

    def away(self: Host) -> None:
        looks.append("disk")
        raise FileNotFoundError(2, "No such file or directory", "product")

    monkeypatch.setattr(Desk, "poll", busy)
    monkeypatch.setattr(Host, "_look_at_host", away)
    async with Host(context.tree, {}, who="anna"):
        await until(lambda: looks.count("desk") > 2 and looks.count("disk") > 2)


async def test_an_answer_that_could_not_be_read_whole_is_told_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(connect(tmp_path / "journal.sqlite"))
    desk = Desk(answers, Bus("run"), lambda: 0.0, "anna")
    waiting = asyncio.create_task(desk.ask(CERTIFY))
    await settle()
    Answers(connect(tmp_path / "journal.sqlite")).answer(CERTIFY.id, "accept", "", "bert", "2026-11-21T09:43:10")
    with monkeypatch.context() as trouble, pytest.raises(sqlite3.OperationalError):
        trouble.setattr(Answers, "moot", _locked)
        desk.poll()
    desk.poll()
    assert (await waiting).choice == "accept"


def _locked(*_: object) -> None:
    raise sqlite3.OperationalError("database is locked")


async def test_an_engine_that_is_cancelled_begins_no_other_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = account(tmp_path)
    context.db.close()
    begun: list[int] = []

    async def for_ever(self: Host, order: Order) -> None:
        begun.append(order.number)
        await asyncio.Event().wait()

    monkeypatch.setattr(Host, "_carry_out", for_ever)
    async with Host(context.tree, {}, who="anna") as host:
        host.give(Order("SCIENCE", "2094-01-16", "P"))
        host.give(Order("SCIENCE", "2094-01-17", "P"))
        serving = asyncio.create_task(host.serve())
        await until(lambda: begun)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert len(begun) == 1
