"""Rule text, and where each piece of it came from: messages speak of the file the operator knows."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from engine.create.oca.model import At, Problem
from engine.errors import DfosError


class BadRules(DfosError):
    """A rule file cannot be read at all: binary, not there, includes in a circle, macros without end."""

    exit_code = 2


class Lines:
    """Where the lines of one file begin. `name` and `shift` follow its line markers."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.shift = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line(self, offset: int) -> int:
        """The line of an offset in this very file, from 1."""
        return bisect_right(self._starts, offset)

    def place(self, offset: int) -> At:
        """Where an offset stands for the operator."""
        line = self.line(offset)
        return At(self.name, line + self.shift, offset - self._starts[line - 1] + 1)


@dataclass(slots=True)
class Source:
    """Text without comments and directives. `text` offsets lead back to file, line and column through `place`.

    `problems` are what the pre-processor has to say.
    """

    text: str = ""
    problems: list[Problem] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _places: list[tuple[str, int, int, bool]] = field(default_factory=list)

    def mark(self, offset: int, file: str, line: int, column: int, *, macro: bool = False) -> None:
        """From `offset` on, text comes from this place; all text of a `macro` from one and the same."""
        self._starts.append(offset)
        self._places.append((file, line, column, macro))

    def place(self, offset: int) -> At:
        """Where the character at `offset` stands for the operator."""
        if not self._starts:
            return At("", 1, 1)
        index = max(0, bisect_right(self._starts, offset) - 1)
        file, line, column, macro = self._places[index]
        return At(file, line, column if macro else column + offset - self._starts[index])

    def mark_lines(self, text: str, offset: int, file: str, line: int, column: int) -> None:
        """Mark a literal piece of any number of lines that begins at this place and goes to `offset`."""
        self.mark(offset, file, line, column)
        end = text.find("\n")
        while end >= 0:
            line += 1
            self.mark(offset + end + 1, file, line, 1)
            end = text.find("\n", end + 1)
