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
from engine.errors import DestinationOccupied

Probe = Callable[[str, str], None]
_probe: Probe | None = None
_BLOCK = 1 << 20
_HASHED = 1 << 18  # bytes read at once for a checksum: they fit the processor's cache
_SENT = 1 << 23  # bytes copied with one call
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
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


def watched() -> bool:
    """Is anybody told of mutating calls?"""
    return _probe is not None


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


def _postponed(folder: Path | str) -> bool:
    """Will this directory be synced at the end of `synced_together`?"""
    touched: dict[Path, None] | None = getattr(_later, "touched", None)
    if touched is None:
        return False
    touched[Path(folder)] = None
    return True


def sync_dir(path: Path, *, now: bool = False) -> None:
    """Make the names in a directory durable; inside `synced_together` at its end, unless `now`."""
    if not now and _postponed(path):
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
        raise DestinationOccupied(
            "a file stands where a directory is needed", where=str(path), remedy="take it away and call again"
        )
    sync_dir(path.parent)


def hidden(path: Path) -> Path:
    """The hidden sibling name under which a file is prepared."""
    return path.with_name(f".{path.name}.dfos~")


def _write_hidden(path: Path, data: bytes, mode: int, *, sync: bool = True) -> Path:
    temporary = hidden(path)
    acting("write", temporary)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _write(folder, temporary.name, data, mode, str(temporary) if sync else "")
    finally:
        os.close(folder)
    return temporary


def _write(folder: int, name: str, data: bytes, mode: int, synced: str) -> None:
    """Write a new file of an open directory; `synced` is its path when its content is to be durable."""
    try:
        handle = os.open(name, _ANEW, mode, dir_fd=folder)
    except FileExistsError:  # left by a crash
        os.unlink(name, dir_fd=folder)
        handle = os.open(name, _ANEW, mode, dir_fd=folder)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            if synced:
                acting("fsync", synced)
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def replace(path: Path | str, data: bytes, mode: int = 0o644) -> None:
    """Write a text file whole or not at all, over the old one if there is one."""
    place, _, name = os.fspath(path).rpartition("/")
    place = place or "."
    temporary = f".{name}.dfos~"
    acting("write", f"{place}/{temporary}")
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _write(folder, temporary, data, mode, f"{place}/{temporary}")
        acting("replace", path)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        if not _postponed(place):
            acting("sync", place)
            os.fsync(folder)
    finally:
        os.close(folder)


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
            sweep(hidden(path))
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
        if not same_file(source, target):
            raise DestinationOccupied(
                "the name exists with another file",
                where=str(target),
                remedy="nothing was overwritten; look at both files",
            ) from None
    sync_dir(target.parent, now=now)


def sweep(temporary: Path) -> None:
    """Take away what a crash left under a hidden name, once its content stands under the real one."""
    if temporary.exists():
        remove(temporary)


def same_file(one: Path, other: Path) -> bool:
    """Two names of one file."""
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False


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
