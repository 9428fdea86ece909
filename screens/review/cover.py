"""Texts over a screen: the coversheet of a reviewed AB, and anything else that is only read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from engine.core.status import STATES
from screens import theme
from screens.glyphs import Glyphs, glyphs, width_of
from screens.review.reviewed import Cover
from screens.widgets.lines import Span, Spans
from screens.widgets.listing import Listing, wrapped

_GROUPS = {
    "this run": "ABs of this run that went in",
    "historical": "historical ABs for comparison",
}


class Reading(ModalScreen[None]):
    """A title and lines to scroll; `esc` or the key that opened it goes back."""

    CSS_PATH = "../widgets/dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "back")]

    def __init__(self, title: str, lines: Sequence[Spans], alphabet: Glyphs | None = None) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._glyphs = alphabet or glyphs()

    def compose(self) -> ComposeResult:
        """A frame with the text."""
        with Vertical(classes="frame tall -ascii" if self._glyphs.ascii else "frame tall") as frame:
            frame.border_title = self._glyphs.clean(self._title).replace("[", "(")
            frame.border_subtitle = "up down page  esc back"
            yield Listing(self._glyphs, choosing=False, id="text")

    def on_mount(self) -> None:
        """Fill and listen to the arrows."""
        listing = self.query_one(Listing)
        listing.fill([[line] for line in self._lines])
        listing.focus()


def plain_lines(lines: Sequence[str], width: int, glyphs: Glyphs) -> list[Spans]:
    """Lines of text, wrapped, for `Reading`."""
    return [[(f" {part}", None)] for line in lines for part in wrapped(line, width - 2, glyphs, 2)]


def cover_lines(cover: Sequence[Cover], width: int, glyphs: Glyphs) -> list[Spans]:
    """The coversheet: its groups one after the other, an AB a line; a group without ABs says so."""
    found: list[Spans] = []
    groups = [*_GROUPS, *sorted({line.group for line in cover} - set(_GROUPS))]
    for group in groups:
        mine = [line for line in cover if line.group == group]
        if found:
            found.append(())
        found.append([(f" {glyphs.clean(_GROUPS.get(group, group))}: {len(mine) or 'none'}", theme.BOLD)])
        found += [part for line in mine for part in _cover_line(line, width, glyphs)]
    return [*found, (), [(" scores: . green  o red  - not scored", theme.DIM)]]


def _cover_line(line: Cover, width: int, glyphs: Glyphs) -> list[Spans]:
    state = STATES.get(line.state)
    word = state.word if state else line.state
    spans: list[Span] = [
        (f" {glyphs.state(line.state)} ", theme.of_state(line.state)),
        (f"{glyphs.fit(line.ab.removesuffix('.ab'), 33)} {glyphs.fit(line.kind, 8)} ", None),
        (glyphs.fit(word, 10), theme.of_state(line.state)),
        (f" {glyphs.fit(line.score, 7)}", None),
    ]
    room = width - 63
    if width_of(glyphs.clean(line.remark)) <= room:
        return [[*spans, (f" {glyphs.clean(line.remark)}", None)]]
    return [spans, *([(f"   {part}", theme.DIM)] for part in wrapped(line.remark, width - 4, glyphs))]
