"""Any AB: number of products, size of an image, what was combined, alignment, level of a bias."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.headers.cards import keywords
from engine.process.qc.measure.alignment import alignment
from engine.process.qc.measure.image import finite_fraction, first_image, noise_peak
from engine.process.qc.subject import Measured, Subject

LEVELS = (-1000.0, 65535.0)  # of a master bias; near 0 after overscan subtraction


def measure(subject: Subject, found: Measured) -> None:
    """Everything that can be measured of any AB."""
    completeness(subject, found)
    if subject.of("DATACUBE") or subject.of("IMAGE_FOV"):
        tried(found, field, subject, "valid", "size")
    if subject.exposures and subject.of("DATACUBE"):
        tried(found, combined, subject, "not_combined", "combined")
        if subject.offsets:
            tried(found, applied, subject, "offsets_missing", "offsets")
    if subject.of("OFFSET_LIST"):
        tried(found, aligned, subject, "align_worst", "aligned")
    if subject.of("MASTER_BIAS"):
        tried(found, level, subject, "level_doubt", "level_text")


def tried(found: Measured, step: Callable[[Subject, Measured], None], subject: Subject, *names: str) -> None:
    """Take a step; whatever a strange file makes astropy raise leaves `names` unmeasured, and is told."""
    try:
        step(subject, found)
    except Exception as trouble:  # noqa: BLE001 - files may be broken in any way
        found.values |= {name: None for name in names}
        found.troubles.append(f"{step.__name__} cannot be measured: {trouble}"[:300])


def completeness(subject: Subject, found: Measured) -> None:
    """How many of the predicted products are there."""
    made = len(subject.products)
    found.values |= {"made": made, "wanted": subject.wanted or made, "missing": max(0, subject.wanted - made)}


def field(subject: Subject, found: Measured) -> None:
    """Size of the cube, and valid pixels of the field (of the white-light image, else of the cube)."""
    cubes, images = subject.of("DATACUBE"), subject.of("IMAGE_FOV")
    size = ""
    if cubes:
        with first_image(cubes[0]) as (data, _):
            size = " x ".join(str(axis) for axis in reversed(data.shape)) + ", "
    with first_image((images or cubes)[0]) as (data, _):
        valid = round(finite_fraction(data) * data.size)
    found.values |= {"valid": valid, "size": f"{size}{valid} valid"}


def combined(subject: Subject, found: Measured) -> None:
    """Number of combined exposures against those requested."""
    number = keywords(Path(subject.of("DATACUBE")[0]), ["PRO.DATANCOM"]).get("PRO.DATANCOM")
    known = isinstance(number, int)
    found.values |= {
        "combined": number if isinstance(number, int) else "?",
        "exposures": subject.exposures,
        "not_combined": subject.exposures - number if isinstance(number, int) and known else None,
    }


def applied(subject: Subject, found: Measured) -> None:
    """Exposures whose offset the cube's header names (one without is not an error to the recipe)."""
    names = [f"DRS.MUSE.OFFSET{number}.DATE-OBS" for number in range(1, subject.exposures + 1)]
    offsets = len(keywords(Path(subject.of("DATACUBE")[0]), names))
    found.values |= {"offsets": offsets, "offsets_missing": subject.exposures - offsets}


def aligned(subject: Subject, found: Measured) -> None:
    """What the alignment of this AB has reached."""
    alignment(subject.of("OFFSET_LIST")[0], subject.of("SOURCE_LIST"), found)


def level(subject: Subject, found: Measured) -> None:
    """A master bias: finite everywhere, and its level is one a detector can have."""
    with first_image(subject.of("MASTER_BIAS")[0]) as (data, _):
        judged(np.asarray(data, dtype="f4").ravel(), found)


def judged(pixels: np.ndarray[tuple[int], np.dtype[np.float32]], found: Measured) -> None:
    """level_doubt 0 or 1, and level_text, of all pixels of a master frame."""
    finite = float(np.isfinite(pixels).mean()) if pixels.size else 0.0
    peak = noise_peak(pixels)
    place = peak.place if peak else float("nan")
    good = finite > 0.99 and LEVELS[0] < place < LEVELS[1]
    found.values |= {"level_doubt": 0 if good else 1, "level_text": f"{place:.1f}, {finite:.1%} valid"}
