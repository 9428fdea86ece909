"""Two system calls the standard library does not offer. Linux; where one is missing, the caller is told."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from pathlib import Path

_NOREPLACE = 1


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def rename_new(source: int, old: str, target: int, new: str) -> int:
    """Rename `old` of directory `source` to `new` of directory `target` (file descriptors), never over a file.

    0, or the error number: EEXIST when `new` exists, ENOSYS or EINVAL where this cannot be done in one call.
    """
    try:
        call = _libc().renameat2
    except AttributeError:
        return errno.ENOSYS
    if call(source, os.fsencode(old), target, os.fsencode(new), _NOREPLACE) == 0:
        return 0
    return ctypes.get_errno()


def sync_filesystem(path: Path) -> None:
    """Make everything durable that was written to the filesystem of `path`. OSError when the disk says no."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not hasattr(_libc(), "syncfs"):
            os.sync()
        elif _libc().syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(handle)
