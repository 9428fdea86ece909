"""A demo account built once and copied for each test: two files say where it stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

DFOS = [sys.executable, "-P", "-m", "console"]


def built(root: Path, *words: str, code: int = 0) -> Path:
    """A demo account after the demo has ended; the stand-in runs its recipes."""
    done = subprocess.run(
        [*DFOS, "demo", "--root", str(root), *words, "--set", "process.pipeline=stand-in"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stderr[-2000:]
    return root


def copied(source: Path, target: Path) -> Path:
    """The account at another place."""
    shutil.copytree(source, target, symlinks=True, ignore=_sockets)
    for name in (".dfosrc", ".dfos-demo.json"):
        file = target / name
        file.write_text(file.read_text().replace(str(source), str(target)))
    return target


def _sockets(folder: str, names: list[str]) -> list[str]:
    """A socket that a killed engine left cannot be copied."""
    return [name for name in names if Path(folder, name).is_socket()]
