"""Many lines under a cursor, of which only the visible ones are made: 20,000 open at once."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.message import Message
from textual.strip import Strip

from screens import theme
from screens.glyphs import Glyphs
from screens.widgets.lines import LineWidget, Spans, strip_of

Draw = Callable[[int, int], Spans]  # (line, width) -> the line


class LineList(LineWidget, can_focus=True):
    """`count` lines, each drawn by `draw(line, width)` when it comes into view; below a title line."""

    class Opened(Message):
        """A click on the line under the cursor."""

    class Moved(Message):
        """Another line is under the cursor."""

    def __init__(self, glyphs: Glyphs, draw: Draw, title: Callable[[int], str], empty: str = "nothing") -> None:
        super().__init__(id="lines")
        self.glyphs = glyphs
        self.count = 0
        self.cursor = 0
        self.top = 0
        self.empty = empty
        self._draw = draw
        self._title = title

    @property
    def page(self) -> int:
        """Lines in view."""
        return max(1, self.size.height - 1)

    def fill(self, count: int, cursor: int | None = None) -> None:
        """There are `count` lines now; the cursor goes to `cursor`, or stays on its line number."""
        line = self.cursor - self.top
        self.count = count
        self.cursor = max(0, min(self.cursor if cursor is None else cursor, count - 1))
        self.top = self.cursor - line
        self._scroll()
        if self.is_mounted:
            self.redraw()

    def go_to(self, index: int) -> None:
        """Put the cursor on a line."""
        index = max(0, min(index, self.count - 1))
        if index != self.cursor:
            before, self.cursor = self.cursor, index
            if self._scroll():
                self.redraw()
            else:
                self.redraw(1 + i - self.top for i in (before, index))
            self.post_message(self.Moved())

    def draw_line(self, y: int, width: int) -> Strip:
        """Title, a line, or nothing."""
        if y == 0:
            return strip_of([(self.glyphs.fit(f"   {self._title(width - 3)}", width), theme.HEADING)], width)
        index = self.top + y - 1
        if index >= self.count:
            note = f"   {self.empty}" if not self.count and y == 2 else ""
            return strip_of([(note, None)], width, self.glyphs)
        spans = self._draw(index, width - 3)
        if index != self.cursor:
            return strip_of([("   ", None), *spans], width, self.glyphs)
        chosen = [(text, theme.SELECTED) for text, _ in spans]
        return strip_of([(f" {self.glyphs.cursor} ", None), *chosen], width, self.glyphs, theme.SELECTED)

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in view."""
        self._scroll()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click selects, a click on the selected line opens it."""
        index = self.top + event.y - 1
        if event.y and index < self.count:
            if index == self.cursor:
                self.post_message(self.Opened())
            self.go_to(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        self.go_to(self.cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        self.go_to(self.cursor - 3)

    def _scroll(self) -> bool:
        """Bring the cursor into view; True when the view moved."""
        before = self.top
        self.top = min(max(self.top, self.cursor - self.page + 1), self.cursor)
        self.top = max(0, min(self.top, self.count - self.page))
        return self.top != before
