"""A cascade handed over to DAGMan whole: it goes on without us, and we find what became of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from engine.core.ab import AB
from engine.headers.verify import verify
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from tests.builders import make_ab, make_context, make_product, make_tree
from tests.condor_pool import Pool
from tests.condor_site import the_pool
from tests.fakes import make_fits, stub_pipeline, text_of, until

_REPOSITORY = Path(__file__).resolve().parents[2]
_OURS = "DfosToken isnt undefined || DfosDag isnt undefined"
_ENGINE = """
import asyncio, json, os, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

os.umask(0)
root, batch, program = Path(sys.argv[1]), json.loads(sys.argv[2]), tuple(sys.argv[3:])
tree = make_tree(root)
context = make_context(root, tree=tree, batch=batch)
leave = lambda streams: os._exit(9)  # as a console that dies right after it has handed over
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, program), at_work=leave))
"""


class Scene:
    """Exposures, and the cubes that are made of them."""

    def __init__(self, root: Path, pool: Pool) -> None:
        self.root, self.pool = root, pool
        root.chmod(0o777)
        self.tree = make_tree(root)
        self.pipeline = stub_pipeline(root)
        self.store = AbStore(self.tree)
        make_fits(self.tree.raw / "a.fits", "RAW")
        self.batch = {
            **{"executor": "htcondor", "mode": "detached", "poll_s": 0.2, "memory_mb": 512},
            "htcondor": {"collector": pool.address, "settings": pool.client},
        }

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

        def empty() -> bool:
            asked = self.pool.run("condor_q", "-constraint", _OURS, "-af", "ClusterId")
            return not asked.returncode and not asked.stdout.strip()

        await until(empty)

    def status(self, abs_: Iterable[AB]) -> list[str]:
        return [read(self.store.path(ab.name)).status for ab in abs_]

    def said(self) -> str:
        """What jobs said that went wrong."""
        return "".join(text_of(path) for path in sorted(self.tree.tmp.glob("work/records/*.log")))


@pytest.fixture
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path, the_pool(request))
    yield made
    await asyncio.to_thread(made.pool.run, "condor_rm", "-constraint", _OURS)


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
