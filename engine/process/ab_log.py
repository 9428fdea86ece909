"""The log of an AB, `$DFS_LOG_DIR/<root>.log`: earlier ones kept beside it, and what stands at its head."""

from __future__ import annotations

import os
from pathlib import Path

from engine.atomic import fs


def rotated(log: Path) -> None:
    """Keep the log of an earlier attempt as `<log>.<n>`, 1 the oldest."""
    if not os.path.lexists(log):
        return
    number = 1
    while log.with_name(f"{log.name}.{number}").exists():
        number += 1
    fs.rename(log, log.with_name(f"{log.name}.{number}"))


def headed(log: Path, ab: str, utc: str, pipeline: str, command: list[str], workdir: Path, sof: str) -> None:
    """Begin the log: what is run, where, on what. The recipe's own lines follow."""
    frames = "".join(f"#   {line}\n" for line in sof.splitlines())
    text = f"# {ab}  {utc} UT\n# {pipeline}\n# {' '.join(command)}\n# in {workdir}, set of frames:\n{frames}"
    try:
        log.write_text(text, "utf-8")
    except FileNotFoundError:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, "utf-8")
