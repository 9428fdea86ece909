"""Which calibrations may be associated: MCAL (real ones) and VCAL (virtual ones).

`x.fits`, `x.fits.fz` and `x.hdr` are one product. How far the pools reach is counted in nights from the MJD-OBS of
the raw frames, never from the DATE, which is a label: a night gives the names of the directories to look into. The
directory of the DATE itself always belongs to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date as day
from datetime import timedelta
from pathlib import Path

from config.create import Create
from config.tree import DfoTree
from engine.core.ab import AB
from engine.create.createab.night import IDENTITY, NAMELESS, UNREADABLE, Trouble, safe
from engine.create.oca.frame import Frame
from engine.errors import BadAb, BadFits
from engine.headers.quick import Wanted, quick
from engine.stores.abs import read
from engine.stores.vcal import stem_of

OWN = ("DFOS.AB", "DFOS.MODE", "DFOS.DATE", "DFOS.RAWTYPE")  # what createAB notes in a virtual calibration
_BEST = (".fits", ".fits.fz", ".tfits", ".hdr")
_EPOCH = day(1858, 11, 17)  # MJD 0


@dataclass
class Found:
    """The calibrations of a pool, files that could not be read, and what is noteworthy."""

    frames: list[Frame] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def nights(frames: Iterable[Frame], days: int) -> list[str]:
    """The civil dates whose directories lie within `days` of the frames, in order; none without frames."""
    times = [frame.mjd for frame in frames if frame.mjd is not None]
    if not times:
        return []
    first, last = int(min(times)) - days - 1, int(max(times)) + days
    found = []
    for number in range(first, min(last, first + 4000) + 1):
        try:
            found.append((_EPOCH + timedelta(days=number)).isoformat())
        except OverflowError:  # a hostile MJD-OBS
            break
    return found


def real(tree: DfoTree, create: Create, raws: Sequence[Frame], date: str, keys: Iterable[str]) -> Found:
    """MCAL: products of the nights around the raw frames, and the static calibrations."""
    wanted = Wanted.of({*keys, *IDENTITY})
    found = Found()
    places = [tree.cal / label for label in _with(nights(raws, create.mcal_days), date)]
    for place in dict.fromkeys([*places, tree.expand(create.gen_dir)]):
        for stem, files in _products(place).items():
            path = files.get(".fits") or files.get(".fits.fz") or place / f"{stem}.fits"
            _take(found, tree.shorten(path), next(files[end] for end in _BEST if end in files), wanted, virtual=False)
    return found


def virtual(
    tree: DfoTree,
    create: Create,
    raws: Sequence[Frame],
    mode: str,
    date: str,
    keys: Iterable[str],
    taken: Iterable[Frame] = (),
) -> Found:
    """VCAL: virtual calibrations of other ABs at work, in nights around the raw frames.

    Left out are those whose product is real (`taken`), those of MODE and DATE itself, which are made anew, and those
    whose AB failed or is not at work any more: nobody will make their product.
    """
    wanted = Wanted.of({*keys, *IDENTITY, *OWN})
    real_stems = {stem for frame in taken for stem in (frame.name, stem_of(str(frame.header.get("PIPEFILE", ""))))}
    everything, found = Found(), Found()
    places = [tree.vcal, *(tree.vcal / label for label in _with(nights(raws, create.vcal_days), date))]
    for place in places:
        for stem, files in _products(place).items():
            if stem not in real_stems:
                _take(everything, stem, next(files[end] for end in _BEST if end in files), wanted, virtual=True)
    found.troubles = everything.troubles
    abs_: dict[str, AB | None] = {}
    for frame in everything.frames:
        name = str(frame.header.get("DFOS.AB", ""))
        if (frame.header.get("DFOS.MODE"), frame.header.get("DFOS.DATE")) == (mode, date):
            continue
        if name not in abs_:
            abs_[name] = _at_work(tree, name)
        ab = abs_[name]
        if ab is None:
            found.notes.append(f"virtual {frame.path}: no AB at work makes it, not used")
        elif (ab.mode, ab.date) != (mode, date):
            folder = ab.get("PROD_PATH") or f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}"
            found.frames.append(Frame(f"{folder}/{frame.name}.fits", frame.header, virtual=True))
    return found


def _at_work(tree: DfoTree, name: str) -> AB | None:
    if not name.endswith(".ab") or "/" in name:
        return None
    try:
        ab = read(tree.ab / name)
    except BadAb:
        return None
    return ab if ab.status != "FAILED" else None


def _with(labels: list[str], date: str) -> list[str]:
    return labels if date in labels else [*labels, date]


def _take(found: Found, path: str, header: Path, wanted: Wanted, *, virtual: bool) -> None:
    if not safe(header.name):
        found.troubles.append(Trouble(ascii(header.name), NAMELESS, "no AB can hold such a name"))
        return
    try:
        found.frames.append(Frame(path, quick(str(header), wanted).values, virtual=virtual))
    except BadFits as trouble:
        found.troubles.append(Trouble(header.name, UNREADABLE, trouble.what))


def _products(place: Path) -> dict[str, dict[str, Path]]:
    """The products of a directory: suffix and file by stem, in the order of their names."""
    found: dict[str, dict[str, Path]] = {}
    try:
        names = sorted(os.listdir(place))  # noqa: PTH208 - thousands of names, a few of them products
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for name in names:
        stem = stem_of(name)
        if stem != name and not name.startswith("."):
            found.setdefault(stem, {})[name.removeprefix(stem)] = place / name
    return found
