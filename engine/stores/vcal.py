"""The container of virtual calibrations, `$DFO_CAL_DIR/VCAL`: what stands there, whose it is, what became of it.

A virtual calibration is a header under the name its product will have (createAB writes it). Once the product
stands in `$DFO_CAL_DIR/<DATE>` it is real, and moveProducts retires the virtual one (step 2.11). One without a
real counterpart stays. Reads only.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePath

from config.tree import DfoTree
from engine.core.ab import tag_of
from engine.errors import BadAb
from engine.headers.pipefile import pipefile_of
from engine.stores.abs import read

REAL, WAITS, ORPHAN = "real", "waits", "orphan"
MEANING = {
    REAL: "its product is real; the next moveProducts takes it away",
    WAITS: "its AB is at work",
    ORPHAN: "no real product and no AB at work that would make one; kept",
}
_SUFFIXES = (".fits.fz", ".fits", ".tfits", ".hdr")
_ROOT = re.compile(r"r\.(?P<stem>.+)_\d{4}")
_DAY = re.compile(r"\.(\d{4}-\d{2}-\d{2})T")
_LABEL = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Virtual:
    """One entry: its file, the AB that makes the product ('' when its name tells none), the DATE ('' unknown).

    `age_s`: seconds since it was written; `state`: real, waits or orphan; `real`: the file that took its place.
    """

    path: str
    ab: str
    date: str
    age_s: float
    state: str
    real: str = ""


def stem_of(name: str) -> str:
    """The name of a product without its suffix: `x.fits`, `x.fits.fz`, `x.tfits` and `x.hdr` are one product."""
    return next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name)


def files(tree: DfoTree) -> list[Path]:
    """All entries: in VCAL itself and in `VCAL/<DATE>`."""
    places = [tree.vcal, *(path for path in _inside(tree.vcal) if path.is_dir() and _LABEL.fullmatch(path.name))]
    return [path for place in places for path in _inside(place) if path.name.endswith(_SUFFIXES) and not path.is_dir()]


def superseded(entries: Iterable[str], real_names: Collection[str]) -> tuple[str, ...]:
    """The entries whose real counterpart exists, which may go; all others are kept.

    `real_names` are PIPEFILEs and names of the products in the final directory, whatever their suffix.
    """
    real = {stem_of(name) for name in real_names if name}
    return tuple(entry for entry in entries if stem_of(PurePath(entry).name) in real)


def container(tree: DfoTree, now: float, day: str = "") -> list[Virtual]:
    """All entries (of one DATE if given) with what became of them; `now` in seconds since 1970."""
    products: dict[str, dict[str, str]] = {}
    found = []
    for path in files(tree):
        ab, at_work, label = _ab_of(tree, path)
        days = [label] if label else _nights(path.name)
        real = ""
        for folder in days:
            if folder not in products:
                products[folder] = _products(tree, folder)
            real = real or products[folder].get(stem_of(path.name), "")
        try:
            age = max(0.0, now - path.lstat().st_mtime)
        except FileNotFoundError:  # moveProducts took it away meanwhile
            continue
        if not day or day in days:
            state = REAL if real else WAITS if at_work else ORPHAN
            found.append(Virtual(str(path), ab, label, age, state, real))
    return found


def _ab_of(tree: DfoTree, path: Path) -> tuple[str, bool, str]:
    """The AB an entry belongs to, whether it stands in $DFO_AB_DIR, and the DATE of the entry."""
    label = path.parent.name if path.parent != tree.vcal else ""
    match = _ROOT.fullmatch(stem_of(path.name))
    name = f"{match['stem']}.ab" if match else ""
    try:
        tag_of(name)
    except BadAb:
        return "", False, label
    at_work = tree.ab / name
    where = at_work if at_work.is_file() else next(iter(sorted(tree.log.glob(f"*/{name}"))), None)
    if where is None:
        return name, False, label
    with contextlib.suppress(BadAb):
        label = read(where).date
    return name, where == at_work, label


def _nights(name: str) -> list[str]:
    """The civil dates whose night may have held a frame: the day of its time stamp and the one before."""
    match = _DAY.search(name)
    try:
        day = date.fromisoformat(match[1]) if match else None
        return [day.isoformat(), (day - timedelta(days=1)).isoformat()] if day else []
    except (ValueError, OverflowError):
        return []


def _products(tree: DfoTree, label: str) -> dict[str, str]:
    """The products of a DATE in $DFO_CAL_DIR by the stem of their PIPEFILE and of their name."""
    if not _LABEL.fullmatch(label):
        return {}
    found: dict[str, str] = {}
    for path in _inside(tree.cal / label):
        if path.name.endswith(_SUFFIXES) and path.is_file():
            for name in (path.name, pipefile_of(path)):
                found.setdefault(stem_of(name), str(path))
    return found


def _inside(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if not path.name.startswith(".")) if place.is_dir() else []
