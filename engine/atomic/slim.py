"""A FITS file gives way to its headers: the three acts of the clean-up, each of which may be repeated.

None trusts the plan: what it needs is read again from the disk before anything is written or removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from engine.atomic import fs
from engine.errors import BadFits, DestinationOccupied, MoveTrouble


def write_headers(fits: Path, size: int, mtime_ns: int, target: Path) -> None:
    """`target` holds the headers of all HDUs of `fits`, which is what was planned (size in bytes, time in ns)."""
    from engine.headers.hdr_file import fits_headers, hdr_text

    if not os.path.lexists(fits) and target.is_file():
        return
    unchanged(fits, size, mtime_ns)
    if target.is_symlink():
        raise DestinationOccupied("a symbolic link stands where the headers go", where=str(target))
    fs.write_new(target, hdr_text(fits_headers(fits)))


def slim(fits: Path, size: int, mtime_ns: int, stays: Path, keys: Sequence[str] = ()) -> None:
    """Remove `fits`, once `stays` is known to hold the same headers, card by card.

    With `keys` (PIPEFILE, names it had) `stays` is the converted product instead, which must carry one of them as
    PIPEFILE or ORIGFILE. Nothing is removed when the file is not what was planned. MoveTrouble, BadFits.
    """
    if not os.path.lexists(fits):
        if not stays.is_file():
            raise MoveTrouble(f"{fits.name} and {stays.name} are both gone", where=str(stays), remedy="who was here?")
        return
    unchanged(fits, size, mtime_ns)
    if stays.is_symlink() or not (names_of(stays) & set(keys) if keys else same_headers(fits, stays)):
        raise MoveTrouble(
            f"{stays.name} does not hold its headers, so it stays", where=str(fits), remedy="nothing was removed"
        )
    fs.remove(fits)
    fs.sync_dir(fits.parent)


def link_graphic(path: Path, size: int, mtime_ns: int, target: Path) -> None:
    """A relative symbolic link to `target` takes the place of `path`, once both are known to have the same content."""
    text = os.path.relpath(target, path.parent)
    if path.is_symlink() and str(path.readlink()) == text:
        return
    unchanged(path, size, mtime_ns)
    if target.is_symlink() or not target.is_file() or fs.sha256(target) != fs.sha256(path):
        raise MoveTrouble(
            f"{target} does not hold the same, so it stays", where=str(path), remedy="nothing was removed"
        )
    temporary = fs.hidden(path)
    fs.acting("symlink", temporary)
    if os.path.lexists(temporary):
        temporary.unlink()
    temporary.symlink_to(text)
    fs.acting("replace", path)
    temporary.replace(path)
    fs.sync_dir(path.parent)


def unchanged(path: Path, size: int, mtime_ns: int) -> None:
    """MoveTrouble unless a regular file of this size (bytes) and time (ns) stands there."""
    try:
        found = path.lstat()
    except OSError as trouble:
        raise MoveTrouble(f"cannot be looked at: {trouble.strerror}", where=str(path)) from None
    if not stat.S_ISREG(found.st_mode) or (found.st_size, found.st_mtime_ns) != (size, mtime_ns):
        raise MoveTrouble(
            "it changed since the clean-up was planned, so it stays", where=str(path), remedy="look who writes there"
        )


def same_headers(fits: Path, text: Path) -> bool:
    """Does the `.hdr` file hold the headers of the FITS file, all of them, card by card?"""
    from engine.headers.hdr_file import fits_headers, parsed

    try:
        return parsed(text.read_bytes(), str(text)) == fits_headers(fits)
    except (BadFits, OSError):
        return False


def names_of(product: Path) -> set[str]:
    """PIPEFILE and ORIGFILE of a product, FITS or headers; empty when it cannot be read."""
    from engine.headers.cards import keywords
    from engine.headers.hdr_file import hdr_keywords

    read = hdr_keywords if product.suffix == ".hdr" else keywords
    try:
        return {str(value) for value in read(product, ("PIPEFILE", "ORIGFILE")).values() if value}
    except BadFits:
        return set()
