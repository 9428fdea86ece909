"""Raw nights of MUSE with all channels and of NACO, by the commands alone: as predicted, so made and read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.core.ab import AB
from engine.headers.cards import keywords
from engine.stores.abs import read
from tests.raw_muse import CHANNELS, muse_night
from tests.raw_nights import naco_night
from tests.real.test_raw_to_products import NIGHT, abs_of, account, call

pytestmark = [pytest.mark.real, pytest.mark.row(140, 406)]


def made(root: Path, mode: str) -> list[AB]:
    """The ABs of a MODE, created and processed, without their QC."""
    call(root, "createAB", "-m", mode, "-d", NIGHT, "-a")
    call(root, "createJob", "-m", mode, "-d", NIGHT)
    return [ab for ab in abs_of(root) if ab.mode == mode]


def test_every_channel_of_muse_from_raw_frames_to_a_cube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = account(tmp_path / "muse", "MUSE")
    muse_night(root / "data" / "raw" / NIGHT, root / "data" / "calib" / "gen", monkeypatch)
    (bias,) = made(root, "CALIB")
    basic, post = sorted(made(root, "SCIENCE"), key=lambda ab: ab.recipe)
    assert [one.catg for one in bias.products] == ["MASTER_BIAS"]  # --merge
    tables = [f"{basic.root}_{number:04d}.fits" for number in range(CHANNELS)]
    assert [one.name for one in basic.products] == tables  # --merge does not hold for pixel tables
    assert [Path(one.path).name for one in post.sof if one.tag == "PIXTABLE_OBJECT"] == tables
    assert (post.waitfor, basic.waitfor) == ((basic.name,), (bias.name,))
    for mode in ("CALIB", "SCIENCE"):
        call(root, "exec", f"execAB_{mode}_{NIGHT}")
    bias, basic, post = (read(root / "ab" / ab.name) for ab in (bias, basic, post))
    assert {ab.status for ab in (bias, basic, post)} == {"SUCCESSFUL"}
    assert [one.name for one in basic.products] == tables
    assert Counter(one.catg for one in post.products) == {"DATACUBE_FINAL": 1, "IMAGE_FOV": 4}
    cube = root / "products" / post.raw_type / NIGHT / post.products[0].name
    assert keywords(cube, ["PRO.CATG", f"PRO.REC2.RAW{CHANNELS}.NAME"])[f"PRO.REC2.RAW{CHANNELS}.NAME"] == tables[-1]


def test_a_night_of_naco_whose_recipes_sort_their_input_themselves(tmp_path: Path) -> None:
    root = account(tmp_path / "naco", "NACO")
    naco_night(root / "data" / "raw" / NIGHT)
    dark, flat = made(root, "CALIB")
    (jitter,) = made(root, "SCIENCE")
    assert jitter.waitfor == (flat.name,)
    for mode in ("CALIB", "SCIENCE"):
        call(root, "exec", f"execAB_{mode}_{NIGHT}")
    dark, flat, jitter = (read(root / "ab" / ab.name) for ab in (dark, flat, jitter))
    assert {ab.status for ab in (dark, flat, jitter)} == {"SUCCESSFUL"}
    assert (
        Counter(one.catg for one in dark.products)["NACO_IMG_DARK_AVG"] == 2
    )  # one is predicted: a set per exposure time
    assert [(one.catg, one.state) for one in flat.products] == [("MASTER_IMG_FLAT", "REAL")]
    assert [(one.catg, one.state) for one in jitter.products] == [("COADDED_IMG", "EXISTING")]
