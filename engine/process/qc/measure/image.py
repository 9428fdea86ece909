"""Images and cubes: their pixels, the noise peak around the sky level, the limiting magnitude."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

Array = np.ndarray[Any, Any]
_CHUNK = 64 << 20  # bytes of a cube looked at in one go
_CLIPPED = 0.9866  # the width of a normal distribution whose tails are cut at 3 sigma
_LIGHT = 2.99792458e18  # Angstrom per second
_POWER = re.compile(r"10\*\*\(?\s*(-?\d+)\s*\)?|1[eE](-?\d+)|10\^\(?(-?\d+)\)?")


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak of a histogram of pixels: its place and its width (one sigma), in the unit of the pixels."""

    place: float
    width: float


@contextmanager
def first_image(path: str | Path) -> Iterator[tuple[Array, Any]]:
    """The first image with pixels of a file, mapped where it can be, and its header. ValueError when there is none."""
    with fits.open(path, memmap=True) as hdus:
        number = next((n for n, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0)), None)
        if number is None:
            raise ValueError(f"{Path(path).name} holds no image")
        header = hdus[number].header.copy()
        if not {"BZERO", "BSCALE", "BLANK"} & set(header):
            yield hdus[number].data, header
            return
    with fits.open(path, memmap=False) as hdus:  # scaled pixels cannot be mapped
        yield hdus[number].data, header


def chunks(cube: Array) -> Iterator[Array]:
    """The planes of a cube, as many at once as are handy."""
    step = max(1, _CHUNK // max(1, cube[0].size * 4))
    for start in range(0, len(cube), step):
        yield np.asarray(cube[start : start + step], dtype="f4")


def flat(data: Array) -> Array:
    """An image in two dimensions: a cube's mean along its further axes, NaN where nothing is valid."""
    while data.ndim > 3:
        data = data[0]
    if data.ndim < 3:
        return np.asarray(data, dtype="f8")
    total, count = np.zeros(data.shape[1:]), np.zeros(data.shape[1:])
    for part in chunks(data):
        good = np.isfinite(part)
        total += np.where(good, part, 0.0).sum(axis=0)
        count += good.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def finite_fraction(data: Array) -> float:
    """How much of the pixels is finite, 0 to 1."""
    if not data.size:
        return 0.0
    parts = chunks(data) if data.ndim > 2 else [data]
    return float(sum(int(np.isfinite(part).sum()) for part in parts) / data.size)


def noise_peak(data: Array) -> Peak | None:
    """The peak of dark pixels around the sky level; None when hardly anything is finite.

    Clipped at 3 sigma; the width is taken from the dark side alone, which sources do not reach.
    """
    good = np.asarray(data[np.isfinite(data)], dtype="f8")
    width = 1.4826 * float(np.median(np.abs(good - np.median(good)))) if good.size else 0.0
    for _ in range(20):
        if good.size < 10:
            return None
        middle = float(np.median(good))
        kept = good[np.abs(good - middle) <= 3 * width] if width else good
        dark = kept[kept <= middle]
        width = float(np.sqrt(np.mean(np.square(dark - middle)))) / _CLIPPED
        if kept.size == good.size:
            break
        good = kept
    return Peak(middle, width)


def unit_factor(unit: str) -> float | None:
    """How many erg/s/cm**2/Angstrom a BUNIT is, e.g. `10**(-20)*erg/s/cm**2/Angstrom`; None when it is another."""
    if "erg" not in unit or "ngstrom" not in unit:
        return None
    found = _POWER.search(unit)
    return 10.0 ** int(next(group for group in found.groups() if group)) if found else 1.0


def wavelength(header: Any) -> float:
    """The middle of a cube's wavelength axis in Angstrom; 7000 where it has none."""
    step = header.get("CD3_3", header.get("CDELT3"))
    if not step or "CRVAL3" not in header:
        return 7000.0
    middle = (header["NAXIS3"] + 1) / 2 - header.get("CRPIX3", 1.0)
    value = float(header["CRVAL3"] + middle * step)
    return value * 1e10 if value < 1e-3 else value


def limiting_magnitude(width: float, factor: float | None, angstrom: float) -> float | None:
    """AB magnitude of a source of five times the noise in one spaxel of the white-light image (inferred).

    `width` is that of the noise peak, `factor` its unit in erg/s/cm**2/Angstrom.
    """
    if not factor or width <= 0:
        return None
    per_hertz = 5 * width * factor * angstrom**2 / _LIGHT
    return float(-2.5 * np.log10(per_hertz) - 48.6)


def pixel_scale(header: Any) -> float:
    """Arcsec per pixel; 0.2 (MUSE, wide field) where the header does not tell."""
    step = abs(header.get("CD2_2", header.get("CDELT2", 0.0)) or 0.0) * 3600
    return float(step) if 1e-3 < step < 60 else 0.2
