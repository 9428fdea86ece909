"""Point sources in an image: where they are, how bright, how wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_REACH = 4  # pixels around a peak that are looked at
_MOST = 500  # sources
_WINDOW = 1.9  # pixels, sigma of the centring window
_RING = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
_KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)


@dataclass(frozen=True, slots=True)
class Source:
    """A source: pixel counted from 0, flux in the unit of the image, FWHM in pixels (0: could not be measured)."""

    x: float
    y: float
    flux: float
    fwhm: float


def sources(image: Array, level: float, noise: float, sigmas: float = 5.0) -> list[Source]:
    """Sources whose smoothed peak stands `sigmas` above the noise, brightest first, at most 500."""
    light = np.where(np.isfinite(image), image - level, 0.0)
    if min(light.shape) < 2 * _REACH + 1 or noise <= 0:
        return []
    kernel = _KERNEL / _KERNEL.sum()
    smooth = light
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel, mode="same")
    limit = sigmas * noise * float(np.square(kernel).sum())  # the noise is that much less after smoothing
    core = smooth[1:-1, 1:-1]
    height, width = smooth.shape
    top = np.all([core > smooth[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] for dy, dx in _RING], axis=0)
    rows, columns = np.nonzero(top & (core > limit))
    places = sorted(zip(rows + 1, columns + 1, strict=True), key=lambda place: -smooth[place])[:_MOST]
    return [_source(light, int(y), int(x)) for y, x in places]


def seeing(found: list[Source]) -> float | None:
    """The median FWHM of the twenty brightest sources, pixels; None without any that could be measured."""
    widths = [source.fwhm for source in found[:20] if source.fwhm > 0]
    return float(np.median(widths)) if widths else None


def _source(light: Array, y: int, x: int) -> Source:
    y0, x0 = max(0, y - _REACH), max(0, x - _REACH)
    stamp = light[y0 : y + _REACH + 1, x0 : x + _REACH + 1]
    rows, columns = np.indices(stamp.shape)
    weight = np.clip(stamp, 0.0, None)
    total = float(weight.sum())
    if total <= 0:
        return Source(x, y, 0.0, 0.0)
    cy, cx = float(y - y0), float(x - x0)
    for _ in range(8):  # the windowed centre; doubling the step makes it unbiased for a round source
        near = weight * np.exp(-0.5 * ((rows - cy) ** 2 + (columns - cx) ** 2) / _WINDOW**2)
        cy += 2 * float((near * (rows - cy)).sum() / near.sum())
        cx += 2 * float((near * (columns - cx)).sum() / near.sum())
        cy, cx = min(max(cy, 0.0), stamp.shape[0] - 1.0), min(max(cx, 0.0), stamp.shape[1] - 1.0)
    square: Array = np.square(rows - cy) + np.square(columns - cx)
    return Source(cx + x0, cy + y0, float(stamp.sum()), _fwhm(stamp, square))


def _fwhm(stamp: Array, square: Array) -> float:
    """From the fall of ln(light) with the square of the distance, weighted by the light."""
    peak = float(stamp.max())
    core = (stamp > 0.25 * peak) & (square < _REACH**2)
    if core.sum() < 5:
        return 0.0
    slope = np.polyfit(square[core], np.log(stamp[core]), 1, w=stamp[core])[0]
    return float(2.3548 * np.sqrt(-0.5 / slope)) if slope < 0 else 0.0
