"""What stands there before a clean-up: products with their content, headers, graphics, and who still needs them.

Reads only, and reads every FITS file whole: what goes must be what the archive took.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs
from engine.atomic.slim import names_of
from engine.core.ab import AB
from engine.core.product import is_product, stem_of
from engine.errors import BadFits
from engine.headers.cards import keywords
from engine.headers.hdr_file import Cards, fits_headers, hdr_text, parsed
from engine.stores.abs import AbStore

GRAPHICS = (".png", ".gif", ".jpg", ".jpeg")
_INPUTS = ("RAWFILE", "RASSOC", "SOF_CONTENT", "MCALIB", "MASSOC")


@dataclass(frozen=True, slots=True)
class Fits:
    """A FITS file: size and time (bytes, ns), SHA-256, other names of it, what is wrong with it.

    `names`: PIPEFILE and ORIGFILE, of which only `pipefile` is surely its own. `hdr`: '' when there is no `.hdr`
    file yet, `equal` or `other`. `text` is the size of its headers as text, in bytes; `links` the number of its
    names on the disk.
    """

    path: Path
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    names: frozenset[str] = frozenset()
    pipefile: str = ""
    hdr: str = ""
    text: int = 0
    links: int = 1
    problem: str = ""

    @property
    def header(self) -> Path:
        """Its `.hdr` file."""
        return self.path.with_name(stem_of(self.path.name) + ".hdr")


@dataclass(frozen=True, slots=True)
class Slimmed:
    """A product that is headers only already, with PIPEFILE and ORIGFILE."""

    path: Path
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Graphic:
    """A plot in DATE/conv; `target` is the file of $DFO_PLT_DIR/DATE with the same content, None without one."""

    path: Path
    size: int
    mtime_ns: int
    target: Path | None = None


@dataclass(frozen=True)
class Seen:
    """One MODE and DATE as it stood. `phoenix`: the layout with DATE/conv.

    `fits` are those of DATE, `conv` those of DATE/conv, `slimmed` the headers there. `needs`: stem of a product to
    the AB that still needs it. `unreadable`: AB files of which nobody knows what they need.
    """

    mode: str
    date: str
    place: Path
    phoenix: bool
    fits: tuple[Fits, ...]
    conv: tuple[Fits, ...] = ()
    slimmed: tuple[Slimmed, ...] = ()
    graphics: tuple[Graphic, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def look(tree: DfoTree, mode: str, date: str, layout: str) -> Seen:
    """Look at everything a clean-up of MODE and DATE concerns; `layout` as in the settings. OSError."""
    place = tree.final(mode) / date
    conv = place / "conv"
    phoenix = layout == "phoenix" or (layout == "auto" and mode == "SCIENCE" and conv.is_dir())
    abs_ = AbStore(tree)
    needs = dict(_needs(abs_.load()))
    unreadable = tuple(f"{bad.where}: {bad.why}" for bad in abs_.refused)
    fits = tuple(_fits(place))
    if not phoenix:
        return Seen(mode, date, place, False, fits, needs=needs, unreadable=unreadable)
    return Seen(
        mode,
        date,
        place,
        True,
        fits,
        tuple(_fits(conv)),
        tuple(_slimmed(conv)),
        tuple(_graphics(conv, tree.plt / date)),
        needs,
        unreadable,
    )


def _entries(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else []


def _fits(place: Path) -> Iterator[Fits]:
    """The FITS files of a directory. A directory that is a link to elsewhere is a problem of each of them."""
    for path in _entries(place):
        if is_product(path.name) and not path.name.endswith(".hdr"):
            yield _read(path)


def _read(path: Path) -> Fits:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no regular file"
            return Fits(path, problem=f"it is {kind}")
        headers = fits_headers(path)
        return Fits(
            path,
            found.st_size,
            found.st_mtime_ns,
            fs.sha256(path),
            _names(path),
            str(keywords(path, ("PIPEFILE",)).get("PIPEFILE", "")),
            _header_state(Fits(path).header, headers),
            len(hdr_text(headers)),
            found.st_nlink,
        )
    except BadFits as trouble:
        return Fits(path, problem=trouble.what)
    except OSError as trouble:
        return Fits(path, problem=f"it cannot be read: {trouble.strerror}")


def _header_state(header: Path, headers: list[Cards]) -> str:
    if not os.path.lexists(header):
        return ""
    try:
        regular = header.is_file() and not header.is_symlink()
        return "equal" if regular and parsed(header.read_bytes()) == headers else "other"
    except BadFits:
        return "other"


def _names(path: Path) -> frozenset[str]:
    return frozenset(names_of(path))


def _slimmed(place: Path) -> Iterator[Slimmed]:
    for path in _entries(place):
        if path.name.endswith(".hdr") and is_product(path.name) and path.is_file() and not path.is_symlink():
            yield Slimmed(path, _names(path))


def _graphics(place: Path, plots: Path) -> Iterator[Graphic]:
    """Plots that are files of their own, each with the same content among the plots of DATE: by name, else by size."""
    there: dict[int, list[Path]] = {}
    for plot in _entries(plots):
        if plot.is_file() and not plot.is_symlink():
            there.setdefault(plot.stat().st_size, []).append(plot)
    for path in _entries(place):
        if path.suffix.lower() in GRAPHICS and path.is_file() and not (path.is_symlink() or path.name.startswith(".")):
            found = path.stat()
            same = sorted(there.get(found.st_size, []), key=lambda plot, name=path.name: plot.name != name)  # type: ignore[misc]
            target = next((plot for plot in same if fs.sha256(plot) == fs.sha256(path)), None)
            yield Graphic(path, found.st_size, found.st_mtime_ns, target)


def _needs(abs_: list[AB]) -> Iterator[tuple[str, str]]:
    """Stem of every file that an AB waits to read or reads now (its status stays CREATED while it runs)."""
    for ab in abs_:
        if ab.status == "CREATED" and not ab.runs_no_recipe:
            for key in _INPUTS:
                for value in ab.values(key):
                    for word in value.split():
                        name = word.rpartition("/")[2]
                        if is_product(name):
                            yield stem_of(name), ab.name
