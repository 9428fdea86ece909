"""One file, or many, to another place: never over another file, whole or not at all, and as often as one likes.

On one filesystem by names, across two by verified copies. Each verb may be repeated after a crash.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from engine.atomic import syscalls
from engine.atomic.fs import acting, hidden, publish, remove, same_file, sha256, sweep, sync_dir, watched
from engine.errors import DestinationOccupied, MoveTrouble

_BLOCK = 1 << 20
_HASHED = 1 << 18  # bytes read at once for a checksum: they fit the processor's cache
_SENT = 1 << 23  # bytes copied with one call


def copy_hidden(source: Path, target: Path) -> str:
    """Copy `source` to the hidden sibling of `target`, synced; its SHA-256 (hex).

    For another filesystem. A half copy left by a crash is replaced. MoveTrouble when the source changed meanwhile.
    """
    temporary = hidden(target)
    acting("copy", temporary)
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    with source.open("rb", buffering=0) as read, temporary.open("xb", buffering=0) as write:
        before = os.fstat(read.fileno())

        def settled() -> None:
            """Durable while the checksum is still being made."""
            os.fchmod(write.fileno(), before.st_mode & 0o777)
            os.utime(write.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
            acting("fsync", temporary)
            os.fsync(write.fileno())

        digest = _streamed(read.fileno(), write.fileno(), settled)
        after = os.fstat(read.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            temporary.unlink()
            raise MoveTrouble(
                "it changed while it was copied",
                where=str(source),
                remedy="nothing is lost; find out who writes it, then recover: it is copied again",
            )
    return digest


def _streamed(read: int, write: int, copied: Callable[[], None]) -> str:
    """Copy one open file to another within the kernel; SHA-256 (hex) of the source, read beside it by a thread.

    `copied` is called when all bytes are written.

    That both saw the same is for the caller to see: the source has not changed, and the copy is read back.
    """
    digest = hashlib.sha256()
    trouble: list[OSError] = []

    def hashing() -> None:
        block = bytearray(_HASHED)
        view, offset = memoryview(block), 0
        try:
            while count := os.preadv(read, [block], offset):
                digest.update(view[:count])
                offset += count
        except OSError as error:
            trouble.append(error)

    hasher = threading.Thread(target=hashing, daemon=True)
    hasher.start()
    try:
        _copied(read, write)
        copied()
    finally:
        hasher.join()
    if trouble:
        raise trouble[0]
    return digest.hexdigest()


def _copied(read: int, write: int) -> None:
    offset = 0
    try:
        while count := os.sendfile(write, read, offset, _SENT):
            offset += count
        return
    except OSError as trouble:
        if offset or trouble.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    while block := os.pread(read, _BLOCK, offset):
        offset += len(block)
        part = memoryview(block)
        while part:
            part = part[os.write(write, part) :]


def place(source: Path, target: Path, sha: str = "") -> None:
    """Make `target` a whole copy or second name of `source`; never overwrites, may be repeated.

    Hard link on one filesystem, verified copy across two. The source stays. `sha` is the SHA-256 (hex) it must
    have: MoveTrouble when what was read is something else.
    """
    if source.is_symlink():
        _place_link(source, target)
        return
    if not target.exists():
        try:
            publish(source, target)
            return
        except OSError as trouble:
            if trouble.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
    elif same_file(source, target):
        sync_dir(target.parent)
        return
    copy(source, target, sha)
    sync_dir(target.parent)


def copy(source: Path, target: Path, sha: str = "") -> str:
    """Make `target` a whole copy of `source`; its SHA-256 (hex). Never overwrites, may be repeated."""
    temporary = hidden(target)
    if target.exists():
        known = sha256(target)
        if sha256(source) != known:
            raise DestinationOccupied("the name exists with other content", where=str(target))
    else:
        known = copy_hidden(source, target)
        if sha and known != sha:
            remove(temporary)
            raise MoveTrouble(
                "it is no longer what it was when the plan was made",
                where=str(source),
                remedy="nothing is lost; bring back the file that was certified, then recover",
            )
        publish(temporary, target)
    sweep(temporary)
    return known


def _place_link(source: Path, target: Path) -> None:
    if not os.path.lexists(target):
        acting("symlink", target)
        target.symlink_to(source.readlink())
        sync_dir(target.parent)
    elif not target.is_symlink() or target.readlink() != source.readlink():
        raise DestinationOccupied("the name exists with other content", where=str(target))


def drop(source: Path, target: Path, sha: str = "") -> None:
    """Take the name `source` away, after making sure that `target` holds the same file or the same content.

    With `sha` (SHA-256, hex, of the source) the target is read back from its disk, otherwise both are read.
    Done before, it is fine. MoveTrouble when the content stands nowhere else: then nothing is removed.
    """
    if not os.path.lexists(source):
        return
    if not os.path.lexists(target):
        raise MoveTrouble(
            f"its copy {target.name} is gone, so it stays",
            where=str(source),
            remedy="find out who removed the copy, then recover again",
        )
    if not same_file(source, target) and not _same_content(source, target, sha):
        raise MoveTrouble(
            f"it changed after it was copied to {target}, so it stays",
            where=str(source),
            remedy="nothing was removed; compare the two files",
        )
    remove(source)
    sync_dir(source.parent)


def shift(source: Path, target: Path, names: Iterable[tuple[str, str]]) -> None:
    """Move files from one directory to another: (name there, name here). Never over another file, may be repeated.

    One atomic rename each on one filesystem, verified copies across two; synced once for all of them, and not
    before this returns (or `synced_together` ends).
    """
    with _directory(source) as there, _directory(target) as here:
        for old, new in names:
            if watched():
                acting("rename", f"{target}/{new}")
            trouble = syscalls.rename_new(there, old, here, new) if there >= 0 and here >= 0 else errno.ENOENT
            if trouble:
                _shift_one(source / old, target / new, trouble)
    for path in dict.fromkeys((target, source)):
        with contextlib.suppress(FileNotFoundError):
            sync_dir(path)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    """An open directory; -1 when it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield -1
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _shift_one(source: Path, target: Path, trouble: int) -> None:
    """What one rename could not do: it was done before, another filesystem, or the name is taken."""
    if not os.path.lexists(source):
        if not os.path.lexists(target):
            raise MoveTrouble("gone, under its old name and its new one", where=str(source))
        return
    if trouble in (errno.EINVAL, errno.ENOSYS):  # e.g. NFS
        publish(source, target, now=True)
        remove(source)
    elif trouble in (errno.EXDEV, errno.EEXIST):
        if source.is_symlink() or target.is_symlink():
            _place_link(source, target)
        elif not same_file(source, target):
            copy(source, target)
        sync_dir(target.parent, now=True)
        drop(source, target)
    else:
        raise OSError(trouble, os.strerror(trouble), str(source), None, str(target))


def _same_content(one: Path, other: Path, sha: str = "") -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    if one.stat().st_size != other.stat().st_size:
        return False
    if not sha or one.stat().st_mtime_ns != other.stat().st_mtime_ns:
        sha = sha256(one)
    return sha256(other, from_disk=True) == sha
