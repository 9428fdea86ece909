"""A server with SFTP as a source. Only keys log in, and every host must show a key that is trusted (dfos hostkey)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import asyncssh

from config.sources import Source
from engine import threads
from engine.atomic import fs
from engine.process.ab.sources.protocol import Fetched, SourceAway
from engine.transfer.export.host_keys import RemoteTrouble
from engine.transfer.export.sftp import Sftp, There, connected

_BLOCK = 4 << 20  # bytes asked for at once; the library divides them into what goes over the line together


class SftpSource:
    """Files as `<directory>/<DATE>/<name>` or `<directory>/<name>` on a server; one login for all that wait."""

    def __init__(self, source: Source, key: Path | None, known: str) -> None:
        self.name = source.name
        self._source = source
        self._key = key
        self._known = known
        self._turns = asyncio.Semaphore(source.parallel)
        self._login = asyncio.Lock()
        self._stack: contextlib.AsyncExitStack | None = None
        self._sftp: Sftp | None = None

    async def fetch(self, names: Sequence[str], into: Path) -> Mapping[str, Fetched]:
        """Read what is there."""
        try:
            sftp = await self._connected()
            found = await asyncio.gather(*(self._one(sftp, name, into) for name in names))
        except (RemoteTrouble, asyncssh.Error, OSError) as trouble:
            await self.close()
            what, remedy = (trouble.what, trouble.remedy) if isinstance(trouble, RemoteTrouble) else (str(trouble), "")
            raise SourceAway(what, where=self.name, remedy=remedy) from None
        return {name: file for name, file in zip(names, found, strict=True) if file}

    async def close(self) -> None:
        """Log out."""
        stack, self._stack, self._sftp = self._stack, None, None
        if stack:
            with contextlib.suppress(RemoteTrouble, asyncssh.Error, OSError):
                await stack.aclose()

    async def _connected(self) -> Sftp:
        async with self._login:
            if self._sftp is None:
                stack = contextlib.AsyncExitStack()
                self._sftp = await stack.enter_async_context(connected(self._source, self._key, self._known))
                self._stack = stack
            return self._sftp

    async def _one(self, sftp: Sftp, name: str, into: Path) -> Fetched | None:
        async with self._turns:
            base, last = os.fsencode(self._source.directory), os.fsencode(name)
            for remote in (posixpath.join(base, os.fsencode(into.name), last), posixpath.join(base, last)):
                try:
                    seen = await sftp.stat(remote, follow=True)
                    if seen is not None:
                        return await _read(sftp, remote, seen, into / name)
                except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                    continue
                except asyncssh.SFTPError as trouble:
                    return Fetched(0, f"{os.fsdecode(remote)}: {trouble.reason}")
            return None


async def _read(sftp: Sftp, remote: bytes, seen: There, target: Path) -> Fetched:
    if not seen.file:
        return Fetched(0, f"{os.fsdecode(remote)} is not a file")
    offset = 0
    async with sftp.reading(remote) as file:
        try:
            async with _writing(target) as out:
                while offset <= seen.size and (block := await sftp.read(file, offset, _BLOCK)):
                    await threads.to_end(_written, out, block)
                    offset += len(block)
        except OSError as trouble:
            return Fetched(seen.size, f"{target.parent}: {trouble.strerror or trouble}")
    return Fetched(seen.size, "" if offset == seen.size else f"{offset} of {seen.size} bytes came")


@contextlib.asynccontextmanager
async def _writing(target: Path) -> AsyncIterator[int]:
    """The hidden file of `target`, new; synced when all went well."""
    hidden = fs.hidden(target)
    handle = await threads.to_end(_opened, hidden)
    try:
        yield handle
        fs.acting("fsync", hidden)
        await threads.to_end(os.fsync, handle)
    finally:
        os.close(handle)


def _opened(hidden: Path) -> int:
    fs.acting("write", hidden)
    with contextlib.suppress(FileNotFoundError):
        hidden.unlink()
    return os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _written(handle: int, block: bytes) -> None:
    part = memoryview(block)
    while part:
        part = part[os.write(handle, part) :]
