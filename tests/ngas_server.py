"""A server that speaks like NG/AMS 12.0 over HTTP/1.0, and can misbehave in every way that one was seen to."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import quoteattr

GONE = "NGAMS_ER_UNAVAIL_FILE:4019:ERROR: File with ID: {} appears not to be available."
FULL = "NGAMS_AL_NO_STO_SETS:3014:ALERT: no storage sets"
OFFLINE = "NGAMS_ER_IMPROPER_STATE:4015:ERROR: Improper state/substate"


@dataclass
class Version:
    """One archived version."""

    content: bytes
    checksum: str = ""
    plugin: str = "crc32"
    compression: str = "NONE"
    full_size: int = 0

    def __post_init__(self) -> None:
        self.checksum = self.checksum or str(zlib.crc32(self.content))
        self.full_size = self.full_size or len(self.content)


@dataclass
class FakeNgas:
    """`files` by id, oldest version first. `pushes` and `asks` are what the next requests do, '' for what is right.

    `seen` is every request: command and parameters.
    """

    files: dict[str, list[Version]] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    state: str = "ONLINE"
    nok: bool = False
    login: str = ""
    url: str = ""
    reply: bytes = b""  # the whole body of the next answers to STATUS, if there is one
    under_way: int = 0
    most: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeNgas]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def count(self, command: str) -> int:
        """How many requests with this command came."""
        return sum(name == command for name, _ in self.seen)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            heads = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
            parts = urlsplit(target)
            given = dict(parse_qsl(parts.query, keep_blank_values=True))
            command = parts.path.lstrip("/")
            self.seen.append((command, given))
            self.heads.append(heads)
            assert "no_versioning" not in given and "versioning" not in given and command != "DISCARD"
            assert command not in ("ARCHIVE", "QARCHIVE") or method == "POST"
            answer = await self._answer(command, given, heads, reader)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.under_way -= 1
            writer.close()

    async def _answer(
        self, command: str, given: dict[str, str], heads: dict[str, str], reader: asyncio.StreamReader
    ) -> bytes | None:
        if self.login and heads.get("authorization") != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            return self._xml(401, "Unauthorized request received")
        if command == "QARCHIVE":
            return await self._pushed(given, heads, reader)
        how = self.asks.pop(0) if self.asks else ""
        if how == "close":
            return None
        if how == "503":
            return b"HTTP/1.0 503 Service Unavailable\r\n\r\n"
        if command == "STATUS":
            if self.reply:
                return b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + self.reply
            if "file_id" not in given:
                return self._xml(200, "Successfully handled command STATUS")
            return self._about(given)
        if command == "CHECKFILE":
            version = self._version(given)
            if version is None:
                return self._xml(400, GONE.format(given["file_id"]))
            nok = self.nok or (version.compression == "NONE" and str(zlib.crc32(version.content)) != version.checksum)
            code = "NGAMS_ER_FILE_NOK:4057:ERROR: Inconsistent" if nok else "NGAMS_INFO_FILE_OK:4056:INFO: consistent"
            return self._xml(200, code)
        if command == "RETRIEVE":
            version = self._version(given)
            if version is None:
                return self._xml(400, GONE.format(given["file_id"]))
            return f"HTTP/1.0 200 OK\r\nContent-Length: {len(version.content)}\r\n\r\n".encode() + version.content
        if command == "QUERY":
            return b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(self._rows(given["like"])).encode()
        return self._xml(404, "Command not found")

    async def _pushed(self, given: dict[str, str], heads: dict[str, str], reader: asyncio.StreamReader) -> bytes | None:
        how = self.pushes.pop(0) if self.pushes else ""
        if how == "close":
            await reader.read(1000)
            return None
        if how == "503":
            return b"HTTP/1.0 503 Service Unavailable\r\n\r\n"
        length = int(heads.get("content-length", 0))
        if length <= 0 or "chunked" in heads.get("transfer-encoding", ""):
            return self._xml(411, "Content-Length is 0 or unknown")
        name, body = given["filename"], b""
        while len(body) < length and (block := await reader.read(length - len(body))):
            body += block
        if len(body) < length:
            return self._xml(400, f"Only read {len(body)} out of {length} bytes")
        if how.startswith("400 "):
            return self._xml(400, how[4:])
        if how == "damage":
            body = b"\0" + body[1:]
        crc = zlib.crc32(body)
        if how != "cut" and crc != int(heads["ngas-file-crc"]):
            return self._xml(400, f"Checksum error for file {name}, local crc = {crc}, but remote crc = other")
        body = body[:-1] if how == "cut" else body
        version = Version(body)
        if how == "none":
            version = Version(body, "None", "None")
        if how == "failure":
            return self._xml(200, "it did not work", status="FAILURE")
        if how == "bare":
            return self._xml(200, "Successfully handled Archive Push Request")
        if how == "foreign":
            return self._file("other.fits", 1, Version(body))
        versions = self.files.setdefault(name, [])
        versions.append(version)
        number = len(versions)
        if how == "lost":
            return None
        if how == "vanish":
            del self.files[name]
        return self._file(name, number, version)

    def _version(self, given: dict[str, str]) -> Version | None:
        versions = self.files.get(given["file_id"], [])
        number = int(given.get("file_version", 1))
        return versions[number - 1] if number <= len(versions) else None

    def _about(self, given: dict[str, str]) -> bytes:
        versions = self.files.get(given["file_id"], [])
        number = int(given.get("file_version", len(versions)))
        if not versions or number > len(versions):
            return self._xml(400, GONE.format(given["file_id"]))
        return self._file(given["file_id"], number, versions[number - 1])

    def _rows(self, like: str) -> list[dict[str, object]]:
        """As SQL LIKE does: `_` stands for any character."""
        return [
            {"file_id": name, "file_version": n, "checksum": v.checksum, "checksum_plugin": v.plugin}
            for name, versions in self.files.items()
            if len(name) == len(like) and all(b in ("_", a) for a, b in zip(name, like, strict=True))
            for n, v in enumerate(versions, 1)
        ]

    def _file(self, name: str, number: int, version: Version) -> bytes:
        text = (
            f'<DiskStatus DiskId="90d0" SlotId="volume1" Completed="0" Checksum=""><FileStatus FileId={quoteattr(name)}'
            f' FileVersion="{number}" FileSize="{len(version.content)}" UncompressedFileSize="{version.full_size}"'
            f' Compression="{version.compression}" Checksum="{version.checksum}" ChecksumPlugIn="{version.plugin}"'
            f' FileStatus="00000000" Ignore="0" IngestionDate="2026-11-21T02:50:45.612"/></DiskStatus>'
        )
        return self._xml(200, "Successfully handled", text)

    def _xml(self, code: int, message: str, inner: str = "", status: str = "") -> bytes:
        status = status or ("SUCCESS" if code == 200 else "FAILURE")
        body = (
            '<?xml version="1.0" ?>\n<!DOCTYPE NgamsStatus SYSTEM "http://x/RETRIEVE?internal=ngamsStatus.dtd">\n'
            f'<NgamsStatus><Status HostId="host:7777" Status="{status}" State="{self.state}"'
            f" Message={quoteattr(message)}/>{inner}</NgamsStatus>"
        )
        return f"HTTP/1.0 {code} X\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
