"""The HTTP of an NG/AMS server: one request per connection, exact lengths, flat memory.

Rules: the NGAS page, sections 1, 3 and 7. Nothing here decides what an answer means.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from engine.errors import ArchiveTrouble
from engine.transfer.archives.ngas_reply import LONGEST, Away, Crowded, Reply, Unknown, reply_of
from engine.transfer.archives.protocol import Refused

if TYPE_CHECKING:
    import aiohttp

_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, for one block to leave, for an answer after the last one."""

    connect_s: float = 10.0
    block_s: float = 60.0
    answer_s: float = 300.0


class Changed(ArchiveTrouble):
    """The file changed while it was sent."""


class NgasClient:
    """Requests to one server. `password` is never shown; redirections are followed for bytes only."""

    def __init__(self, url: str, user: str = "", password: str = "", patience: Patience | None = None) -> None:
        self._url = url.rstrip("/")
        self._patience = patience or Patience()
        self._headers = {"User-Agent": "dfos-console"}
        if user:
            secret = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {secret}"

    async def ask(self, command: str, **given: str) -> Reply:
        """GET a command that answers with a status document."""
        body = bytearray()
        async with self._get(command, given) as response:
            async for block in self._blocks(response):
                body += block
                if len(body) > LONGEST:
                    raise ArchiveTrouble(f"the archive's answer to {command} is longer than {LONGEST} bytes")
            return reply_of(response.status, bytes(body))

    async def query(self, **given: str) -> Any:
        """GET a QUERY in JSON; ArchiveTrouble when it is not answered."""
        import json

        body = bytearray()
        async with self._get("QUERY", {**given, "format": "json"}) as response:
            async for block in self._blocks(response):
                body += block
                if len(body) > LONGEST:
                    raise ArchiveTrouble(f"the archive's list is longer than {LONGEST} bytes")
            if response.status != 200:
                raise ArchiveTrouble(f"the archive's list was not given: HTTP {response.status}")
        try:
            return json.loads(bytes(body))
        except (ValueError, RecursionError) as trouble:
            raise ArchiveTrouble(f"the archive's list cannot be read: {trouble}") from trouble

    async def fetch(self, file_id: str, version: int, *, unpack: bool = False) -> tuple[int, str] | None:
        """RETRIEVE a version: its length in bytes and SHA-256; None when the server does not deliver it."""
        digest, length = hashlib.sha256(), 0
        inflate = zlib.decompressobj(31) if unpack else None
        given = {"file_id": file_id, "file_version": str(version)}
        async with self._get("RETRIEVE", given, follow=True) as response:
            if response.status == 503:
                raise Crowded("the archive has too many requests in progress")
            if response.status != 200:
                return None
            try:
                async for block in self._blocks(response):
                    data = inflate.decompress(block) if inflate else block
                    length += len(data)
                    await asyncio.to_thread(digest.update, data)
            except zlib.error:
                return None
        return length, digest.hexdigest()

    async def push(self, path: Path, size: int, crc: int, mime_type: str, **given: str) -> Reply:
        """POST a file of exactly `size` bytes with QARCHIVE.

        Unknown: no answer came back. Changed: the file is not what it was; nothing of it was archived.
        """
        headers = {
            **self._headers,
            "Content-Type": mime_type,
            "Content-Length": str(size),
            "NGAS-File-CRC": str(crc),
        }
        import aiohttp

        began: list[float] = []
        found: list[ArchiveTrouble] = []
        try:
            waiting = self._patience.connect_s + self._patience.block_s
            async with asyncio.timeout(waiting) as limit, self._session() as session:

                def allow(seconds: float) -> None:
                    limit.reschedule(asyncio.get_running_loop().time() + seconds)

                source = _sent(path, size, crc, self._patience, allow, began, found)
                address = self._address("QARCHIVE", {"mime_type": mime_type, **given})
                async with session.post(address, data=source, headers=headers, allow_redirects=False) as response:
                    body = await response.content.read(LONGEST)
                    if found:
                        raise found[0]
                    return reply_of(response.status, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as trouble:
            if found:
                raise found[0] from trouble
            if isinstance(trouble, aiohttp.ClientConnectorError) or not began:
                raise _away(trouble) from trouble
            raise Unknown(f"no answer from the archive: {_words(trouble)}") from trouble

    # --- one request ----------------------------------------------------------------------------

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._patience.connect_s),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _address(self, command: str, given: Mapping[str, str]) -> Any:
        from yarl import URL

        words = urlencode(given, quote_via=quote, safe="")
        return URL(f"{self._url}/{command}" + (f"?{words}" if words else ""), encoded=True)

    @contextlib.asynccontextmanager
    async def _get(
        self, command: str, given: Mapping[str, str], *, follow: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp

        try:
            async with self._session() as session:
                async with asyncio.timeout(self._patience.connect_s + self._patience.answer_s):
                    response = await session.get(
                        self._address(command, given),
                        headers=self._headers,
                        allow_redirects=follow,
                        max_redirects=3,
                    )
                async with response:
                    yield response
        except aiohttp.ServerDisconnectedError as trouble:
            raise Crowded(f"the archive closed the connection on {command}") from trouble
        except ConnectionResetError as trouble:
            raise Crowded(f"the archive broke the connection on {command}") from trouble
        except (aiohttp.ClientError, OSError, TimeoutError) as trouble:
            raise _away(trouble) from trouble

    async def _blocks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(self._patience.block_s):
                block = await response.content.read(_BLOCK)
            if not block:
                return
            yield block


async def _sent(
    path: Path,
    size: int,
    crc: int,
    patience: Patience,
    allow: Callable[[float], None],
    began: list[float],
    found: list[ArchiveTrouble],
) -> AsyncIterator[bytes]:
    """The file's blocks, never more than `size` bytes; what was sent is compared with what was promised."""
    sent, running = 0, 0
    try:
        with await asyncio.to_thread(path.open, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            began.append(0.0)
            while sent < size:
                block = await asyncio.to_thread(file.read, min(_BLOCK, size - sent))
                if not block:
                    break
                running = zlib.crc32(block, running)
                sent += len(block)
                if sent == size:
                    _unchanged(path, sent, size, running, crc, before)
                allow(patience.block_s if sent < size else patience.answer_s)
                yield block
            _unchanged(path, sent, size, running, crc, before)
    except ArchiveTrouble as trouble:
        found.append(trouble)
        raise
    except OSError as trouble:
        found.append(ArchiveTrouble(f"it cannot be read: {trouble.strerror}", where=path.name))
        raise


def _unchanged(path: Path, sent: int, size: int, running: int, crc: int, before: os.stat_result) -> None:
    """Before the last block leaves, all is as it was promised: else the server never gets a whole file."""
    now = path.stat()
    same = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns) == (
        before.st_dev,
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )
    if sent != size or running != crc or not same or now.st_size != size:
        raise Changed("the file changed while it was sent", where=path.name, remedy="find out who writes it")


def check_name(name: str) -> str:
    """A name that can be a file id; a warning where it is longer than some databases take. Refused otherwise."""
    if not name or name != Path(name).name or not name.isprintable() or not name.isascii():
        raise Refused(f"{name!r} cannot be the id of a file in the archive", remedy="plain ASCII, one line")
    if len(name) > 64:
        return f"{name}: {len(name)} characters; ids above 64 do not fit every archive's database"
    return ""


def _away(trouble: BaseException) -> Away:
    return Away(f"the archive cannot be reached: {_words(trouble)}", remedy="is the server up, and archive.url right?")


def _words(trouble: BaseException) -> str:
    if isinstance(trouble, TimeoutError):
        return "no answer in time"
    return " ".join(str(trouble).split())[:200] or type(trouble).__name__
