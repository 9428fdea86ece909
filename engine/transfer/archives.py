"""The archive behind one protocol. `LocalArchive`: a directory with a catalogue of SHA-256.

An archive answers for itself: what was stored counts only when it is asked again and gives the
same checksum. A name is unique for ever; the same name with other content is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.atomic import fs
from engine.errors import ArchiveTrouble, DestinationOccupied, DfosError
from engine.stores.database import connect

_T = TypeVar("_T")


class Duplicate(ArchiveTrouble):
    """The archive holds this name with other content: never tried again, the operator decides."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the archive says it took in: name, size in bytes, SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


class Archive(Protocol):
    """Where products go for good."""

    async def store(self, path: Path) -> Receipt:
        """Take a file in under its own name. ArchiveTrouble when it could not be taken; Duplicate when it may not."""
        ...

    async def holds(self, name: str) -> str | None:
        """The SHA-256 of what the archive holds under a name, read there; None when it holds nothing."""
        ...


class LocalArchive:
    """An archive in a directory: `files/<name>`, and `catalogue.sqlite` with name, size, SHA-256 and time."""

    def __init__(self, directory: Path, now: Callable[[], str]) -> None:
        self._files = directory / "files"
        self._catalogue = directory / "catalogue.sqlite"
        self._now = now

    async def store(self, path: Path) -> Receipt:
        """Take a file in; what was begun before a crash is completed. Same content again is fine."""
        return await asyncio.to_thread(self._store, path)

    async def holds(self, name: str) -> str | None:
        """Read the archived file and compare it with the catalogue; ArchiveTrouble when the two disagree."""
        return await asyncio.to_thread(self._holds, name)

    def _store(self, path: Path) -> Receipt:
        target = self._files / path.name
        with _troubles(path.name):
            fs.make_dir(self._files)
            known = self._entry(path.name)
            if known and not target.exists() and fs.sha256(path) != known[1]:
                raise DestinationOccupied("the archive holds this name with other content")
            sha = fs.copy(path, target)
            if known and sha != known[1]:
                raise ArchiveTrouble("its file differs from the catalogue", where=path.name, remedy="restore it")
            size = target.stat().st_size
            if not known:
                fs.acting("commit", f"catalogue {path.name}")
                with self._open() as db:
                    db.execute("INSERT INTO catalogue VALUES (?, ?, ?, ?)", (path.name, size, sha, self._now()))
        return Receipt(path.name, size, sha)

    def _holds(self, name: str) -> str | None:
        with _troubles(name):
            known, target = self._entry(name), self._files / name
            if known is None:
                return None
            if not target.is_file():
                raise ArchiveTrouble("in the catalogue, but its file is gone", where=name, remedy="restore it")
            sha = fs.sha256(target)
        if sha != known[1]:
            raise ArchiveTrouble("its file differs from the catalogue", where=name, remedy="restore it")
        return sha

    def _entry(self, name: str) -> tuple[int, str] | None:
        with self._open() as db:
            row = db.execute("SELECT size, sha256 FROM catalogue WHERE name = ?", (name,)).fetchone()
        return (row[0], row[1]) if row else None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = connect(self._catalogue)
        try:
            db.execute(
                "CREATE TABLE IF NOT EXISTS catalogue"
                " (name TEXT PRIMARY KEY, size INTEGER NOT NULL, sha256 TEXT NOT NULL, stored TEXT NOT NULL)"
            )
            yield db
        finally:
            db.close()


@contextlib.contextmanager
def _troubles(name: str) -> Iterator[None]:
    try:
        yield
    except ArchiveTrouble:
        raise
    except DestinationOccupied as trouble:
        raise Duplicate(
            "the archive holds this name with other content",
            where=name,
            remedy="give it another name, or find out which of the two is right",
        ) from trouble
    except (OSError, sqlite3.Error, DfosError) as trouble:
        raise ArchiveTrouble(f"cannot be archived: {trouble}", where=name, remedy="it will be tried again") from trouble
