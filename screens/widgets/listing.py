"""A short list to choose from or to read; an entry may have several lines. Draws its own lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import chop_cells
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from screens import theme
from screens.glyphs import UNICODE, Glyphs, width_of
from screens.widgets.lines import LineWidget, Spans, strip_of

Entry = Sequence[Spans]


def wrapped(text: str, width: int, glyphs: Glyphs, indent: int = 0) -> list[str]:
    """The cleaned text in lines of at most `width` cells; lines after the first are indented."""
    width = max(width, indent + 8)
    found: list[str] = []
    for line in textwrap.wrap(glyphs.clean(text), width, subsequent_indent=" " * indent) or [""]:
        found.extend([line] if width_of(line) <= width else chop_cells(line, width))
    return found


class Listing(LineWidget, can_focus=True):
    """Entries under a cursor; with `choosing` false only a text that scrolls. The selected entry is reversed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Chosen(Message):
        """`enter` on entry `index`."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    class Moved(Message):
        """Another entry is under the cursor."""

    def __init__(self, glyphs: Glyphs = UNICODE, *, choosing: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.cursor = 0
        self.top = 0
        self._choosing = choosing
        self._entries: list[Entry] = []
        self._lines: list[tuple[int, Spans]] = []

    @property
    def lines(self) -> int:
        """How many lines all entries have."""
        return len(self._lines)

    def fill(self, entries: Sequence[Entry], cursor: int | None = None) -> None:
        """Show these entries; the cursor stays on its index unless told otherwise."""
        self._entries = list(entries)
        self._lines = [(index, line) for index, entry in enumerate(entries) for line in entry]
        self.cursor = max(0, min(self.cursor if cursor is None else cursor, len(entries) - 1))
        if self.is_mounted:
            self._show_cursor()
            self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as its lines where the stylesheet says `auto`."""
        return len(self._lines)

    def draw_line(self, y: int, width: int) -> Strip:
        """Line `y`; the last one says how much there is below."""
        at = self.top + y
        if at >= len(self._lines):
            return strip_of((), width)
        below = len(self._lines) - at - 1
        if y == self.size.height - 1 and below and not self._choosing:
            return strip_of([(f" {self.glyphs.below} {below + 1} more lines", theme.DIM)], width, self.glyphs)
        index, spans = self._lines[at]
        if not self._choosing:
            return strip_of(spans, width, self.glyphs)
        first = at == 0 or self._lines[at - 1][0] != index
        mark = f" {self.glyphs.cursor} " if index == self.cursor and first else "   "
        if index == self.cursor:
            spans = [(text, theme.SELECTED) for text, _ in spans]
        return strip_of([(mark, None), *spans], width, self.glyphs)

    def on_mount(self) -> None:
        """Bring the cursor into view."""
        self._show_cursor()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._show_cursor()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click selects, a click on the selected entry chooses it."""
        at = self.top + event.y
        if self._choosing and at < len(self._lines):
            if self._lines[at][0] == self.cursor:
                self.action_choose()
            else:
                self._select(self._lines[at][0])

    def action_move(self, by: int) -> None:
        """Cursor or text up and down."""
        if self._choosing:
            self._select(self.cursor + by)
        else:
            self._scroll(self.top + by)

    def action_page(self, by: int) -> None:
        """One page up or down."""
        page = max(1, self.size.height - 1)
        if not self._choosing:
            self._scroll(self.top + by * page)
        else:
            entry = max(1, page * len(self._entries) // max(1, len(self._lines)))
            self._select(self.cursor + by * entry)

    def action_choose(self) -> None:
        """The entry under the cursor is chosen."""
        if self._choosing and self._entries:
            self.post_message(self.Chosen(self.cursor))

    def _select(self, index: int) -> None:
        index = max(0, min(index, len(self._entries) - 1))
        if index != self.cursor:
            self.cursor = index
            self._show_cursor()
            self.redraw()
            self.post_message(self.Moved())

    def _scroll(self, top: int) -> None:
        self.top = max(0, min(top, len(self._lines) - self.size.height))
        self.redraw()

    def _show_cursor(self) -> None:
        height = self.size.height
        if not self._choosing or not height:
            self.top = max(0, min(self.top, len(self._lines) - height)) if height else 0
            return
        mine = [at for at, (index, _) in enumerate(self._lines) if index == self.cursor] or [0]
        self.top = min(max(self.top, mine[-1] - height + 1), mine[0])
