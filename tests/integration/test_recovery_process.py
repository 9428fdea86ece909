from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from config.tree import DfoTree
from engine.core.ab import AB
from engine.headers.verify import verify
from engine.process.ab.pipeline import Pipeline
from engine.process.qc.stage import qc_pool
from engine.process.run.run_pool import process_pool
from engine.processes import boot_id, start_of
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempt, Attempts
from engine.stores.database import connect
from tests.builders import make_ab, make_context, make_tree, record
from tests.fakes import make_fits, stub_pipeline, text_of, until

_ENGINE = """
import asyncio, sys
from pathlib import Path
from engine.process.ab.pipeline import Pipeline
from engine.process.qc.stage import qc_pool
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree

tree = make_tree(Path(sys.argv[1]))
context = make_context(Path(sys.argv[1]), tree=tree)
asyncio.run(process_pool(context, AbStore(tree).load(), pipeline=Pipeline("stub", True, tuple(sys.argv[2:]))))
"""


_REPOSITORY = Path(__file__).resolve().parents[2]


class Scene:
    """An account, a recipe that waits for us, and engines that die."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree: DfoTree = make_tree(root)
        self.pipeline: Pipeline = stub_pipeline(root)
        self.store = AbStore(self.tree)
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo)
        make_fits(self.tree.raw / "a.fits", "RAW")
        self.ab = make_ab(
            sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", f"--wait={self.fifo}"],
        )
        self.store.write(self.ab)

    async def engine(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", _ENGINE, str(self.root), *self.pipeline.program, cwd=_REPOSITORY
        )

    async def killed_engine(self, recipes: int = 1) -> Attempt:
        """Run an engine until the recipe runs and `recipes` have their pids journalled, then kill -9 it.

        The first open attempt.
        """
        engine = await self.engine()
        await until(lambda: "started" in self.log and sum(bool(attempt.pid) for attempt in self.open()) == recipes)
        engine.kill()
        await engine.wait()
        return self.open()[0]

    @property
    def log(self) -> str:
        return text_of(self.tree.dfs_log / f"{self.ab.root}.log")

    def open(self) -> list[Attempt]:
        if not self.tree.journal.exists():
            return []
        db = connect(self.tree.journal)
        try:
            return Attempts(db).open()
        finally:
            db.close()

    def attempts(self) -> list[Attempt]:
        db = connect(self.tree.journal)
        try:
            return Attempts(db).of(self.ab.name)
        finally:
            db.close()

    def verdicts(self) -> list[str | None]:
        return [attempt.verdict for attempt in self.attempts()]

    @property
    def product(self) -> Path:
        return self.tree.product / self.ab.raw_type / self.ab.date / f"{self.ab.root}_0000.fits"

    def now(self) -> AB:
        return read(self.store.path(self.ab.name))

    def edit(self, *params: str) -> None:
        self.store.write(self.now().with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT", *params]))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.row(339)
async def test_a_recipe_that_outlived_its_engine_is_followed(scene: Scene) -> None:
    attempt = await scene.killed_engine()
    assert attempt.pid and start_of(attempt.pid) == attempt.pid_start, "the recipe runs on"
    context = make_context(scene.root, tree=scene.tree)
    events = record(context)
    run = asyncio.create_task(process_pool(context, scene.store.load(), pipeline=scene.pipeline))
    await until(lambda: context.board.rows and context.board.rows[scene.ab.name].state == "RUNNING")
    row = context.board.rows[scene.ab.name]
    assert row.started == attempt.started and row.stream == 1
    await asyncio.to_thread(scene.fifo.write_text, "go")
    outcome = await run
    assert outcome.done == (scene.ab.name,)
    assert scene.verdicts() == ["done"], "it never ran twice"
    assert not verify(scene.product).problems and scene.now().status == "SUCCESSFUL"
    assert any("still runs" in str(event) for event in events)
    assert scene.log.count("started") == 1
    context.db.close()


async def test_a_recipe_that_ended_meanwhile_is_judged_by_what_it_left(scene: Scene) -> None:
    attempt = await scene.killed_engine()
    await asyncio.to_thread(scene.fifo.write_text, "go")
    await until(lambda: not start_of(attempt.pid or 0))
    context = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.done == (scene.ab.name,) and scene.verdicts() == ["done"]
    assert not verify(scene.product).problems
    context.db.close()


async def test_a_recipe_killed_with_its_engine_runs_again(scene: Scene) -> None:
    attempt = await scene.killed_engine()
    os.killpg(attempt.pid or 0, signal.SIGKILL)
    await until(lambda: not start_of(attempt.pid or 0))
    scene.edit()
    context = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.done == (scene.ab.name,) and scene.verdicts() == ["interrupted", "done"]
    context.db.close()


async def test_a_recipe_that_failed_meanwhile_has_failed(scene: Scene) -> None:
    scene.edit(f"--wait={scene.fifo}", "--act=rc255")
    attempt = await scene.killed_engine()
    await asyncio.to_thread(scene.fifo.write_text, "go")
    await until(lambda: not start_of(attempt.pid or 0))
    context = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.failed == (scene.ab.name,)
    assert context.board.rows[scene.ab.name].reason == "the recipe failed: Data not found: ESO INS MODE"
    context.db.close()


async def test_a_recipe_whose_pid_was_not_journalled_is_found_by_its_work_directory(scene: Scene) -> None:
    attempt = await scene.killed_engine()
    db = connect(scene.tree.journal)
    db.execute("UPDATE attempts SET pid=NULL, pid_start=NULL")
    db.close()
    context = make_context(scene.root, tree=scene.tree)
    run = asyncio.create_task(process_pool(context, scene.store.load(), pipeline=scene.pipeline))
    await until(lambda: context.board.rows and context.board.rows[scene.ab.name].state == "RUNNING")
    await asyncio.to_thread(scene.fifo.write_text, "go")
    assert (await run).done == (scene.ab.name,)
    assert [found.pid for found in scene.attempts()] == [attempt.pid]
    context.db.close()


async def test_a_journal_that_lost_the_attempt_does_not_start_a_second_recipe(scene: Scene) -> None:
    attempt = await scene.killed_engine()
    db = connect(scene.tree.journal)
    db.execute("DELETE FROM attempts")
    db.close()
    context = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.failed == (scene.ab.name,)
    assert f"still runs (pid {attempt.pid})" in context.board.rows[scene.ab.name].reason
    os.killpg(attempt.pid or 0, signal.SIGKILL)
    context.db.close()


@pytest.mark.parametrize("changes", [{"boot": "another boot"}, {"pid": os.getpid()}, {"pid_start": 1}])
async def test_pids_of_another_boot_or_another_process_mean_nothing(scene: Scene, changes: dict[str, object]) -> None:
    scene.edit()
    context = make_context(scene.root, tree=scene.tree)
    values = {"pid": os.getpid(), "pid_start": 12345, "boot": boot_id(), **changes}
    attempts = Attempts(context.db)
    id_ = attempts.intend(scene.ab.name, str(scene.root / "none"), "t", str(values["boot"]), 1.0, 1)
    attempts.spawned(id_, int(str(values["pid"])), int(str(values["pid_start"])), 1.0)
    attempts.flush()
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.done == (scene.ab.name,) and scene.verdicts() == ["interrupted", "done"]
    context.db.close()


async def test_an_ab_that_was_written_but_not_journalled_is_done(scene: Scene) -> None:
    scene.edit()
    context = make_context(scene.root, tree=scene.tree)
    assert (await process_pool(context, scene.store.load(), pipeline=scene.pipeline)).done
    await qc_pool(context, scene.store.load(), plugins={})
    context.db.execute("UPDATE attempts SET ended=NULL, verdict=NULL")
    context.db.execute("DELETE FROM ab_rows")
    again = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(again, scene.store.load(), pipeline=scene.pipeline)
    assert outcome.done == (scene.ab.name,) and scene.verdicts() == ["done"]
    await qc_pool(again, scene.store.load(), plugins={})
    assert again.board.rows[scene.ab.name].score == ".", "its scores are not lost"
    again.db.close()
    context.db.close()


async def test_intents_noted_ahead_leave_no_trace_when_the_engine_dies(scene: Scene) -> None:
    others = [
        make_ab(
            f"MUSE.2014-10-23T0{n}:00:00.000",
            sof=[("$DFO_RAW_DIR/a.fits", "OBJECT")],
            products=["PIXTABLE_OBJECT"],
            params=["--make=PIXTABLE_OBJECT", *([f"--wait={scene.fifo}"] if n < 2 else [])],
        )
        for n in range(6)
    ]
    for ab in others:
        scene.store.write(ab)
    first = await scene.killed_engine(3)  # as many as streams: the rest is noted, and not begun
    for attempt in scene.open():
        if attempt.pid:
            os.killpg(attempt.pid, signal.SIGKILL)
    await until(lambda: not any(start_of(attempt.pid or 0) for attempt in scene.open()))
    for ab in (scene.ab, *others):
        scene.store.write(ab.with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT"]))
    context = make_context(scene.root, tree=scene.tree)
    outcome = await process_pool(context, scene.store.load(), pipeline=scene.pipeline)
    assert len(outcome.done) == 7
    attempts = Attempts(context.db)
    assert not attempts.open()
    assert [attempt.verdict for attempt in attempts.of(others[-1].name)] == ["done"]
    assert [attempt.verdict for attempt in attempts.of(first.ab)] == ["interrupted", "done"]
    context.db.close()
