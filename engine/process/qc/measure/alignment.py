"""How well exposures fall together: what the OFFSET_LIST says, and what its SOURCE_LISTs show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from engine.headers.cards import keywords
from engine.process.qc.subject import Measured, Value

UNALIGNED = 999.0  # arcsec, for exposures without an offset
_MATCH_ARCSEC = 1.0  # sources of two exposures further apart are different ones


def alignment(offset_list: str, source_lists: Sequence[str], found: Measured) -> None:
    """Put align_unmatched, align_worst (arcsec), align_offset_deg and `aligned` (words) among the values."""
    header = keywords(Path(offset_list), ["QC.EXPALIGN.NOMATCH"])
    unmatched = header.get("QC.EXPALIGN.NOMATCH")
    worst, rows = residuals(source_lists)
    values = found.values
    values["align_unmatched"] = unmatched if isinstance(unmatched, int) else None
    found.sources += rows
    if isinstance(unmatched, int) and unmatched > 0:
        values["align_worst"] = UNALIGNED
        values["aligned"] = f"{unmatched} images without a match"
    elif worst is None:
        values["align_worst"] = 0.0 if unmatched is not None else None
        values["aligned"] = "all matched" if unmatched is not None else "-"
    else:
        values["align_worst"] = worst
        values["aligned"] = f'worst {worst:.3f}"'
    known = values["align_worst"]
    values["align_offset_deg"] = known / 3600 if isinstance(known, float) else None


def residuals(lists: Sequence[str]) -> tuple[float | None, list[dict[str, Value]]]:
    """The worst median distance (arcsec) of corrected sources to those of the first exposure, and one row per source.

    None without at least two lists of corrected places.
    """
    tables = [table for path in sorted(lists) if (table := _places(path)) is not None]
    if len(tables) < 2:
        return None, []
    first, worst = tables[0], 0.0
    squares, counts = np.zeros(len(first)), np.zeros(len(first), dtype=int)
    for other in tables[1:]:
        distance = _distances(first, other)
        if not distance.size:
            return _MATCH_ARCSEC, []
        nearest = distance.min(axis=0)
        near = nearest[nearest < _MATCH_ARCSEC]
        if not near.size:
            return _MATCH_ARCSEC, []
        worst = max(worst, float(np.median(near)))
        back = distance.min(axis=1)
        met = back < _MATCH_ARCSEC
        squares[met] += back[met] ** 2
        counts += met
    rms = np.sqrt(squares / np.maximum(counts, 1))
    rows: list[dict[str, Value]] = [
        {"source": n, "ra": float(ra), "dec": float(dec), "rms": float(rms[n - 1]), "nexp": int(counts[n - 1]) + 1}
        for n, (ra, dec) in enumerate(first, 1)
    ]
    return worst, rows


def _places(path: str) -> Any:
    table = fits.getdata(path, 1)
    if not {"RA_CORR", "DEC_CORR"} <= set(table.names):
        return None
    return np.column_stack((table["RA_CORR"], table["DEC_CORR"])).astype("f8")


def _distances(first: Any, other: Any) -> Any:
    """Arcsec from each source of the first exposure (rows) to each of the other (columns)."""
    delta = (other[None, :, :] - first[:, None, :]) * 3600.0
    delta[..., 0] *= np.cos(np.radians(first[:, 1]))[:, None]
    return np.hypot(delta[..., 0], delta[..., 1])
