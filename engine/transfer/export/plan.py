"""What goes to the web server: logs and plots for CALIB, logs for SCIENCE; never fits, hdr, ps (moveProducts 2.18).

`survey` looks, `plan` decides and is pure. Names on the server are relative to the tree of the release:
`logs/<DATE>/<name>` and `plots/<DATE>/<name>`, so files of two dates never meet.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from config.tree import DIRECTORIES, DfoTree
from engine.core.dates import date_label, mode_label
from engine.errors import DfosError

LOGS, PLOTS = "logs", "plots"
PARTS = {"CALIB": (LOGS, PLOTS), "SCIENCE": (LOGS,)}
_STAYS = re.compile(r"\.(fits|fit|fts|hdr|ps)(\.(fz|gz|z|bz2|xz|zst))?$", re.IGNORECASE)
_HTML = re.compile(r"\.x?html?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry of a directory that is exported: its path, and what it is when links are followed.

    `why` says why it cannot be sent whatever its name; `size` in bytes, `mtime_ns` since 1970.
    """

    part: str
    path: Path
    real: Path
    size: int = 0
    mtime_ns: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes: where it is, its name in the tree of the release, size in bytes, time in ns."""

    path: Path
    real: Path
    remote: str
    size: int
    mtime_ns: int

    @property
    def html(self) -> bool:
        """True when its links are edited on the way."""
        return bool(_HTML.search(self.path.name))


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, what is refused (path, why), and how many files stay because of what they are."""

    mode: str
    date: str
    files: tuple[Upload, ...]
    refused: tuple[tuple[Path, str], ...] = ()
    stay: int = 0

    @property
    def total_bytes(self) -> int:
        """Bytes of the files that go."""
        return sum(file.size for file in self.files)

    @property
    def parts(self) -> tuple[str, ...]:
        """The directories of the tree that it fills, e.g. `logs/2014-10-22`."""
        return tuple(f"{part}/{self.date}" for part in PARTS[self.mode])


def plan(mode: str, date: str, seen: Iterable[Seen]) -> Plan:
    """Decide what goes. UsageTrouble when MODE or DATE is none."""
    mode_label(mode), date_label(date)
    files, refused, stay = [], [], 0
    for entry in seen:
        name = entry.path.name
        if entry.part not in PARTS[mode]:
            continue
        if name.startswith("."):
            refused.append((entry.path, "hidden"))
        elif entry.why:
            refused.append((entry.path, entry.why))
        elif _STAYS.search(name) or _STAYS.search(entry.real.name):
            stay += 1
        else:
            files.append(Upload(entry.path, entry.real, f"{entry.part}/{date}/{name}", entry.size, entry.mtime_ns))
    return Plan(mode, date, tuple(files), tuple(refused), stay)


def survey(tree: DfoTree, mode: str, date: str) -> list[Seen]:
    """What stands in the log and plot directories of a date, by name. DfosError when there are no logs."""
    mode_label(mode), date_label(date)
    places = {LOGS: tree.log / date, PLOTS: tree.plt / date}
    if not places[LOGS].is_dir():
        raise DfosError(
            "there is nothing to export",
            where=str(places[LOGS]),
            remedy="is the disk there? Otherwise moveProducts comes first",
        )
    bounds = _Bounds(tree)
    found: list[Seen] = []
    for part in PARTS[mode]:
        if places[part].is_dir():
            if why := bounds.refuse(Path(os.path.realpath(places[part]))):
                raise DfosError(f"this directory is {why}", where=str(places[part]), remedy="put a directory there")
            found += _entries(part, places[part], bounds)
    return found


def shown(name: str) -> str:
    """A file name of any bytes as text for a line."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class _Bounds:
    """Where a symbolic link may lead: into the account, but not to what it keeps for itself."""

    def __init__(self, tree: DfoTree) -> None:
        roots = (tree.root, *(getattr(tree, name) for name in DIRECTORIES.values()))
        self.within = tuple(Path(os.path.realpath(root)) for root in roots)
        self.without = tuple(Path(os.path.realpath(root)) for root in (tree.config, tree.state))

    def refuse(self, real: Path) -> str:
        """Why a link may not lead there; '' when it may."""
        if not any(real.is_relative_to(root) for root in self.within):
            return "a symbolic link that leaves the account"
        if any(real.is_relative_to(root) for root in self.without):
            return "a symbolic link to the account's configuration or journal"
        return ""


def _entries(part: str, place: Path, bounds: _Bounds) -> Iterator[Seen]:
    with os.scandir(place) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = place / entry.name
        real = path
        try:
            if entry.is_symlink():
                real = Path(os.path.realpath(path, strict=True))
                if why := bounds.refuse(real):
                    yield Seen(part, path, real, why=why)
                    continue
            status = entry.stat()
        except OSError as trouble:
            yield Seen(part, path, real, why=f"cannot be looked at: {trouble.strerror}")
            continue
        if stat.S_ISREG(status.st_mode):
            yield Seen(part, path, real, status.st_size, status.st_mtime_ns)
        else:
            why = "a directory" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
            yield Seen(part, path, real, why=why)
