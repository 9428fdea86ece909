"""CALIB ABs of other instruments on their real recipes: what is not MUSE runs too."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from astropy.io import fits

from engine.core.ab import AB
from engine.headers.cards import keywords
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore, read
from tests.builders import make_ab, make_context, make_tree

pytestmark = pytest.mark.real


def hawki_dark(path: Path, number: int) -> None:
    """A dark of HAWK-I: four small chips."""
    random = numpy.random.default_rng(number)
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"], primary.header["EXPTIME"] = "HAWKI", 10.0
    primary.header["MJD-OBS"] = 56952.0 + number / 1000
    for key, value in {"DET DIT": 10.0, "DET NDIT": 1, "DPR TYPE": "DARK", "DPR CATG": "CALIB"}.items():
        primary.header[f"HIERARCH ESO {key}"] = value
    chips = []
    for chip in range(1, 5):
        image = fits.ImageHDU(random.normal(100, 5, (64, 64)).astype("f4"), name=f"CHIP{chip}.INT1")
        image.header["HIERARCH ESO DET CHIP LIVE"] = True
        image.header["HIERARCH ESO DET CHIP NO"] = chip
        chips.append(image)
    fits.HDUList([primary, *chips]).writeto(path)


def uves_bias(path: Path, number: int) -> None:
    """A blue bias of UVES: signed 16 bits, in the primary HDU."""
    random = numpy.random.default_rng(number)
    primary = fits.PrimaryHDU(random.normal(150, 3, (256, 256)).astype("i2"))
    head = primary.header
    head["INSTRUME"], head["ORIGIN"], head["EXPTIME"] = "UVES", "ESO", 0.0
    head["MJD-OBS"] = 56952.0 + number / 1000
    for axis in (1, 2):
        head[f"CTYPE{axis}"], head[f"CRVAL{axis}"], head[f"CRPIX{axis}"], head[f"CDELT{axis}"] = "PIXEL", 1.0, 1.0, 1.0
    values = {
        "INS PATH": "BLUE",
        "DET OUT1 PRSCX": 10,
        "DET OUT1 OVSCX": 10,
        "DET OUT1 CONAD": 1.7,
        "DET OUT1 RON": 4.0,
        "DET CHIP1 ID": "x",
        "DET CHIP1 NAME": "x",
        "DET WIN1 BINX": 1,
        "DET WIN1 BINY": 1,
        "DET READ SPEED": "225kHz",
    }
    for key, value in values.items():
        head[f"HIERARCH ESO {key}"] = value
    primary.writeto(path)


@pytest.mark.parametrize(
    ("instrument", "recipe", "tag", "catg", "frame"),
    [
        ("HAWKI", "hawki_dark_combine", "DARK", "MASTER_DARK", hawki_dark),
        ("UVES", "uves_cal_mbias", "BIAS_BLUE", "MASTER_BIAS_BLUE", uves_bias),
    ],
)
async def test_a_calibration_of_another_instrument(tmp_path: Path, instrument, recipe, tag, catg, frame) -> None:  # type: ignore[no-untyped-def]
    tree = make_tree(tmp_path)
    raws = []
    for number in range(3):
        name = f"{instrument}.2014-10-22T20:0{number}:00.000.fits"
        frame(tree.raw / name, number)
        raws.append((f"$DFO_RAW_DIR/{name}", tag))
    stem = f"{instrument}.2014-10-22T20:00:00.000"
    made: AB = make_ab(
        stem,
        "bias",
        mode="CALIB",
        date="2014-10-22",
        sof=raws,
        products=(catg,),
        RECIPE=recipe,
        RAW_TYPE=tag,
        INSTRUMENT=instrument,
    )
    context = make_context(tmp_path, tree=tree, process={"pipeline": "esorex", "min_free_mb": 0})
    AbStore(tree).write(made)
    outcome = await process_pool(context, [made])
    assert outcome.done == (made.name,), context.board.rows[made.name].reason
    product = tree.product / tag / "2014-10-22" / f"{made.root}_0000.fits"
    assert keywords(product, ["PRO.CATG", "PIPEFILE"]) == {"PRO.CATG": catg, "PIPEFILE": product.name}
    assert read(tree.ab / made.name).status == "SUCCESSFUL"
