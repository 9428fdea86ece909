"""QC scores of an AB, thin version (phoenix-and-certification section 5.8: size, completeness, alignment).

Computed by the QC process (`qc.py`), not by the engine: astropy is slow to load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.score import GREEN, GREY, RED, Score
from engine.headers.cards import keywords

_MATCH_ARCSEC = 1.0  # sources of two exposures further apart are different ones
_LEVELS = (-1000.0, 65535.0)  # of a master bias; near 0 after overscan subtraction


@dataclass(frozen=True, slots=True)
class Subject:
    """What is scored: products as (path, PRO.CATG), how many products and exposures were expected.

    `exposures` 0: they are not counted. `offsets`: an OFFSET_LIST was among the inputs.
    """

    products: tuple[tuple[str, str], ...]
    expected: int
    exposures: int
    offsets: bool
    pixels_min: int
    align_limit_arcsec: float


def scores_of(subject: Subject) -> tuple[Score, ...]:
    """All scores that the products allow. A score that cannot be computed is grey and says why."""
    made, wanted = len(subject.products), subject.expected
    mark = GREEN if made >= wanted else RED
    found = [Score("products", f"{made} of {wanted}" if wanted else str(made), "all", mark)]
    catgs: dict[str, list[Path]] = {}
    for path, catg in subject.products:
        catgs.setdefault(catg, []).append(Path(path))
    for check in (_pixels, _combined, _alignment, _applied, _level):
        try:
            found += check(subject, catgs)
        except Exception as trouble:  # noqa: BLE001 - whatever a strange file makes astropy raise
            found.append(Score(check.__name__.strip("_"), "-", "", GREY, f"cannot be computed: {trouble}"))
    return tuple(found)


def _pixels(subject: Subject, catgs: Mapping[str, Sequence[Path]]) -> list[Score]:
    """Size of the cube and valid pixels of the field (of the white-light image, else of the cube)."""
    cubes = [path for catg, paths in catgs.items() if catg.startswith("DATACUBE") for path in paths]
    images = [path for catg, paths in catgs.items() if catg.startswith("IMAGE_FOV") for path in paths]
    if not cubes and not images:
        return []
    import numpy

    data = _data((images or cubes)[0])
    valid = int(numpy.isfinite(data).sum())
    size = " x ".join(str(axis) for axis in reversed(_data(cubes[0]).shape)) if cubes else ""
    value = f"{size}, {valid} valid" if size else f"{valid} valid"
    return [Score("size", value, f">= {subject.pixels_min}", GREEN if valid >= subject.pixels_min else RED)]


def _combined(subject: Subject, catgs: Mapping[str, Sequence[Path]]) -> list[Score]:
    """Number of combined inputs equals the number requested."""
    paths = [path for catg, paths in catgs.items() if catg.startswith("DATACUBE") for path in paths]
    if not subject.exposures or not paths:
        return []
    combined = keywords(paths[0], ["PRO.DATANCOM"]).get("PRO.DATANCOM")
    value = f"{combined if combined is not None else '?'} of {subject.exposures}"
    return [Score("combined", value, "all", GREEN if combined == subject.exposures else RED)]


def _alignment(subject: Subject, catgs: Mapping[str, Sequence[Path]]) -> list[Score]:
    """Alignment: every image matched, and sources of all exposures fall together after correction."""
    if "OFFSET_LIST" not in catgs:
        return []
    found = keywords(catgs["OFFSET_LIST"][0], ["QC.EXPALIGN.NOMATCH", "QC.EXPALIGN.NMATCH.MIN"])
    unmatched = found.get("QC.EXPALIGN.NOMATCH")
    limit = f'< {subject.align_limit_arcsec:g}"'
    if isinstance(unmatched, int) and unmatched > 0:
        return [Score("aligned", f"{unmatched} images without a match", limit, RED, "no offsets were found for them")]
    worst = _worst_residual(sorted(catgs.get("SOURCE_LIST", [])))
    if worst is None:
        known = unmatched is not None
        return [Score("aligned", "all matched" if known else "-", limit, GREEN if known else GREY)]
    mark = GREEN if worst <= subject.align_limit_arcsec else RED
    return [Score("aligned", f'worst {worst:.3f}"', limit, mark)]


def _worst_residual(lists: Sequence[Path]) -> float | None:
    """The worst median distance (arcsec) of corrected sources to those of the first exposure; None without any."""
    import numpy
    from astropy.io import fits

    places = []
    for path in lists:
        table = fits.getdata(path, 1)
        if not {"RA_CORR", "DEC_CORR"} <= set(table.names):
            return None
        places.append(numpy.column_stack((table["RA_CORR"], table["DEC_CORR"])))
    if len(places) < 2:
        return None
    first, worst = places[0], 0.0
    for other in places[1:]:
        delta = (other[:, None, :] - first[None, :, :]) * 3600.0
        delta[..., 0] *= numpy.cos(numpy.radians(first[:, 1]))[None, :]
        nearest = numpy.hypot(delta[..., 0], delta[..., 1]).min(axis=1)
        near = nearest[nearest < _MATCH_ARCSEC]
        if not near.size:
            return _MATCH_ARCSEC
        worst = max(worst, float(numpy.median(near)))
    return worst


def _applied(subject: Subject, catgs: Mapping[str, Sequence[Path]]) -> list[Score]:
    """Offsets applied to every exposure: what the cube's header says (one without is not an error to the recipe)."""
    paths = [path for catg, paths in catgs.items() if catg.startswith("DATACUBE") for path in paths]
    if not subject.offsets or not subject.exposures or not paths:
        return []
    names = [f"DRS.MUSE.OFFSET{number}.DATE-OBS" for number in range(1, subject.exposures + 1)]
    applied = len(keywords(paths[0], names))
    mark = GREEN if applied == subject.exposures else RED
    return [Score("offsets", f"{applied} of {subject.exposures} applied", "all", mark)]


def _level(subject: Subject, catgs: Mapping[str, Sequence[Path]]) -> list[Score]:
    """Master bias: finite everywhere, and its level is one a detector can have."""
    if "MASTER_BIAS" not in catgs:
        return []
    import numpy

    data = _data(catgs["MASTER_BIAS"][0])
    finite = float(numpy.isfinite(data).mean())
    level = float(numpy.nanmedian(data)) if finite else float("nan")
    good = finite > 0.99 and _LEVELS[0] < level < _LEVELS[1]
    return [
        Score("level", f"{level:.1f}, {finite:.1%} valid", f"{_LEVELS[0]:g} to {_LEVELS[1]:g}", GREEN if good else RED)
    ]


def _data(path: Path) -> Any:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None:
                return hdu.data
    raise ValueError(f"{path.name} holds no image")
