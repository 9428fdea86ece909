"""The log of an AB, `$DFS_LOG_DIR/<root>.log`: earlier ones kept beside it, and what stands at its head."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.atomic import fs

_HEAD = 4 << 20  # bytes; the head of an AB with 1,000 inputs has 0.2 MB


def rotated(log: Path) -> None:
    """Keep the log of an earlier attempt as `<log>.<n>`, 1 the oldest; one that no recipe has written to goes."""
    if not os.path.lexists(log):
        return
    if _is_head_only(log):
        fs.remove(log)
        return
    number = 1
    while os.path.lexists(log.with_name(f"{log.name}.{number}")):
        number += 1
    fs.rename(log, log.with_name(f"{log.name}.{number}"))


def _is_head_only(log: Path) -> bool:
    """True when its engine ended before the recipe was started. A link, a pipe or a large file is none of those."""
    try:
        handle = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with open(handle, "rb") as file:  # noqa: PTH123 - an open file, no path
        found = os.fstat(handle)
        return stat.S_ISREG(found.st_mode) and found.st_size < _HEAD and all(line.startswith(b"# ") for line in file)


def headed(log: Path, ab: str, utc: str, pipeline: str, command: list[str], workdir: Path, sof: str) -> None:
    """Begin the log: what is run, where, on what. The recipe's own lines follow."""
    frames = "".join(f"#   {line}\n" for line in sof.splitlines())
    text = f"# {ab}  {utc} UT\n# {pipeline}\n# {' '.join(command)}\n# in {workdir}, set of frames:\n{frames}"
    try:
        written(str(log), text)
    except FileNotFoundError:
        log.parent.mkdir(parents=True, exist_ok=True)
        written(str(log), text)


def written(path: str, text: str) -> None:
    """Write a new text file at once; it need not outlive a power cut."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        part = memoryview(text.encode())
        while part:
            part = part[os.write(handle, part) :]
    finally:
        os.close(handle)
