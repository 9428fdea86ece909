"""The mutating verbs: the only place that changes files of the account.

Every verb is durable when it returns (data and directory synced) and never overwrites what it
was not told to replace. POSIX gives no atomic "rename unless it exists" everywhere, so a new name
is published with a hard link, which fails when the name exists.

Tests set a probe, called before every mutating system call, to cut the power there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from engine.atomic import syscalls
from engine.errors import DestinationOccupied, MoveTrouble

Probe = Callable[[str, str], None]
_probe: Probe | None = None
_BLOCK = 1 << 20
_HASHED = 1 << 18  # bytes read at once for a checksum: they fit the processor's cache
_SENT = 1 << 23  # bytes copied with one call
FEW = 50  # files that are synced one by one; beyond, their filesystem in one call
_later = threading.local()


@contextlib.contextmanager
def probed(probe: Probe) -> Iterator[None]:
    """Call `probe(verb, path)` before every mutating call inside the block (fault injection)."""
    global _probe
    before, _probe = _probe, probe
    try:
        yield
    finally:
        _probe = before


def acting(verb: str, path: Path | str) -> None:
    """Announce a mutating call; also called by whoever else must be part of a power-cut test."""
    if _probe is not None:
        _probe(verb, str(path))


@contextlib.contextmanager
def synced_together() -> Iterator[None]:
    """Sync each directory that is touched in the block once, at its end (this thread only).

    For batches whose calls can be repeated: nothing may be noted as done before the block has ended.
    """
    touched: dict[Path, None] = {}
    _later.touched = touched
    try:
        yield
    finally:
        _later.touched = None
    for path in touched:
        with contextlib.suppress(FileNotFoundError):
            sync_dir(path)


def sync_file(path: Path) -> None:
    """Make the content of a file durable that somebody else wrote, e.g. a recipe."""
    acting("fsync", path)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle(paths: Iterable[Path]) -> None:
    """Make durable what others wrote, so that a new name never outlives its content.

    A few files one by one; of many, the filesystems they stand on in one call each.
    """
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    if len(files) <= FEW:
        for path in files:
            sync_file(path)
        return
    devices: dict[int, Path] = {}
    for folder in dict.fromkeys(path.parent for path in files):
        devices.setdefault(folder.stat().st_dev, folder)
    for folder in devices.values():
        acting("syncfs", folder)
        syscalls.sync_filesystem(folder)


def sync_dir(path: Path, *, now: bool = False) -> None:
    """Make the names in a directory durable; inside `synced_together` at its end, unless `now`."""
    touched: dict[Path, None] | None = getattr(_later, "touched", None)
    if touched is not None and not now:
        touched[path] = None
        return
    acting("sync", path)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_dir(path: Path) -> None:
    """A directory with its parents, durable; an existing one is fine."""
    if path.is_dir():
        return
    make_dir(path.parent)
    acting("mkdir", path)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    if not path.is_dir():
        raise DestinationOccupied("a file stands where a directory is needed", where=str(path))
    sync_dir(path.parent)


def hidden(path: Path) -> Path:
    """The hidden sibling name under which a file is prepared."""
    return path.with_name(f".{path.name}.dfos~")


def _write_hidden(path: Path, data: bytes, mode: int, *, sync: bool = True) -> Path:
    temporary = hidden(path)
    acting("write", temporary)
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                acting("fsync", temporary)
                os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a text file whole or not at all, over the old one if there is one."""
    temporary = _write_hidden(path, data, mode)
    acting("replace", path)
    temporary.replace(path)
    sync_dir(path.parent)


def replace_all(folder: Path, files: Iterable[tuple[str, bytes]], mode: int = 0o644) -> None:
    """Write many text files of one directory, each whole or not at all, over old ones of the name; synced together.

    May be repeated: files that have this content already are left alone.
    """
    fresh: list[tuple[Path, Path]] = []
    for name, data in files:
        path = folder / name
        if not _holds(path, data):
            fresh.append((_write_hidden(path, data, mode, sync=False), path))
    settle(temporary for temporary, _ in fresh)
    for temporary, path in fresh:
        acting("replace", path)
        temporary.replace(path)
    if fresh:
        sync_dir(folder)


def _holds(path: Path, data: bytes) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as file:
        return file.read(len(data) + 1) == data


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file that must not exist; equal content is fine, other content DestinationOccupied."""
    if path.exists():
        if path.read_bytes() == data:
            _sweep(hidden(path))
            return
        raise DestinationOccupied("the name exists with other content", where=str(path))
    temporary = _write_hidden(path, data, mode)
    publish(temporary, path)
    remove(temporary)


def publish(source: Path, target: Path, *, now: bool = False) -> None:
    """Give `source` the second name `target` (same filesystem); fails when the name exists with another file.

    Done before, it is fine: the call may be repeated after a crash. `now` syncs the name even inside
    `synced_together`.
    """
    acting("link", target)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not _same_file(source, target):
            raise DestinationOccupied(
                "the name exists with another file",
                where=str(target),
                remedy="nothing was overwritten; look at both files",
            ) from None
    sync_dir(target.parent, now=now)


def copy_hidden(source: Path, target: Path) -> str:
    """Copy `source` to the hidden sibling of `target`, synced; the its SHA-256 (hex).

    For another filesystem. A half copy left by a crash is replaced. MoveTrouble when the source changed meanwhile.
    """
    temporary = hidden(target)
    acting("copy", temporary)
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    with source.open("rb", buffering=0) as read, temporary.open("xb", buffering=0) as write:
        before = os.fstat(read.fileno())
        digest = _streamed(read.fileno(), write.fileno())
        after = os.fstat(read.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            temporary.unlink()
            raise MoveTrouble(
                "it changed while it was copied",
                where=str(source),
                remedy="nothing is lost; find out who writes it, then recover: it is copied again",
            )
        os.fchmod(write.fileno(), before.st_mode & 0o777)
        os.utime(write.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        acting("fsync", temporary)
        os.fsync(write.fileno())
    return digest


def _streamed(read: int, write: int) -> str:
    """Copy one open file to another within the kernel; SHA-256 (hex) of the source, read beside it by a thread.

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
    elif _same_file(source, target):
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
    _sweep(temporary)
    return known


def _sweep(temporary: Path) -> None:
    """Take away what a crash left under a hidden name, once its content stands under the real one."""
    if temporary.exists():
        remove(temporary)


def _place_link(source: Path, target: Path) -> None:
    if not os.path.lexists(target):
        acting("symlink", target)
        target.symlink_to(source.readlink())
        sync_dir(target.parent)
    elif not target.is_symlink() or target.readlink() != source.readlink():
        raise DestinationOccupied("the name exists with other content", where=str(target))


def rename(source: Path, target: Path) -> None:
    """Give a file or directory another name on the same filesystem; never overwrites, may be repeated."""
    if not os.path.lexists(source) and os.path.lexists(target):
        return
    if source.is_dir() and not source.is_symlink():
        if os.path.lexists(target):
            raise DestinationOccupied("the name exists", where=str(target))
        acting("rename", target)
        source.rename(target)
        sync_dir(target.parent)
    else:
        publish(source, target, now=True)
        remove(source)
    if source.parent != target.parent and source.parent.is_dir():
        sync_dir(source.parent)


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
    if not _same_file(source, target) and not _same_content(source, target, sha):
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
            if _probe is not None:
                _probe("rename", f"{target}/{new}")
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
        elif not _same_file(source, target):
            copy(source, target)
        sync_dir(target.parent, now=True)
        drop(source, target)
    else:
        raise OSError(trouble, os.strerror(trouble), str(source), None, str(target))


def append(path: Path, data: bytes) -> None:
    """Add lines to a log, durably. A crash may leave a part of the last line: the reader must bear it."""
    fresh = not path.exists()
    acting("append", path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            acting("fsync", path)
            os.fsync(file.fileno())
    finally:
        if fresh:
            sync_dir(path.parent)


def remove(path: Path) -> None:
    """Take a name away; it may be gone already. Only for names whose content stands elsewhere."""
    acting("unlink", path)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def remove_empty_dir(path: Path) -> bool:
    """Remove a directory if it is empty; True when it is gone."""
    acting("rmdir", path)
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError as trouble:
        if trouble.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # ENOTDIR: a link to one
            return False
        raise
    sync_dir(path.parent)
    return True


def remove_tree(path: Path) -> None:
    """Delete a directory with all in it; symbolic links go, what they lead to stays. May be repeated."""
    if not os.path.lexists(path):
        return
    for folder, folders, files, handle in os.fwalk(path, topdown=False, follow_symlinks=False):
        for name in (*files, *folders):
            acting("delete", f"{folder}/{name}")
            if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=handle)
            else:
                os.unlink(name, dir_fd=handle)
    if not remove_empty_dir(path):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))


def sha256(path: Path, *, from_disk: bool = False) -> str:
    """SHA-256 of a file, hex; `from_disk` forgets what the system has in memory of it first, where it can."""
    with path.open("rb") as file:
        if from_disk:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False


def _same_content(one: Path, other: Path, sha: str = "") -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    if one.stat().st_size != other.stat().st_size:
        return False
    if not sha or one.stat().st_mtime_ns != other.stat().st_mtime_ns:
        sha = sha256(one)
    return sha256(other, from_disk=True) == sha
