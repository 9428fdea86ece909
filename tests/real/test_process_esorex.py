"""The real thing: esorex under the engine, killed, frozen, out of space, fed with rubbish."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from astropy.io import fits

from engine.core.ab import AB
from engine.headers.cards import keywords
from engine.headers.verify import verify
from engine.process.ab.pipeline import pipeline_of
from engine.process.qc.stage import qc_pool
from engine.process.run.run_pool import process_pool
from engine.process.run.streams import Streams
from engine.processes import start_of
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempt, Attempts
from engine.stores.database import connect
from tests.builders import make_ab, make_context, make_settings, make_tree
from tests.fakes import text_of, until

pytestmark = pytest.mark.real
_REPOSITORY = Path(__file__).resolve().parents[2]
_ESOREX = {"pipeline": "esorex", "min_free_mb": 0}
_QUICK = ("--threshold=2000.", "--step=50.", "--srcmin=5", "--srcmax=80")
_LONG = ("--threshold=12000.", "--step=2.", "--srcmin=5", "--srcmax=80")  # about 30 s
_SOME = ("--threshold=12000.", "--step=20.", "--srcmin=5", "--srcmax=80")  # about 3 s
_ENGINE = """
import asyncio, sys
from pathlib import Path
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree
root = Path(sys.argv[1])
context = make_context(root, tree=make_tree(root), process={"pipeline": "esorex", "min_free_mb": 0})
asyncio.run(process_pool(context, AbStore(context.tree).load()))
"""


def field(path: Path, hour: int, *, stars: int = 14, size: int = 320) -> None:
    """An IMAGE_FOV with stars of peak about 1500, as small as muse_exp_align takes it."""
    random = numpy.random.default_rng(1)
    head = fits.Header()
    head["DATE-OBS"], head["MJD-OBS"] = f"2014-10-22T{hour:02d}:00:00.000", 56952.0 + hour / 24
    head["RA"], head["DEC"], head["HIERARCH ESO INS MODE"] = 10.0, -30.0, "WFM-NOAO-N"
    y, x = numpy.mgrid[:size, :size]
    image = random.normal(0, 1, (size, size))
    for _ in range(stars):
        at_x, at_y, peak = random.uniform(20, size - 20), random.uniform(20, size - 20), random.uniform(900, 1500)
        image += peak * numpy.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 8.0)
    data = fits.ImageHDU(image.astype("f4"), name="DATA")
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg", "CRVAL1": 10.0}
    cards |= {"CRVAL2": -30.0, "CRPIX1": size / 2, "CRPIX2": size / 2, "CD1_1": -0.2 / 3600, "CD1_2": 0.0}
    data.header.update(cards | {"CD2_1": 0.0, "CD2_2": 0.2 / 3600, "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom"})
    fits.HDUList([fits.PrimaryHDU(header=head), data]).writeto(path, checksum=True)


class Scene:
    """An account with two fields to align, on the real recipe."""

    def __init__(self, root: Path, params: tuple[str, ...] = _QUICK, **process: Any) -> None:
        self.root = root
        self.process = {**_ESOREX, **process}
        self.tree = make_tree(root)
        self.store = AbStore(self.tree)
        for hour in (1, 2):
            field(self.tree.raw / f"{hour}.fits", hour)
        self.ab = make_ab(
            kind="align",
            sof=[(f"$DFO_RAW_DIR/{hour}.fits", "IMAGE_FOV") for hour in (1, 2)],
            products=["OFFSET_LIST", "PREVIEW_FOV", "SOURCE_LIST", "SOURCE_LIST"],
            params=params,
        )
        self.store.write(self.ab)

    @property
    def log(self) -> str:
        return text_of(self.tree.dfs_log / f"{self.ab.root}.log")

    def now(self) -> AB:
        return read(self.store.path(self.ab.name))

    def product(self, number: int) -> Path:
        return self.tree.product / self.ab.raw_type / self.ab.date / f"{self.ab.root}_{number:04d}.fits"

    def open(self) -> list[Attempt]:
        if not self.tree.journal.exists():
            return []
        db = connect(self.tree.journal)
        try:
            return Attempts(db).open()
        finally:
            db.close()

    async def run(self, **options: Any) -> Any:
        context = make_context(self.root, tree=self.tree, process=self.process)
        try:
            await process_pool(context, self.store.load(), **options)
            await qc_pool(context, self.store.load(), plugins={})
            return context.board.rows[self.ab.name]
        finally:
            context.db.close()


async def test_an_alignment(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    row = await scene.run()
    assert (row.state, row.reason) == ("DONE", "")
    found = [keywords(scene.product(n), ["PRO.CATG", "PIPEFILE"]) for n in range(4)]
    assert [keys["PRO.CATG"] for keys in found] == ["OFFSET_LIST", "PREVIEW_FOV", "SOURCE_LIST", "SOURCE_LIST"]
    for number in range(4):
        assert not verify(scene.product(number)).problems
        assert found[number]["PIPEFILE"] == scene.product(number).name
    assert row.score == "..", "products, alignment"
    assert re.search(r"Searching for sources", scene.log) and "Unable to open directory" not in scene.log


def test_the_pipeline_names_its_versions() -> None:
    found = pipeline_of(make_settings())
    assert not found.standin and re.fullmatch(r"esorex \d[\d.]+, muse \d[\d.]+", found.name)
    assert Path(found.recipe_dir).is_dir()


async def test_fields_that_do_not_match_are_red(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ("--threshold=15.", "--srcmin=5"))
    (scene.tree.raw / "2.fits").unlink()
    field(scene.tree.raw / "2.fits", 2)
    with fits.open(scene.tree.raw / "2.fits", mode="update", checksum=True) as hdus:
        hdus["DATA"].header["CRVAL1"] = 12.0
    row = await scene.run()
    assert row.state == "DONE" and row.score == ".o"
    assert "aligned" in row.message or "No overlapping" in row.message


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("rubbish", "Bad file format"),
        ("gone", "missing input $DFO_RAW_DIR/2.fits"),
        ("parameter", "not recognized"),
        ("recipe", "unknown to the pipeline"),
    ],
)
async def test_what_goes_wrong_is_said(tmp_path: Path, damage: str, reason: str) -> None:
    scene = Scene(tmp_path)
    bad = scene.tree.raw / "2.fits"
    if damage == "rubbish":
        bad.write_bytes(b"rubbish" * 1000)
    elif damage == "gone":
        bad.unlink()
    elif damage == "parameter":
        scene.store.write(scene.ab.with_values("RECIPE_PARAM", ["--nonsense=1"]))
    else:
        scene.store.write(scene.ab.with_value("RECIPE", "muse_nonsense"))
    row = await scene.run()
    assert row.state == "FAILED" and reason in row.reason
    assert not scene.product(0).exists()


async def test_frozen_it_stands_still_and_ends_well(tmp_path: Path) -> None:
    scene = Scene(tmp_path, _SOME)
    streams: list[Streams] = []
    run = asyncio.create_task(scene.run(at_work=streams.append))
    await until(lambda: "Searching" in scene.log)
    recipe = streams[0].running[0].recipe
    assert recipe
    recipe.suspend()
    await until(lambda: all(_stat(task)[0] == "T" for task in Path(f"/proc/{recipe.pid}/task").iterdir()))
    process = Path(f"/proc/{recipe.pid}")
    ticks = _stat(process)[11:13]
    await asyncio.sleep(0.2)
    assert _stat(process)[11:13] == ticks, "no cpu while frozen"
    recipe.resume()
    row = await run
    assert row.state == "DONE"


def _stat(process: Path) -> list[str]:
    return (process / "stat").read_text().rsplit(")", 1)[1].split()


@pytest.mark.row(339)
async def test_the_recipe_outlives_a_killed_engine_and_is_followed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, _SOME)
    pid = await _kill_engine(scene)
    assert start_of(pid), "the recipe lives on"
    os.killpg(pid, signal.SIGCONT)
    row = await scene.run()
    assert (row.state, row.score) == ("DONE", "..")
    db = connect(scene.tree.journal)
    (attempt,) = Attempts(db).of(scene.ab.name)
    db.close()
    assert attempt.pid == pid and attempt.verdict == "done", "it ran once"
    assert len(re.findall("Detecting point-sources", scene.log)) == 1
    assert scene.now().status == "SUCCESSFUL"


async def test_killed_with_its_engine_it_runs_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, _LONG)
    pid = await _kill_engine(scene)
    os.killpg(pid, signal.SIGKILL)
    await until(lambda: not start_of(pid))
    scene.store.write(scene.now().with_values("RECIPE_PARAM", _QUICK))
    row = await scene.run()
    assert row.state == "DONE"
    db = connect(scene.tree.journal)
    assert [attempt.verdict for attempt in Attempts(db).of(scene.ab.name)] == ["interrupted", "done"]
    db.close()


async def _kill_engine(scene: Scene) -> int:
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", _ENGINE, str(scene.root), cwd=_REPOSITORY)
    await until(lambda: any(attempt.pid for attempt in scene.open()))
    pid = scene.open()[0].pid
    assert pid
    os.killpg(pid, signal.SIGSTOP)  # it does not end meanwhile
    os.kill(engine.pid, signal.SIGKILL)
    await engine.wait()
    return pid


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A work area of 300 kB; where nothing may be mounted, the test says so."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=300k", "none", str(place)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("a tmpfs may not be mounted here: " + made.stderr.decode().strip())
    yield place
    subprocess.run(["/bin/umount", "-l", str(place)], check=True)


async def test_a_full_work_area_is_said_although_the_exit_code_is_zero(tmp_path: Path, small_disk: Path) -> None:
    scene = Scene(tmp_path, work_area=str(small_disk))
    row = await scene.run()
    assert row.state == "FAILED" and row.reason.startswith("work area full: ")
    assert "free space or change process.work_area, then r" in row.reason
    assert not scene.product(0).exists() and scene.now().status == "FAILED"
    scene.process["work_area"] = str(tmp_path / "large")
    scene.store.write(scene.now().with_value("PROCESS_STATUS", "CREATED"))
    assert (await scene.run()).state == "DONE"
