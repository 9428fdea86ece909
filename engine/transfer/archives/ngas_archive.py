"""An NG/AMS server as the archive. Nothing is believed that was not asked for again (NGAS page, sections 4 to 7).

Before a push the server is asked whether it knows the id; after any outcome but a clean one it is asked again,
because answers get lost. Files are never replaced: other content is refused, or becomes a new version.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from engine.errors import ArchiveTrouble
from engine.transfer.archives.ngas_client import NgasClient, check_name
from engine.transfer.archives.ngas_reply import (
    ABSENT,
    OK,
    Away,
    Crowded,
    Held,
    Reply,
    Unknown,
    crc_of,
    number,
    trouble_of,
)
from engine.transfer.archives.ngas_turn import turn
from engine.transfer.archives.protocol import Duplicate, Receipt, Refused, Sleep, Uncertain

T = TypeVar("T")
_PATIENT = 4  # times a small request is made while the server is crowded
_PAUSE_S = 0.5
_MIME = {".fits": "image/x-fits", ".fz": "image/x-fits", ".txt": "text/plain"}


class NgasArchive:
    """The archive behind `client`. `locks` is the directory of the account's locks, `url` names the archive there.

    `uploads` files may be on their way at once; fewer after the server said that it has too many requests.
    `retrieve_check`: a deep confirmation fetches the file and compares its SHA-256. `warn` hears of long names.
    """

    def __init__(
        self,
        client: NgasClient,
        url: str,
        locks: Path,
        *,
        uploads: int = 2,
        retrieve_check: bool = False,
        warn: Callable[[str], None] = lambda text: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._locks = locks
        self._slots = _Slots(uploads)
        self._retrieve_check = retrieve_check
        self._warn = warn
        self._sleep = sleep
        self._ready = False

    async def find(self, path: Path, sha256: str, *, name: str = "") -> Receipt | None:
        """Ask for the id; equal size and CRC-32 in any version is this content."""
        file_id = name or path.name
        check_name(file_id)
        async with self._slots.one():
            return await self._found(path, sha256, file_id)

    async def store(self, path: Path, sha256: str, *, name: str = "", update: bool = False) -> Receipt:
        """Push a file, and ask for it afterwards over another connection."""
        file_id = name or path.name
        if warning := check_name(file_id):
            self._warn(warning)
        async with self._slots.one(), turn(self._locks, f"{self._url} {file_id}", self._sleep):
            try:
                known = await self._found(path, sha256, file_id)
            except Duplicate:
                if not update:
                    raise
                known = None
            if known:
                return known
            return await self._pushed(path, sha256, file_id)

    async def confirms(self, receipt: Receipt, *, deep: bool = False) -> bool:
        """STATUS of that version; `deep`: CHECKFILE, and RETRIEVE with SHA-256 where it is asked for or needed."""
        async with self._slots.one():
            return await self._confirmed(receipt, deep=deep)

    # --- asking -------------------------------------------------------------------------------

    async def _ask(self, command: str, **given: str) -> Reply:
        async def once() -> Reply:
            reply = await self._client.ask(command, **given)
            if reply.http == 503:
                raise Crowded("the archive has too many requests in progress")
            return reply

        return await self._patiently(once)

    async def _patiently(self, once: Callable[[], Awaitable[T]]) -> T:
        """Small requests are repeated while the server is crowded, after a growing and irregular pause."""
        for attempt in range(1, _PATIENT + 1):
            try:
                return await once()
            except Crowded:
                self._slots.fewer()
                if attempt == _PATIENT:
                    raise
            await self._sleep(_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError

    async def _on_line(self) -> None:
        if self._ready:
            return
        reply = await self._ask("STATUS")
        if not reply.success:
            raise trouble_of(reply)
        if reply.state != "ONLINE":
            raise Away(f"the archive is {reply.state or 'in no known state'}", remedy="tell the archive's operators")
        self._ready = True

    async def _status(self, file_id: str, version: int = 0) -> Held | None:
        """What the server's database says of an id; None only where it says that there is none."""
        given = {"file_id": file_id, **({"file_version": str(version)} if version else {})}
        reply = await self._ask("STATUS", **given)
        if reply.code == ABSENT:
            return None
        if not reply.success or not reply.files:
            raise trouble_of(reply)
        held = [one for one in reply.files if one.file_id == file_id and (not version or one.version == version)]
        if len(held) != len(reply.files):
            raise ArchiveTrouble("the archive answers about another file", where=file_id)
        return held[0]

    async def _found(self, path: Path, sha256: str, file_id: str) -> Receipt | None:
        await self._on_line()
        newest = await self._status(file_id)
        if newest is None:
            return None
        size, crc = await asyncio.to_thread(_measured, path)
        for held in [newest, *await self._versions(file_id, newest)]:
            if held.size == size and held.crc32 == crc and held.good:
                return _receipt(path, sha256, size, held)
            if held.compression and held.size == size and await self._delivers(held, size, sha256):
                return _receipt(path, sha256, size, held)
        raise Duplicate(
            f"the archive holds this name with other content (version {newest.version}, {newest.size} bytes)",
            where=file_id,
            remedy="give it another name, or find out which of the two is right",
        )

    async def _versions(self, file_id: str, newest: Held) -> list[Held]:
        """The other versions of an id. The server's LIKE knows wildcards, so every row is compared again."""
        if newest.version <= 1:
            return []
        rows = await self._patiently(lambda: self._client.query(query="files_like", like=file_id))
        if not isinstance(rows, list):
            raise ArchiveTrouble("the archive's list makes no sense", where=file_id)
        found = []
        for row in rows:
            if isinstance(row, dict) and row.get("file_id") == file_id:
                version = number(row.get("file_version"))
                if 0 < version != newest.version and crc_of(row.get("checksum"), row.get("checksum_plugin")) >= 0:
                    held = await self._status(file_id, version)
                    found += [held] if held else []
        return found

    async def _confirmed(self, receipt: Receipt, *, deep: bool) -> bool:
        held = await self._status(receipt.file_id or receipt.name, receipt.version)
        if held is None or held.size != receipt.size or held.crc32 != receipt.crc32 or not held.good:
            return False
        if not deep:
            return True
        reply = await self._ask("CHECKFILE", file_id=held.file_id, file_version=str(held.version))
        if not reply.message.startswith(OK):
            if reply.success or reply.code == ABSENT:
                return False
            raise trouble_of(reply)
        if not self._retrieve_check and not held.compression:
            return True
        return await self._delivers(held, receipt.size, receipt.sha256)

    async def _delivers(self, held: Held, size: int, sha256: str) -> bool:
        if held.compression and "gz" not in held.compression.lower():
            raise Refused(f"the archive compressed it with {held.compression}, which cannot be compared")
        fetched = await self._patiently(
            lambda: self._client.fetch(held.file_id, held.version, unpack=bool(held.compression))
        )
        return fetched == (size, sha256)

    # --- pushing ------------------------------------------------------------------------------

    async def _pushed(self, path: Path, sha256: str, file_id: str) -> Receipt:
        size, crc = await asyncio.to_thread(_measured, path)
        if not size:
            raise Refused("an empty file cannot be archived", where=file_id)
        given = {"filename": file_id, "crc_variant": "0", "ignore_arcfile": "1"}
        try:
            reply = await self._client.push(path, size, crc, mime_of(file_id), **given)
            held = proven(reply, file_id, size, crc)
        except Crowded:
            self._slots.fewer()
            raise
        except Unknown as trouble:
            return await self._asked_afterwards(path, sha256, file_id, trouble)
        receipt = _receipt(path, sha256, size, held)
        if not await self._confirmed(receipt, deep=False):
            raise Uncertain("the archive took it, but does not know it when asked again", where=file_id)
        return receipt

    async def _asked_afterwards(self, path: Path, sha256: str, file_id: str, trouble: Unknown) -> Receipt:
        try:
            found = await self._found(path, sha256, file_id)
        except Duplicate:
            raise ArchiveTrouble(
                f"{trouble.what}; what the archive holds is something else", where=file_id
            ) from trouble
        except ArchiveTrouble as also:
            raise Uncertain(f"{trouble.what}; whether it arrived is not known: {also.what}", where=file_id) from trouble
        if found is None:
            raise ArchiveTrouble(f"{trouble.what}; it did not arrive", where=file_id) from trouble
        return found


def proven(reply: Reply, file_id: str, size: int, crc: int) -> Held:
    """The file as the push reply describes it, when that proves that it was taken in (section 6)."""
    if not reply.success or not reply.files:
        raise trouble_of(reply)
    held = reply.files[0]
    wrong = {
        "it describes more than one file": len(reply.files) != 1,
        f"its id is '{held.file_id}'": held.file_id != file_id,
        f"its version is {held.version}": held.version < 1,
        f"its size is {held.size}, not {size}": held.size != size,
        f"its checksum ({held.variant or 'none'}) is another one": not held.compression and held.crc32 != crc,
        "it is on no disk": not held.disk,
        "it is marked as bad": not held.good,
    }
    found = [words for words, is_so in wrong.items() if is_so]
    if found:
        raise Uncertain(f"the archive's answer proves nothing: {', '.join(found)}", where=file_id)
    return held


def mime_of(name: str) -> str:
    """The mime type of a product by its name."""
    return _MIME.get(Path(name).suffix.lower()) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _receipt(path: Path, sha256: str, size: int, held: Held) -> Receipt:
    return Receipt(path.name, size, sha256, held.crc32, held.file_id, held.version, held.disk, held.host, held.when)


def _measured(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file, in one pass."""
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
            size += len(block)
    return size, crc


class _Slots:
    """How many requests may be under way at once; fewer when the server is crowded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._free = asyncio.Condition()

    def fewer(self) -> None:
        """One less from now on, but one remains."""
        self._most = max(1, self._most - 1)

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Inside the block one more is under way."""
        async with self._free:
            await self._free.wait_for(lambda: self._busy < self._most)
            self._busy += 1
        try:
            yield
        finally:
            async with self._free:
                self._busy -= 1
                self._free.notify()
