"""The whole path of an AB with HTCondor underneath: what an operator sees, whatever happens to the pool."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.board import Row
from engine.context import Context
from engine.core.ab import AB
from engine.headers.verify import verify
from engine.process.ab.pipeline import Pipeline
from engine.process.plan.more_memory import more_memory
from engine.process.run.run_pool import Outcome, Streams, process_pool
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs, ask_for
from engine.stores.database import connect
from tests.builders import make_ab, make_context, make_product, make_tree
from tests.condor_pool import Pool
from tests.condor_root import PYTHON
from tests.condor_site import the_pool
from tests.fakes import LIMIT_S, make_fits, stub_pipeline, text_of, until

_REPOSITORY = Path(__file__).resolve().parents[2]
_OURS = "DfosToken isnt undefined"
_ENGINE = """
import asyncio, json, os, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.plan.more_memory import more_memory
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

os.umask(0)
tree = make_tree(Path(sys.argv[1]))
context = make_context(Path(sys.argv[1]), tree=tree, batch=json.loads(sys.argv[2]))
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, tuple(sys.argv[3:]))))
"""


class Scene:
    """An account with one AB whose recipe waits for us, and a run of it in a pool."""

    def __init__(self, root: Path, pool: Pool) -> None:
        self.root, self.pool = root, pool
        root.chmod(0o777)
        self.tree = make_tree(root)
        stub = stub_pipeline(root).program
        self.pipeline = Pipeline("stub", True, (PYTHON, *stub[1:]))
        self.store = AbStore(self.tree)
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo, 0o666)
        make_fits(self.tree.raw / "a.fits", "RAW")
        self.ab = self.made(f"--wait={self.fifo}")
        self.batch = {
            **{"executor": "htcondor", "poll_s": 0.2, "memory_mb": 256, "python": PYTHON, "command_s": 90},
            "htcondor": {"collector": pool.address, "settings": pool.client},
        }
        self.context: Context | None = None
        self.streams: Streams | None = None
        self.run: asyncio.Task[Outcome] | None = None

    def made(self, *params: str) -> AB:
        ab = make_ab(
            "MUSE.2014-10-22T23:57:32.118",
            sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", *params],
        )
        self.store.write(ab)
        return ab

    def begin(self) -> None:
        """Start a run of all ABs."""
        self.context = make_context(self.root, tree=self.tree, batch=self.batch)

        def at_work(streams: Streams) -> None:
            self.streams = streams

        self.run = asyncio.create_task(
            process_pool(self.context, self.store.load(), pipeline=self.pipeline, at_work=at_work)
        )

    @property
    def row(self) -> Row:
        assert self.context
        return self.context.board.rows[self.ab.name]

    @property
    def log(self) -> str:
        return text_of(self.tree.dfs_log / f"{self.ab.root}.log")

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
            pytest.fail(f"{self.row.state}: {self.row.reason}, not {state}: {reason}")

    async def begun(self) -> None:
        await until(lambda: "started" in self.log)

    async def go(self) -> None:
        await asyncio.to_thread(self.fifo.write_text, "go")

    async def outcome(self) -> Outcome:
        assert self.run
        return await asyncio.wait_for(self.run, LIMIT_S)

    def jobs(self) -> list[str]:
        """Numbers of our jobs in the queue."""
        return self.pool.ask("condor_q", "-constraint", _OURS, "-af", "ClusterId").split()

    def verdicts(self) -> list[str | None]:
        db = connect(self.tree.journal)
        try:
            return [attempt.verdict for attempt in Attempts(db).of(self.ab.name)]
        finally:
            db.close()

    def check_product(self) -> None:
        product = self.tree.product / self.ab.raw_type / self.ab.date / f"{self.ab.root}_0000.fits"
        assert not verify(product).problems and read(self.store.path(self.ab.name)).status == "SUCCESSFUL"


@pytest.fixture
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path, the_pool(request))
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
    known = BatchJobs(scene.context.db).known("htcondor")
    assert len(known) == 2 and all("." in BatchJobs(scene.context.db).native(token) for token in known)


async def test_a_queue_daemon_killed_at_work_fails_nothing(scene: Scene) -> None:
    scene.begin()
    await scene.begun()
    await scene.shows("RUNNING")
    with scene.pool.without("condor_schedd"):
        await scene.shows("RUNNING", "not reachable since")
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["done"] and scene.log.count("started") == 1
    scene.check_product()


async def test_an_engine_killed_finds_its_job_again(scene: Scene) -> None:
    given = (str(scene.root), json.dumps(scene.batch), *scene.pipeline.program)
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", _ENGINE, *given, cwd=_REPOSITORY)
    await scene.begun()
    engine.kill()
    await engine.wait()
    scene.begin()
    await scene.shows("RUNNING")
    assert len(scene.jobs()) == 1
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
    assert scene.verdicts() == ["done"] and scene.log.count("started") == 1
    scene.check_product()


async def test_a_job_that_somebody_removed_has_failed(scene: Scene) -> None:
    scene.begin()
    await scene.begun()
    scene.pool.ask("condor_rm", scene.jobs()[0])
    assert (await scene.outcome()).failed == (scene.ab.name,)
    assert scene.row.reason.startswith("htcondor ")


async def test_a_job_that_somebody_held_at_work_is_over_and_said_to_be(scene: Scene) -> None:
    scene.begin()
    await scene.begun()
    scene.pool.ask("condor_hold", "-reason", "wrong button", scene.jobs()[0])
    assert (await scene.outcome()).failed == (scene.ab.name,)
    assert "what it had done is lost" in scene.row.reason and "wrong button" in scene.row.reason


async def test_memory_used_up_is_said_and_more_can_be_asked_for(scene: Scene) -> None:
    scene.ab = scene.made("--grow=400", f"--wait={scene.fifo}")
    scene.begin()
    assert (await scene.outcome()).failed == (scene.ab.name,)
    assert "memory" in scene.row.reason and "--memory 2" in scene.row.reason
    assert scene.context
    offer = more_memory(scene.context.db, scene.context.settings, scene.ab)
    assert offer and offer.asked_mb == 256 and offer.proposed_mb >= 600
    ask_for(scene.context.db, scene.ab.name, "3", "operator")
    scene.context.db.close()
    scene.store.write(read(scene.store.path(scene.ab.name)).with_value("PROCESS_STATUS", "CREATED"))
    scene.begin()
    await scene.go()
    assert (await scene.outcome()).done == (scene.ab.name,)
