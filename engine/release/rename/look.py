"""What stands in a final directory before a rename: products, other names, rn_files, status lines. Reads only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.codes import Rename
from config.tree import DfoTree
from engine.atomic.acts import inside
from engine.core.ab import tag_of
from engine.core.dates import date_label, mode_label
from engine.core.product import Product
from engine.errors import BadAb, BadFits, MoveTrouble, UsageTrouble
from engine.release.rename.naming import Named, Value, keywords_needed
from engine.release.rename.rn_files import NAME

GEN, GEN_DIR = "GEN", "GEN_CALDIR"
_PIPEFILE = re.compile(r"(?P<root>.+)_\d{4}\.t?fits")
_LONGEST_TEXT = 4_000_000  # bytes of a header written as lines


@dataclass(frozen=True, slots=True)
class Seen:
    """A product on disk, by its present name: what its name is made of, and what is wrong with it."""

    name: str
    named: Named
    mtime_ns: int
    problem: str = ""


@dataclass(frozen=True)
class Directory:
    """One final directory as it stood. `names` are all names in it with size in bytes and time in ns."""

    mode: str
    date: str
    place: Path
    products: tuple[Seen, ...]
    names: Mapping[str, tuple[int, int]]
    script: str = ""
    statuses: tuple[str, ...] = ()


def place_of(tree: DfoTree, mode: str, date: str) -> Path:
    """Where the products of a MODE and DATE stand; GEN: $GEN_CALDIR. UsageTrouble when that is not set."""
    date_label(date)
    if mode != GEN:
        return tree.final(mode_label(mode)) / date
    folder = tree.variables.get(GEN_DIR, "")
    if not folder:
        raise UsageTrouble(
            f"{GEN_DIR} is not set", remedy=f"mode GEN works there: add 'export {GEN_DIR}=...' to .dfosrc"
        )
    return inside(tree, str(tree.expand(folder)))


def look(tree: DfoTree, tables: Rename, mode: str, date: str) -> Directory:
    """Look at the directory. MoveTrouble when it cannot be read; what is wrong with one file stands at that file."""
    place = place_of(tree, mode, date)
    try:
        with os.scandir(place) as entries:
            found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
        script = place / NAME
        text = script.read_text("utf-8", "surrogateescape") if NAME in found and script.is_file() else ""
        statuses = tuple(_statuses(tree, mode, date))
    except FileNotFoundError:
        raise UsageTrouble("there is no such directory", where=str(place), remedy="move the products first") from None
    except OSError as trouble:
        where = str(trouble.filename or place)
        raise MoveTrouble(f"cannot be read: {trouble.strerror}", where=where, remedy="nothing was renamed") from trouble
    wanted = ("PIPEFILE", "PRO.CATG", "MJD-OBS", *keywords_needed(tables, mode))
    raw_types = _raw_types(tree, mode, date) if any("raw_type" in code.when for code in tables.codes(mode)) else {}
    names = [name for name in found if _is_product(name) and not stat.S_ISDIR(found[name].st_mode)]
    if mode == GEN:
        names = [name for name in names if not _of_another_date(name, tables, date)]
    return Directory(
        mode,
        date,
        place,
        tuple(_seen(place / name, found[name], wanted, raw_types) for name in sorted(names)),
        {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()},
        text,
        statuses,
    )


def header_keywords(path: Path, wanted: Sequence[str]) -> dict[str, Value]:
    """Keywords of a FITS file, or of a `.hdr`: header blocks, or one card per line. BadFits otherwise."""
    from engine.headers.cards import card_prefix, card_value, find_card, keywords

    if path.name.endswith(".hdr"):
        with path.open("rb") as file:
            start = file.read(2880)
            if b"\n" in start[:82]:
                text = start + file.read(_LONGEST_TEXT)
                header = b"".join(line[:80].ljust(80) for line in text.splitlines())
                if not header.startswith(b"SIMPLE"):
                    raise BadFits("not a FITS header", where=str(path))
                places = {name: find_card(header, card_prefix(name)) for name in wanted}
                return {name: card_value(header, at) for name, at in places.items() if at >= 0}
    return keywords(path, wanted)


def read_keys(path: Path, status: os.stat_result, wanted: Sequence[str]) -> tuple[dict[str, Value], str]:
    """The keywords of a product, and what is wrong with it: no file, unreadable, no PIPEFILE; '' for nothing."""
    if not stat.S_ISREG(status.st_mode):
        return {}, "not a regular file"
    try:
        keys = header_keywords(path, wanted)
    except BadFits as trouble:
        return {}, trouble.what
    except OSError as trouble:
        return {}, f"cannot be read: {trouble.strerror}"
    return keys, "" if keys.get("PIPEFILE") else "no PIPEFILE in its header"


def _seen(path: Path, status: os.stat_result, wanted: Sequence[str], raw_types: Mapping[str, str]) -> Seen:
    keys, problem = read_keys(path, status, wanted)
    pipefile, mjd = str(keys.get("PIPEFILE") or ""), keys.get("MJD-OBS")
    match = _PIPEFILE.fullmatch(pipefile)
    root = match["root"] if match else ""
    number = float(mjd) if isinstance(mjd, int | float) and not isinstance(mjd, bool) else 0.0
    product = Product(
        str(path), pipefile, str(keys.get("PRO.CATG") or ""), "", raw_types.get(root, ""), status.st_size, number
    )
    return Seen(path.name, Named(product, tag_of_root(root), keys), status.st_mtime_ns, problem)


def tag_of_root(root: str) -> str:
    """The AB tag in the root of a PIPEFILE, e.g. `dpc` of `r.MUSE.2014-10-22T23:57:32.118_dpc`; '' for none."""
    try:
        return tag_of(root.removeprefix("r.") + ".ab")
    except BadAb:
        return ""


def _is_product(name: str) -> bool:
    return not name.startswith(".") and name.endswith((".fits", ".fits.fz", ".tfits", ".hdr"))


def _of_another_date(name: str, tables: Rename, date: str) -> bool:
    match = re.match(rf"{re.escape(tables.instrument_code)}_G[A-Z0-9]{{3}}_(\d{{6}})[A-Z]+[_.]", name)
    return match is not None and match[1] != date[2:].replace("-", "")


def _statuses(tree: DfoTree, mode: str, date: str) -> Iterator[str]:
    """The lines of DFO_STATUS that say this date is renamed."""
    path = tree.mon / "DFO_STATUS"
    if mode != GEN and path.is_file():
        for line in path.read_text("utf-8", "surrogateescape").splitlines():
            if line.startswith(f"{status_of(mode)} {date} "):
                yield line


def status_of(mode: str) -> str:
    """The status a rename writes."""
    return "cal_Renamed" if mode == "CALIB" else "sci_Renamed"


def _raw_types(tree: DfoTree, mode: str, date: str) -> dict[str, str]:
    """RAW_TYPE by root of PIPEFILE, from the ABs of the date, wherever they stand."""
    from engine.stores.abs import AbStore, read

    found = {ab.root: ab.raw_type for ab in AbStore(tree).load("CALIB" if mode == GEN else mode, date)}
    for path in _logged(tree.log / date):
        try:
            ab = read(path)
        except BadAb:
            continue
        found.setdefault(ab.root, ab.raw_type)
    return found


def _logged(place: Path) -> Iterable[Path]:
    return sorted(place.glob("*.ab")) if place.is_dir() else ()
