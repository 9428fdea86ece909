"""Logs and plots of a move: what goes along and where to, what makes way, what is left over (steps 2.5, 2.6, 2.9).

Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from config.schema import Settings
from engine.release.move.plan import Carry, Retire
from engine.release.move.survey import Extra, Snapshot

GRAPHICS = ("gif", "png", "jpg")


@dataclass
class Extras:
    """What becomes of them: by target what is carried, older files that make way, leftovers, and warnings."""

    carried: dict[str, Carry] = field(default_factory=dict)
    first: list[Retire] = field(default_factory=list)
    last: list[Retire] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def extras(seen: Snapshot, settings: Settings, moving: Collection[str], some_stay: bool) -> Extras:
    """Sort the files of the ABs in `moving`; those of nobody go to the trash once no AB stays behind."""
    wanted = {row.format for row in settings.move.graphics if row.save}
    along = set(moving) | {ab.name for ab in seen.logged} - {ab.name for ab in seen.abs}
    found = Extras()
    for extra in seen.extras:
        path = Path(extra.path)
        kind = format_of(path)
        if extra.ab not in along:
            if not extra.ab and not some_stay and not seen.refused:
                found.last.append(Retire(extra.path, "belongs to no AB", extra.size))
        elif kind in ("ps", "eps"):
            found.last.append(Retire(extra.path, "graphics of format ps are not supported", extra.size))
            found.warnings.append(f"{path.name} of {extra.ab}: ps is not supported, it is not kept")
        elif kind in GRAPHICS and kind not in wanted:
            found.last.append(Retire(extra.path, f"graphics of format {kind} are not kept", extra.size))
        else:
            _carry(seen, extra, kind, found)
    return found


def older(seen: Snapshot, path: Path) -> Retire:
    """A file in the log or plot directory that makes way for a newer one."""
    there = seen.plots_there if path.parent == seen.tree.plt / seen.date else seen.logs_there
    return Retire(str(path), "an older version", there[path.name])


def format_of(path: Path) -> str:
    """The suffix as configurations write it, e.g. `jpg`."""
    return path.suffix.lower().removeprefix(".").replace("jpeg", "jpg")


def _carry(seen: Snapshot, extra: Extra, kind: str, found: Extras) -> None:
    path = Path(extra.path)
    plot = kind in GRAPHICS or _is_coversheet(path)
    place = (seen.tree.plt if plot else seen.tree.log) / seen.date
    target = str(place / path.name)
    if target in found.carried:
        found.last.append(Retire(extra.path, f"same name as {found.carried[target].source}", extra.size))
        return
    if path.name in (seen.plots_there if plot else seen.logs_there):
        found.first.append(older(seen, place / path.name))
    found.carried[target] = Carry(extra.path, target, "plot" if plot else "log", extra.size)


def _is_coversheet(path: Path) -> bool:
    """`<root>_cs.html` as processQC writes it, or any page that says so in its name."""
    return format_of(path) in ("html", "htm") and (path.stem.endswith("_cs") or "cover" in path.name.lower())
