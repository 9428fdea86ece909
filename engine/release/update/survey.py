"""What updateAB looks at: listed ABs, and where their products, calibrations, logs and graphics stand. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.schema import Settings
from config.tree import DfoTree
from engine.atomic.acts import inside
from engine.core.ab import AB, tag_of
from engine.core.dates import date_label, mode_label
from engine.errors import BadAb, MoveTrouble
from engine.headers.pipefile import pipefile_of
from engine.release.update.follow import followed
from engine.release.update.update_ab import Places, product_names
from engine.stores.abs import AbStore, read
from engine.transfer.ingest.states import INGESTED, IngestStates

_SKIPPED = ("", ".", "..", "VCAL")


@dataclass(frozen=True)
class Listed:
    """The ABs of an AB_list and what they name. `abs` in list order with their files.

    `lost`: listed and found nowhere; `strangers`: ABs of this MODE and DATE that the list does not name; `refused`:
    files that cannot be read or contradict the list; `waiting`: listed, not processed yet; `twice`: PIPEFILEs that
    several products claim; `stamps`: path, size and time of every AB file; `followed`: places by AB, for those that
    name products by names they do not bear any more.
    """

    mode: str
    date: str
    abs: tuple[tuple[AB, Path], ...]
    places: Places
    lost: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    stamps: tuple[tuple[str, int, int], ...] = field(default=(), repr=False)
    followed: Mapping[str, Places] = field(default_factory=dict, repr=False)

    def places_of(self, ab: AB) -> Places:
        """The places as this AB means its names."""
        return self.followed.get(ab.name, self.places)


def listed(tree: DfoTree, settings: Settings, db: sqlite3.Connection | None, mode: str, date: str) -> Listed:
    """Look at everything updateAB needs of a MODE and DATE.

    MoveTrouble when there is no AB_list, or no final directory: a disk that is not there must not turn products
    into missing ones.
    """
    mode_label(mode), date_label(date)
    path, final = AbStore(tree).ab_list(mode, date), tree.final(mode) / date
    if not path.is_file():
        raise MoveTrouble(f"there is no {path.name}", where=str(path), remedy="createAB or phoenix -C writes it")
    if not final.is_dir():
        raise MoveTrouble(
            "there is no directory of products",
            where=str(final),
            remedy="is the disk there? Otherwise moveProducts comes first; no AB was changed",
        )
    try:
        return _listed(tree, settings, db, mode, date)
    except OSError as trouble:
        raise MoveTrouble(
            f"cannot be read: {trouble.strerror}", where=str(trouble.filename), remedy="no AB was changed"
        ) from trouble


def _listed(tree: DfoTree, settings: Settings, db: sqlite3.Connection | None, mode: str, date: str) -> Listed:
    text = AbStore(tree).ab_list(mode, date).read_text("utf-8", "replace")
    names = list(dict.fromkeys(line.split()[0] for line in text.splitlines() if line.split()))
    abs_: list[tuple[AB, Path]] = []
    lost: list[str] = []
    refused: list[str] = []
    waiting: list[str] = []
    for name in names:
        try:
            tag_of(name)
            path = next((p for p in (tree.ab / name, tree.log / date / name) if p.exists()), None)
            if path is None:
                lost.append(name)
                continue
            ab = read(path)
            if (ab.mode, ab.date) != (mode, date):
                raise BadAb(f"it is an AB of {ab.mode} {ab.date}", where=str(path), remedy="correct the AB_list")
        except BadAb as trouble:
            refused.append(str(trouble))
            continue
        if ab.status == "CREATED" and not ab.runs_no_recipe:
            waiting.append(name)
        else:
            abs_.append((ab, path))
    found = [ab for ab, _ in abs_]
    places, twice = _places(tree, settings, db, mode, date, found)
    return Listed(
        mode,
        date,
        tuple(abs_),
        places,
        tuple(lost),
        tuple(_strangers(tree, mode, date, set(names))),
        tuple(refused),
        tuple(waiting),
        twice,
        tuple(_stamp(path) for _, path in abs_),
        followed(tree, places, mode, date, abs_),
    )


def _strangers(tree: DfoTree, mode: str, date: str, known: set[str]) -> Iterable[str]:
    found = set()
    for folder in (tree.ab, tree.log / date):
        for path in _files(folder):
            if path.name.endswith(".ab") and path.name not in known:
                try:
                    ab = read(path)
                except BadAb:
                    continue
                if (ab.mode, ab.date) == (mode, date):
                    found.add(ab.name)
    return sorted(found)


def _places(
    tree: DfoTree, settings: Settings, db: sqlite3.Connection | None, mode: str, date: str, abs_: list[AB]
) -> tuple[Places, tuple[str, ...]]:
    final = tree.final(mode) / date
    names, twice = product_names((path.name, pipefile_of(path)) for path in _files(final))
    names |= {name: name for name in _archived(db, mode, date) if name not in names}
    checked = settings.update.checks(mode)
    folders = [tree.plt / date, tree.log / date, tree.dfs_log]
    folders += [tree.product / raw_type / date for raw_type in dict.fromkeys(ab.raw_type for ab in abs_)]
    places = Places(
        names,
        tree.shorten(final),
        calibrations_of(tree, abs_) if checked else {},
        checked,
        True,
        frozenset(path.name for folder in folders for path in _files(folder)),
        frozenset(row.format for row in settings.move.graphics if not row.save) | {"ps"},
    )
    return places, twice


def _archived(db: sqlite3.Connection | None, mode: str, date: str) -> Iterable[str]:
    """Products that the archive has confirmed: they exist, wherever they stand now."""
    if db is None:
        return []
    try:
        items = IngestStates(db, mode, date).items()
    except sqlite3.OperationalError:  # nothing was ever ingested, and this connection only reads
        return []
    return [name for name, item in items.items() if item.state == INGESTED]


def calibrations_of(tree: DfoTree, abs_: Iterable[AB]) -> Mapping[str, str]:
    """Where the calibrations that ABs name stand, by `<directory>/<name as written>`."""
    wanted: dict[str, dict[str, Path]] = {}
    for ab in abs_:
        for value in (*ab.values("MCALIB"), *ab.values("MASSOC")):
            path = tree.expand(value.split()[1])
            if path.parent.name not in _SKIPPED:
                wanted.setdefault(path.parent.name, {})[path.name] = path
    found: dict[str, str] = {}
    for folder, paths in wanted.items():
        found |= {f"{folder}/{name}": place for name, place in _calibrations(tree, folder, paths)}
    return found


def _calibrations(tree: DfoTree, folder: str, paths: Mapping[str, Path]) -> Iterable[tuple[str, str]]:
    try:
        place = inside(tree, str(tree.cal / folder))
    except MoveTrouble:
        return
    files = _files(place)
    names, _ = product_names((path.name, "") for path in files)
    if not paths.keys() <= names.keys():  # some by PIPEFILE: headers must be read
        names, _ = product_names((path.name, pipefile_of(path)) for path in files)
    for name, path in paths.items():
        if name in names:
            yield name, tree.shorten(place / names[name])
        elif not path.is_relative_to(tree.product) and not path.is_relative_to(tree.cal) and path.is_file():
            yield name, tree.shorten(path)  # a static calibration of somebody else


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.lstat()
    return str(path), status.st_size, status.st_mtime_ns


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if not path.name.startswith(".") and not path.is_dir())
