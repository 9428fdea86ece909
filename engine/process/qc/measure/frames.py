"""Master biases and darks, extension by extension: level, noise, structure, hot pixels, read-out noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from engine.process.qc.measure.image import Array, noise_peak
from engine.process.qc.subject import Value

_HOT = 10.0  # a pixel that many sigma above the level is hot
_OTHER = ("STAT", "DQ", "ERR", "VAR", "BPM", "BADPIX", "CHI2", "CONTRIB")  # what stands beside the data in an extension


def detectors(path: str | Path) -> Iterator[tuple[str, Any]]:
    """The images of a file by the name of their detector; errors, flags and weights are left out.

    MUSE masters hold one channel, which the primary header names.
    """
    with fits.open(path, memmap=False) as hdus:
        channel = str(hdus[0].header.get("EXTNAME", "")).strip()
        for number, hdu in enumerate(hdus):
            name = str(hdu.header.get("EXTNAME", "")).strip()
            if not hdu.is_image or hdu.header.get("NAXIS", 0) < 2 or name.upper().endswith(_OTHER):
                continue
            data = hdu.data
            while data.ndim > 2:
                data = data[0]
            yield (channel or name if name in ("", "DATA") else name) or f"HDU{number}", np.asarray(data, dtype="f4")


def frame(name: str, data: Array) -> dict[str, Value]:
    """Everything about one detector of a master frame; None for what cannot be measured."""
    row: dict[str, Value] = {"detector": name, "valid": float(np.isfinite(data).mean()) if data.size else 0.0}
    peak = noise_peak(data)
    if peak is None:
        return {**row, "level": None, "noise": None, "structure": None, "columns": None, "hot": None}
    with np.errstate(invalid="ignore"):
        hot = int((data > peak.place + _HOT * max(peak.width, 1e-6)).sum())
    return {
        **row,
        "level": peak.place,
        "noise": peak.width,
        "structure": _spread(_quadrants(data)),
        "columns": _columns(data, peak.place),
        "hot": hot,
    }


def read_out_noise(first: str, second: str) -> dict[str, float]:
    """The read-out noise by detector, ADU: the width of the difference of two raw frames over the root of 2."""
    found = {}
    others = dict(detectors(second))
    for name, data in detectors(first):
        other = others.get(name)
        if other is None or other.shape != data.shape:
            continue
        peak = noise_peak(data - other)
        if peak is not None:
            found[name] = peak.width / 2**0.5
    return found


def _quadrants(data: Array) -> list[float]:
    y, x = data.shape[0] // 2, data.shape[1] // 2
    parts = (data[:y, :x], data[:y, x:], data[y:, x:], data[y:, :x])
    return [float(np.median(good)) for part in parts if (good := part[np.isfinite(part)]).size]


def _columns(data: Array, level: float) -> float | None:
    """The spread of the columns' medians around the level, ADU."""
    counted = np.isfinite(data).sum(axis=0) > 0
    if not counted.any():
        return None
    medians = np.nanmedian(data[:, counted], axis=0)
    return float(1.4826 * np.median(np.abs(medians - level)))


def _spread(values: list[float]) -> float | None:
    return max(values) - min(values) if values else None
