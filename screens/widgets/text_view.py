"""Many lines of text, drawn line by line: logs of a hundred thousand lines open at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from rich.style import Style
from textual import events
from textual.strip import Strip

from screens import theme
from screens.glyphs import Glyphs
from screens.widgets.lines import LineWidget, Span, strip_of

Styler = Callable[[str], Style | None]
SIDESTEP = 20  # cells per sideways key


class TextView(LineWidget, can_focus=True):
    """Scrolls and searches lines. `follow` keeps the end in view while lines are added."""

    def __init__(self, glyphs: Glyphs, styler: Styler | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.lines: list[str] = []
        self.top = 0
        self.left = 0
        self.follow = False
        self.matches: list[int] = []
        self.wanted = ""
        self._styler = styler
        self._hit = -1  # the line of the match jumped to last

    @property
    def page(self) -> int:
        """Lines in view."""
        return max(1, self.size.height)

    def show(self, lines: Sequence[str]) -> None:
        """Replace the text; the view stays where it is as far as possible."""
        self.lines = list(lines)
        self.matches = self._found(0) if self.wanted else []
        self.go_to(self.top)

    def append(self, lines: Iterable[str], replacing: int = 0) -> None:
        """Add lines at the end, after taking away the last `replacing` ones (a line that was not complete)."""
        if replacing:
            del self.lines[-replacing:]
            while self.matches and self.matches[-1] >= len(self.lines):
                self.matches.pop()
        start = len(self.lines)
        self.lines.extend(lines)
        if self.wanted:
            self.matches.extend(self._found(start))
        if self.follow:
            self.top = max(0, len(self.lines) - self.page)
        if self.is_mounted:
            self.redraw()

    def go_to(self, line: int) -> None:
        """Scroll so that `line` is the first in view, or as near as the end allows."""
        most = max(0, len(self.lines) - self.page)
        self.top = max(0, min(line, most))
        self.follow = self.follow and self.top == most
        if self.is_mounted:
            self.redraw()

    def bring(self, line: int) -> None:
        """Scroll only if `line` is not in view; then it comes to a third of the page."""
        if self.top <= line < self.top + self.page:
            self.redraw()
        else:
            self.go_to(line - self.page // 3)

    def sideways(self, steps: int) -> None:
        """Scroll long lines."""
        self.left = max(0, self.left + steps * SIDESTEP)
        self.redraw()

    def search(self, text: str) -> int:
        """Find lines with `text`, upper or lower case; the number of them."""
        self.wanted = text.casefold()
        self._hit = -1
        self.matches = self._found(0) if text else []
        self.redraw()
        return len(self.matches)

    def next_match(self, step: int) -> int:
        """Go to the next (1) or previous (-1) match, around the end; its number from 1, 0 when there is none."""
        if not self.matches:
            return 0
        here = self._hit if self._hit >= 0 else self.top - (step > 0)
        index = bisect_left(self.matches, here + 1) if step > 0 else bisect_left(self.matches, here) - 1
        index %= len(self.matches)
        self._hit = self.matches[index]
        self.follow = False
        self.bring(self._hit)
        return index + 1

    def first(self, test: Callable[[str], bool]) -> bool:
        """Go to the first line that passes the test; False when none does."""
        for index, line in enumerate(self.lines):
            if test(line):
                self.follow = False
                self._hit = index
                self.bring(index)
                return True
        return False

    def draw_line(self, y: int, width: int) -> Strip:
        """A line of text; what was searched for stands out."""
        index = self.top + y
        if index >= len(self.lines):
            return strip_of((), width, self.glyphs)
        text = self.glyphs.clean(self.lines[index].expandtabs())
        style = self._styler(self.lines[index]) if self._styler else None
        spans = self._marked(text[self.left :], style) if self.wanted else [(text[self.left :], style)]
        if index == self._hit:
            spans = [
                (part, theme.SELECTED if part_style is not theme.FOUND else part_style) for part, part_style in spans
            ]
        return strip_of(spans, width, self.glyphs)

    def _marked(self, text: str, style: Style | None) -> list[Span]:
        spans: list[Span] = []
        folded, start = text.casefold(), 0
        if len(folded) != len(text):  # a letter that folds into two: do not mark at wrong places
            return [(text, style)]
        while (at := folded.find(self.wanted, start)) >= 0:
            spans += [(text[start:at], style), (text[at : at + len(self.wanted)], theme.FOUND)]
            start = at + len(self.wanted)
        return [*spans, (text[start:], style)]

    def _found(self, start: int) -> list[int]:
        wanted = self.wanted
        return [i for i in range(start, len(self.lines)) if wanted in self.lines[i].casefold()]

    def on_resize(self, event: events.Resize) -> None:
        """Keep the end in view while following."""
        self.go_to(len(self.lines) if self.follow else self.top)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        self.go_to(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        self.follow = False
        self.go_to(self.top - 3)
