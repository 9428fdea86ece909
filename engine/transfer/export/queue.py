"""JOBS_EXPORT: the exports that wait, one per line; identical lines collapse.

The line is the queue: a move adds it as its last step (`line`, `file_of`), an export that is complete takes it
out. Why a call still waits, and until when it is left alone, stands in the engine's database. Quick to import.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import acts, fs, lock

_CALL = re.compile(r"exportProducts\s+-m\s+(CALIB|SCIENCE)\s+-d\s+(\d{4}-\d{2}-\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One queued export."""

    mode: str
    date: str

    @property
    def line(self) -> str:
        """The call as it stands in the file."""
        return f"exportProducts -m {self.mode} -d {self.date}"


@dataclass(frozen=True, slots=True)
class Waits:
    """Why a call still waits: tries in vain so far, when (UTC) and why the last; `until` is seconds since 1970."""

    tries: int = 0
    when: str = ""
    why: str = ""
    until: float = 0.0


def file_of(tree: DfoTree) -> Path:
    """`$DFO_JOB_DIR/JOBS_EXPORT`."""
    return tree.job / "JOBS_EXPORT"


def queued(tree: DfoTree) -> list[Call]:
    """The calls that wait, oldest first, each once; lines that are no such call are left out."""
    path = file_of(tree)
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return list(dict.fromkeys(call for line in lines if (call := _call(line))))


def append(tree: DfoTree, call: Call) -> None:
    """Queue a call; one that waits already is not doubled."""
    fs.make_dir(tree.job)
    acts.add_line(tree, {"path": str(file_of(tree)), "line": call.line})


def remove(tree: DfoTree, call: Call, unless: Callable[[], bool] = lambda: False) -> bool:
    """Take a call out, durably; every other line stays as it is. False when it stays or was not there.

    `unless` is asked while nobody else can add the line: true when there is something new to export.
    """
    path = file_of(tree)
    with lock.shared_file(tree, path):
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        rest = [line for line in lines if _call(line) != call]
        if len(rest) == len(lines) or unless():
            return False
        fs.replace(path, b"".join(rest))
    return True


class Waiting:
    """Why calls wait, in the engine's database."""

    def __init__(self, connection: sqlite3.Connection, *, readonly: bool = False) -> None:
        self._db = connection
        if not readonly:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS export_waits (mode TEXT, date TEXT, tries INTEGER, at TEXT, why TEXT,"
                " until REAL, PRIMARY KEY (mode, date)) WITHOUT ROWID"
            )

    def of(self, call: Call) -> Waits:
        """What is known of a call; nothing when it was never tried in vain."""
        try:
            row = self._db.execute(
                "SELECT tries, at, why, until FROM export_waits WHERE mode = ? AND date = ?", (call.mode, call.date)
            ).fetchone()
        except sqlite3.OperationalError:
            return Waits()  # a journal that never saw an export, opened for reading
        return Waits(*row) if row else Waits()

    def failed(self, call: Call, waits: Waits) -> None:
        """Note a try in vain."""
        fs.acting("commit", "export waits")
        self._db.execute(
            "INSERT OR REPLACE INTO export_waits VALUES (?, ?, ?, ?, ?, ?)",
            (call.mode, call.date, waits.tries, waits.when, waits.why, waits.until),
        )

    def done(self, call: Call) -> None:
        """It waits no longer."""
        fs.acting("commit", "export waits")
        self._db.execute("DELETE FROM export_waits WHERE mode = ? AND date = ?", (call.mode, call.date))


def _call(line: bytes) -> Call | None:
    match = _CALL.fullmatch(line.decode("utf-8", "replace").strip())
    return Call(match[1], match[2]) if match else None
