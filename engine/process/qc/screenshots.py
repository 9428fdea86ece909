"""Which raw frames of an AB are drawn: those of the 7 latest dates, evenly taken; what is drawn already is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from config.qc import Qc
from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB

_DATES = 7


def screenshots(tree: DfoTree, settings: Qc, ab: AB) -> list[tuple[Path, Path]]:
    """(raw frame, `$DFO_PLT_DIR/RAWDISP/<DATE>/<name>.png`); empty where RAWDISP_SUPPORT is off. Blocking."""
    if not settings.rawdisp or ab.date not in _latest(tree):
        return []
    raw = tree.raw.resolve()
    frames = [path for entry in ab.raws or ab.sof if raw in (path := tree.expand(entry.path)).resolve().parents]
    frames = [path for path in frames if path.is_file()]
    step = max(1, -(-len(frames) // settings.rawdisp_most))
    place = tree.plt / "RAWDISP" / ab.date
    if frames:
        fs.make_dir(place)
    return [(path, place / f"{path.name.removesuffix('.fz').removesuffix('.fits')}.png") for path in frames[::step]]


def _latest(tree: DfoTree) -> list[str]:
    """The latest dates that have raw data; labels that are no dates of the calendar are none of them."""
    found = []
    for path in tree.raw.iterdir():
        try:
            found.append(date.fromisoformat(path.name))
        except ValueError:
            continue
    return [day.isoformat() for day in sorted(found)[-_DATES:]]
