"""What a place is asked for inputs that are not on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.errors import DfosError


class SourceAway(DfosError):
    """A source cannot be reached, or broke off; it may be tried again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a source has: bytes it says it has. `trouble`: why it could not be brought, '' when it was."""

    size: int
    trouble: str = ""


class Source(Protocol):
    """A place with files."""

    name: str

    async def fetch(self, names: Sequence[str], into: Path) -> Mapping[str, Fetched]:
        """Bring files into a directory, each durably under its hidden name (`fs.hidden`); what was found, by name.

        Names that are not there are left out. SourceAway when the place cannot be asked. May be repeated.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
