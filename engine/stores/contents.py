"""What stood in $DFS_PRODUCT when a verdict was asked for: a verdict counts for that, and for nothing else.

Every question about an AB has a note of the products it is about. Products nobody was asked about get a
question of their own, whose id ends with a mark of their content.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.atomic import fs
from engine.errors import DfosError


@dataclass(frozen=True, slots=True)
class Held:
    """One product as it was: bytes, time of its file in ns, SHA-256 (hex)."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a question is about: products by `<RAW_TYPE>/<name>`."""

    question: str
    files: Mapping[str, Held]


def mark_of(files: Mapping[str, Held]) -> str:
    """A short name for a content, the same for the same names and checksums."""
    text = "".join(f"{name} {held.sha256}\n" for name, held in sorted(files.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Contents:
    """The notes in the engine's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        connection.execute(
            "CREATE TABLE IF NOT EXISTS contents (question TEXT PRIMARY KEY, base TEXT NOT NULL, files TEXT NOT NULL)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS contents_of ON contents (base)")

    def of(self, base: str) -> tuple[Note, ...]:
        """The notes of one attempt of an AB (`certify:<AB_NAME>:<attempt>`), newest first."""
        rows = self._db.execute("SELECT question, files FROM contents WHERE base = ? ORDER BY rowid DESC", (base,))
        return tuple(_note(*row) for row in rows)

    def about(self, question: str) -> Note | None:
        """What a question is about; None for one that was asked before contents were noted."""
        row = self._db.execute("SELECT question, files FROM contents WHERE question = ?", (question,)).fetchone()
        return _note(*row) if row else None

    def keep(self, notes: Iterable[tuple[str, Note]]) -> None:
        """Keep notes, each with the attempt it belongs to; on disk when this returns."""
        rows = [
            (note.question, base, json.dumps({name: [h.size, h.mtime_ns, h.sha256] for name, h in note.files.items()}))
            for base, note in notes
        ]
        if not rows:
            return
        fs.acting("commit", "contents")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT INTO contents (question, base, files) VALUES (?, ?, ?)"
                    " ON CONFLICT (question) DO UPDATE SET files = excluded.files",
                    rows,
                )
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as trouble:
            raise DfosError(
                f"what is to be certified cannot be noted: {trouble}", remedy="is the disk full? Then try again"
            ) from trouble

    @staticmethod
    def questions(db: sqlite3.Connection, base: str) -> tuple[str, ...]:
        """The ids of the questions about an attempt, newest first, for those who only read the database."""
        known = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'contents'").fetchone()
        rows = db.execute("SELECT question FROM contents WHERE base = ? ORDER BY rowid DESC", (base,)) if known else ()
        return tuple(dict.fromkeys([*(str(row[0]) for row in rows), base]))


def _note(question: str, files: str) -> Note:
    return Note(question, {name: Held(*held) for name, held in json.loads(files).items()})
