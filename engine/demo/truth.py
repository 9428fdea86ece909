"""What was injected against what came out: offsets of the alignment, stars of the deep cubes.

Works wherever the products are by now: in $DFS_PRODUCT, retired to the trash, or moved and renamed. They are told
apart by PRO.CATG, recipe and target, never by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.tree import DfoTree
from engine.errors import BadFits, DfosError
from engine.headers.cards import keywords

if TYPE_CHECKING:
    from engine.demo.frames import Array

OFFSET_LIMIT = 0.05  # arcsec; the recipes reach 0.01
POSITION_LIMIT = 0.1  # arcsec, half a spaxel
FLUX_LIMITS = (0.8, 1.2)
_RADIUS = 3.0  # spaxels; the next star is at least 7 away
_KEYS = ("PRO.CATG", "OBS.TARG.NAME", "DATE-OBS", "MJD-OBS", *(f"PRO.REC{n}.ID" for n in range(1, 6)))


@dataclass(frozen=True, slots=True)
class TargetTruth:
    """One target: worst offset error and worst star position error (arcsec), median measured / injected flux."""

    name: str
    offsets_found: int
    offset_error: float
    position_error: float
    flux_ratio: float
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """True when everything was found and within the limits."""
        return (
            not self.trouble
            and self.offset_error <= OFFSET_LIMIT
            and self.position_error <= POSITION_LIMIT
            and FLUX_LIMITS[0] <= self.flux_ratio <= FLUX_LIMITS[1]
        )

    @property
    def text(self) -> str:
        """One line for the operator."""
        if self.trouble:
            return f"{self.name}: NOT CHECKED, {self.trouble}"
        return (
            f"{self.name}: {'agrees' if self.passed else 'DISAGREES'} with what was injected:"
            f' offsets within {self.offset_error:.3f}", stars within {self.position_error:.3f}",'
            f" flux {self.flux_ratio:.2f} of the truth"
        )


@dataclass(frozen=True, slots=True)
class TruthCheck:
    """The check of a demo run, target by target."""

    targets: tuple[TargetTruth, ...]

    @property
    def passed(self) -> bool:
        """True when every target passed."""
        return bool(self.targets) and all(target.passed for target in self.targets)

    @property
    def lines(self) -> list[str]:
        """One line per target."""
        return [target.text for target in self.targets]


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    catg: str
    target: str
    recipe: str


def check(tree: DfoTree) -> TruthCheck:
    """Compare the products of the account with its `truth.json`.

    DfosError when the account has no truth (it is no demo account). A product that is missing or unreadable is
    `trouble` of its target, not an error.
    """
    from engine.demo.account import TRUTH

    try:
        truth = json.loads((tree.root / TRUTH).read_text("utf-8"))
    except (OSError, ValueError):
        raise DfosError("no readable truth.json: not a demo account", where=str(tree.root)) from None
    found = list(_products(tree))
    return TruthCheck(tuple(_target(entry, found, float(truth["seeing_arcsec"])) for entry in truth["targets"]))


def _products(tree: DfoTree) -> Iterator[_Found]:
    """OFFSET_LISTs and the images of deep cubes, newest last."""
    paths = [path for place in (tree.product, tree.trash, tree.sci) for path in place.rglob("*.fits")]
    dated = []
    for path in paths:
        try:
            dated.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue
    for _, path in sorted(dated):
        try:
            header = keywords(path, _KEYS)
        except BadFits:
            continue
        recipes = [str(header[key]) for key in _KEYS if key.endswith(".ID") and key in header]
        recipe = recipes[-1] if recipes else ""
        wanted = {"OFFSET_LIST": "muse_exp_align", "IMAGE_FOV": "muse_exp_combine"}
        catg = str(header.get("PRO.CATG"))
        if wanted.get(catg) == recipe:
            yield _Found(path, catg, str(header.get("OBS.TARG.NAME")), recipe)


def _target(entry: dict[str, Any], found: list[_Found], seeing: float) -> TargetTruth:
    name = str(entry["name"])
    lists = [product.path for product in found if (product.target, product.catg) == (name, "OFFSET_LIST")]
    images = [product.path for product in found if (product.target, product.catg) == (name, "IMAGE_FOV")]
    missing = [what for what, paths in (("OFFSET_LIST", lists), ("deep IMAGE_FOV", images)) if not paths]
    if missing:
        return TargetTruth(name, 0, 0.0, 0.0, 0.0, f"no {' and no '.join(missing)} found")
    try:
        count, offset = _offset_error(lists[-1], entry)
        position, ratio = _star_errors(images[-1], entry, seeing)
    except (OSError, ValueError, KeyError, IndexError) as trouble:
        return TargetTruth(name, 0, 0.0, 0.0, 0.0, f"a product cannot be read: {trouble}")
    lost = len(entry["exposures"]) - count
    return TargetTruth(name, count, offset, position, ratio, f"{lost} exposures lack an offset" if lost else "")


def _offset_error(path: Path, entry: dict[str, Any]) -> tuple[int, float]:
    """How many exposures are in the OFFSET_LIST, and its worst error against the injected offsets, arcsec."""
    import numpy as np
    from astropy.io import fits

    rows = {str(row["DATE_OBS"]).strip(): row for row in fits.getdata(path, 1)}
    first = entry["exposures"][0]
    scale = float(np.cos(np.radians(entry["dec"])))
    errors = []
    for shot in entry["exposures"]:
        row = rows.get(shot["date_obs"])
        if row is None:
            continue
        east = float(row["RA_OFFSET"]) * 3600 * scale - (shot["error_east"] - first["error_east"])
        north = float(row["DEC_OFFSET"]) * 3600 - (shot["error_north"] - first["error_north"])
        errors.append(float(np.hypot(east, north)))
    return len(errors), max(errors, default=0.0)


def _star_errors(path: Path, entry: dict[str, Any], seeing: float) -> tuple[float, float]:
    """Worst star position error (arcsec) and median flux ratio in a deep image."""
    import numpy as np
    from astropy.io import fits

    from engine.demo.instrument import MUSE

    with fits.open(path) as file:
        image, header = np.array(file["DATA"].data, dtype=float), file["DATA"].header
    scale = float(np.cos(np.radians(header["CRVAL2"])))
    sigma = seeing / 2.3548 / MUSE.spaxel
    caught = 1 - float(np.exp(-0.5 * (_RADIUS / sigma) ** 2))
    background = float(np.nanmedian(image))
    worst, ratios = 0.0, []
    for star in entry["stars"]:
        # tangent plane in first order: the field is ten arcsec wide
        ra = entry["ra"] + star["east"] / 3600 / float(np.cos(np.radians(entry["dec"])))
        dec = entry["dec"] + star["north"] / 3600
        x = (ra - header["CRVAL1"]) * scale / header["CD1_1"] + header["CRPIX1"] - 1
        y = (dec - header["CRVAL2"]) / header["CD2_2"] + header["CRPIX2"] - 1
        flux, dx, dy = _measure(image - background, x, y)
        worst = max(worst, float(np.hypot(dx, dy)) * MUSE.spaxel)
        ratios.append(flux / caught / star["flux"])
    return worst, float(np.median(ratios))


def _measure(image: Array, x: float, y: float) -> tuple[float, float, float]:
    """Flux in an aperture round (x, y), and where its centre of light lies from there, spaxels."""
    import numpy as np

    rows, columns = np.indices(image.shape)
    light = np.where(np.hypot(columns - x, rows - y) <= _RADIUS, np.nan_to_num(image), 0.0)
    flux = float(light.sum())
    if flux <= 0:
        raise ValueError("no light where a star was injected")
    return flux, float((light * (columns - x)).sum()) / flux, float((light * (rows - y)).sum()) / flux
