"""Widgets that draw their own lines and repaint only those that differ.

Textual repaints the regions it is told of; a stock table tells it "everything" for one cell.
Here a line is drawn when it may have changed, compared with what stands on the screen, and
only its changed part up to the last differing cell is given to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from screens.glyphs import UNICODE, Glyphs, width_of

Span = tuple[str, Style | None]
Spans = Sequence[Span]
_NO_STYLE = Style()


def strip_of(spans: Spans, width: int, glyphs: Glyphs = UNICODE, fill: Style | None = None) -> Strip:
    """The spans as one strip of exactly `width` cells; too long is cut with an ellipsis. Texts must be clean."""
    segments: list[Segment] = []
    left = width
    for text, style in spans:
        if not text:
            continue
        size = width_of(text)
        if size > left:
            text = glyphs.fit(text, left)
            size = left
        if segments and segments[-1].style == style:
            segments[-1] = Segment(segments[-1].text + text, style)
        elif text:
            segments.append(Segment(text, style))
        left -= size
        if left <= 0:
            break
    if left > 0:
        segments.append(Segment(" " * left, fill))
    return Strip(segments, width)


def spread(left: Spans, right: Spans, width: int, glyphs: Glyphs = UNICODE) -> list[Span]:
    """`left` at the left edge, `right` at the right one; the left one is cut when both do not fit."""
    right_size = sum(width_of(text) for text, _ in right)
    room = width - right_size - (1 if right_size else 0)
    found: list[Span] = []
    for text, style in left:
        size = width_of(text)
        if size > room:
            found.append((glyphs.fit(text, room), style))
            room = 0
            break
        found.append((text, style))
        room -= size
    found.append((" " * (room + (1 if right_size else 0)), None))
    found.extend(right)
    return found


class LineWidget(Widget):
    """A widget whose lines are drawn by `draw_line`, one strip each; no border, no padding, no children."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LineWidget { width: 1fr; height: 1fr; background: ansi_default; color: ansi_default; }
    """

    glyphs: Glyphs = UNICODE

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._drawn: dict[int, Strip] = {}
        self._drawn_width = 0
        super().__init__(id=id, classes=classes)

    def draw_line(self, y: int, width: int) -> Strip:
        """Line `y` of the visible area, exactly `width` cells."""
        raise NotImplementedError

    def render_lines(self, crop: Region) -> list[Strip]:
        """What the compositor asks for: from memory where a line stands already."""
        width = self.size.width
        if width != self._drawn_width:
            self._drawn.clear()
            self._drawn_width = width
        strips = [self._strip(y, width) for y in crop.line_range]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Forget the drawn lines of the regions (all without regions), then refresh as every widget does."""
        if not regions:
            self._drawn.clear()
        for region in regions:
            for y in region.line_range:
                self._drawn.pop(y, None)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def redraw(self, ys: Iterable[int] | None = None) -> int:
        """Draw these visible lines (None: all) again; only what differs is repainted. Returns how many differ."""
        width, height = self.size
        if not width or width != self._drawn_width:
            self.refresh()
            return height
        changed: list[Region] = []
        for y in range(height) if ys is None else ys:
            if not 0 <= y < height:
                continue
            old = self._drawn.get(y)
            new = self._filtered(self.draw_line(y, width))
            end = width if old is None else _end_of_difference(old, new)
            if end:
                self._drawn[y] = new
                changed.append(Region(0, y, end, 1))
        if changed:
            self._redraw_lines(changed)
        return len(changed)

    def _redraw_lines(self, regions: Sequence[Region]) -> None:
        super().refresh(*regions)

    def _strip(self, y: int, width: int) -> Strip:
        strip = self._drawn.get(y)
        if strip is None:
            strip = self._drawn[y] = self._filtered(self.draw_line(y, width))
        return strip

    def _filtered(self, strip: Strip) -> Strip:
        filters = self.app.get_line_filters()
        if filters:  # they want a style everywhere; without filters none is shorter
            strip = Strip([Segment(text, style or _NO_STYLE) for text, style, _ in strip], strip.cell_length)
        for line_filter in filters:
            strip = strip.apply_filter(line_filter, self.background_colors[1])
        return strip


def _end_of_difference(old: Strip, new: Strip) -> int:
    """Cells from the left up to the last one that differs; 0 when both look the same."""
    if old == new:
        return 0
    end = old.cell_length
    before, after = list(old), list(new)
    while before and after and before[-1] == after[-1]:
        end -= before[-1].cell_length
        before.pop()
        after.pop()
    if before and after and before[-1].style == after[-1].style:
        one, two = before[-1].text, after[-1].text
        same = 0
        while same < min(len(one), len(two)) and one[-1 - same] == two[-1 - same]:
            same += 1
        end -= width_of(one[len(one) - same :]) if same else 0
    return max(1, end)


class LineBlock(LineWidget):
    """A few lines of text, given as spans; `say` repaints what changed."""

    DEFAULT_CSS = """
    LineBlock { height: 1; }
    """

    def __init__(self, glyphs: Glyphs = UNICODE, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.glyphs = glyphs
        self._spans: list[Spans] = []

    def say(self, lines: Sequence[Spans]) -> None:
        """Show these lines, each a sequence of (clean text, style)."""
        self._spans = list(lines)
        if self.is_mounted:
            self.redraw()

    def draw_line(self, y: int, width: int) -> Strip:
        """The line, cut or filled to the width."""
        return strip_of(self._spans[y] if y < len(self._spans) else (), width, self.glyphs)
