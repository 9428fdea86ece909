"""A cascade handed over whole: it goes on without us, and we find what became of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.context import Context
from engine.core.ab import AB
from engine.errors import EngineAway, UsageTrouble
from engine.headers.verify import verify
from engine.process.executors.local import LocalExecutor
from engine.process.run.run_pool import Outcome, process_pool
from engine.processes import mark_of, start_of
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from tests.builders import make_ab, make_context, make_product, make_tree
from tests.condor_site import the_pool
from tests.executors import daemons
from tests.fakes import LIMIT_S, make_fits, stub_pipeline, text_of, until
from tests.slurm_daemons import SlurmDaemons

_REPOSITORY = Path(__file__).resolve().parents[2]
_ENGINE = """
import asyncio, json, os, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.run.run_pool import Outcome, process_pool
from engine.processes import mark_of, start_of
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

root, batch, program = Path(sys.argv[1]), json.loads(sys.argv[2]), tuple(sys.argv[3:])
if batch["executor"] == "htcondor":
    os.umask(0)
tree = make_tree(root)
context = make_context(root, tree=tree, batch=batch)
leave = lambda streams: os._exit(9)  # as a console that dies right after it has handed over
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, program), at_work=leave))
"""


class Scene:
    """Exposures, and the cubes that are made of them, in an account of a batch system."""

    def __init__(self, root: Path, batch: Mapping[str, object]) -> None:
        self.root = root
        self.batch: dict[str, Any] = {"mode": "detached", "poll_s": 0.2, "memory_mb": 512, "command_s": 90, **batch}
        self.tree = make_tree(root)
        self.pipeline = stub_pipeline(root)
        self.store = AbStore(self.tree)
        make_fits(self.tree.raw / "a.fits", "RAW")

    def basic(self, number: int, *params: str) -> AB:
        ab = make_ab(
            f"MUSE.2014-10-22T0{number}:00:00.000",
            sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", *params],
        )
        self.store.write(ab)
        return ab

    def post(self, basic: AB) -> AB:
        made = ("DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED")
        ab = make_ab(
            basic.name.removesuffix(".ab"),
            "scipost",
            sof=[(make_product(basic), "PIXTABLE_OBJECT")],
            products=made,
            params=[f"--make={','.join(made)}"],
        )
        self.store.write(ab)
        return ab

    async def hand_over_and_die(self) -> None:
        given = (str(self.root), json.dumps(self.batch), *self.pipeline.program)
        engine = await asyncio.create_subprocess_exec(sys.executable, "-c", _ENGINE, *given, cwd=_REPOSITORY)
        assert await engine.wait() == 9

    async def without_us(self) -> None:
        """Wait until nothing is in the queue any more."""
        await until(self.over)

    def over(self) -> bool:
        """Is nothing in the queue any more?"""
        raise NotImplementedError

    def clear(self) -> None:
        """End what is left."""
        raise NotImplementedError

    def status(self, abs_: Iterable[AB]) -> list[str]:
        return [read(self.store.path(ab.name)).status for ab in abs_]

    def said(self) -> str:
        """What jobs said that went wrong."""
        return "".join(text_of(path) for path in sorted(self.tree.tmp.glob("work/records/*.log")))


class OnSlurm(Scene):
    def __init__(self, root: Path, request: pytest.FixtureRequest) -> None:
        self.slurm: SlurmDaemons = daemons(request)
        super().__init__(root, {"executor": "slurm"})

    def over(self) -> bool:
        return not self.slurm.ask("squeue", "-h", "-o", "%i")

    def clear(self) -> None:
        self.slurm.clean()


class OnHTCondor(Scene):
    _OURS = "DfosToken isnt undefined || DfosDag isnt undefined"

    def __init__(self, root: Path, request: pytest.FixtureRequest) -> None:
        self.pool = the_pool(request)
        root.chmod(0o777)
        where = {"collector": self.pool.address, "settings": self.pool.client}
        super().__init__(root, {"executor": "htcondor", "htcondor": where})

    def over(self) -> bool:
        return not self.pool.ask("condor_q", "-constraint", self._OURS, "-af", "ClusterId").strip()

    def clear(self) -> None:
        self.pool.clean()


@pytest.fixture(params=[OnHTCondor, OnSlurm])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    made: Scene = await asyncio.to_thread(request.param, tmp_path, request)
    yield made
    await asyncio.to_thread(made.clear)


@pytest.fixture
async def slurm(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OnSlurm]:
    made = await asyncio.to_thread(OnSlurm, tmp_path, request)
    yield made
    await asyncio.to_thread(made.clear)


async def test_it_goes_on_without_us(scene: Scene) -> None:
    basics = [scene.basic(1), scene.basic(2)]
    posts = [scene.post(basic) for basic in basics]
    await scene.hand_over_and_die()
    await scene.without_us()
    assert scene.status([*basics, *posts]) == ["SUCCESSFUL"] * 4, scene.said()
    product = scene.tree.product / posts[0].raw_type / posts[0].date / f"{posts[0].root}_0000.fits"
    assert not verify(product).problems
    context = make_context(scene.root, tree=scene.tree, batch=scene.batch)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert len(outcome.done) == 4
    attempts = Attempts(context.db)
    assert not attempts.open()
    assert [[one.verdict for one in attempts.of(ab.name)] for ab in (*basics, *posts)] == [["done"]] * 4
    context.db.close()


async def test_what_comes_after_a_failure_is_blocked_not_failed(scene: Scene) -> None:
    bad, good = scene.basic(1, "--act=rc255"), scene.basic(2)
    orphan, child = scene.post(bad), scene.post(good)
    await scene.hand_over_and_die()
    await scene.without_us()
    assert scene.status([bad, good, orphan, child]) == ["FAILED", "SUCCESSFUL", "CREATED", "SUCCESSFUL"], scene.said()
    context = make_context(scene.root, tree=scene.tree, batch=scene.batch)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.failed == (bad.name,) and outcome.blocked == (orphan.name,)
    assert "Data not found" in context.board.rows[bad.name].reason
    context.db.close()


async def test_streams_keep_their_widths(scene: Scene) -> None:
    fifo = scene.root / "fifo"
    await asyncio.to_thread(os.mkfifo, fifo, 0o666)
    await asyncio.to_thread(fifo.chmod, 0o666)
    basics = [scene.basic(number, f"--wait={fifo}") for number in (1, 2)]
    post = scene.post(basics[0])
    kinds = {"scibasic": {"recipe": "muse_scibasic", "tag": "", "rank": 1, "streams": 1}}
    context = make_context(scene.root, tree=scene.tree, batch=scene.batch, kinds=kinds)
    run = asyncio.create_task(process_pool(context, scene.store.load(), pipeline=scene.pipeline))
    rows = context.board.rows
    logs = [scene.tree.dfs_log / f"{ab.root}.log" for ab in basics]
    await until(lambda: "started" in text_of(logs[0]))
    await until(lambda: basics[1].name in rows and rows[basics[1].name].state == "SLOT")
    await asyncio.to_thread(fifo.write_text, "go")
    await until(lambda: "started" in text_of(logs[1]))
    assert scene.status(basics) == ["SUCCESSFUL", "CREATED"], "the second began when the first had ended"
    await asyncio.to_thread(fifo.write_text, "go")
    assert len((await asyncio.wait_for(run, LIMIT_S)).done) == 3 and scene.status([post]) == ["SUCCESSFUL"]
    context.db.close()


async def test_followed_it_shows_what_attached_jobs_show(slurm: OnSlurm) -> None:
    await asyncio.to_thread(slurm.slurm.run, "scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    basic = slurm.basic(1)
    post = slurm.post(basic)
    context = make_context(slurm.root, tree=slurm.tree, batch=slurm.batch)
    run = asyncio.create_task(process_pool(context, slurm.store.load(), pipeline=slurm.pipeline))
    rows = context.board.rows
    await until(lambda: post.name in rows and "waits for other jobs" in rows[post.name].reason)
    await until(lambda: rows[basic.name].state == rows[post.name].state == "SLOT")
    await asyncio.to_thread(slurm.slurm.run, "scontrol", "update", "nodename=n1", "state=resume")
    assert len((await asyncio.wait_for(run, LIMIT_S)).done) == 2
    context.db.close()


async def test_what_nobody_can_hand_over_is_named(slurm: OnSlurm) -> None:
    basic = slurm.basic(1)
    child = make_ab(
        "MUSE.2014-10-22T03:00:00.000",
        waitfor=["MUSE.2014-10-23T00:00:00.000.ab"],
        sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
    )
    slurm.store.write(child)
    context = make_context(slurm.root, tree=slurm.tree, batch=slurm.batch)
    with pytest.raises(UsageTrouble, match=f"{child.name} waits for MUSE.2014-10-23T00:00:00.000.ab"):
        await process_pool(context, slurm.store.load(), pipeline=slurm.pipeline)
    assert not Attempts(context.db).open() and slurm.status([basic]) == ["CREATED"]
    context.db.close()


async def test_cancelled_from_outside_the_recipe_ends_too(slurm: OnSlurm, tmp_path: Path) -> None:
    basic = slurm.basic(1, f"--wait={tmp_path / 'never'}")
    await asyncio.to_thread(os.mkfifo, tmp_path / "never")
    await slurm.hand_over_and_die()
    log = slurm.tree.dfs_log / f"{basic.root}.log"
    await until(lambda: "started" in text_of(log))
    await asyncio.to_thread(slurm.slurm.run, "scancel", "-u", "root")
    await slurm.without_us()
    await until(lambda: LocalExecutor().find(slurm.tree.tmp / "work") is None)
    assert slurm.status([basic]) == ["CREATED"]


class Night:
    """An exposure whose recipe waits for us, and its cube; handed over by a console that is gone."""

    def __init__(self, scene: OnSlurm) -> None:
        self.scene = scene
        self.fifo = scene.root / "fifo"
        os.mkfifo(self.fifo)
        self.basic = scene.basic(1, f"--wait={self.fifo}")
        self.post = scene.post(self.basic)

    @property
    def log(self) -> str:
        return text_of(self.scene.tree.dfs_log / f"{self.basic.root}.log")

    async def begun(self) -> None:
        await self.scene.hand_over_and_die()
        await until(lambda: "started" in self.log)

    async def go(self) -> None:
        await asyncio.to_thread(self.fifo.write_text, "go")

    def claim(self) -> dict[str, Any]:
        """What the wrapper of the exposure's job wrote when it began."""
        [path] = (self.scene.tree.tmp / "work" / "records").glob("*.claim.json")
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def recipe(self) -> int:
        token = self.claim()["token"]
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return next(pid for pid in pids if mark_of(pid, "DFOS_ATTEMPT") == token)

    async def outcome(self) -> tuple[Outcome, Context]:
        """What the next console makes of it."""
        context = make_context(self.scene.root, tree=self.scene.tree, batch=self.scene.batch)
        run = process_pool(context, self.scene.store.load(), pipeline=self.scene.pipeline)
        try:
            return await asyncio.wait_for(run, LIMIT_S), context
        except BaseException:
            context.db.close()
            raise


@pytest.fixture
async def night(slurm: OnSlurm) -> Night:
    return await asyncio.to_thread(Night, slurm)


async def test_a_node_drained_in_the_middle_holds_the_rest_until_it_is_back(night: Night) -> None:
    await night.begun()
    system = night.scene.slurm
    await asyncio.to_thread(system.run, "scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    await night.go()
    await until(lambda: night.scene.status([night.basic]) == ["SUCCESSFUL"])
    await asyncio.to_thread(system.until_drained)
    assert night.scene.status([night.post]) == ["CREATED"] and not night.scene.over()
    await asyncio.to_thread(system.run, "scontrol", "update", "nodename=n1", "state=resume")
    await night.scene.without_us()
    assert night.scene.status([night.basic, night.post]) == ["SUCCESSFUL"] * 2


async def test_a_controller_killed_and_started_again_goes_on_with_the_cascade(night: Night) -> None:
    await night.begun()
    system = night.scene.slurm
    await asyncio.to_thread(system.save, str(night.claim()["job"]))
    await asyncio.to_thread(system.kill_controller)
    await night.go()
    await until(lambda: night.scene.status([night.basic]) == ["SUCCESSFUL"])
    await asyncio.to_thread(system.start_controller)
    await asyncio.to_thread(system.until_ready)
    await night.scene.without_us()
    assert night.scene.status([night.basic, night.post]) == ["SUCCESSFUL"] * 2
    assert night.log.count("started") == 1


async def test_a_controller_that_is_down_at_the_hand_over_takes_the_cascade_later(night: Night) -> None:
    system = night.scene.slurm
    await asyncio.to_thread(system.kill_controller)
    patience, night.scene.batch["command_s"] = night.scene.batch["command_s"], 3
    with pytest.raises(EngineAway):
        await night.outcome()
    night.scene.batch["command_s"] = patience
    assert night.scene.status([night.basic, night.post]) == ["CREATED"] * 2
    await asyncio.to_thread(system.start_controller)
    await asyncio.to_thread(system.until_ready)
    run = asyncio.create_task(night.outcome())
    await night.go()
    outcome, context = await run
    assert len(outcome.done) == 2 and night.log.count("started") == 1
    context.db.close()


async def test_a_recipe_killed_from_outside_has_failed_and_what_needs_it_is_blocked(night: Night) -> None:
    await night.begun()
    os.kill(night.recipe(), signal.SIGKILL)
    await night.scene.without_us()
    assert night.scene.status([night.basic, night.post]) == ["FAILED", "CREATED"]
    outcome, context = await night.outcome()
    assert outcome.failed == (night.basic.name,) and outcome.blocked == (night.post.name,)
    context.db.close()


async def test_a_wrapper_killed_from_outside_takes_its_recipe_along_and_is_said(night: Night) -> None:
    await night.begun()
    recipe = night.recipe()
    os.kill(int(night.claim()["pid"]), signal.SIGKILL)
    await night.scene.without_us()
    await until(lambda: not start_of(recipe))
    assert night.scene.status([night.basic, night.post]) == ["CREATED"] * 2, "nobody was left to judge it"
    outcome, context = await night.outcome()
    assert outcome.failed == (night.basic.name,) and outcome.blocked == (night.post.name,)
    assert "signal 9" in context.board.rows[night.basic.name].reason
    context.db.close()
