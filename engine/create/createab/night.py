"""The raw frames of a DATE: their headers, and those that cannot be used.

A header is `$DFO_HDR_DIR/DATE/x.hdr`, else that of `$DFO_RAW_DIR/DATE/x.fits` (or `.fits.fz`). Only the keys that the
rules ask for are read. One that cannot be read, or lacks a mandatory key, is reported; the others go on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.create.oca.frame import Frame
from engine.errors import BadFits, UsageTrouble
from engine.headers.quick import Header, Wanted, quick
from engine.stores.vcal import stem_of

UNREADABLE, EMPTY, NAMELESS, TWICE = "unreadable", "empty", "name", "twice"
IDENTITY = (
    *("MJD-OBS", "EXPTIME", "INSTRUME", "DPR.CATG", "OBS.ID", "OBS.PROG.ID", "ARCFILE"),
    *("PRO.CATG", "PIPEFILE", "TPL.START", "TPL.EXPNO", "TPL.NEXP"),
)
_ROOT = re.compile(r"[A-Z0-9_]+\.[0-9T:.\-]+")  # what may name an AB
_SAFE = re.compile(r"[A-Za-z0-9_.:+][A-Za-z0-9_.:+\-]*")  # what a line of an AB can hold, and no option of a tool
_LONGEST = 120  # characters
_SUFFIXES = (".fits", ".fits.fz")
_SERIES = re.compile(r"(?P<first>.+)_\d+")


@dataclass(frozen=True, slots=True)
class Source:
    """One raw file: how an AB names it, and the files that hold its header, best first."""

    path: str
    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that makes no AB: its name, `kind` (unreadable, empty, name, twice), and why."""

    name: str
    kind: str
    why: str


@dataclass(frozen=True)
class Night:
    """The raw frames of a DATE by MJD-OBS and name, where each header stands, what was left out, what is odd."""

    date: str
    frames: tuple[Frame, ...]
    sources: Mapping[str, Source]  # by Frame.path
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...] = ()


def listed(tree: DfoTree, date: str) -> list[Source]:
    """The raw files of a DATE, by name; UsageTrouble when there is no directory for it."""
    headers = tree.variables.get("DFO_HDR_DIR", "")
    texts = _files(Path(headers) / date, (".hdr",)) if headers else {}
    raws = _files(tree.raw / date, _SUFFIXES)
    if not texts and not raws:
        places = [f"$DFO_HDR_DIR/{date}"] if headers else []
        raise UsageTrouble(
            f"there are no headers of {date}",
            where=" and ".join([*places, f"$DFO_RAW_DIR/{date}"]),
            remedy="load the headers, or put the raw files there",
        )
    found = []
    for stem in sorted({*texts, *raws}):
        first = _SERIES.fullmatch(stem)
        if stem in texts and stem not in raws and first and first["first"] in texts:
            continue  # x_1.hdr holds an extension of x.hdr
        name = raws[stem].name if stem in raws else f"{stem}.fits"
        files = tuple(str(place[stem]) for place in (texts, raws) if stem in place)
        found.append(Source(f"$DFO_RAW_DIR/{date}/{name}", files))
    return found


def read_night(tree: DfoTree, date: str, keys: Iterable[str], mandatory: Sequence[str]) -> Night:
    """The raw frames of a DATE with the values of `keys`. UsageTrouble when there are no files at all."""
    wanted = Wanted.of({*keys, *IDENTITY, *mandatory})
    frames: list[Frame] = []
    sources: dict[str, Source] = {}
    troubles: list[Trouble] = []
    notes: list[str] = []
    for source in listed(tree, date):
        name = source.path.rpartition("/")[2]
        if not safe(name):
            troubles.append(Trouble(ascii(name), NAMELESS, "no AB can hold such a name"))
            continue
        try:
            header = _header(source, wanted)
        except BadFits as trouble:
            troubles.append(Trouble(name, UNREADABLE, trouble.what))
            continue
        notes += [f"{name}: {key} stands twice, the first value counts" for key in header.twice]
        frame = Frame(source.path, header.values)
        missing = [key for key in mandatory if key not in header.values]
        if missing or frame.mjd is None:
            troubles.append(Trouble(name, EMPTY, f"{', '.join(missing) or 'MJD-OBS'} is blank or missing"))
        elif not root_of(frame):
            troubles.append(Trouble(name, NAMELESS, "neither its name nor ARCFILE can name an AB"))
        else:
            frames.append(frame)
            sources[frame.path] = source
    frames.sort(key=lambda frame: (frame.mjd or 0.0, frame.path))
    frames, again = _once(frames)
    troubles += again
    return Night(date, tuple(frames), sources, tuple(troubles), tuple(notes))


def _once(frames: Sequence[Frame]) -> tuple[list[Frame], list[Trouble]]:
    """The frames without those that hold an exposure (ARCFILE, MJD-OBS) another one holds; ARCFILE's own name wins."""
    exposures: dict[tuple[str, float | None], list[Frame]] = {}
    for frame in frames:
        archived = stem_of(str(frame.header.get("ARCFILE", ""))) or frame.path
        exposures.setdefault((archived, frame.mjd), []).append(frame)
    dropped: dict[str, Trouble] = {}
    for (archived, _), same in exposures.items():
        chosen = next((frame for frame in same if frame.name == archived), same[0])
        for frame in same:
            if frame is not chosen:
                name = frame.path.rpartition("/")[2]
                dropped[frame.path] = Trouble(name, TWICE, f"the same exposure as {chosen.name} (ARCFILE, MJD-OBS)")
    return [frame for frame in frames if frame.path not in dropped], list(dropped.values())


def safe(name: str) -> bool:
    """True when the lines of an AB can hold the name of a file."""
    return bool(_SAFE.fullmatch(name)) and len(name) <= _LONGEST


def root_of(frame: Frame) -> str:
    """What names the AB of a raw frame: its file name, else ARCFILE without suffix; '' when neither may."""
    for text in (frame.path.rpartition("/")[2], str(frame.header.get("ARCFILE", ""))):
        root = stem_of(text)
        if _ROOT.fullmatch(root) and safe(root):
            return root
    return ""


def _header(source: Source, wanted: Wanted) -> Header:
    """Of the first file that can be read; the trouble of the first when none can."""
    first: BadFits | None = None
    for path in source.headers:
        try:
            return quick(path, wanted)
        except BadFits as trouble:
            first = first or trouble
    raise first or BadFits("there is no header")


def _files(place: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a directory by stem; the suffix that comes first in `suffixes` wins."""
    found: dict[str, Path] = {}
    for path in sorted(_inside(place), key=lambda path: (path.name.endswith(".fz"), path.name)):
        if path.name.endswith(suffixes):
            found.setdefault(stem_of(path.name), path)
    return found


def _inside(place: Path) -> Iterator[Path]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and not _is_directory(entry):
                    yield Path(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """False too for what cannot be said, e.g. a link to itself: it is found unreadable when its header is."""
    try:
        return entry.is_dir()
    except OSError:
        return False
