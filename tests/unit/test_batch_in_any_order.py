"""Jobs of a batch system that end, are left, or get orders while somebody speaks with their system."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.batch import Batch as BatchSettings
from engine.errors import EngineAway, Unsupported
from engine.process.executors.batch import Batch
from engine.process.executors.batch_job import BatchJob, Wish
from engine.process.executors.local import TOKEN
from engine.process.executors.protocol import (
    Capability,
    JobRef,
    JobSpec,
    JobState,
    Refused,
    Status,
)
from engine.process.executors.records import Records
from engine.process.executors.slurm_commands import Commands
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs
from tests.builders import make_ab, make_context
from tests.fakes import LIMIT_S, settle, text_of, until


class System:
    """A batch system that does what a test tells it while it is asked."""

    name = "paper"
    capabilities = frozenset({Capability.SUSPEND_RUNNING, Capability.HOLD_QUEUED})

    def __init__(self) -> None:
        self.states: dict[str, Status] = {}
        self.submitting: Callable[[Sequence[JobSpec]], object] = lambda jobs: None
        self.suspending: Callable[[], object] = lambda: None

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        self.submitting(jobs)
        return [JobRef(job.token, self.name, "1") for job in jobs]

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        return {token: JobState(JobRef(token, self.name, "1"), self.states[token]) for token in tokens}

    async def suspend(self, refs: Sequence[JobRef]) -> None:
        self.suspending()

    async def hold(self, refs: Sequence[JobRef], reason: str) -> None:
        return

    async def told(self, refs: Sequence[JobRef]) -> None:
        return

    release = resume = cancel = told

    async def close(self) -> None:
        return


class Scene:
    """A batch with its system, and what the operator was told."""

    def __init__(self, root: Path, poll_s: float = 0.01) -> None:
        self.system, self.said = System(), list[str]()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.jobs = BatchJobs(self.db)
        self.records = Records(root)
        self.batch = Batch(
            self.system,  # type: ignore[arg-type]
            self.records,
            self.jobs,
            BatchSettings(executor="slurm", poll_s=poll_s),
            say=lambda level, text: self.said.append(text),
        )

    def start(self, token: str) -> BatchJob:
        return self.batch.start(["/bin/true"], cwd="/", log="/dev/null", env={TOKEN: token})


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    yield made
    await made.batch.close()
    made.db.close()


def spec(token: str, *after: str) -> JobSpec:
    return JobSpec(token, ("/bin/true",), Path("/"), {}, Path("/dev/null"), after=after)


async def test_what_jobs_of_a_cascade_come_after_is_kept_for_them(scene: Scene) -> None:
    """An engine comes back to a cascade that goes on without it: a child that has not begun looks for its parent."""
    for one in (spec("parent"), spec("other"), spec("child", "parent", *(f"{n}:{'x' * 150}" for n in range(500)))):
        scene.records.write_spec(one)
    scene.jobs.note((token, "paper", "1") for token in ("parent", "other", "child"))
    scene.records.record_path("parent").write_text("{}")
    scene.batch.tidy(frozenset({"child"}))
    assert scene.records.record_path("parent").exists() and scene.records.spec_path("child").exists()
    assert not scene.records.spec_path("other").exists()
    assert set(scene.jobs.known("paper")) == {"parent", "child"}
    scene.batch.tidy(frozenset())
    assert not scene.records.record_path("parent").exists() and not scene.jobs.known("paper")


async def test_a_job_that_is_left_while_its_system_refuses_it(scene: Scene) -> None:
    first, second = scene.start("a:1:0"), scene.start("b:1:0")
    scene.system.states["b:1:0"] = Status.DONE

    def refuse(jobs: Sequence[JobSpec]) -> None:
        if any(job.token == first.token for job in jobs):
            first.leave()
            raise Refused(first.token, "no such partition")

    scene.system.submitting = refuse
    assert (await asyncio.wait_for(second.wait(), LIMIT_S)).rc == 0
    assert not scene.said, "nobody was away"


@pytest.mark.parametrize("turns", range(6))
async def test_it_closes_also_while_somebody_wakes_it(tmp_path: Path, turns: int) -> None:
    scene = Scene(tmp_path, poll_s=600.0)
    scene.system.states["a:1:0"] = Status.RUNNING
    job = scene.start("a:1:0")
    await until(lambda: job.status is not Status.SUBMITTING)
    await settle()
    scene.batch.wished()
    await settle(turns)
    closing = asyncio.create_task(scene.batch.close())
    closed, _ = await asyncio.wait({closing}, timeout=LIMIT_S)
    scene.db.close()
    assert closed and not job.over


async def test_a_job_that_is_left_while_its_system_may_not_freeze_it(scene: Scene) -> None:
    left, stays = scene.start("a:1:0"), scene.start("b:1:0")
    scene.system.states |= {"a:1:0": Status.RUNNING, "b:1:0": Status.RUNNING}
    await until(lambda: left.status is stays.status is Status.RUNNING)

    def forbid() -> None:
        left.leave()
        raise Unsupported("only operators may")

    scene.system.suspending = forbid
    assert left.suspend() and stays.suspend()
    await until(lambda: stays.wish is Wish.GO)
    assert scene.said == ["recipes go on while they should stand aside: only operators may"]
    stays.leave()


async def test_a_job_that_cannot_be_noted_as_unwanted_is_noted_the_next_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its system is away and the journal is busy: the others are followed all the same."""
    job = scene.start("a:1:0")

    def away(_: object) -> None:
        raise EngineAway("no route")

    scene.system.submitting = away
    busy = [True, True, False]
    tried: list[int] = []

    def unwant(tokens: Any) -> None:
        tried.append(1)
        if busy[min(len(tried), 3) - 1]:
            raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(scene.jobs, "unwant", unwant)
    await until(lambda: scene.said)
    job.unwanted()
    assert "as soon as that is back" in (await asyncio.wait_for(job.wait(), LIMIT_S)).trouble
    assert len(tried) == 3


# --- orders that come while an AB is prepared -------------------------------------------------


class Queued:
    """A recipe in a queue."""

    pid = start = 0
    suspended, queued, over, frozen_s = False, True, False, 0.0
    ident, status, reason = "paper 1", Status.PENDING, ""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.ended = asyncio.Event()

    def follow(self, told: Callable[[], object]) -> None:
        told()

    def suspend(self) -> bool:
        self.orders.append("hold")
        return False

    def resume(self) -> None:
        self.orders.append("go")

    async def terminate(self, grace_s: float = 10.0) -> None:
        self.orders.append("end")
        self.ended.set()

    def leave(self) -> None:
        return


class Prepares:
    """A job that has its recipe queued when it is let, and ends with it."""

    def __init__(self) -> None:
        self.begun, self.go, self.recipe = asyncio.Event(), asyncio.Event(), Queued()

    def workdir(self, ab: str, attempt: int) -> str:
        return f"/scratch/{ab}/{attempt}"

    def reset(self, names: Any) -> None:
        return

    async def run(self, task: Task) -> Result:
        self.begun.set()
        await self.go.wait()
        task.spawned(self.recipe)  # type: ignore[arg-type]
        await self.recipe.ended.wait()
        task.exited(None)
        return Result("INTERRUPTED", task.aborted) if task.aborted else Result("DONE")


async def test_orders_that_come_while_an_ab_is_prepared_hold_for_its_place_in_the_queue(tmp_path: Path) -> None:
    ab, job = make_ab(), Prepares()
    context = make_context(tmp_path, [ab])
    streams = Streams(context, [ab], job, Attempts(context.db))
    run = asyncio.create_task(streams.run())
    await job.begun.wait()
    streams.pause("anna")
    job.go.set()
    await settle()
    assert job.recipe.orders == ["hold"]
    streams.resume("anna")
    assert job.recipe.orders == ["hold", "go"]
    job.recipe.ended.set()
    assert (await run).done == (ab.name,)


async def test_a_stop_that_comes_while_an_ab_is_prepared_takes_it_from_the_queue(tmp_path: Path) -> None:
    ab, job = make_ab(), Prepares()
    context = make_context(tmp_path, [ab])
    streams = Streams(context, [ab], job, Attempts(context.db))
    run = asyncio.create_task(streams.run())
    await job.begun.wait()
    streams.stop("anna")
    job.go.set()
    outcome = await run
    assert job.recipe.orders == ["end"] and (outcome.how, outcome.done) == ("stopped", ())


# --- commands of a site -----------------------------------------------------------------------


async def test_what_a_sites_script_leaves_behind_holds_nobody_up(tmp_path: Path) -> None:
    """A script around sbatch that starts a helper, which has its output open for ever."""
    note = tmp_path / "pid"
    helper = f"setsid sh -c 'echo $$ > {note}; exec sleep 1000' &\nwhile [ ! -s {note} ]; do sleep 0.01; done\n"
    script = tmp_path / "sbatch"
    for words, answer in (("read text; echo $text", (0, "17\n", "")), ("exec sleep 1000", None)):
        note.unlink(missing_ok=True)
        script.write_text(f"#!/bin/sh\n{helper}{words}\n")
        script.chmod(0o755)
        try:
            if answer:
                assert await Commands(LIMIT_S).ran(str(script), text="17\n") == answer
            else:
                with pytest.raises(EngineAway, match="does not answer"):
                    async with asyncio.timeout(LIMIT_S):
                        await Commands(0.5).ran(str(script))
                await until(lambda: text_of(note).endswith("\n"))
        finally:
            os.kill(int(text_of(note)), signal.SIGKILL)
