from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.atomic import trash
from engine.context import Context
from engine.core.ab import AB
from engine.headers.cards import keywords
from engine.headers.verify import verify
from engine.process.ab.ab_log import headed
from engine.process.ab.pipeline import Pipeline
from engine.process.qc.stage import qc_pool
from engine.process.run.job import Outcome
from engine.process.run.run_pool import process_pool, reset
from engine.process.run.streams import Streams
from engine.process.run.why import why_known
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from tests.builders import KINDS, make_ab, make_context, make_product, make_tree
from tests.fakes import make_fits, stub_pipeline, text_of, until


class Scene:
    """An account with raw frames and a pipeline that does as it is told."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.tree = make_tree(root)
        self.context: Context = make_context(root, tree=self.tree, **settings)
        self.pipeline: Pipeline = stub_pipeline(root)
        self.store = AbStore(self.tree)

    def raw(self, name: str = "MUSE.2014-10-22T23:57:32.118.fits") -> str:
        make_fits(self.tree.raw / name, "RAW")
        return f"$DFO_RAW_DIR/{name}"

    def basic(self, *params: str, **changes: Any) -> AB:
        changes = {"sof": [(self.raw(), "OBJECT")], "products": ["PIXTABLE_OBJECT"], **changes}
        return make_ab(params=["--make=PIXTABLE_OBJECT", *params], **changes)

    async def run(self, *abs_: AB, **options: Any) -> Outcome:
        for ab in abs_:
            self.store.write(ab)
        return await process_pool(self.context, abs_, pipeline=self.pipeline, **options)

    async def qc(self, *abs_: AB) -> None:
        await qc_pool(self.context, [self.ab(ab) for ab in abs_], plugins={})

    def row(self, ab: AB) -> Any:
        return self.context.board.rows[ab.name]

    def ab(self, ab: AB) -> AB:
        return read(self.store.path(ab.name))

    def log(self, ab: AB) -> str:
        return text_of(self.tree.dfs_log / f"{ab.root}.log")

    def product(self, ab: AB, number: int = 0) -> Path:
        return self.tree.product / ab.raw_type / ab.date / f"{ab.root}_{number:04d}.fits"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_from_raw_frame_to_product(scene: Scene) -> None:
    ab = scene.basic("--act=warn")
    outcome = await scene.run(ab)
    assert outcome.done == (ab.name,)
    product = scene.product(ab)
    assert not verify(product).problems
    assert keywords(product, ["PIPEFILE"]) == {"PIPEFILE": product.name}
    after = scene.ab(ab)
    assert (after.status, after.get("LOG_NAME")) == ("SUCCESSFUL", f"{ab.root}.log")
    assert after.values("PRODUCTS") == (f"{product.name} PIXTABLE_OBJECT EXISTING",)
    assert after.get("PROD_PATH") == "$DFS_PRODUCT/OBJECT/2094-01-16"
    log = scene.log(ab)
    assert "muse_scibasic" in log and "started" in log and "MUSE.2014-10-22T23:57:32.118.fits OBJECT" in log
    await scene.qc(ab)
    scores = json.loads((scene.tree.dfs_log / f"{ab.root}.scores.json").read_text())["scores"]
    assert scores[0] == {"name": "products", "value": "1 of 1", "limit": "all", "mark": ".", "remark": ""}
    row = scene.row(ab)
    assert (row.state, row.score, row.message) == ("DONE", ".", "1 WARNING: background is high [31m and red")
    assert not [path for path in (scene.tree.tmp / "work").iterdir() if path.is_dir()], (
        "the work directory goes when all is well"
    )
    (attempt,) = Attempts(scene.context.db).of(ab.name)
    assert (attempt.verdict, attempt.rc) == ("done", 0) and attempt.pid and attempt.pid_start


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (["--act=rc255"], "the recipe failed (exit code 255): Data not found: ESO INS MODE"),
        (["--act=rc9"], "an input or the set of frames is missing (exit code 9)"),
        (["--act=signal11"], "crashed (segmentation fault)"),
        (["--act=signal6"], "aborted; most likely out of memory"),
        (["--act=truncate"], "the list of products is empty"),
        (["--act=nolist"], "the pipeline wrote no list of products"),
        (["--act=error0"], "exit code 0, but the log has 1 ERROR: Illegal input: offsets ignored"),
        (["--act=drop"], "an exposure was dropped: we already have IFU 0"),
        (["noption"], "RECIPE_PARAM 'noption' is no recipe option"),
    ],
)
async def test_a_failure_has_a_reason_and_leaves_no_product(scene: Scene, params: list[str], reason: str) -> None:
    ab = scene.basic(*params)
    outcome = await scene.run(ab)
    assert outcome.failed == (ab.name,)
    assert reason in scene.row(ab).reason
    assert scene.ab(ab).status == "FAILED"
    assert not scene.product(ab).exists()
    attempts = [attempt.verdict for attempt in Attempts(scene.context.db).of(ab.name)]
    assert attempts == ["failed"]


async def test_a_category_that_is_missing_fails(scene: Scene) -> None:
    ab = make_ab(sof=[(scene.raw(), "OBJECT")], products=["PIXTABLE_OBJECT"] * 2, params=["--make=PIXTABLE_OBJECT"])
    await scene.run(ab)
    assert scene.row(ab).reason == "1 of 2 PIXTABLE_OBJECT missing among the products"


async def test_missing_inputs_are_named_with_what_to_do(scene: Scene) -> None:
    gone = [("$DFO_RAW_DIR/gone.fits", "OBJECT"), ("$DFS_PRODUCT/BIAS/2014-10-22/r.X_tpl_0000.fits", "MASTER_BIAS")]
    ab = scene.basic(sof=gone)
    await scene.run(ab)
    reason = scene.row(ab).reason
    assert reason.startswith("missing input $DFO_RAW_DIR/gone.fits (OBJECT) and 1 more")
    assert reason.endswith("(process X_tpl.ab, or bring the file there, then r)")
    await scene.run(ab.with_values("SOF_CONTENT", ["$DFO_RAW_DIR/gone.fits OBJECT"]))
    assert scene.row(ab).reason == "missing input $DFO_RAW_DIR/gone.fits (OBJECT) (bring the file there, then r)"


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ("", "the AB file is gone (put it back, or create the AB again)"),
        (
            ",garbage",
            "qualifier AB_NAME, RAW_TYPE, RECIPE, DATE, PROD_ROOT_NAME, PROCESS_STATUS missing (add the line,",
        ),
        (",AB_NAME", "PROCESS_STATUS missing"),
    ],
)
async def test_an_ab_file_that_is_spoilt_while_its_recipe_runs(scene: Scene, spoilt: str, reason: str) -> None:
    ab = scene.basic()
    path = scene.store.path(ab.name)
    ab = ab.with_values("RECIPE_PARAM", [*ab.params, f"--spoil={path}{spoilt}"])
    child = make_ab(
        kind="scipost", sof=[(make_product(ab), "PIXTABLE_OBJECT")], products=["IMAGE_FOV"], waitfor=[ab.name]
    )
    outcome = await scene.run(ab, child)
    assert outcome.failed == (ab.name,) and scene.row(child).state == "BLOCKED"
    told = scene.row(ab).reason
    assert told.startswith("products could not be delivered: ") and told.count(reason) == 1
    assert "could not be written" not in told  # once is enough
    assert not scene.product(ab).exists() and scene.ab(child).status == "CREATED"
    assert why_known(scene.context.board, child.name) == [
        f"{child.name} is blocked: {ab.name} FAILED.",
        f"{ab.name} is FAILED: {told}.",
        f"Remove the cause (`l` shows the log), then `r` (or dfos retry {ab.name}) runs it again"
        " with what depends on it.",
    ]
    await scene.run(ab.with_values("RECIPE_PARAM", ab.params[:-1]), child)  # put back
    assert scene.row(child).state != "BLOCKED" and scene.product(ab).is_file()


async def test_an_input_that_has_moved_is_found_by_pipefile(scene: Scene) -> None:
    final = scene.tree.cal / "2014-10-22"
    final.mkdir()
    moved = make_fits(final / "MU_MBIA_141022A.fits", "MASTER_BIAS", PIPEFILE="r.MUSE.2014-10-22T20:00_tpl_0000.fits")
    written = "$DFS_PRODUCT/BIAS/2014-10-22/r.MUSE.2014-10-22T20:00_tpl_0000.fits"
    ab = scene.basic(
        sof=[(scene.raw(), "OBJECT"), (written, "MASTER_BIAS")], calibs=[("VIRTUAL", written, "MASTER_BIAS")]
    )
    outcome = await scene.run(ab)
    assert outcome.done == (ab.name,)
    assert f"{moved} MASTER_BIAS" in scene.log(ab)


@pytest.mark.parametrize("path", ["/etc/passwd", "$DFO_RAW_DIR/../../../../etc/passwd"])
async def test_paths_outside_the_account_are_refused(scene: Scene, path: str) -> None:
    ab = scene.basic(sof=[(path, "OBJECT")])
    await scene.run(ab)
    assert "lies outside the account's directories" in scene.row(ab).reason


async def test_an_account_with_a_blank_in_its_path_is_refused_with_the_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "my account")
    ab = scene.basic()
    await scene.run(ab)
    assert "holds a blank" in scene.row(ab).reason and "rename" in scene.row(ab).reason


async def test_no_inputs_at_all(scene: Scene) -> None:
    ab = make_ab(params=["--make=PIXTABLE_OBJECT"])
    await scene.run(ab)
    assert "no inputs" in scene.row(ab).reason


async def test_raws_and_calibs_feed_an_ab_without_sof_lines(scene: Scene) -> None:
    ab = make_ab(
        params=["--make=PIXTABLE_OBJECT"], products=["PIXTABLE_OBJECT"], extra=[f"RAWFILE {scene.raw()} OBJECT"]
    )
    assert (await scene.run(ab)).done == (ab.name,)


async def test_recipe_none_passes(scene: Scene) -> None:
    ab = make_ab(RECIPE="none")
    child = scene.basic(stem="MUSE.2014-10-23T01:00:00.000", waitfor=[ab.name])
    outcome = await scene.run(ab, child)
    assert set(outcome.done) == {ab.name, child.name}
    assert scene.ab(ab).status == "SUCCESSFUL"


async def test_products_get_the_names_their_children_expect(scene: Scene) -> None:
    ab = scene.basic()
    post = make_ab(
        kind="scipost",
        sof=[(make_product(ab), "PIXTABLE_OBJECT")],
        products=["DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED"],
        params=["--make=PIXTABLE_REDUCED,IMAGE_FOV,SKY_LINES,DATACUBE_FINAL,IMAGE_FOV"],
    )
    outcome = await scene.run(ab, post)
    assert len(outcome.done) == 2
    found = [keywords(scene.product(post, n), ["PRO.CATG"])["PRO.CATG"] for n in range(5)]
    assert found == ["DATACUBE_FINAL", "IMAGE_FOV", "PIXTABLE_REDUCED", "IMAGE_FOV", "SKY_LINES"]
    await scene.qc(ab, post)
    plot = scene.tree.product / post.raw_type / post.date / f"{post.root}.png"
    assert plot.read_bytes().startswith(b"\x89PNG") and scene.ab(post).further[0] == plot.name
    assert scene.row(post).score == ".."
    assert [line.split()[2] for line in scene.ab(post).values("PRODUCTS")] == ["EXISTING"] * 5


async def test_exposures_are_counted(scene: Scene) -> None:
    names = [f"r.MUSE.2014-10-2{n}T00:00_pst_0002.fits" for n in range(3)]
    place = scene.tree.product / "PIXTABLE_OBJECT" / "2094-01-16"
    place.mkdir(parents=True)
    for name in names:
        make_fits(place / name, "PIXTABLE_REDUCED")
    sof = [(f"$DFS_PRODUCT/PIXTABLE_OBJECT/2094-01-16/{name}", "PIXTABLE_REDUCED") for name in names]
    catgs = ["DATACUBE_FINAL", "IMAGE_FOV"]
    good = make_ab(kind="combine", sof=sof, products=catgs, params=["--make=DATACUBE_FINAL,IMAGE_FOV"])
    bad = make_ab(
        "MUSE.2014-10-29T00:00:00.000",
        "combine",
        sof=sof,
        products=catgs,
        params=["--make=DATACUBE_FINAL,IMAGE_FOV", "--main=2"],
    )
    outcome = await scene.run(good, bad)
    assert outcome.done == (good.name,)
    assert "2 of 3 exposures combined" in scene.row(bad).reason


async def test_a_bias_is_a_calibration(scene: Scene) -> None:
    ab = make_ab(
        kind="bias",
        mode="CALIB",
        date="2014-10-22",
        sof=[(scene.raw(), "BIAS")],
        products=["MASTER_BIAS"],
        params=["--make=MASTER_BIAS"],
    )
    await scene.run(ab)
    assert scene.ab(ab).values("PRODUCTS") == (f"{ab.root}_0000.fits MASTER_BIAS REAL",)
    await scene.qc(ab)
    assert scene.row(ab).score == ".."


async def test_run_again_retires_what_was_there(scene: Scene) -> None:
    ab = scene.basic()
    await scene.run(ab)
    old = scene.product(ab).read_bytes()
    names = reset(scene.tree, scene.context.settings, ab.name, ab.mode, ab.date)
    assert names == [ab.name] and scene.ab(ab).status == "CREATED"
    again = replace(scene.ab(ab)).with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT", "--main=3"])
    outcome = await scene.run(again)
    assert outcome.done == (ab.name,)
    assert keywords(scene.product(ab), ["PRO.DATANCOM"]) == {"PRO.DATANCOM": 3}
    (kept,) = trash.listing(scene.tree)
    assert kept.path.read_bytes() == old and kept.why == "made again by a later run"
    logs = sorted(path.name for path in scene.tree.dfs_log.glob("*.log*"))
    assert logs == [f"{ab.root}.log", f"{ab.root}.log.1"]
    assert [attempt.attempt for attempt in Attempts(scene.context.db).of(ab.name)] == [1, 2]


async def test_the_log_of_an_attempt_that_never_began_is_not_kept(scene: Scene) -> None:
    ab = scene.basic()
    log = scene.tree.dfs_log / f"{ab.root}.log"
    headed(
        log, ab.name, "2094-01-16T00:00:00", "esorex", ["esorex", "muse_scibasic"], scene.tree.root, "raw.fits OBJECT"
    )
    outcome = await scene.run(ab)
    assert outcome.done == (ab.name,)
    assert [path.name for path in scene.tree.dfs_log.glob("*.log*")] == [log.name]


@pytest.mark.parametrize("make", [os.mkfifo, lambda log: log.symlink_to("/dev/zero")])
async def test_what_is_no_log_is_put_aside_unread(scene: Scene, make: Callable[[Path], None]) -> None:
    ab = scene.basic()
    log = scene.tree.dfs_log / f"{ab.root}.log"
    make(log)
    async with asyncio.timeout(60):
        outcome = await scene.run(ab)
    assert outcome.done == (ab.name,)
    assert log.is_file() and f"{log.name}.1" in {path.name for path in log.parent.glob("*")}


@pytest.mark.row(345)
async def test_the_pre_plugin_orders_the_inputs(scene: Scene) -> None:
    class Backwards:
        def prepare(self, ab: AB) -> AB:
            return ab.with_values("SOF_CONTENT", reversed(ab.values("SOF_CONTENT")))

    ab = scene.basic(sof=[(scene.raw("b.fits"), "OBJECT"), (scene.raw("a.fits"), "OBJECT")])
    await scene.run(ab, plugins={"PRE_PLUGIN": Backwards()})
    log = scene.log(ab)
    assert log.index("a.fits OBJECT") < log.index("b.fits OBJECT")
    assert scene.ab(ab).sof[0].path.endswith("b.fits"), "a proposal for the run, not an edit of the AB"


@pytest.mark.row(334)
async def test_the_final_plugin_changes_pro_catg(scene: Scene) -> None:
    class Deep:
        def finish(self, ab: AB, products: Any, options: Mapping[str, str]) -> Mapping[str, str]:
            return {name: "PIXTABLE_DEEP" for name, catg in products if catg == "PIXTABLE_OBJECT"}

    ab = scene.basic()
    await scene.run(ab, plugins={"FINAL_PLUGIN": Deep()})
    assert keywords(scene.product(ab), ["PRO.CATG"]) == {"PRO.CATG": "PIXTABLE_DEEP"}
    assert not verify(scene.product(ab)).problems
    assert scene.ab(ab).products[0].catg == "PIXTABLE_DEEP"
    reset(scene.tree, scene.context.settings, ab.name, ab.mode, ab.date)
    assert (await scene.run(scene.ab(ab), plugins={"FINAL_PLUGIN": Deep()})).done == (ab.name,), (
        "also when it predicts the new name"
    )


async def test_a_full_work_area_starts_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, process={"min_free_mb": 10**9})
    ab = scene.basic()
    await scene.run(ab)
    assert "work area full" in scene.row(ab).reason and "process.work_area" in scene.row(ab).reason


async def test_the_time_limit_ends_a_recipe(tmp_path: Path) -> None:
    kind = KINDS["scibasic"].model_copy(update={"time_limit_s": 0.3})
    scene = Scene(tmp_path, kinds={**KINDS, "scibasic": kind})
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ab = scene.basic(f"--wait={fifo}")
    await scene.run(ab)
    assert scene.row(ab).reason == "time limit of 0.3 s exceeded; terminated"


async def test_abort_terminates_and_the_ab_runs_again(scene: Scene, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ab = scene.basic(f"--wait={fifo}")
    found: list[Streams] = []
    run = asyncio.create_task(scene.run(ab, at_work=found.append))
    await until(lambda: "started" in scene.log(ab))
    found[0].abort("rh")
    outcome = await run
    assert outcome.interrupted == (ab.name,) and scene.ab(ab).status == "CREATED"
    assert scene.row(ab).reason == "aborted by rh"
    again = scene.ab(ab).with_values("RECIPE_PARAM", ["--make=PIXTABLE_OBJECT"])
    assert (await scene.run(again)).done == (ab.name,)


async def test_the_log_is_live(scene: Scene, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ab = scene.basic(f"--wait={fifo}")
    run = asyncio.create_task(scene.run(ab))
    await until(lambda: "started" in scene.log(ab))
    assert scene.row(ab).state == "RUNNING" and scene.row(ab).started > 0
    await asyncio.to_thread(fifo.write_text, "go")
    assert (await run).done == (ab.name,)


async def test_a_pipeline_that_is_not_installed(scene: Scene) -> None:
    scene.pipeline = Pipeline("gone", False, ("/nowhere/esorex",))
    ab = scene.basic()
    await scene.run(ab)
    assert "/nowhere/esorex cannot be started" in scene.row(ab).reason


async def test_an_ab_file_that_went_bad_meanwhile_is_one_failure(scene: Scene) -> None:
    ab, other = scene.basic(), scene.basic(stem="MUSE.2014-10-23T01:00:00.000")
    for one in (ab, other):
        scene.store.write(one)
    scene.store.path(ab.name).write_bytes(b"nonsense\n")
    outcome = await process_pool(scene.context, [ab, other], pipeline=scene.pipeline)
    assert outcome.done == (other.name,) and outcome.failed == (ab.name,)
    assert scene.store.path(ab.name).read_bytes() == b"nonsense\n"
