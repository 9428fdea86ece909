"""`l`: the recipe's log, as it grows; search, and a jump to the first error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.start import start
from screens.widgets.board_lines import ab_spans
from screens.widgets.lines import Spans
from screens.widgets.text_screen import TextScreen
from screens.widgets.text_view import Styler

POLL_S = 0.5
_ERROR = re.compile(r"\bERROR\b|\*\*\* (?:Error|FATAL)|\bSegmentation fault\b|\bTraceback\b")
_WARNING = re.compile(r"\bWARNING\b")


def is_error(line: str) -> bool:
    """True for a line in which esorex, a recipe or the system reports an error."""
    return _ERROR.search(line) is not None


def log_style(line: str) -> Style | None:
    """Errors and warnings stand out; the words are in the line anyway."""
    if is_error(line):
        return theme.BAD
    return theme.WARN if _WARNING.search(line) else None


class LogView(TextScreen):
    """The log of one AB. Asks for more only while it grows; stays at the end until the operator scrolls."""

    FOOTER = "/ search  n N next, previous  e first error  F follow  w why  esc back  ? keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "first_error", "first error", tooltip="to the first line that reports an error"),
        Binding("F", "follow", "follow", tooltip="to the end, and stay there while the log grows"),
        Binding("w", "why", "why", tooltip="why this AB is not running"),
    ]

    def __init__(
        self,
        ab: str,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(link, alphabet, clock)
        self.ab = ab
        self.library = library
        self.growing = False
        self._offset = 0
        self._rest = False  # the last line shown is not complete yet
        self._log_name = ""
        self._reading = False

    def styler(self) -> Styler:
        """Errors and warnings."""
        return log_style

    def subject(self) -> Spans:
        """Which AB, which log, whether it grows."""
        what = "grows" if self.growing else f"{len(self.view.lines)} lines"
        what += ", following" if self.growing and self.view.follow else ""
        row = self.link.board.rows.get(self.ab)
        return [(" log of ", None), *ab_spans(self.ab, row, self.glyphs), (f"  {what}", None)]

    def on_mount(self) -> None:
        """Read what there is, then follow."""
        self.view.follow = True
        start(self, self.read, exclusive=True)
        self.set_interval(POLL_S, self._poll)

    async def read(self) -> None:
        """Read on to the present end of the log."""
        self._reading = True
        try:
            await self._read_on()
        finally:
            self._reading = False

    async def _read_on(self) -> None:
        while True:
            try:
                part = await self.library.log(self.ab, self._offset)
            except (DfosError, OSError) as trouble:
                self.growing = False
                self.hint(str(trouble))
                return
            self.growing = part.growing
            self._log_name = part.name
            grown = part.next_offset > self._offset
            if part.next_offset < self._offset:  # a new attempt began a new log
                self.view.show([])
                self._offset, self._rest = 0, False
                continue
            self._offset = part.next_offset
            self._add(part.text)
            if not grown:
                break
        if not self.view.lines and not self.growing:
            self.hint(f"no log yet{': ' + self._log_name if self._log_name else ''}")
        self.frame()

    def _add(self, text: str) -> None:
        if not text:
            return
        lines = text.split("\n")
        replacing = 1 if self._rest else 0
        if self._rest:
            lines[0] = self.view.lines[-1] + lines[0]
        self._rest = bool(lines[-1])
        self.view.append(lines if self._rest else lines[:-1], replacing)

    def _poll(self) -> None:
        row = self.link.board.rows.get(self.ab)
        if not self._reading and (self.growing or (row is not None and row.state == "RUNNING")):
            start(self, self.read, exclusive=True)

    def action_first_error(self) -> None:
        """To the first error."""
        if not self.view.first(is_error):
            self.hint("no ERROR in this log")
        self.frame()

    def action_follow(self) -> None:
        """Follow the end."""
        self.view.follow = True
        self.view.go_to(len(self.view.lines))
        self.frame()

    def action_why(self) -> None:
        """The chain of reasons."""
        from screens.monitor.why import WhyScreen

        self.app.push_screen(WhyScreen(self.ab, self.library, self.glyphs, again=False))
