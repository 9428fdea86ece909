from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from config.schema import Gate as GateSettings
from config.schema import Watched
from config.tree import DfoTree
from engine.context import Context
from engine.errors import UsageTrouble
from engine.events import AbChanged, GateClosed, GateOpened
from engine.process.executors.local import LocalExecutor, Recipe, environment
from engine.process.run.foreign_tasks import Gate, gate_of
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.processes import state_of
from engine.stores.attempts import Attempts
from tests.builders import make_context, make_run, record
from tests.fakes import AUTODAILY, PaperClock, PaperJob, PaperTable, settle, until

WATCH = Watched(user="espresso", pattern="autoDaily", name="espresso autoDaily")
HELD = "espresso autoDaily (pid 123) since 13:46"


class Scene:
    """A night on paper: streams, gate, clock and process table."""

    def __init__(
        self,
        root: Path,
        policy: Literal["start-only", "suspend"] = "start-only",
        job: Any = None,
        interval_s: float = 60.0,
        **options: Any,
    ) -> None:
        self.clock, self.table = PaperClock(), PaperTable()
        self.abs_ = make_run(exposures=3)
        settings = GateSettings(watch=(WATCH,), policy=policy, interval_s=interval_s)
        self.context = make_context(root, clock=self.clock, gate=settings, **options)
        self.events = record(self.context)
        self.job = job or PaperJob(at_once=False)
        self.gate = Gate(settings, self.context.bus, self.table, clock=self.clock, sleep=self.sleep, ours=lambda: set())
        self.asleep: asyncio.Future[None] | None = None
        self.streams = Streams(self.context, self.abs_, self.job, Attempts(self.context.db), gate=self.gate)

    async def sleep(self, seconds: float) -> None:
        """Sleeps until the test says that the time is over."""
        self.asleep = asyncio.get_running_loop().create_future()
        await self.asleep
        self.clock.now += seconds

    async def wake(self) -> None:
        """The interval is over: wait for the next look and what comes of it."""
        await until(lambda: self.asleep and not self.asleep.done())
        looks = self.table.looks
        assert self.asleep
        self.asleep.set_result(None)
        await until(lambda: self.table.looks > looks and not self.gate.looking)
        await settle()

    def state(self, number: int = 0) -> tuple[str, str]:
        row = self.context.board.rows[self.abs_[number].name]
        return row.state, row.reason


@pytest.mark.row(341)
@pytest.mark.row(344)
async def test_nothing_starts_while_a_foreign_task_runs(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.table.there = [AUTODAILY]
    run = asyncio.create_task(scene.streams.run())
    await until(lambda: scene.gate.closed)
    await settle()
    assert not scene.job.started
    assert scene.state() == ("PAUSED", f"paused: {HELD}")
    assert HELD in scene.streams.why(scene.abs_[0].name)[0]
    for _ in range(3):
        await scene.wake()
    closed = [event for event in scene.events if isinstance(event, GateClosed)]
    assert [event.checks for event in closed] == [1, 2, 3, 4]
    assert closed[-1].total_s == scene.context.board.gate.total_s == 180.0
    scene.table.there = []
    await scene.wake()
    await until(lambda: len(scene.job.now) == 3)
    assert scene.context.board.gate.total_s == 240.0 and not scene.context.board.gate.closed
    while not run.done():
        for ab in list(scene.job.now):
            scene.job.finish(ab)
        await asyncio.sleep(0.001)
    assert len((await run).done) == len(scene.abs_)


async def test_looked_at_before_every_start_but_not_while_nothing_could_start(tmp_path: Path) -> None:
    scene = Scene(tmp_path, streams=1)
    run = asyncio.create_task(scene.streams.run())
    await until(lambda: scene.job.now)
    assert scene.table.looks == 1
    for _ in range(50):
        await asyncio.sleep(0)
    assert scene.table.looks == 1 and scene.asleep is None, "the only stream is busy: nobody looks"
    scene.clock.now += 5
    scene.table.there = [AUTODAILY]
    scene.job.finish(scene.abs_[0].name)
    await until(lambda: scene.gate.closed)
    assert scene.table.looks == 2 and not scene.job.now
    scene.streams.stop("rh")
    assert (await run).how == "stopped"
    assert isinstance([e for e in scene.events if isinstance(e, (GateOpened, GateClosed))][-1], GateOpened)


async def test_start_only_lets_what_runs_go_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, streams=2)
    run = asyncio.create_task(scene.streams.run())
    await until(lambda: len(scene.job.now) == 2)
    scene.clock.now += 5
    scene.table.there = [AUTODAILY]
    scene.job.finish(scene.abs_[0].name)
    await until(lambda: scene.gate.closed)
    await settle()
    assert scene.state(1)[0] == "RUNNING" and scene.state(2)[0] == "PAUSED"
    scene.streams.abort("rh")
    scene.job.finish(scene.abs_[1].name, "INTERRUPTED", "aborted by rh")
    await run


class Busy(PaperJob):
    """A job that really runs processes, until terminated."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.executor = LocalExecutor()
        self.recipes: list[Recipe] = []

    async def run(self, task: Task) -> Result:
        env = environment(self.root, 1, task.token)
        argv = ["/bin/sleep", "1000"]
        recipe = self.executor.start(argv, cwd=self.root, log=self.root / "log", env=env)
        self.recipes.append(recipe)
        task.spawned(recipe)
        found = await recipe.wait()
        task.exited(found.rc)
        return Result("INTERRUPTED", task.aborted) if task.aborted else Result("DONE")


@pytest.mark.row(344)
async def test_suspend_freezes_recipes_and_lets_them_go_on(tmp_path: Path) -> None:
    job = Busy(tmp_path)
    scene = Scene(tmp_path, "suspend", job, streams=2)
    run = asyncio.create_task(scene.streams.run())
    await until(lambda: len(job.recipes) == 2)
    scene.table.there = [AUTODAILY]
    await scene.wake()
    assert scene.state() == ("SUSPENDED", HELD.replace("13:46", "13:47"))
    await until(lambda: all(state_of(recipe.pid) == "T" for recipe in job.recipes))
    assert "It is frozen" in scene.streams.why(scene.abs_[0].name)[1]
    scene.table.there = []
    await scene.wake()
    assert scene.state() == ("RUNNING", "")
    await until(lambda: all(state_of(recipe.pid) != "T" for recipe in job.recipes))
    scene.table.there = [AUTODAILY]
    await scene.wake()
    scene.streams.abort("rh")
    outcome = await run
    assert outcome.how == "aborted" and len(outcome.interrupted) == 2, "frozen recipes can be ended too"
    states = [event.state for event in scene.events if isinstance(event, AbChanged)]
    assert states.count("SUSPENDED") == 4


async def test_override_is_for_operators_only_and_recorded(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with pytest.raises(UsageTrouble, match="the gate is open"):
        scene.streams.override("rh")
    scene.table.there = [AUTODAILY]
    run = asyncio.create_task(scene.streams.run())
    await until(lambda: scene.gate.closed)
    scene.streams.override("rh")
    await until(lambda: len(scene.job.now) == 3)
    opened = [event for event in scene.events if isinstance(event, GateOpened)]
    assert "ordered by rh" in opened[0].why
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    auto = Scene(tmp_path / "auto", auto=True)
    auto.table.there = [AUTODAILY]
    run = asyncio.create_task(auto.streams.run())
    await until(lambda: auto.gate.closed)
    with pytest.raises(UsageTrouble, match="only be overridden by an operator"):
        auto.streams.override("cron")
    auto.streams.stop("cron")
    await run


@pytest.mark.row(343)
async def test_the_total_of_the_night_survives_the_engine(tmp_path: Path) -> None:
    clock, table = PaperClock(), PaperTable([AUTODAILY])
    settings = GateSettings(watch=(WATCH,))

    def engine(tree: DfoTree | None = None) -> tuple[Context, Gate]:
        context = make_context(tmp_path, clock=clock, gate=settings, tree=tree)
        gate = gate_of(context, table)
        assert gate
        return context, gate

    async def look(gate: Gate, after_s: float) -> None:
        clock.now += after_s
        await gate.look()

    first, gate = engine()
    assert first.board.gate.total_s == 0.0
    for after_s in (0.0, 60.0, 60.0):
        await look(gate, after_s)
    first.db.close()  # killed: its books are never closed

    clock.now += 600.0
    second, gate = engine(first.tree)
    assert second.board.gate.total_s == 120.0, "known before anything is held again"
    await look(gate, 0.0)
    assert second.board.gate.total_s == 120.0, "while no engine was there nobody stood aside"
    await look(gate, 60.0)
    table.there = []
    await look(gate, 30.0)
    assert second.board.gate.total_s == 210.0
    second.db.execute("PRAGMA query_only = ON")
    table.there = [AUTODAILY]
    await look(gate, 0.0)
    await look(gate, 5.0)
    assert second.board.gate.total_s == 215.0, "a journal that cannot be written does not end the watch"
    second.db.execute("PRAGMA query_only = OFF")
    clock.now += 5.0
    gate.close_books()
    second.db.close()

    third, gate = engine(first.tree)
    assert third.board.gate.total_s == 220.0
    clock.now += 86_400
    assert gate_of(third, table) and third.board.gate.total_s == 0.0, "another night begins with nothing"
    third.db.close()
