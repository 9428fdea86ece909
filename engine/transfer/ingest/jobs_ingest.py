"""JOBS_INGEST: the ingestProducts calls that wait, one per line; identical lines collapse (decision 17)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import acts, fs, lock

_CALL = re.compile(r"ingestProducts\s+(?:-m\s+(CALIB|SCIENCE)\s+)?-d\s+(\d{4}-\d{2}-\d{2})")


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: its text, the call it is (None: a line of somebody else), how often it stands there."""

    text: str
    call: Call | None
    times: int = 1


def entries(tree: DfoTree) -> list[Entry]:
    """Every line that is not empty, oldest first; identical calls are one entry."""
    path = file_of(tree)
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    found: dict[Call | str, Entry] = {}
    for line in filter(None, (line.strip() for line in lines)):
        call = _call(line)
        known = found.get(call or line)
        found[call or line] = replace(known, times=known.times + 1) if known else Entry(line, call)
    return list(found.values())


def queued(tree: DfoTree) -> list[Call]:
    """The calls that wait, oldest first, each once; lines that are no such call are left out."""
    return [entry.call for entry in entries(tree) if entry.call]


def collapse(tree: DfoTree) -> int:
    """Take calls out that stand there more than once (older tools pile them up); how many lines went."""
    path, seen, rest = file_of(tree), set[Call](), list[bytes]()
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        for line in lines:
            call = _call(line.decode("utf-8", "replace").strip())
            if call is None or call not in seen:
                rest.append(line)
            if call:
                seen.add(call)
        if len(rest) != len(lines):
            fs.replace(path, b"".join(rest))
    return len(lines) - len(rest)


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
    return _call(line.decode("utf-8", "replace").strip()) == call


def _call(line: str) -> Call | None:
    """The call a line is; without a MODE it is SCIENCE (phoenix)."""
    match = _CALL.fullmatch(line)
    return Call(match[1] or "SCIENCE", match[2]) if match else None
