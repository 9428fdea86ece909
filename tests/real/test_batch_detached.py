"""A cascade handed over whole: it goes on without us, and we find what became of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from engine.core.ab import AB
from engine.errors import UsageTrouble
from engine.headers.verify import verify
from engine.process.executors.local import LocalExecutor
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from tests.builders import make_ab, make_context, make_product, make_tree
from tests.executors import daemons
from tests.fakes import LIMIT_S, make_fits, stub_pipeline, until
from tests.slurm_daemons import SlurmDaemons

_REPOSITORY = Path(__file__).resolve().parents[2]
_BATCH = {"executor": "slurm", "mode": "detached", "poll_s": 0.2, "memory_mb": 256}
_ENGINE = """
import asyncio, json, os, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.executors.local import LocalExecutor
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

root, batch, program = Path(sys.argv[1]), json.loads(sys.argv[2]), tuple(sys.argv[3:])
tree = make_tree(root)
context = make_context(root, tree=tree, batch=batch)
leave = lambda streams: os._exit(9)  # as a console that dies right after it has handed over
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, program), at_work=leave))
"""


class Scene:
    """Two exposures, their cubes, and what combines them."""

    def __init__(self, root: Path, slurm: SlurmDaemons) -> None:
        self.root, self.slurm = root, slurm
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
        engine = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _ENGINE,
            str(self.root),
            json.dumps(_BATCH),
            *self.pipeline.program,
            cwd=_REPOSITORY,
        )
        assert await engine.wait() == 9

    async def without_us(self) -> None:
        """Wait until nothing is in the queue any more."""
        end = asyncio.get_running_loop().time() + LIMIT_S
        while await asyncio.to_thread(self.slurm.ask, "squeue", "-h", "-o", "%i"):
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.1)

    def status(self, abs_: Iterable[AB]) -> list[str]:
        return [read(self.store.path(ab.name)).status for ab in abs_]


@pytest.fixture
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    slurm = await asyncio.to_thread(daemons, request)
    yield Scene(tmp_path, slurm)
    await asyncio.to_thread(slurm.ask, "scancel", "-u", "root")


async def test_it_goes_on_without_us(scene: Scene) -> None:
    basics = [scene.basic(1), scene.basic(2)]
    posts = [scene.post(basic) for basic in basics]
    await scene.hand_over_and_die()
    await scene.without_us()
    assert scene.status([*basics, *posts]) == ["SUCCESSFUL"] * 4, "judged and delivered where they ran"
    product = scene.tree.product / posts[0].raw_type / posts[0].date / f"{posts[0].root}_0000.fits"
    assert not verify(product).problems
    context = make_context(scene.root, tree=scene.tree, batch=_BATCH)
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
    assert scene.status([bad, good, orphan, child]) == ["FAILED", "SUCCESSFUL", "CREATED", "SUCCESSFUL"]
    context = make_context(scene.root, tree=scene.tree, batch=_BATCH)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.failed == (bad.name,) and outcome.blocked == (orphan.name,)
    assert "Data not found" in context.board.rows[bad.name].reason
    context.db.close()


async def test_followed_it_shows_what_attached_jobs_show(scene: Scene) -> None:
    await asyncio.to_thread(scene.slurm.run, "scontrol", "update", "nodename=n1", "state=drain", "reason=cooling")
    basic = scene.basic(1)
    post = scene.post(basic)
    context = make_context(scene.root, tree=scene.tree, batch=_BATCH)
    run = asyncio.create_task(process_pool(context, scene.store.load(), pipeline=scene.pipeline))
    rows = context.board.rows
    await until(lambda: rows and "waits for other jobs" in rows[post.name].reason)
    assert rows[basic.name].state == rows[post.name].state == "SLOT"
    await asyncio.to_thread(scene.slurm.run, "scontrol", "update", "nodename=n1", "state=resume")
    assert len((await asyncio.wait_for(run, LIMIT_S)).done) == 2
    context.db.close()


async def test_what_nobody_can_hand_over_is_named(scene: Scene) -> None:
    basic = scene.basic(1)
    child = make_ab(
        "MUSE.2014-10-22T03:00:00.000",
        waitfor=["MUSE.2014-10-23T00:00:00.000.ab"],
        sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
    )
    scene.store.write(child)
    context = make_context(scene.root, tree=scene.tree, batch=_BATCH)
    with pytest.raises(UsageTrouble, match=f"{child.name} waits for MUSE.2014-10-23T00:00:00.000.ab"):
        await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert not Attempts(context.db).open() and scene.status([basic]) == ["CREATED"]
    context.db.close()


async def test_cancelled_from_outside_the_recipe_ends_too(scene: Scene, tmp_path: Path) -> None:
    basic = scene.basic(1, f"--wait={tmp_path / 'never'}")
    await asyncio.to_thread(os.mkfifo, tmp_path / "never")
    await scene.hand_over_and_die()
    log = scene.tree.dfs_log / f"{basic.root}.log"
    await until(lambda: log.exists() and "started" in log.read_text())
    await asyncio.to_thread(scene.slurm.run, "scancel", "-u", "root")
    await scene.without_us()
    await until(lambda: LocalExecutor().find(scene.tree.tmp / "work") is None)
    assert scene.status([basic]) == ["CREATED"]
