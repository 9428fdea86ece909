"""The archive behind one protocol: what every archive can be asked, and what it answers.

An archive answers for itself: what was stored counts only when it is asked again and gives the
same checksum (decision 18). `local_archive` is a directory with a catalogue, `ngas_archive` an NG/AMS server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.errors import ArchiveTrouble

Sleep = Callable[[float], Awaitable[None]]


class Duplicate(ArchiveTrouble):
    """The archive holds this name with other content: never tried again, the operator decides."""


class Refused(ArchiveTrouble):
    """The archive will never take this file as it is: not tried again."""


class Uncertain(ArchiveTrouble):
    """The archive may hold the file, or not: it has to be asked before anything else is done about it."""


class Closed(ArchiveTrouble):
    """The archive takes nothing from us (password, command not allowed): no other file is tried either."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the archive says it holds: name, size in bytes, SHA-256 (hex) of what was given to it.

    `crc32` is its own checksum (-1: none), `file_id` and `version` its own name, `disk`, `host` and `when` (UTC)
    where and when it took the file in.
    """

    name: str
    size: int
    sha256: str
    crc32: int = -1
    file_id: str = ""
    version: int = 0
    disk: str = ""
    host: str = ""
    when: str = ""


class Archive(Protocol):
    """Where products go for good. Every call may be made many times at once."""

    async def find(self, path: Path, sha256: str, *, name: str = "") -> Receipt | None:
        """Is this very content there already? Under `name`, by default the file's own.

        None: the name is free. Duplicate: it is taken by other content.
        """
        ...

    async def store(self, path: Path, sha256: str, *, name: str = "", update: bool = False) -> Receipt:
        """Take a file in; with `update` as a new version where the name is taken.

        ArchiveTrouble: it may be tried again (Uncertain: it may be there). Duplicate, Refused: it may not. Closed:
        nothing may.
        """
        ...

    async def confirms(self, receipt: Receipt, *, deep: bool = False) -> bool:
        """Asked again, independently: does it hold this? `deep`: it reads its bytes again to find out."""
        ...
