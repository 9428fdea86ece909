"""A deep MUSE cube (dpc AB): all of a single one, what was combined, alignment, and the inputs against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.headers.cards import keywords
from engine.process.qc.measure.alignment import UNALIGNED, alignment
from engine.process.qc.measure.image import first_image, flat, noise_peak
from engine.process.qc.measure.stars import sources
from engine.process.qc.procedures.generic import applied, combined, completeness, tried
from engine.process.qc.procedures.muse_single import cube, preliminary, provenance
from engine.process.qc.subject import Measured, Subject

_BRIGHTEST = 10  # sources of an exposure whose flux is compared


def measure(subject: Subject, found: Measured) -> None:
    """All values of a deep cube."""
    completeness(subject, found)
    tried(found, aligned, subject, "align_worst", "aligned")
    cube(subject, found)
    tried(found, combined, subject, "not_combined", "combined")
    tried(found, provenance, subject, "has_sky", "sky_flat")
    tried(found, preliminary, subject, "num_sat", "lshift_max")
    tried(found, exposures, subject, "flux_dev", "sky_dev")
    tried(found, depth, subject, "depth_even")


def aligned(subject: Subject, found: Measured) -> None:
    """Offsets applied, and the residuals of the alignment AB whose OFFSET_LIST went in."""
    lists = [path for path, tag in subject.inputs if tag == "OFFSET_LIST"]
    if not lists:
        found.values |= {"align_worst": None, "aligned": "no alignment applied"}
        return
    place, root = Path(lists[0]).parent, Path(lists[0]).name.rpartition("_")[0]
    beside = [path for path in sorted(place.glob(f"{root}_*.fits")) if path.is_file()]
    catgs = {path: keywords(path, ["PRO.CATG"]).get("PRO.CATG") for path in beside}
    alignment(lists[0], [str(path) for path, catg in catgs.items() if catg == "SOURCE_LIST"], found)
    applied(subject, found)
    missing = found.values["offsets_missing"]
    if isinstance(missing, int) and missing > 0:
        found.values |= {"align_worst": UNALIGNED, "aligned": f"{missing} of {subject.exposures} without an offset"}


def exposures(subject: Subject, found: Measured) -> None:
    """The inputs against each other: flux of their bright sources and their sky level, worst deviation from the median.

    Measured in the white-light images that their ABs made beside the pixel tables.
    """
    fluxes, skies = [], []
    for path, tag in subject.inputs:
        image_path = _beside(path) if tag.startswith("PIXTABLE") else None
        if image_path is None:
            continue
        with first_image(image_path) as (data, _):
            image = flat(data)
        peak = noise_peak(image)
        if peak is None:
            continue
        stars = sources(image, peak.place, peak.width)[:_BRIGHTEST]
        skies.append(peak.place)
        fluxes.append(sum(star.flux for star in stars))
    found.values["inputs_seen"] = len(skies)
    if len(skies) < 2:
        return
    middle = float(np.median(fluxes))
    found.values["flux_dev"] = float(np.max(np.abs(np.array(fluxes) / middle - 1))) if middle > 0 else None
    found.values["sky_dev"] = float(np.max(np.abs(np.array(skies) - np.median(skies))))


def depth(subject: Subject, found: Measured) -> None:
    """How even the exposure is: the fraction of the field with at least half of its full weight (1 / variance)."""
    from astropy.io import fits

    with fits.open(subject.of("DATACUBE")[0], memmap=True) as hdus:
        if "STAT" not in hdus:
            return
        stat = hdus["STAT"].data
        planes = stat[:: max(1, len(stat) // 50)]  # enough to know
        variance = flat(np.asarray(planes))
    weight = np.where(np.isfinite(variance) & (variance > 0), 1 / np.where(variance > 0, variance, 1.0), 0.0)
    covered = weight[weight > 0]
    if covered.size:
        full = float(np.percentile(covered, 95))
        found.values["depth_even"] = float((covered >= full / 2).mean())


def _beside(table: str) -> Path | None:
    """The IMAGE_FOV of the AB that made a pixel table."""
    path = Path(table)
    root = path.name.rpartition("_")[0]
    for other in sorted(path.parent.glob(f"{root}_*.fits")):
        if other != path and keywords(other, ["PRO.CATG"]).get("PRO.CATG") == "IMAGE_FOV":
            return other
    return None
