"""The local archive: a directory of files and a catalogue with their SHA-256.

`files/<name>` holds the first version of a name, `versions/<n>/<name>` the later ones, `catalogue.sqlite`
what counts: a file that is not in the catalogue is not archived. What is asked for at the same time is
done together, with one sync of the disk and one entry in the catalogue.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import threads
from engine.atomic import fs
from engine.atomic import place as placing
from engine.errors import ArchiveTrouble, DestinationOccupied, DfosError
from engine.stores.database import connect
from engine.transfer.archives.protocol import Duplicate, Receipt

_BLOCK = 1 << 20
_TABLE = (
    "CREATE TABLE IF NOT EXISTS holdings (name TEXT, version INTEGER, size INTEGER NOT NULL, sha256 TEXT NOT NULL,"
    " stored TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID"
)
_EARLIER = "INSERT OR IGNORE INTO holdings SELECT name, 1, size, sha256, stored FROM catalogue"


@dataclass(frozen=True, slots=True)
class _Wish:
    path: Path
    sha256: str
    name: str
    update: bool = False


class LocalArchive:
    """An archive in a directory. `now` gives the time (UTC) that goes into the catalogue."""

    def __init__(self, directory: Path, now: Callable[[], str]) -> None:
        self._directory = directory
        self._now = now
        self._together = _Together()

    async def find(self, path: Path, sha256: str, *, name: str = "") -> Receipt | None:
        """What the catalogue says of this name and content; Duplicate when it has other content only."""
        found: Receipt | None = await self._together.done(self._found, _Wish(path, sha256, name or path.name))
        return found

    async def store(self, path: Path, sha256: str, *, name: str = "", update: bool = False) -> Receipt:
        """Copy a file in; what was begun before a crash is completed. Same content again is fine."""
        receipt: Receipt = await self._together.done(self._stored, _Wish(path, sha256, name or path.name, update))
        return receipt

    async def confirms(self, receipt: Receipt, *, deep: bool = False) -> bool:
        """Catalogue and size of the file; `deep`: its SHA-256 too."""
        kept: bool = await self._together.done(self._kept_deep if deep else self._kept, receipt)
        return kept

    # --- many at once, in a thread ------------------------------------------------------------

    def _found(self, wishes: list[_Wish]) -> list[Any]:
        with self._open() as db:
            return [_tried(wish.name, self._known, db, wish) for wish in wishes]

    def _kept(self, receipts: list[Receipt]) -> list[Any]:
        with self._open() as db:
            return [_tried(one.name, self._holds, db, one, False) for one in receipts]

    def _kept_deep(self, receipts: list[Receipt]) -> list[Any]:
        with self._open() as db:
            return [_tried(one.name, self._holds, db, one, True) for one in receipts]

    def _stored(self, wishes: list[_Wish]) -> list[Any]:
        with self._open() as db:
            names: set[str] = set()
            results = [_tried(wish.name, self._prepared, db, wish, names) for wish in wishes]
            fresh = [one for one in results if isinstance(one, Receipt) and not one.when]
            self._publish(fresh)
            now = self._now()
            if fresh:
                fs.acting("commit", f"catalogue of {len(fresh)}")
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    "INSERT INTO holdings VALUES (?, ?, ?, ?, ?)",
                    [(one.name, one.version, one.size, one.sha256, now) for one in fresh],
                )
                db.execute("COMMIT")
        return [replace(one, when=now) if isinstance(one, Receipt) and not one.when else one for one in results]

    # --- one file -----------------------------------------------------------------------------

    def _rows(self, db: sqlite3.Connection, name: str) -> list[Receipt]:
        rows = db.execute(
            "SELECT name, version, size, sha256, stored FROM holdings WHERE name = ? ORDER BY version DESC", (name,)
        )
        return [self._receipt(*row) for row in rows]

    def _receipt(self, name: str, version: int, size: int, sha256: str, when: str = "") -> Receipt:
        return Receipt(name, size, sha256, file_id=name, version=version, disk=str(self._directory), when=when)

    def _known(self, db: sqlite3.Connection, wish: _Wish) -> Receipt | None:
        rows = self._rows(db, wish.name)
        for row in rows:
            if row.sha256 == wish.sha256:
                return row
        if rows:
            raise _duplicate(wish.name)
        return None

    def _holds(self, db: sqlite3.Connection, receipt: Receipt, deep: bool) -> bool:
        held = [row for row in self._rows(db, receipt.file_id or receipt.name) if row.version == receipt.version]
        if not held or (held[0].size, held[0].sha256) != (receipt.size, receipt.sha256):
            return False
        place = self._place(held[0].file_id, held[0].version)
        if not place.is_file() or place.stat().st_size != receipt.size:
            return False
        return not deep or fs.sha256(place) == receipt.sha256

    def _place(self, name: str, version: int) -> Path:
        folder = self._directory / "files" if version == 1 else self._directory / "versions" / str(version)
        return folder / name

    def _prepared(self, db: sqlite3.Connection, wish: _Wish, names: set[str]) -> Receipt:
        """The file under its hidden name; `when` is empty where it still has to be published and catalogued.

        `names` are those that were prepared already: one name is taken in once at a time.
        """
        if wish.name in names:
            raise ArchiveTrouble("another file is just being taken in under this name", where=wish.name)
        names.add(wish.name)
        rows = self._rows(db, wish.name)
        for row in rows:
            if row.sha256 == wish.sha256:
                return row
        if rows and not wish.update:
            raise _duplicate(wish.name)
        version = rows[0].version + 1 if rows else 1
        target = self._place(wish.name, version)
        fs.make_dir(target.parent)
        if target.exists():  # published before a crash, and never catalogued
            if fs.sha256(target) != wish.sha256:
                raise _duplicate(wish.name, f"{target} stands there with other content, unknown to the catalogue")
        else:
            found = _copied(wish.path, fs.hidden(target))
            if found != wish.sha256:
                raise ArchiveTrouble("the file changed while it was copied", where=wish.name)
        return self._receipt(wish.name, version, wish.path.stat().st_size, wish.sha256)

    def _publish(self, fresh: list[Receipt]) -> None:
        folders: dict[Path, list[tuple[str, str]]] = {}
        for one in fresh:
            target = self._place(one.file_id, one.version)
            temporary = fs.hidden(target)
            if target.exists() and temporary.exists():
                fs.remove(temporary)
            elif not target.exists():
                folders.setdefault(target.parent, []).append((temporary.name, target.name))
        fs.settle(folder / hidden for folder, names in folders.items() for hidden, _ in names)
        for folder, names in folders.items():
            placing.shift(folder, folder, names)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _troubles(str(self._directory)):
            path = self._directory / "catalogue.sqlite"
            fs.make_dir(path.parent)
            db = connect(path)
            try:
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'holdings'").fetchone():
                    db.execute(_TABLE)
                    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'catalogue'").fetchone():
                        db.execute(_EARLIER)
                yield db
            finally:
                db.close()


class _Together:
    """Work that many ask for at the same moment, done in one go in a thread, one go at a time.

    No task drives it, so that nothing but its end ends a go; who is cancelled leaves when the go he is part of is over.
    """

    def __init__(self) -> None:
        self._waiting: dict[Callable[[list[Any]], list[Any]], list[tuple[Any, asyncio.Future[Any]]]] = {}
        self._going = False

    async def done(self, work: Callable[[list[Any]], list[Any]], item: Any) -> Any:
        """The result of `work` for this item; raises what it gives as an exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.setdefault(work, []).append((item, future))
        loop.call_soon(self._next, loop)  # others may ask before
        return await threads.over(future)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._going or not self._waiting:
            return
        work = next(iter(self._waiting))
        group = self._waiting.pop(work)
        self._going = True
        try:
            going = loop.run_in_executor(None, work, [item for item, _ in group])
        except RuntimeError as trouble:  # there are no more threads to be had
            going = loop.create_future()
            going.set_exception(trouble)
        going.add_done_callback(lambda over: self._told(loop, over, [future for _, future in group]))

    def _told(
        self, loop: asyncio.AbstractEventLoop, over: asyncio.Future[list[Any]], futures: list[asyncio.Future[Any]]
    ) -> None:
        self._going = False
        trouble = over.exception()
        for future, result in zip(futures, over.result() if trouble is None else [trouble] * len(futures), strict=True):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._next(loop)


def _copied(source: Path, temporary: Path) -> str:
    """Copy, not synced yet; the SHA-256 of what was read."""
    fs.acting("copy", temporary)
    digest = hashlib.sha256()
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with source.open("rb") as read, os.fdopen(handle, "wb") as write:
        while block := read.read(_BLOCK):
            digest.update(block)
            write.write(block)
    return digest.hexdigest()


def _duplicate(name: str, why: str = "the archive holds this name with other content") -> Duplicate:
    return Duplicate(why, where=name, remedy="give it another name, or find out which of the two is right")


def _tried(name: str, work: Callable[..., Any], *values: Any) -> Any:
    """What the work gives, or its trouble as an ArchiveTrouble."""
    try:
        with _troubles(name):
            return work(*values)
    except ArchiveTrouble as trouble:
        return trouble


@contextlib.contextmanager
def _troubles(name: str) -> Iterator[None]:
    try:
        yield
    except ArchiveTrouble:
        raise
    except DestinationOccupied as trouble:
        raise _duplicate(name) from trouble
    except (OSError, sqlite3.Error, DfosError) as trouble:
        raise ArchiveTrouble(f"cannot be archived: {trouble}", where=name, remedy="it will be tried again") from trouble
