"""JOBS_INGEST: the ingestProducts calls that wait, one per line; identical lines collapse (decision 17)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import acts, fs, lock

_CALL = re.compile(r"ingestProducts\s+-m\s+(CALIB|SCIENCE)\s+-d\s+(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Call:
    """One queued call."""

    mode: str
    date: str

    @property
    def line(self) -> str:
        """The call as it stands in the file."""
        return f"ingestProducts -m {self.mode} -d {self.date}"


def file_of(tree: DfoTree) -> Path:
    """`$DFO_JOB_DIR/JOBS_INGEST`."""
    return tree.job / "JOBS_INGEST"


def queued(tree: DfoTree) -> list[Call]:
    """The calls that wait, oldest first; lines that are no such call are left out."""
    path = file_of(tree)
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    return [Call(*match.groups()) for line in lines if (match := _CALL.fullmatch(line.strip()))]


def append(tree: DfoTree, call: Call) -> None:
    """Queue a call; one that waits already is not doubled."""
    fs.make_dir(tree.job)
    acts.add_line(tree, {"path": str(file_of(tree)), "line": call.line})


def remove(tree: DfoTree, call: Call) -> bool:
    """Take a call out, durably; every other line stays as it is. False when it was not there."""
    path = file_of(tree)
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        rest = [line for line in lines if not _is(line, call)]
        if len(rest) == len(lines):
            return False
        fs.replace(path, b"".join(rest))
    return True


def _is(line: bytes, call: Call) -> bool:
    match = _CALL.fullmatch(line.decode("utf-8", "replace").strip())
    return match is not None and Call(*match.groups()) == call
