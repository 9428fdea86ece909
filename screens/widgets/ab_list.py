"""The list of ABs: draws its own lines, keeps the selection on the AB, whatever the rows do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual import events
from textual.message import Message
from textual.strip import Strip

from engine.board import Change, Row
from engine.core.status import AT_WORK, ENDED_BADLY
from screens import theme
from screens.glyphs import Glyphs
from screens.widgets.ab_order import SORTS, AbOrder, shared_prefix, terms_of
from screens.widgets.columns import Column, Measure, columns_for, heading, row_spans
from screens.widgets.lines import LineWidget, strip_of

HEAD = 1  # lines taken by the column titles


class AbList(LineWidget, can_focus=True):
    """One line per AB. Posts `Selected` when another AB is under the cursor, `Opened` on a second click."""

    class Selected(Message):
        """Another AB is selected; '' when the list is empty."""

        def __init__(self, ab: str) -> None:
            self.ab = ab
            super().__init__()

    class Opened(Message):
        """The selected AB was clicked."""

    class Resized(Message):
        """More or fewer ABs are in sight."""

    def __init__(self, rows: Mapping[str, Row], glyphs: Glyphs, clock: Callable[[], float]) -> None:
        super().__init__(id="abs")
        self.rows = rows
        self.glyphs = glyphs
        self.order = AbOrder()
        self.prefix = ""
        self.top = 0
        self.cursor = 0
        self.stale = True  # the order is to be made anew
        self._clock = clock
        self._wanted = ""  # the AB the operator chose; survives a filter that hides it
        self._chosen = False  # the operator has moved the cursor
        self._shown = ""
        self._columns: tuple[Column, ...] = ()
        self._columns_for = (0, Measure())
        self._measure = Measure()

    # --- what is selected ------------------------------------------------------------------

    @property
    def current(self) -> Row | None:
        """The AB under the cursor."""
        names = self.order.names
        return self.rows.get(names[self.cursor]) if self.cursor < len(names) else None

    @property
    def page(self) -> int:
        """Lines for ABs."""
        return max(1, self.size.height - HEAD)

    def select(self, ab: str) -> None:
        """Put the cursor on an AB, scrolling only when it is out of sight."""
        if ab in self.order.place:
            self.go_to(self.order.place[ab])

    def go_to(self, index: int) -> None:
        """Put the cursor on a line of the list."""
        names = self.order.names
        if not names:
            return
        index = max(0, min(index, len(names) - 1))
        self._chosen = True
        before, self.cursor = self.cursor, index
        self._wanted = names[index]
        if self._scrolled_to_cursor():
            self.redraw()
        else:
            self.redraw(HEAD + i - self.top for i in {before, index})
        self._tell()

    def move(self, lines: int) -> None:
        """Cursor up or down by lines."""
        self.go_to(self.cursor + lines)

    def turn(self, pages: int) -> None:
        """Page up or down; the cursor keeps its place on the screen."""
        most = max(0, len(self.order.names) - self.page)
        top = max(0, min(self.top + pages * self.page, most))
        if top == self.top:
            self.go_to(0 if pages < 0 else len(self.order.names) - 1)
            return
        self._chosen = True
        self.cursor += top - self.top
        self.top = top
        self._wanted = self.order.names[self.cursor]
        self.redraw()
        self._tell()

    def next_failure(self) -> bool:
        """Jump to the next AB that ended badly, around the end; False when there is none."""
        names = self.order.names
        for step in range(1, len(names) + 1):
            index = (self.cursor + step) % len(names)
            if self.rows[names[index]].state in ENDED_BADLY:
                self.go_to(index)
                return True
        return False

    # --- what the engine says --------------------------------------------------------------

    def take(self, change: Change) -> None:
        """Redraw the lines of changed ABs; notes when the order is no longer right (`stale`)."""
        if change.fresh:
            self.stale = True
        lines = []
        for name in set(change.rows):
            row = self.rows.get(name)
            if row is None:
                continue
            index = self.order.place.get(name)
            if not self.stale and self.order.misplaced(row):
                self.stale = True
            if index is not None and self.top <= index < self.top + self.page:
                lines.append(HEAD + index - self.top)
        if lines:
            self.redraw(lines)

    def tick(self) -> None:
        """Redraw the visible ABs at work, whose time goes on."""
        seen = self.order.names[self.top : self.top + self.page]
        self.redraw(HEAD + i for i, name in enumerate(seen) if self.rows[name].state in AT_WORK)

    def reorder(self) -> None:
        """Sort and filter anew. The selected AB stays selected and, where possible, on its screen line."""
        line = self.cursor - self.top
        self.stale = False
        self.prefix = shared_prefix(self.rows)
        self._measure = Measure.of(self.rows, self.prefix, self.glyphs)
        self.order.rebuild(self.rows)
        names = self.order.names
        if self._wanted in self.order.place:
            self.cursor = self.order.place[self._wanted]
        elif self._wanted in self.rows:
            self.cursor = self.order.nearest(self.rows[self._wanted])
        else:
            self.cursor = 0
            self._wanted = names[0] if names else ""
        self.top = self.cursor - line
        self._scrolled_to_cursor()
        self.redraw()
        self._tell()

    def sort_next(self) -> str:
        """Sort by the next key; the words for it."""
        words = self.order.next_sort()
        self._reordered_by_key()
        return words

    def float_failures(self) -> bool:
        """Failures up, or back into the sort order; True when they are up now."""
        self.order.failures_first = not self.order.failures_first
        self._reordered_by_key()
        return self.order.failures_first

    def _reordered_by_key(self) -> None:
        if not self._chosen:  # nothing was selected on purpose: show what came to the top
            self._wanted, self.cursor, self.top = "", 0, 0
        self.reorder()

    def filter(self, text: str) -> None:
        """List only what matches; '' lists all."""
        terms = terms_of(text)
        if terms != self.order.terms:
            self.order.terms = terms
            self.reorder()

    # --- drawing ---------------------------------------------------------------------------

    def draw_line(self, y: int, width: int) -> Strip:
        """Column titles, an AB, or nothing."""
        if self._columns_for != (width, self._measure):
            self._columns_for = (width, self._measure)
            self._columns = columns_for(width, self._measure)
        if y < HEAD:
            text = heading(self._columns, self.glyphs, self.prefix, self._sorted_by())
            return strip_of([(self.glyphs.fit(text, width), theme.HEADING)], width, self.glyphs)
        index = self.top + y - HEAD
        if index >= len(self.order.names):
            return strip_of(self._empty(y, width), width, self.glyphs)
        row = self.rows[self.order.names[index]]
        cursor = index == self.cursor
        spans = row_spans(row, self._columns, self.prefix, self._clock(), self.glyphs, cursor=cursor)
        return strip_of(spans, width, self.glyphs, theme.SELECTED if cursor else None)

    def _empty(self, y: int, width: int) -> list[tuple[str, None]]:
        if y != HEAD + 1 or self.order.names:
            return []
        if self.order.terms:
            return [("    nothing matches the filter; esc clears it", None)]
        return [("    no ABs yet", None)]

    def _sorted_by(self) -> str:
        words = "" if self.order.sort == "order" else f"by {SORTS[self.order.sort]}"
        if self.order.failures_first:
            words = f"{words}, failures up" if words else "failures up"
        return f"({words})" if words else ""

    def _scrolled_to_cursor(self) -> bool:
        """Bring the cursor into view. At an edge a third of a page comes at once: one repaint for many keys."""
        before = self.top
        jump = max(1, self.page // 3)
        if self.cursor < self.top:
            self.top = min(self.cursor, max(0, self.top - jump))
        elif self.cursor >= self.top + self.page:
            self.top = max(self.cursor - self.page + 1, self.top + jump)
        self.top = max(0, min(self.top, len(self.order.names) - self.page))
        return self.top != before

    def _tell(self) -> None:
        row = self.current
        shown = row.ab if row else ""
        if shown != self._shown:
            self._shown = shown
            self.post_message(self.Selected(shown))

    # --- terminal --------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in view."""
        self._scrolled_to_cursor()
        self.refresh()
        self.post_message(self.Resized())

    def on_click(self, event: events.Click) -> None:
        """Select the AB that was clicked; open it when it was selected already."""
        index = self.top + event.y - HEAD
        if event.y < HEAD or index >= len(self.order.names):
            return
        if index == self.cursor:
            self.post_message(self.Opened())
        self.go_to(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        self.move(-3)
