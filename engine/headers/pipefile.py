"""PIPEFILE of a product, whichever form it stands in: FITS, compressed FITS, or the `.hdr` of a slimmed one."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import BadFits
from engine.headers.cards import keywords

_TEXT = re.compile(rb"^PIPEFILE *= *'([^'\n]*)'", re.MULTILINE)  # one card per line
_CARDS = re.compile(rb"PIPEFILE= *'([^']*)'")  # cards without line ends
_SEARCHED = 4 << 20  # bytes of a .hdr file


def pipefile_of(path: Path) -> str:
    """PIPEFILE in the header of a product; '' when there is none or the file cannot be read."""
    try:
        return (_of_text(path) if path.suffix == ".hdr" else _of_fits(path)).strip()
    except (BadFits, OSError):
        return ""


def _of_fits(path: Path) -> str:
    found = keywords(path, ["PIPEFILE"]).get("PIPEFILE")
    if not found and path.name.endswith(".fz"):  # the compressed image holds the header
        found = keywords(path, ["PIPEFILE"], hdu=1).get("PIPEFILE")
    return str(found or "")


def _of_text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        data = file.read(_SEARCHED)
    match = _TEXT.search(data) or _CARDS.search(data)
    return match[1].decode("ascii", "replace") if match else ""
