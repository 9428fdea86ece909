"""The truth check: finds products wherever they are, and does not call a wrong result right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from config.tree import DfoTree
from engine.demo import account, truth
from engine.demo.frames import star_image
from engine.demo.night import targets
from engine.errors import DfosError

FIELD = targets(1, 3)[0]
ERRORS = {"2014-10-22T23:57:32.243": (0.0, 0.0), "2014-10-23T00:08:43.937": (0.4, -0.3)}


@pytest.fixture
def tree(tmp_path: Path) -> DfoTree:
    made = account.tree(tmp_path)
    for path in (made.product, made.trash, made.sci):
        path.mkdir(parents=True)
    entry = {
        "name": FIELD.name,
        "ra": FIELD.ra,
        "dec": FIELD.dec,
        "stars": [{"east": s.east, "north": s.north, "flux": s.flux} for s in FIELD.stars],
        "exposures": [{"date_obs": d, "error_east": e, "error_north": n} for d, (e, n) in ERRORS.items()],
    }
    (tmp_path / "truth.json").write_text(json.dumps({"seeing_arcsec": 0.8, "targets": [entry]}))
    return made


def header(catg: str, recipe: str) -> fits.Header:
    made = fits.Header()
    made["HIERARCH ESO PRO CATG"] = catg
    made["HIERARCH ESO OBS TARG NAME"] = FIELD.name
    made["HIERARCH ESO PRO REC1 ID"] = recipe
    return made


def write_offsets(path: Path, wrong: float = 0.0) -> None:
    scale = np.cos(np.radians(FIELD.dec))
    columns = [
        fits.Column("DATE_OBS", "23A", array=list(ERRORS)),
        fits.Column("RA_OFFSET", "D", array=[(e + wrong * bool(e)) / 3600 / scale for e, _ in ERRORS.values()]),
        fits.Column("DEC_OFFSET", "D", array=[n / 3600 for _, n in ERRORS.values()]),
    ]
    primary = fits.PrimaryHDU(header=header("OFFSET_LIST", "muse_exp_align"))
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)


def write_image(path: Path, shift: float = 0.0, scale: float = 1.0) -> None:
    hdu = fits.ImageHDU((star_image(FIELD, shift, 0.0) * scale).astype("f4"), name="DATA")
    for key, value in {"CRVAL1": FIELD.ra, "CRVAL2": FIELD.dec, "CRPIX1": 22.5, "CRPIX2": 24.5}.items():
        hdu.header[key] = value
    hdu.header["CD1_1"], hdu.header["CD2_2"] = -0.2 / 3600, 0.2 / 3600
    fits.HDUList([fits.PrimaryHDU(header=header("IMAGE_FOV", "muse_exp_combine")), hdu]).writeto(path)


def test_products_are_found_in_trash_and_final_directory_under_any_name(tree: DfoTree):
    write_offsets(tree.trash / "whatever.fits")
    write_image(tree.sci / "MU_SIMD_1_2014.fits")
    checked = truth.check(tree)
    assert checked.passed, checked.lines
    assert checked.targets[0].offset_error < 1e-6 and checked.targets[0].position_error < 0.03
    assert checked.targets[0].flux_ratio == pytest.approx(1.0, abs=0.05)
    assert "agrees" in checked.lines[0]


def test_wrong_offsets_shifted_stars_and_lost_light_do_not_pass(tree: DfoTree):
    write_offsets(tree.product / "o.fits", wrong=0.2)
    write_image(tree.product / "i.fits")
    (target,) = truth.check(tree).targets
    assert not target.passed and target.offset_error == pytest.approx(0.2, abs=1e-6) and "DISAGREES" in target.text
    (tree.product / "o.fits").unlink()
    write_offsets(tree.product / "o.fits")
    for name, changes in (("shifted", {"shift": 0.15}), ("dim", {"scale": 0.5})):
        (tree.product / "i.fits").unlink()
        write_image(tree.product / "i.fits", **changes)
        assert not truth.check(tree).passed, name


def test_missing_and_damaged_products_are_said_not_raised(tree: DfoTree):
    assert "no OFFSET_LIST and no deep IMAGE_FOV found" in truth.check(tree).lines[0]
    write_offsets(tree.product / "o.fits")
    (tree.product / "junk.fits").write_bytes(b"not FITS at all")
    fits.PrimaryHDU(header=header("IMAGE_FOV", "muse_exp_combine")).writeto(tree.product / "i.fits")
    checked = truth.check(tree)
    assert not checked.passed and "cannot be read" in checked.lines[0]


def test_an_account_without_truth_is_no_demo_account(tmp_path: Path):
    with pytest.raises(DfosError, match="not a demo account"):
        truth.check(account.tree(tmp_path))
