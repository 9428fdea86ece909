"""Which files an ingestion is about, and whether they are whole.

`$DFO_CAL_DIR/DATE` and `$DFO_SCI_DIR/DATE`: the FITS files. `$DFO_SCI_DIR/DATE/conv`: the FITS files and the
graphics that belong to them; text files there are for people (inferred). x.fits, x.fits.fz and x.hdr are the
same product: what a clean-up replaced by its header is ingested and stays so.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from engine.atomic import fs

FITS = (".fits", ".fits.fz")
GRAPHICS = (".png", ".jpg", ".gif", ".pdf")


@dataclass(frozen=True, slots=True)
class Found:
    """One file: where, size in bytes, time of its last change (ns); `fault` says why it cannot be delivered."""

    path: Path
    size: int
    mtime_ns: int
    fault: str = ""


def is_fits(name: str) -> bool:
    """A FITS file by its name, compressed or not."""
    return name.endswith(FITS)


def products(place: Path, *, graphics: bool = False) -> list[Found]:
    """The files of a directory that are delivered, by name; none when there is no such directory."""
    kinds = (*FITS, *GRAPHICS) if graphics else FITS
    found = []
    if place.is_dir():
        for path in sorted(place.iterdir()):
            if path.name.endswith(kinds) and not path.name.startswith("."):
                state = path.lstat()
                fault = "" if stat.S_ISREG(state.st_mode) else "is a symbolic link or no plain file"
                found.append(Found(path, state.st_size, state.st_mtime_ns, fault))
    return found


def checked(path: Path) -> tuple[tuple[str, ...], str]:
    """What is wrong with a file, as sentences, and its SHA-256. FITS: every HDU; a missing checksum is a finding."""
    if not is_fits(path.name):
        return ((), fs.sha256(path)) if path.stat().st_size else (("the file is empty",), "")
    from engine.headers.verify import verify

    found = verify(path, digest=True)
    return found.problems, found.sha256
