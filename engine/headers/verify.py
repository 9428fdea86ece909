"""Is a FITS file whole? Every HDU: complete, CHECKSUM and DATASUM present and right.

A missing checksum is a problem, never a pass: a full disk leaves products without one and a
recipe that says all is well (esorex-facts section 3). The file is read once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy

from engine.errors import BadFits
from engine.headers.cards import BLOCK, Hdu, card_prefix, card_value, find_card, fold, hdu_at

_CHUNK = BLOCK * 1456  # about 4 MB


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: number of HDUs, size in bytes, and every problem as a sentence."""

    hdus: int
    size: int
    problems: tuple[str, ...]


def verify(path: Path) -> Verified:
    """Check every HDU of a file. Never raises for a bad file: `problems` says what is wrong."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as trouble:
        return Verified(0, 0, (f"cannot be opened: {trouble.strerror}",))
    problems: list[str] = []
    offset = count = 0
    try:
        size = os.fstat(file).st_size
        while offset < size:
            part = hdu_at(file, offset, path.name)
            if part is None:
                problems.append(f"{size - offset} bytes behind the last HDU")
                break
            problems += _checked(file, part, count, size)
            offset, count = part.end, count + 1
        if not count and not problems:
            problems.append("the file is empty")
    except BadFits as trouble:
        problems.append(f"HDU {count}: {trouble.what}")
    except OSError as trouble:
        problems.append(f"HDU {count}: {trouble.strerror}")
    finally:
        os.close(file)
    return Verified(count, size, tuple(problems))


def _checked(file: int, part: Hdu, number: int, size: int) -> list[str]:
    if part.end > size:
        return [f"HDU {number}: truncated, {part.end - size} of {part.end - part.data_offset} data bytes are missing"]
    at, data = find_card(part.header, card_prefix("CHECKSUM")), find_card(part.header, card_prefix("DATASUM"))
    missing = [name for name, place in (("CHECKSUM", at), ("DATASUM", data)) if place < 0]
    if missing:
        return [f"HDU {number}: no {' and no '.join(missing)}"]
    found = _sum(file, part.data_offset, part.end)
    try:
        wanted = int(str(card_value(part.header, data)))
    except ValueError:
        return [f"HDU {number}: DATASUM is not a number"]
    if wanted != found:
        return [f"HDU {number}: DATASUM is {wanted}, the data give {found}"]
    whole = _sum(file, part.offset, part.data_offset, found)
    return [] if whole in (0xFFFFFFFF, 0) else [f"HDU {number}: CHECKSUM does not match"]


def _sum(file: int, start: int, stop: int, total: int = 0) -> int:
    while start < stop:
        block = os.pread(file, min(_CHUNK, stop - start), start)
        if not block:
            break
        total = fold(total + int(numpy.frombuffer(block, ">u4").sum(dtype="u8")))
        start += len(block)
    return total
