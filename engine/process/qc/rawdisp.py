"""Raw screenshots: a small PNG of every raw frame of an AB. Needs matplotlib: QC process only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from engine.process.qc.measure.frames import detectors

_SIDE = 256  # pixels of one detector in a screenshot
_MOST = 24  # detectors in one


def rawdisp(frames: list[list[str]]) -> list[str]:
    """Draw frames as (FITS, PNG); those that are there are kept. The PNGs made; what cannot be read is left out."""
    made = []
    for source, target in frames:
        if Path(target).exists():
            continue
        try:
            picture = _picture(source)
        except Exception:  # noqa: BLE001, S112 - a raw file may be broken in any way, and its AB says so
            continue
        hidden = Path(target).with_name(f".{Path(target).name}.new")
        imsave(hidden, picture, cmap="gray", vmin=0.0, vmax=1.0, format="png")
        hidden.replace(target)
        made.append(target)
    return made


def _picture(source: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    tiles = []
    for _, data in detectors(source):
        step = max(1, -(-max(data.shape) // _SIDE))
        small = np.asarray(data[::step, ::step], dtype="f8")
        finite = small[np.isfinite(small)]
        low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
        tile = np.zeros((_SIDE, _SIDE))
        scaled = np.clip((np.nan_to_num(small, nan=low) - low) / ((high - low) or 1.0), 0, 1)
        tile[: scaled.shape[0], : scaled.shape[1]] = scaled[::-1]
        tiles.append(tile)
        if len(tiles) == _MOST:
            break
    if not tiles:
        raise ValueError("no image")
    wide = int(np.ceil(len(tiles) ** 0.5))
    tiles += [np.zeros((_SIDE, _SIDE))] * (-len(tiles) % wide)
    return np.vstack([np.hstack(tiles[start : start + wide]) for start in range(0, len(tiles), wide)])
