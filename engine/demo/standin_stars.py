"""Point sources in an image: where they are, how bright, how wide. Pixels are counted from 0."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_WINDOW = 1.9  # pixels, sigma of the centring window
_REACH = 5  # pixels
STAR = np.dtype([("x", "f8"), ("y", "f8"), ("flux", "f8"), ("peak", "f8")])


def background(image: Array) -> float:
    """The level of the dark part of an image."""
    good = image[np.isfinite(image)]
    return float(np.median(good[good <= np.quantile(good, 0.6)])) if good.size else 0.0


def find_stars(image: Array, threshold: float, away: float = 0.0) -> Array:
    """Stars whose smoothed peak exceeds `threshold` above the background, brightest first, as an array of STAR.

    `away`: how many pixels a star must be from the edge of the field and from bad pixels.
    """
    bad = ~np.isfinite(image)
    level = background(image)
    flat = np.where(bad, 0.0, image - level)
    smooth = _smoothed(flat)
    core = smooth[1:-1, 1:-1]
    around = [smooth[1 + dy : smooth.shape[0] - 1 + dy, 1 + dx : smooth.shape[1] - 1 + dx] for dy, dx in _RING]
    tops = np.all([core >= other for other in around], axis=0) & (core > threshold)
    rows, columns = (index + 1 for index in np.nonzero(tops))
    found = []
    for y, x in zip(rows, columns, strict=True):
        if _clear(bad, int(x), int(y), away):
            cx, cy = _centred(flat, float(x), float(y))
            found.append((cx, cy, _flux(flat, cx, cy), float(smooth[y, x])))
    stars = np.array(found, dtype=STAR)
    return stars[np.argsort(-stars["peak"], kind="stable")] if len(stars) else stars


def fwhm(image: Array, stars: Array) -> Array:
    """Full width at half maximum of each star, pixels, from its light in the centring window."""
    flat = np.nan_to_num(image - background(image))
    widths = []
    for star in stars:
        dx, dy, window, light = _stamp(flat, float(star["x"]), float(star["y"]))
        total = float((window * light).sum())
        if total <= 0:
            continue
        spread = float((window * light * (dx**2 + dy**2)).sum()) / total / 2
        if 0 < spread < _WINDOW**2:
            widths.append(2.3548 * (1 / (1 / spread - 1 / _WINDOW**2)) ** 0.5)
    return np.array(widths)


_RING = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def _smoothed(image: Array) -> Array:
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        image = np.apply_along_axis(np.convolve, axis, image, kernel, mode="same")
    return image


def _clear(bad: Array, x: int, y: int, away: float) -> bool:
    reach = int(np.ceil(away))
    if x < reach or y < reach or x >= bad.shape[1] - reach or y >= bad.shape[0] - reach:
        return False
    return not bad[y - reach : y + reach + 1, x - reach : x + reach + 1].any()


def _stamp(flat: Array, x: float, y: float) -> tuple[Any, Any, Any, Any]:
    """Offsets from (x, y), the centring window and the light, around a star."""
    top, left = max(0, int(y) - _REACH), max(0, int(x) - _REACH)
    light = flat[top : int(y) + _REACH + 2, left : int(x) + _REACH + 2]
    rows, columns = np.indices(light.shape)
    dx, dy = columns + (left - x), rows + (top - y)
    return dx, dy, np.exp(-0.5 * (dx**2 + dy**2) / _WINDOW**2), light


def _centred(flat: Array, x: float, y: float) -> tuple[float, float]:
    """The windowed centre of light; doubling the step makes it unbiased for a round star."""
    for _ in range(12):
        dx, dy, window, light = _stamp(flat, x, y)
        total = float((window * light).sum())
        if total <= 0:
            break
        step = (2 * float((window * light * dx).sum()) / total, 2 * float((window * light * dy).sum()) / total)
        if max(map(abs, step)) > 2:
            break
        x, y = x + step[0], y + step[1]
        if max(map(abs, step)) < 1e-4:
            break
    return x, y


def _flux(flat: Array, x: float, y: float) -> float:
    dx, dy, _, light = _stamp(flat, x, y)
    return float(light[np.hypot(dx, dy) <= 4].sum())
