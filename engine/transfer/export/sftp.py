"""A login on a web server over SSH, hop by hop, and the SFTP verbs an export needs.

Only keys log in: one from a file that nobody else can read, or those of an agent. Every host on the way must
show a key that known_hosts has. ssh's own configuration files are not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from engine.transfer.export.host_keys import Hop, Key, Login, RemoteTrouble, hops, keys_of

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)  # what goes wrong is raised, and said in our words


class FileTrouble(RemoteTrouble):
    """One file cannot be delivered; the others can."""


@dataclass(frozen=True, slots=True)
class There:
    """A name on the server: what it is, size in bytes, time in seconds since 1970."""

    size: int
    mtime: int
    mode: int

    @property
    def file(self) -> bool:
        """An ordinary file, and no link to one."""
        return stat.S_ISREG(self.mode)

    @property
    def folder(self) -> bool:
        """A directory."""
        return stat.S_ISDIR(self.mode)


def private_key(path: Path) -> asyncssh.SSHKey:
    """The key in a file of ours with mode 0600 or less; RemoteTrouble otherwise (decision 27)."""
    where = str(path)
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as trouble:
        raise RemoteTrouble(f"the key cannot be read: {trouble.strerror}", where=where) from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise RemoteTrouble("the key must be in a file of your own", where=where)
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise RemoteTrouble(
                f"others can read the key (mode {mode:04o}), so it is not used",
                where=where,
                remedy=f"chmod 600 {path}, and think about a new key",
            )
        data = file.read(1 << 16)
    try:
        return asyncssh.import_private_key(data)
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as trouble:
        if isinstance(trouble, asyncssh.KeyEncryptionError) or "passphrase" in str(trouble).lower():
            raise RemoteTrouble(
                "the key has a passphrase",
                where=where,
                remedy="load it into an agent (ssh-add) and leave export.targets.<NAME>.key empty",
            ) from None
        raise RemoteTrouble("this is no private key", where=where) from None


@contextlib.asynccontextmanager
async def way(
    ahead: tuple[Hop, ...], target: Login, key: Path | None, known: str
) -> AsyncIterator[asyncssh.SSHClientConnection | None]:
    """Log in on each of `ahead` in turn, each through the one before; None where there is none.

    `known` is the text of known_hosts. RemoteTrouble says which host, and why.
    """
    async with AsyncExitStack() as stack:
        if not ahead:
            yield None
            return
        keys = await _client_keys(stack, key)
        last: asyncssh.SSHClientConnection | None = None
        for one in ahead:
            last = await _login(one, last, target, keys, known)
            stack.push_async_callback(_leave, last)
        yield last


async def host_key(one: Hop, through: asyncssh.SSHClientConnection | None, timeout_s: float) -> Key:
    """The key that a host shows; nobody has said yet that it is the right one."""
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncssh.get_server_host_key(one.host, one.port, tunnel=through, config=None)
    except (OSError, asyncssh.Error) as trouble:
        raise _unreachable(one, trouble) from None
    if found is None:
        raise RemoteTrouble(f"{one.name} shows no host key")
    return _key(found)


class Sftp:
    """The files of one web server. Names are bytes, as the server has them."""

    def __init__(self, client: asyncssh.SFTPClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def real(self, path: bytes) -> bytes:
        """A path without links and dots, as the server sees it."""
        return await self._within(self._client.realpath(path))

    async def make_dir(self, path: bytes) -> None:
        """A directory with its parents; an existing one is fine."""
        found = await self.stat(path, follow=True)
        if found is None:
            parent = posixpath.dirname(path)
            if parent not in (b"", path):
                await self.make_dir(parent)
            with contextlib.suppress(asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):
                await self._within(self._client.mkdir(path))
            found = await self.stat(path, follow=True)
        if found is None or not found.folder:
            raise RemoteTrouble(f"there cannot be a directory {_text(path)}", remedy="look at it on the server")

    async def stat(self, path: bytes, *, follow: bool = False) -> There | None:
        """What stands under a name; None when nothing does."""
        try:
            return _there(await self._within(self._client.stat(path) if follow else self._client.lstat(path)))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None

    async def listed(self, path: bytes) -> dict[bytes, There]:
        """Everything in a directory, by name."""
        names = await self._within(self._client.readdir(path))
        found = {os.fsencode(name.filename): _there(name.attrs) for name in names}
        return {name: there for name, there in found.items() if name not in (b".", b"..")}

    @contextlib.asynccontextmanager
    async def reading(self, path: bytes) -> AsyncIterator[asyncssh.SFTPClientFile]:
        """An open file to read from."""
        file = await self._within(self._client.open(path, asyncssh.FXF_READ, encoding=None))
        async with self._closing(file):
            yield file

    @contextlib.asynccontextmanager
    async def writing(self, path: bytes, *, fresh: bool) -> AsyncIterator[asyncssh.SFTPClientFile]:
        """An open file to write to: one that must not exist (`fresh`), or one that does."""
        flags = asyncssh.FXF_WRITE | (asyncssh.FXF_CREAT | asyncssh.FXF_EXCL if fresh else 0)
        file = await self._within(self._client.open(path, flags, encoding=None))
        async with self._closing(file):
            yield file

    async def read(self, file: asyncssh.SFTPClientFile, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on; less at the end."""
        found: bytes = await self._within(file.read(size, offset))
        return found

    async def write(self, file: asyncssh.SFTPClientFile, offset: int, data: bytes) -> None:
        """Write bytes; the server has acknowledged them when this returns."""
        await self._within(file.write(data, offset))

    async def cut(self, file: asyncssh.SFTPClientFile, size: int) -> None:
        """Cut a file to `size` bytes."""
        await self._within(file.truncate(size))

    async def sync(self, file: asyncssh.SFTPClientFile) -> bool:
        """Have the server bring a file to its disk; False when it does not know how."""
        try:
            await self._within(file.fsync())
        except asyncssh.SFTPOpUnsupported:
            return False
        return True

    async def set_time(self, path: bytes, mtime: int) -> None:
        """Give a file its time; a server that will not is forgiven."""
        with contextlib.suppress(asyncssh.SFTPPermissionDenied, asyncssh.SFTPFailure, asyncssh.SFTPOpUnsupported):
            await self._within(self._client.utime(path, (mtime, mtime)))

    async def publish(self, source: bytes, target: bytes) -> None:
        """Give a whole file its name, over an older one."""
        try:
            await self._within(self._client.posix_rename(source, target))
        except asyncssh.SFTPOpUnsupported:  # then there is a moment without the older one
            await self.remove(target)
            await self._within(self._client.rename(source, target))

    async def remove(self, path: bytes) -> None:
        """Take a file away; it may be gone already."""
        with contextlib.suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            await self._within(self._client.remove(path))

    async def free(self, path: bytes) -> int | None:
        """Bytes that may still be written; None when the server does not tell."""
        try:
            found = await self._within(self._client.statvfs(path))
        except asyncssh.SFTPError:
            return None
        return found.bavail * found.frsize

    async def _within(self, asked: Awaitable[_T]) -> _T:
        """The server's answer, in time. RemoteTrouble when the connection is gone."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asked
        except TimeoutError:
            raise RemoteTrouble(f"the server has been silent for {self._timeout_s:.0f} s") from None
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, OSError) as trouble:
            raise RemoteTrouble(f"the connection broke: {_words(trouble)}", remedy="it goes on where it was") from None

    @contextlib.asynccontextmanager
    async def _closing(self, file: asyncssh.SFTPClientFile) -> AsyncIterator[None]:
        """Close the file in the end; what went wrong before counts more than what goes wrong then."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(RemoteTrouble, asyncssh.SFTPError):
                await self._within(file.close())
            raise
        await self._within(file.close())


@contextlib.asynccontextmanager
async def connected(target: Login, key: Path | None, known: str) -> AsyncIterator[Sftp]:
    """A login on a server, through the hosts before it. RemoteTrouble when there is none."""
    _mind_left_tasks(asyncio.get_running_loop())
    async with way(hops(target), target, key, known) as connection:
        assert connection is not None  # noqa: S101 - there is always the server itself
        try:
            async with asyncio.timeout(target.timeout_s):
                client = await connection.start_sftp_client(path_encoding=None)
        except (OSError, asyncssh.Error) as trouble:
            raise RemoteTrouble(f"{hops(target)[-1]} offers no SFTP: {_words(trouble)}") from None
        try:
            yield Sftp(client, target.timeout_s)
        finally:
            client.exit()


_LIBRARY = str(Path(asyncssh.__file__).parent)


def _worth_telling(record: logging.LogRecord) -> bool:
    """Not one line for each block that is written to a connection which is gone: the first one was an error of ours."""
    return record.msg != "socket.send() raised exception."


def _mind_left_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """asyncssh leaves the other parts of a write to themselves when the connection breaks; asyncio would print each.

    The break itself is raised by the write. What anybody else's task leaves is told as ever.
    """
    logging.getLogger("asyncio").addFilter(_worth_telling)
    before = loop.get_exception_handler()
    if getattr(before, "minds_asyncssh", False):
        return

    def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        task = context.get("future") or context.get("task")
        code = getattr(getattr(task, "get_coro", lambda: None)(), "cr_code", None)
        if code is not None and code.co_filename.startswith(_LIBRARY):
            _LOG.debug("left by asyncssh: %r", context.get("exception"))
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    told.minds_asyncssh = True  # type: ignore[attr-defined]
    loop.set_exception_handler(told)


class _Client(asyncssh.SSHClient):
    """Remembers which key a host showed when it was none that we know."""

    shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = key
        return False


async def _login(
    one: Hop,
    through: asyncssh.SSHClientConnection | None,
    target: Login,
    keys: list[asyncssh.SSHKeyPair] | list[asyncssh.SSHKey],
    known: str,
) -> asyncssh.SSHClientConnection:
    trusted = keys_of(known, one.name)
    if not trusted:
        raise RemoteTrouble(
            f"the host key of {one.name} is not known, so nothing was sent there",
            remedy=f"dfos hostkey add {one.name} shows it; compare it with what the server's administrator says",
        )
    client = _Client()
    try:
        async with asyncio.timeout(target.timeout_s):
            return await asyncssh.connect(
                one.host,
                one.port,
                tunnel=through or (),
                config=None,
                username=one.user,
                known_hosts=([asyncssh.import_public_key(f"{key.kind} {key.data}") for key in trusted], [], []),
                client_keys=keys,
                agent_path=None,
                preferred_auth="publickey",
                x509_trusted_certs=None,
                client_factory=lambda: client,
                keepalive_interval=target.timeout_s / 2,
                keepalive_count_max=2,
            )
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as trouble:
        if isinstance(trouble, asyncssh.KeyExchangeFailed) and "host key" not in str(trouble):
            raise _unreachable(one, trouble) from None
        now = f"it is {_key(client.shown).fingerprint} now" if client.shown else "it shows one of another kind now"
        raise RemoteTrouble(
            f"the host key of {one.name} is not the one that is known ({trusted[0].fingerprint}); {now}."
            " Somebody may stand in between, so nothing was sent there",
            remedy=f"ask the server's administrator; if the key was really changed: dfos hostkey remove {one.name},"
            " then add",
        ) from None
    except asyncssh.PermissionDenied:
        raise RemoteTrouble(
            f"{one} does not let us in with this key", remedy="is its public half in authorized_keys there?"
        ) from None
    except asyncssh.KeyImportError as trouble:
        raise RemoteTrouble(f"known_hosts has a key of {one.name} that cannot be read: {trouble}") from None
    except (OSError, asyncssh.Error) as trouble:
        raise _unreachable(one, trouble) from None


async def _client_keys(stack: AsyncExitStack, path: Path | None) -> list[asyncssh.SSHKeyPair] | list[asyncssh.SSHKey]:
    if path is not None:
        return [private_key(path)]
    try:
        agent = await asyncssh.connect_agent()
        stack.callback(agent.close)
        keys = list(await agent.get_keys())
    except (OSError, asyncssh.Error, ValueError):
        keys = []
    if not keys:
        raise RemoteTrouble(
            "no key file is configured, and no agent offers a key",
            remedy="set export.targets.<NAME>.key, or ssh-add a key before the engine starts",
        )
    return keys


async def _leave(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    try:
        async with asyncio.timeout(5):
            await connection.wait_closed()
    except (TimeoutError, OSError, asyncssh.Error):
        connection.abort()


def _unreachable(one: Hop, trouble: BaseException) -> RemoteTrouble:
    return RemoteTrouble(
        f"{one.name} cannot be reached: {_words(trouble)}",
        remedy="see whether it is up; what waits for it is done when it is called again",
    )


def _words(trouble: BaseException) -> str:
    if isinstance(trouble, TimeoutError):
        return "no answer in time"
    text = getattr(trouble, "strerror", None) or getattr(trouble, "reason", None) or str(trouble)
    return " ".join(str(text).split()) or type(trouble).__name__


def _key(found: asyncssh.SSHKey) -> Key:
    kind, data = found.export_public_key("openssh").decode().split()[:2]
    return Key(kind, data)


def _there(attrs: asyncssh.SFTPAttrs) -> There:
    mode = attrs.permissions or 0
    return There(attrs.size or 0, int(attrs.mtime or 0), mode)


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
