"""What every web server has, as far as we have proven it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from engine.atomic import fs


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file a server has: its name in the tree of the release, our size, time (ns) and SHA-256 of what was sent.

    `there_size` (bytes) and `there_mtime` (seconds; -1: too young to tell a later change by) are what the server
    says of it; `proof` is how its content was
    proven: `sha256` (read back and compared) or `size` (every byte acknowledged, and the size).
    """

    remote: str
    size: int
    mtime_ns: int
    sha256: str
    there_size: int
    there_mtime: int
    proof: str
    when: str = ""


class ExportStates:
    """The files of one server below one place (`user@host:port/directory/release`) in the engine's database."""

    def __init__(self, connection: sqlite3.Connection, place: str, *, readonly: bool = False) -> None:
        self._db = connection
        self._place = place
        if not readonly:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS exported (place TEXT, remote BLOB, size INTEGER, mtime_ns INTEGER,"
                " sha256 TEXT, there_size INTEGER, there_mtime INTEGER, proof TEXT, at TEXT,"
                " PRIMARY KEY (place, remote)) WITHOUT ROWID"
            )

    def get(self, remote: str) -> Delivered | None:
        """What is known of a file; None when it was never delivered."""
        try:
            row = self._db.execute(
                "SELECT size, mtime_ns, sha256, there_size, there_mtime, proof, at FROM exported"
                " WHERE place = ? AND remote = ?",
                (self._place, os.fsencode(remote)),
            ).fetchone()
        except sqlite3.OperationalError:
            return None  # a journal that never saw an export, opened for reading
        return Delivered(remote, *row) if row else None

    def save(self, found: Iterable[Delivered]) -> None:
        """Note files that a server has; on disk when this returns."""
        fs.acting("commit", "exported")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO exported VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        self._place,
                        os.fsencode(item.remote),
                        item.size,
                        item.mtime_ns,
                        item.sha256,
                        item.there_size,
                        item.there_mtime,
                        item.proof,
                        item.when,
                    )
                    for item in found
                ),
            )
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
