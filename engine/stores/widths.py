"""The stream widths an operator changed while the engine ran: they hold until they are taken back.

In the engine's database. A width counts for the configured one it replaced: whoever configures another one
afterwards has the last word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from config.schema import Settings
from engine.errors import UsageTrouble

_TABLE = """
CREATE TABLE IF NOT EXISTS stream_widths (
  kind TEXT PRIMARY KEY, width INTEGER NOT NULL, configured INTEGER NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID
"""
MOST = 1000


@dataclass(frozen=True, slots=True)
class Width:
    """How many ABs of a kind run at once ('' for all together), how many by the configuration, and who changed it."""

    kind: str
    width: int
    configured: int
    who: str = ""
    at: str = ""


class Widths:
    """The widths of an account; `configured` are its settings as they were read."""

    def __init__(self, db: sqlite3.Connection, configured: Settings) -> None:
        self._db = db
        self._configured = configured

    def all(self) -> list[Width]:
        """All together first, then every kind of the profile."""
        kept = {width.kind: width for width in self._kept()}
        found = []
        for kind, count in self._by_configuration().items():
            one = kept.get(kind)
            found.append(one if one and one.configured == count else Width(kind, count, count))
        return found

    def settings(self) -> Settings:
        """The settings with the widths that hold now."""
        widths = {one.kind: one.width for one in self.all() if one.width != one.configured}
        if not widths:
            return self._configured
        kinds = {
            name: kind.model_copy(update={"streams": widths.get(name, kind.streams)})
            for name, kind in self._configured.kinds.items()
        }
        return self._configured.model_copy(update={"streams": widths.get("", self._configured.streams), "kinds": kinds})

    def change(self, kind: str, width: int, who: str) -> int:
        """From now on `width` run at once, 0: as configured; how many that is. UsageTrouble for nonsense."""
        configured = self._by_configuration()
        if kind not in configured:
            raise UsageTrouble(f"no kind '{kind}' in the profile", remedy="use " + ", ".join(filter(None, configured)))
        if not 0 <= width <= MOST:
            raise UsageTrouble(f"{width} streams", remedy=f"1 to {MOST}; use pause to start nothing new")
        with self._db:
            self._db.execute(_TABLE)
            self._db.execute("DELETE FROM stream_widths WHERE kind=?", (kind,))
            if width not in (0, configured[kind]):
                at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
                row = (kind, width, configured[kind], who, at)
                self._db.execute("INSERT INTO stream_widths VALUES (?, ?, ?, ?, ?)", row)
        return width or configured[kind]

    def differs(self) -> str:
        """The configured widths of those that were changed: `configured 3, scipost 3`; '' when none was."""
        changed = [f"{one.kind} {one.configured}".strip() for one in self.all() if one.width != one.configured]
        return f"configured {', '.join(changed)}" if changed else ""

    def _by_configuration(self) -> dict[str, int]:
        kinds = {name: kind.streams for name, kind in self._configured.kinds.items()}
        return {"": self._configured.streams, **kinds}

    def _kept(self) -> Iterator[Width]:
        if self._db.execute("SELECT count(*) FROM sqlite_master WHERE name='stream_widths'").fetchone()[0]:
            for row in self._db.execute("SELECT kind, width, configured, who, at FROM stream_widths"):
                yield Width(*row)
