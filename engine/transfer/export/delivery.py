"""One file to a web server: whole under its name, or not there at all.

It grows under a hidden name that carries its checksum, so that an interrupted upload is found again. What is
there already is compared byte by byte and continued from the first difference. A small file is read back and
compared before it gets its name; of a large one it is proven that every byte was acknowledged, and its size.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.transfer.export.plan import Upload
from engine.transfer.export.sftp import FileTrouble, Sftp, There

BLOCK = 1 << 20  # bytes on their way at once, per file
SHA256, SIZE = "sha256", "size"  # how the content of a file on the server was proven
_PARTIAL = re.compile(rb"\.(?P<name>.+)\.dfos~[0-9a-f]{8}", re.DOTALL)
_LONGEST = 255  # bytes of a name
Heard = Callable[[int], None]
Edit = Callable[[bytes, Upload], tuple[bytes, tuple[str, ...]]]  # the page for the server, and its dead links


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent of a file: its bytes by position, their number, their SHA-256, and whether it still is the file."""

    size: int
    sha256: str
    read: Callable[[int, int], bytes]
    same: Callable[[], bool]
    dead: tuple[str, ...] = ()


@asynccontextmanager
async def opened(upload: Upload, edit: Edit, sha256: str = "") -> AsyncIterator[Content]:
    """What is sent of a file: a page with its links edited, anything else as it stands.

    `sha256` is that of the file, where it is known. FileTrouble when it cannot be read or is not what was planned.
    """
    try:
        handle = os.open(upload.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as trouble:
        raise FileTrouble(f"cannot be read: {trouble.strerror}") from None
    try:

        def same() -> bool:
            now = os.fstat(handle)
            return stat.S_ISREG(now.st_mode) and (now.st_size, now.st_mtime_ns) == (upload.size, upload.mtime_ns)

        if not same():
            raise FileTrouble("it changed while it was exported", remedy="it goes with the next export")
        try:
            if upload.html:
                yield await asyncio.to_thread(_page, handle, upload, edit, same)
            else:
                digest = sha256 or await asyncio.to_thread(_sha256, handle)
                yield Content(upload.size, digest, lambda at, size: os.pread(handle, size, at), same)
        except OSError as trouble:
            raise FileTrouble(f"cannot be read: {trouble.strerror}") from None
    finally:
        os.close(handle)


async def deliver(
    sftp: Sftp,
    content: Content,
    folder: bytes,
    name: bytes,
    there: Mapping[bytes, There],
    mtime: int,
    read_back: int,
    heard: Heard,
) -> tuple[There, str]:
    """Bring a file to `folder`/`name`; what the server says of it then, and how its content was proven.

    `there` is what stood in the folder, `read_back` the largest size in bytes that is read back, `heard` is told
    how many bytes are there. FileTrouble when this file cannot be delivered.
    """
    path, short = folder + b"/" + name, partial(name, content.sha256)
    hidden = folder + b"/" + short
    before = there.get(short)
    if before is not None and not before.file:
        raise FileTrouble(f"on the server, {short.decode(errors='backslashreplace')} is no file")
    start = await _agreed(sftp, hidden, content, before.size) if before else 0
    heard(start)
    async with sftp.writing(hidden, fresh=before is None) as file:
        if before and before.size > start:
            await sftp.cut(file, start)
        while start < content.size:
            data = await asyncio.to_thread(content.read, start, BLOCK)
            if not data:
                break
            await sftp.write(file, start, data)
            start += len(data)
            heard(len(data))
        await sftp.sync(file)
    if not content.same():
        await sftp.remove(hidden)
        raise FileTrouble("it changed while it was exported", remedy="it goes with the next export")
    proof = await proven(sftp, hidden, content, read_back)
    if not proof:
        await sftp.remove(hidden)
        raise FileTrouble("it did not arrive whole", remedy="it is sent again with the next export")
    await sftp.set_time(hidden, mtime)
    await sftp.publish(hidden, path)
    found = await sftp.stat(path)
    if found is None:
        raise FileTrouble("it is gone again on the server", remedy="who else writes there?")
    return found, proof


async def proven(sftp: Sftp, path: bytes, content: Content, read_back: int) -> str:
    """How the content of a file on the server is proven, `sha256` or `size`; '' when it is another."""
    found = await sftp.stat(path)
    if found is None or not found.file or found.size != content.size:
        return ""
    if content.size > read_back:
        return SIZE
    digest = hashlib.sha256()
    async with sftp.reading(path) as file:
        start = 0
        while data := await sftp.read(file, start, BLOCK):
            digest.update(data)
            start += len(data)
    return SHA256 if digest.hexdigest() == content.sha256 else ""


def partial(name: bytes, sha256: str) -> bytes:
    """The hidden name a file grows under; long names are shortened to what a file system takes."""
    tail = b".dfos~" + sha256[:8].encode()
    if len(name) + len(tail) + 1 > _LONGEST:
        name = hashlib.sha256(name).hexdigest().encode()
    return b"." + name + tail


def left_over(names: Mapping[bytes, There], whole: set[bytes]) -> list[bytes]:
    """Hidden files of uploads that nobody will go on with: those of names that are whole now."""
    known = whole | {partial(name, "0" * 8)[1:].partition(b".dfos~")[0] for name in whole}
    found = ((name, _PARTIAL.fullmatch(name)) for name, there in names.items() if there.file)
    return [name for name, match in found if match and match["name"] in known]


async def _agreed(sftp: Sftp, path: bytes, content: Content, size: int) -> int:
    """How many bytes of an interrupted upload are what they should be."""
    start, end = 0, min(size, content.size)
    async with sftp.reading(path) as file:
        while start < end and (data := await sftp.read(file, start, min(BLOCK, end - start))):
            if data != await asyncio.to_thread(content.read, start, len(data)):
                break
            start += len(data)
    return start


def _page(handle: int, upload: Upload, edit: Edit, same: Callable[[], bool]) -> Content:
    html, dead = edit(b"".join(_pieces(handle)), upload)
    return Content(len(html), hashlib.sha256(html).hexdigest(), lambda at, size: html[at : at + size], same, dead)


def _sha256(handle: int) -> str:
    digest = hashlib.sha256()
    for data in _pieces(handle):
        digest.update(data)
    return digest.hexdigest()


def _pieces(handle: int) -> Iterator[bytes]:
    at = 0
    while data := os.pread(handle, BLOCK, at):
        yield data
        at += len(data)
