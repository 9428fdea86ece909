"""AB files that could not be read when they were last looked at, so that nobody forgets them. Standard library only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


class RefusedAbs:
    """The unreadable AB files of the account: file:line and why."""

    def __init__(self, connection: sqlite3.Connection, *, readonly: bool = False) -> None:
        self._db = connection
        if not readonly:
            connection.execute("CREATE TABLE IF NOT EXISTS refused (place TEXT PRIMARY KEY, why TEXT NOT NULL)")

    def replace(self, found: Iterable[tuple[str, str]]) -> None:
        """Keep these, and only these."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM refused")
            self._db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?)", list(found))

    def all(self) -> list[tuple[str, str]]:
        """What was found last, by file."""
        return [(row[0], row[1]) for row in self._db.execute("SELECT place, why FROM refused ORDER BY place")]
