"""The whole path of an AB with Slurm underneath: what an operator sees, whatever happens to the batch system."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.board import Row
from engine.context import Context
from engine.core.ab import AB
from engine.headers.verify import verify
from engine.process.plan.more_memory import more_memory
from engine.process.run.foreign_tasks import ProcessTable
from engine.process.run.run_pool import Outcome, Streams, process_pool
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs, ask_for
from engine.stores.database import connect
from tests.builders import make_ab, make_context, make_product, make_tree, record
from tests.executors import daemons
from tests.fakes import AUTODAILY, LIMIT_S, PaperTable, make_fits, stub_pipeline, text_of, until
from tests.slurm_daemons import SlurmDaemons

_REPOSITORY = Path(__file__).resolve().parents[2]
_BATCH = {"executor": "slurm", "poll_s": 0.2, "memory_mb": 256, "command_s": 90}
_IMPATIENT = {"command_s": 3}  # where its commands hang, and it is no harm if one takes as long
_ENGINE = """
import asyncio, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.plan.more_memory import more_memory
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

tree = make_tree(Path(sys.argv[1]))
batch = {"executor": "slurm", "poll_s": 0.2, "memory_mb": 256}
context = make_context(Path(sys.argv[1]), tree=tree, batch=batch)
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, tuple(sys.argv[2:]))))
"""


class Scene:
    """An account with one AB whose recipe waits for us, and a run of it on Slurm."""

    def __init__(self, root: Path, slurm: SlurmDaemons) -> None:
        self.root, self.slurm = root, slurm
        self.tree = make_tree(root)
        self.pipeline = stub_pipeline(root)
        self.store = AbStore(self.tree)
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo)
        make_fits(self.tree.raw / "a.fits", "RAW")
        self.ab = self.made("MUSE.2014-10-22T23:57:32.118", f"--wait={self.fifo}")
        self.context: Context | None = None
        self.streams: Streams | None = None
        self.run: asyncio.Task[Outcome] | None = None
        self.events: list[object] = []

    def made(self, stem: str, *params: str) -> AB:
        ab = make_ab(
            stem,
            sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", *params],
        )
        self.store.write(ab)
        return ab

    def begin(self, table: ProcessTable | None = None, **settings: object) -> None:
        """Start a run of the whole pool."""
        batch = {**_BATCH, **dict(settings.pop("batch", {}))}  # type: ignore[call-overload]
        self.context = make_context(self.root, tree=self.tree, batch=batch, **settings)
        self.events = record(self.context)  # type: ignore[assignment]

        def at_work(streams: Streams) -> None:
            self.streams = streams

        self.run = asyncio.create_task(
            process_pool(self.context, self.store.load(), pipeline=self.pipeline, at_work=at_work, table=table)
        )

    @property
    def row(self) -> Row:
        assert self.context
        return self.context.board.rows[self.ab.name]

    async def shows(self, state: str, reason: str = "") -> None:
        """Wait until the AB's row says so."""

        def there() -> bool:
            assert self.context and self.run
            assert not self.run.done() or self.run.result()
            row = self.context.board.rows.get(self.ab.name)
            return bool(row and row.state == state and reason in row.reason)

        try:
            await until(there)
        except TimeoutError:
            pytest.fail(f"{self.row.state}: {self.row.reason}, not {state}: {reason}; {self.slurm.logs()}")

    async def begun(self) -> None:
        await until(lambda: "started" in self.log)

    async def go(self) -> None:
        await asyncio.to_thread(self.fifo.write_text, "go")

    async def outcome(self) -> Outcome:
        assert self.run
        return await asyncio.wait_for(self.run, LIMIT_S)

    @property
    def log(self) -> str:
        return text_of(self.tree.dfs_log / f"{self.ab.root}.log")

    def verdicts(self) -> list[str | None]:
        db = connect(self.tree.journal)
        try:
            return [attempt.verdict for attempt in Attempts(db).of(self.ab.name)]
        finally:
            db.close()

    def queued(self) -> list[str]:
        """Our jobs that have not ended."""
        listed = self.slurm.ask("squeue", "-h", "-o", "%i|%T|%k").splitlines()
        return [line for line in listed if self.ab.name.replace(":", "_") in line]

    def check_product(self) -> None:
        product = self.tree.product / self.ab.raw_type / self.ab.date / f"{self.ab.root}_0000.fits"
        assert not verify(product).problems and read(self.store.path(self.ab.name)).status == "SUCCESSFUL"


@pytest.fixture
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    slurm = await asyncio.to_thread(daemons, request)
    made = Scene(tmp_path, slurm)
    yield made
    if made.run and not made.run.done():
        made.run.cancel()
        await asyncio.wait([made.run])
    if made.context:
        made.context.db.close()


async def test_a_cascade_runs_as_jobs(scene: Scene) -> None:
    scene.store.write(scene.ab.with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT"]))
    post = make_ab(
        "MUSE.2014-10-22T23:57:32.118",
        "scipost",
        sof=[(make_product(scene.ab), "PIXTABLE_OBJECT")],
        products=["DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"],
        params=["--make=DATACUBE_FINAL,IMAGE_FOV,PIXTABLE_REDUCED"],
    )
    scene.store.write(post)
    scene.begin()
    outcome = await scene.outcome()
    assert outcome.done == (scene.ab.name, post.name)
    scene.check_product()
    assert scene.context
    known = BatchJobs(scene.context.db).known("slurm")
    assert len(known) == 2 and all(BatchJobs(scene.context.db).native(token).isdigit() for token in known)


async def test_a_drained_node_is_a_state_with_a_reason(scene: Scene) -> None:
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    scene.begin()
    await scene.shows("SLOT", "slurm ")
    await scene.shows("SLOT", "drained")
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=resume")
    await scene.shows("RUNNING")
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=again")
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,), "what runs on a draining node goes on"
    scene.check_product()


async def test_a_controller_that_restarts_loses_nothing(scene: Scene) -> None:
    scene.begin(batch=_IMPATIENT)
    await scene.begun()
    await scene.shows("RUNNING")
    await asyncio.to_thread(scene.slurm.save, scene.queued()[0].partition("|")[0])
    await asyncio.to_thread(scene.slurm.kill_controller)
    await scene.shows("RUNNING", "not reachable since")
    await scene.go()
    await asyncio.to_thread(scene.slurm.start_controller)
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["done"] and scene.log.count("started") == 1
    assert any("cannot be reached" in str(event) for event in scene.events)
    assert any("slurm is back" in str(event) for event in scene.events)


async def test_a_batch_system_that_is_down_from_the_start_is_waited_for(scene: Scene) -> None:
    await asyncio.to_thread(scene.slurm.kill_controller)
    scene.begin(batch=_IMPATIENT)
    await scene.shows("SLOT", "not reachable since")
    await asyncio.to_thread(scene.slurm.start_controller)
    await scene.begun()
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)


async def test_an_engine_that_died_finds_its_job_again(scene: Scene) -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ENGINE, str(scene.root), *scene.pipeline.program, cwd=_REPOSITORY
    )
    await scene.begun()
    engine.kill()
    await engine.wait()
    scene.begin()
    await scene.shows("RUNNING")
    assert len(scene.queued()) == 1
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["done"] and scene.log.count("started") == 1
    scene.check_product()


async def test_a_job_that_ended_while_no_engine_was_there_is_judged(scene: Scene) -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ENGINE, str(scene.root), *scene.pipeline.program, cwd=_REPOSITORY
    )
    await scene.begun()
    engine.kill()
    await engine.wait()
    await scene.go()
    await until(lambda: not scene.queued())
    scene.begin()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["done"]


async def test_a_job_that_an_administrator_removed_has_failed(scene: Scene) -> None:
    scene.begin()
    await scene.begun()
    scene.slurm.run("scancel", scene.queued()[0].partition("|")[0])
    outcome = await scene.outcome()
    assert outcome.failed == (scene.ab.name,)
    assert "removed from outside" in scene.row.reason and scene.row.reason.startswith("slurm ")


@pytest.fixture
async def forgetful(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """A Slurm of its own: one that has lost its jobs is good for nothing else."""
    shared, own = scene.slurm, SlurmDaemons()
    await asyncio.to_thread(own.start)
    scene.slurm = own
    monkeypatch.setenv("SLURM_CONF", str(own.conf))
    yield scene
    scene.slurm = shared
    await asyncio.to_thread(own.stop)


async def test_a_job_that_slurm_forgot_runs_again(forgetful: Scene) -> None:
    scene = forgetful
    scene.begin(batch=_IMPATIENT)
    await scene.shows("RUNNING")
    await scene.begun()
    number = scene.queued()[0].partition("|")[0]
    await asyncio.to_thread(scene.slurm.crash)
    claim = next((scene.tree.tmp / "work" / "records").glob("*.claim.json"))
    wrapper = int(json.loads(claim.read_bytes())["pid"])
    with suppress(ProcessLookupError):
        os.kill(wrapper, signal.SIGKILL)
    await asyncio.to_thread(scene.slurm.begin_anew)
    other = await asyncio.to_thread(
        scene.slurm.ask, "sbatch", "--parsable", "--comment=somebody", "--wrap=sleep 60", "-o", "/dev/null"
    )
    await until(lambda: scene.verdicts()[:1] == ["interrupted"])
    assert int(other) <= int(number) + 2, "numbers are given out again"
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["interrupted", "done"]
    assert other.strip() in scene.slurm.ask("squeue", "-h", "-t", "all", "-o", "%i %T"), "nobody else's job was touched"


async def test_out_of_memory_is_said_and_more_can_be_asked_for(scene: Scene) -> None:
    scene.ab = scene.made("MUSE.2014-10-22T23:57:32.118", "--grow=400", f"--wait={scene.fifo}")
    scene.begin()
    outcome = await scene.outcome()
    assert outcome.failed == (scene.ab.name,)
    assert "out of memory" in scene.row.reason and "--memory 2" in scene.row.reason
    assert scene.context
    offer = more_memory(scene.context.db, scene.context.settings, scene.ab)
    assert offer and offer.asked_mb == 256 and offer.proposed_mb >= 600
    ask_for(scene.context.db, scene.ab.name, f"{offer.proposed_mb + 200}MB", "operator")
    scene.context.db.close()
    scene.store.write(read(scene.store.path(scene.ab.name)).with_value("PROCESS_STATUS", "CREATED"))
    scene.begin()
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert more_memory(scene.context.db, scene.context.settings, scene.ab) is None, "what it ran with was enough"


async def test_pause_holds_what_is_queued(scene: Scene) -> None:
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    scene.begin()
    await scene.shows("SLOT", "slurm ")
    await until(scene.queued)
    assert scene.streams
    scene.streams.pause("anna")
    await scene.shows("PAUSED", "held")
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=resume")
    scene.streams.resume("anna")
    await scene.shows("RUNNING")
    scene.streams.pause("anna")
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,), "what runs goes on"


async def test_stop_takes_back_what_is_queued(scene: Scene) -> None:
    scene.slurm.run("scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    scene.begin()
    await until(scene.queued)
    assert scene.streams
    scene.streams.stop("anna")
    outcome = await scene.outcome()
    assert outcome.how == "stopped" and outcome.waiting == (scene.ab.name,)
    await until(lambda: not scene.queued())


async def test_abort_cancels(scene: Scene) -> None:
    scene.begin()
    await scene.begun()
    assert scene.streams
    scene.streams.abort("anna")
    outcome = await scene.outcome()
    assert outcome.how == "aborted" and outcome.interrupted == (scene.ab.name,)
    await until(lambda: not scene.queued())


async def test_the_gate_holds_and_suspends(scene: Scene) -> None:
    table = PaperTable()
    watch = [{"user": "espresso", "pattern": "autoDaily", "name": "espresso autoDaily"}]
    scene.begin(table, gate={"watch": watch, "interval_s": 0.2, "policy": "suspend"})
    await scene.begun()
    await scene.shows("RUNNING")
    table.there = [AUTODAILY]
    await scene.shows("SUSPENDED")
    await until(lambda: scene.queued() and "SUSPENDED" in scene.queued()[0])
    table.there = []
    await scene.shows("RUNNING")
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)


async def test_a_job_that_asks_for_too_much_is_refused_with_the_systems_words(scene: Scene) -> None:
    scene.begin(batch={"memory_mb": 10_000_000})
    outcome = await scene.outcome()
    assert outcome.failed == (scene.ab.name,)
    assert "configuration is not available" in scene.row.reason
