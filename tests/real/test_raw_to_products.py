"""From raw frames to scored products by the commands alone: installed rules, real recipes, job files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.tree import DIRECTORIES
from engine.core.ab import AB
from engine.demo.account_files import PLACES
from engine.headers.cards import keywords
from engine.stores.abs import read
from tests.raw_nights import hawki_night, uves_night

pytestmark = [pytest.mark.real, pytest.mark.row(140, 406)]
NIGHT = "2014-10-22"


def account(root: Path, instrument: str) -> Path:
    """An empty account of an instrument, as an administrator sets it up."""
    for name in (*DIRECTORIES, "DFO_HDR_DIR"):
        (root / PLACES.get(name, "data/headers")).mkdir(parents=True, exist_ok=True)
    lines = [f"export {name}={root / PLACES.get(name, 'data/headers')}" for name in (*DIRECTORIES, "DFO_HDR_DIR")]
    (root / ".dfosrc").write_text("\n".join([*lines, f"export DFO_INSTRUMENT={instrument}", ""]))
    (root / "config" / "dfos.yaml").write_text(f"profile: {instrument}\n")
    return root


def call(root: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "console", *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def abs_of(root: Path) -> list[AB]:
    return [read(path) for path in sorted((root / "ab").glob("*.ab"))]


def test_a_night_of_uves_whose_darks_wait_for_the_bias(tmp_path: Path) -> None:
    root = account(tmp_path / "uves", "UVES")
    uves_night(root / "data" / "raw" / NIGHT)
    call(root, "createAB", "-m", "CALIB", "-d", NIGHT, "-a")
    bias, dark = (next(ab for ab in abs_of(root) if ab.raw_type == kind) for kind in ("BIAS_BLUE", "DARK_BLUE"))
    assert dark.waitfor == (bias.name,)
    assert [(calib.state, calib.catg) for calib in dark.calibs] == [("VIRTUAL", "MASTER_BIAS_BLUE")]
    call(root, "createJob", "-m", "CALIB", "-d", NIGHT)
    call(root, "exec", "JOBS_NIGHT")
    assert (root / "jobs" / "JOBS_NIGHT").read_text() == ""
    for ab, catg in ((bias, "MASTER_BIAS_BLUE"), (dark, "MASTER_DARK_BLUE")):
        done = read(root / "ab" / ab.name)
        assert done.status == "SUCCESSFUL"
        place = root / "products" / ab.raw_type / NIGHT
        product = place / f"{ab.root}_0000.fits"
        assert keywords(product, ["PRO.CATG", "PIPEFILE"]) == {"PRO.CATG": catg, "PIPEFILE": product.name}
        assert (place / f"{ab.root}_cs.html").exists()
        assert (root / "logs" / f"{ab.root}.scores.json").exists()
    made_from = keywords(root / "products" / "DARK_BLUE" / NIGHT / f"{dark.root}_0000.fits", ["PRO.REC1.CAL1.CATG"])
    assert made_from == {"PRO.REC1.CAL1.CATG": "MASTER_BIAS_BLUE"}
    again = call(root, "createAB", "-m", "CALIB", "-d", NIGHT, "-a")
    assert "2 kept" in again


def test_darks_of_hawki_by_exposure_time(tmp_path: Path) -> None:
    root = account(tmp_path / "hawki", "HAWKI")
    hawki_night(root / "data" / "raw" / NIGHT)
    call(root, "createAB", "-m", "CALIB", "-d", NIGHT, "-a")
    call(root, "phoenix", "-m", "CALIB", "-d", NIGHT, "-P", "--auto")
    found = abs_of(root)
    assert len(found) == 2
    assert {ab.recipe for ab in found} == {"hawki_dark_combine"}
    assert all(ab.status == "SUCCESSFUL" for ab in found)


def test_a_job_that_waits_for_a_later_one_is_taken_up_again_and_trouble_holds_nobody(tmp_path: Path) -> None:
    root = account(tmp_path / "uves", "UVES")
    raw = root / "data" / "raw"
    uves_night(raw / NIGHT)
    (raw / "2014-10-23").mkdir()
    for path in sorted((raw / NIGHT).glob("UVES.2014-10-22T20*")):  # the darks are of another DATE than their bias
        path.rename(raw / "2014-10-23" / path.name)
    for day in (NIGHT, "2014-10-23"):
        call(root, "createAB", "-m", "CALIB", "-d", day, "-a")
    queue = root / "jobs" / "JOBS_NIGHT"
    call(root, "createJob", "-m", "CALIB", "-d", "2014-10-23")
    queue.write_text(queue.read_text() + "execAB_CALIB_2014-01-01\n")  # its file is gone
    call(root, "createJob", "-m", "CALIB", "-d", NIGHT)
    said = call(root, "exec", "JOBS_NIGHT", code=2)
    assert "execAB_CALIB_2014-01-01" in said
    assert [ab.status for ab in abs_of(root)] == ["SUCCESSFUL"] * 2
    assert queue.read_text() == "execAB_CALIB_2014-01-01\n"


def test_a_job_whose_abs_wait_stays_in_the_queue(tmp_path: Path) -> None:
    root = account(tmp_path / "uves", "UVES")
    uves_night(root / "data" / "raw" / NIGHT)
    call(root, "createAB", "-m", "CALIB", "-d", NIGHT, "-a")
    call(root, "createJob", "-m", "CALIB", "-d", NIGHT)
    bias = next(ab for ab in abs_of(root) if ab.raw_type == "BIAS_BLUE")
    (root / "data" / "raw" / NIGHT / Path(bias.raws[0].path).name).unlink()
    said = call(root, "exec", "JOBS_NIGHT", code=1)
    assert "stays in JOBS_NIGHT, 1 AB not processed" in said
    assert sorted((ab.raw_type, ab.status) for ab in abs_of(root)) == [
        ("BIAS_BLUE", "FAILED"),
        ("DARK_BLUE", "CREATED"),
    ]
    assert f"execAB_CALIB_{NIGHT}" in (root / "jobs" / "JOBS_NIGHT").read_text()
