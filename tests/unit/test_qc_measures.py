"""What the QC procedures measure, on images whose truth is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from engine.process.qc.measure.frames import detectors, frame, read_out_noise
from engine.process.qc.measure.image import (
    finite_fraction,
    first_image,
    flat,
    limiting_magnitude,
    noise_peak,
    unit_factor,
    wavelength,
)
from engine.process.qc.measure.stars import seeing, sources
from engine.process.qc.plots import expected
from engine.process.qc.subject import Measured, Subject
from engine.process.qc.worker import answer, measured

UNIT = "10**(-20)*erg/s/cm**2/Angstrom"
Array = np.ndarray


def field(width: float = 4.0, noise: float = 3.0, sky: float = -5.0, seed: int = 1, side: int = 120) -> Array:
    """A sky with nine stars of a known FWHM (pixels)."""
    random = np.random.default_rng(seed)
    image = random.normal(sky, noise, (side, side))
    y, x = np.indices(image.shape)
    for number in range(9):
        cx, cy = 20.3 + 40 * (number % 3), 20.7 + 40 * (number // 3)
        image += 800 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / (width / 2.3548) ** 2)
    return image


def test_the_noise_peak_is_the_sky_not_the_stars() -> None:
    peak = noise_peak(field())
    assert peak is not None
    assert peak.place == pytest.approx(-5.0, abs=0.15) and peak.width == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("image", [np.full((9, 9), np.nan), np.zeros((2, 2)), np.array([[np.inf]])])
def test_without_pixels_there_is_no_peak(image: Array) -> None:
    assert noise_peak(image) is None


@pytest.mark.parametrize("width", [3.0, 4.0, 5.0])
def test_stars_are_found_and_measured(width: float) -> None:
    image = field(width)
    image[38:42, 38:42] = np.nan
    found = sources(image, -5.0, 3.0)
    assert len(found) == 9
    assert seeing(found) == pytest.approx(width, rel=0.05)
    nearest = min(found, key=lambda star: (star.x - 20.3) ** 2 + (star.y - 20.7) ** 2)
    assert (nearest.x, nearest.y) == (pytest.approx(20.3, abs=0.1), pytest.approx(20.7, abs=0.1))


def test_noise_alone_has_no_sources() -> None:
    noise = np.random.default_rng(7).normal(0, 1, (100, 100))
    assert not sources(noise, 0.0, 1.0) and not sources(np.zeros((3, 3)), 0, 1) and seeing([]) is None


@pytest.mark.row(379)
def test_the_limiting_magnitude_grows_as_the_root_of_the_number_of_exposures() -> None:
    limits = []
    for count in (1, 4, 16):
        stack = np.mean([field(seed=seed) for seed in range(count)], axis=0)
        peak = noise_peak(stack)
        assert peak is not None
        limit = limiting_magnitude(peak.width, unit_factor(UNIT), 7000.0)
        assert limit is not None
        limits.append(limit)
    assert limits[1] - limits[0] == pytest.approx(1.25 * np.log10(4), abs=0.1)
    assert expected([100.0, limits[0]], 1600.0) == pytest.approx(limits[2], abs=0.15)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [(UNIT, 1e-20), ("1e-20 erg/s/cm2/Angstrom", 1e-20), ("erg/s/cm**2/Angstrom", 1.0), ("count", None), ("", None)],
)
def test_units(unit: str, factor: float | None) -> None:
    assert unit_factor(unit) == factor
    if factor is None:
        assert limiting_magnitude(1.0, factor, 7000.0) is None


def test_a_cube_is_read_plane_by_plane(tmp_path: Path) -> None:
    cube = np.ones((30, 8, 9), dtype="f4")
    cube[:, :, :3] = np.nan
    cube[10:] += 1
    header = fits.Header({"CRVAL3": 4750.0, "CRPIX3": 1.0, "CD3_3": 1.25})
    path = tmp_path / "cube.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, header, "DATA")]).writeto(path)
    with first_image(path) as (data, found):
        assert finite_fraction(data) == pytest.approx(6 / 9)
        image = flat(data)
        assert wavelength(found) == pytest.approx(4750 + 14.5 * 1.25)
    assert image[0, 5] == pytest.approx(5 / 3) and np.isnan(image[0, 0])


# --- bias and dark ------------------------------------------------------------------------------


def master(path: Path, *levels: float) -> Path:
    random = np.random.default_rng(3)
    images = []
    for number, level in enumerate(levels, 1):
        data = random.normal(level, 2.0, (64, 80)).astype("f4")
        data[:32, :40] += 6.0  # one quadrant stands above the others
        data[40, 50] = level + 5000
        images += [
            fits.ImageHDU(data, name=f"CHIP{number}"),
            fits.ImageHDU(np.zeros_like(data), name=f"CHIP{number}.STAT"),
        ]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    return path


def raw(path: Path, seed: int) -> Path:
    data = np.random.default_rng(seed).normal(1000, 2.5, (64, 80)).round().astype("uint16")
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(data, name=f"CHIP{n}") for n in (1, 2))]).writeto(path)
    return path


def test_a_master_frame_by_detector(tmp_path: Path) -> None:
    found = [frame(name, data) for name, data in detectors(master(tmp_path / "m.fits", 100.0, 200.0))]
    assert [row["detector"] for row in found] == ["CHIP1", "CHIP2"], "errors stand beside the data, and do not count"
    assert found[1]["level"] == pytest.approx(200.5, abs=1.5) and found[0]["hot"] == 1
    assert found[0]["structure"] == pytest.approx(6.0, abs=0.5)
    assert frame("X", np.full((4, 4), np.nan))["level"] is None


def test_read_out_noise_from_two_raw_frames(tmp_path: Path) -> None:
    noise = read_out_noise(str(raw(tmp_path / "1.fits", 1)), str(raw(tmp_path / "2.fits", 2)))
    assert noise == {"CHIP1": pytest.approx(2.5, rel=0.1), "CHIP2": pytest.approx(2.5, rel=0.1)}


def test_the_procedure_of_biases_works_for_any_instrument(tmp_path: Path) -> None:
    raws = [(str(raw(tmp_path / f"{n}.fits", n)), "BIAS") for n in (1, 2)]
    product = str(master(tmp_path / "m.fits", 100.0, 200.0))
    found = measured(Subject("bias_dark", "a.ab", "r.a", ((product, "MASTER_BIAS_BLUE"),), tuple(raws), wanted=1))
    values = found.values
    assert values["level"] == pytest.approx(150.5, abs=1.5) and values["ron"] == pytest.approx(2.5, rel=0.1)
    assert (values["hot"], values["detectors"], values["level_doubt"], values["missing"]) == (2, 2, 0, 0)
    assert {row["ron"] is not None for row in found.detectors} == {True} and not found.troubles


# --- hostile products ----------------------------------------------------------------------------


@pytest.mark.row(373)
@pytest.mark.parametrize("procedure", ["generic", "muse_single", "muse_deep", "bias_dark"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "no image", "scalar", "gone"])
def test_a_broken_product_leaves_values_unmeasured_and_is_told(procedure: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    cube = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 5, 6), dtype="f4"), name="DATA")])
    cube.writeto(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-2880])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no FITS at all\n")
    elif damage == "gone":
        path.unlink()
    else:
        image = [] if damage == "no image" else [fits.ImageHDU(np.ones(3), name="DATA")]
        fits.HDUList([fits.PrimaryHDU(), *image]).writeto(path, overwrite=True)
    catgs = ("DATACUBE_FINAL", "IMAGE_FOV", "OFFSET_LIST", "MASTER_BIAS")
    subject = Subject(procedure, "a.ab", "r.a", tuple((str(path), catg) for catg in catgs), wanted=4, exposures=2)
    reply = answer({"do": "measure", "subject": json.loads(json.dumps(_plain(subject)))})
    found = Measured(**reply["measured"])
    assert found.values["made"] == 4
    assert found.troubles or (procedure, damage) == ("generic", "scalar"), "a row of pixels is an image, too"
    if procedure == "muse_single" and damage != "truncated":
        assert found.values["valid_fraction"] is None
    json.dumps(reply, allow_nan=False)


def _plain(subject: Subject) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(subject)


def test_an_unknown_procedure_is_an_answer_not_the_end() -> None:
    subject = _plain(Subject("os.system", "a.ab", "r.a", ()))
    assert "is no QC procedure" in answer({"do": "measure", "subject": json.loads(json.dumps(subject))})["trouble"]
    assert answer({"do": "system"})["trouble"]


def test_the_engines_side_of_qc_loads_no_astropy_and_no_matplotlib() -> None:
    code = "import engine.process.qc.stage, engine.process.qc.view, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=180)
    assert not {"astropy", "matplotlib"} & set(done.stdout.split())
