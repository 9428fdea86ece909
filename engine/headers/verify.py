"""Is a FITS file whole? Every HDU: complete, CHECKSUM and DATASUM present and right.

A missing checksum is a problem, never a pass: a full disk leaves products without one and a
recipe that says all is well (esorex-facts section 3). The file is read once.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from engine.errors import BadFits
from engine.headers.cards import Hdu, card_prefix, card_value, find_card, fold, hdu_at
from engine.headers.sums import FileSum

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: number of HDUs, size in bytes, every problem as a sentence; the SHA-256 (hex) where asked for."""

    hdus: int
    size: int
    problems: tuple[str, ...]
    sha256: str = ""


def verify(path: Path, digest: bool = False) -> Verified:
    """Check every HDU of a file. Never raises for a bad file: `problems` says what is wrong.

    With `digest` the SHA-256 of the whole file is made in the same pass; it stays '' when the file could
    not be read to its end.
    """
    try:
        # A pipe that nobody writes to would keep us for ever.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as trouble:
        return Verified(0, 0, (f"cannot be opened: {trouble.strerror}",))
    try:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            return Verified(0, 0, ("not a regular file",))
        run = _Run(file, before.st_size, path.name, hashlib.sha256() if digest else None)
        run.all()
        after = os.fstat(file)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            run.problems.append("it changed while it was read")
    finally:
        os.close(file)
    return Verified(run.count, before.st_size, tuple(run.problems), run.hex())


class _Run:
    """One pass over an open file; `digest` hears of every byte in its order."""

    def __init__(self, file: int, size: int, name: str, digest: Any) -> None:
        self.problems: list[str] = []
        self.count = 0
        self._file = file
        self._size = size
        self._name = name
        self._digest = digest
        self._digested = 0
        self._sum = FileSum(file, digest)

    def all(self) -> None:
        """Look at every HDU; the rest of a file that cannot be followed counts for the digest only."""
        offset = 0
        try:
            while offset < self._size:
                part = hdu_at(self._file, offset, self._name)
                if part is None:
                    self.problems.append(f"{self._size - offset} bytes behind the last HDU")
                    break
                self.problems += self._checked(part)
                offset, self.count = part.end, self.count + 1
            if not self.count and not self.problems:
                self.problems.append("the file is empty")
        except BadFits as trouble:
            self.problems.append(f"HDU {self.count}: {trouble.what}")
        except EOFError:
            self.problems.append(f"HDU {self.count}: the file became shorter while it was read")
        except OSError as trouble:
            self.problems.append(f"HDU {self.count}: {trouble.strerror}")
        self._finish()

    def hex(self) -> str:
        """The digest of the file, when all of it was read."""
        return str(self._digest.hexdigest()) if self._digest and self._digested == self._size else ""

    def _checked(self, part: Hdu) -> list[str]:
        number, header = self.count, part.header
        if part.end > self._size:
            missing, of = part.end - self._size, part.end - part.data_offset
            return [f"HDU {number}: truncated, {missing} of {of} data bytes are missing"]
        found = self._summed(part)
        at, data = find_card(header, card_prefix("CHECKSUM")), find_card(header, card_prefix("DATASUM"))
        gone = [name for name, place in (("CHECKSUM", at), ("DATASUM", data)) if place < 0]
        if gone:
            return [f"HDU {number}: no {' and no '.join(gone)}"]
        try:
            wanted = int(str(card_value(header, data)))
        except ValueError:
            return [f"HDU {number}: DATASUM is not a number"]
        if wanted != found:
            return [f"HDU {number}: DATASUM is {wanted}, the data give {found}"]
        whole = fold(found + int(numpy.frombuffer(header, ">u4").sum(dtype="u8")))
        return [] if whole in (0xFFFFFFFF, 0) else [f"HDU {number}: CHECKSUM does not match"]

    def _summed(self, part: Hdu) -> int:
        if self._digest:
            self._digest.update(part.header)
        found = self._sum.of(part.data_offset, part.end)
        self._digested = part.end
        return found

    def _finish(self) -> None:
        """What no HDU claims, for the digest."""
        try:
            while self._digest and self._digested < self._size:
                block = os.pread(self._file, min(_CHUNK, self._size - self._digested), self._digested)
                if not block:
                    return
                self._digest.update(block)
                self._digested += len(block)
        except OSError:
            return
