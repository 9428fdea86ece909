"""The open questions: one line each, `enter` opens its dialog, or certification for an AB's verdict."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from engine.questions import CERTIFY, Question
from screens import theme
from screens.ask import plain
from screens.ask.prompt import Prompt
from screens.glyphs import Glyphs, glyphs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged, OpenCertify
from screens.widgets.board_lines import marks
from screens.widgets.lines import LineBlock, Span, spread
from screens.widgets.listing import Listing

_KEYS = " enter open  up down choose  esc back"


class Questions(Screen[None]):
    """All questions that wait for an answer, oldest first; the ones that hold up work before verdicts."""

    CSS_PATH = "questions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "back")]

    def __init__(self, link: EngineLink, library: Library, alphabet: Glyphs | None = None) -> None:
        super().__init__()
        self._link = link
        self._library = library
        self._glyphs = alphabet or glyphs()
        self._shown: list[Question] = []

    def compose(self) -> ComposeResult:
        """Head, list, keys."""
        yield LineBlock(self._glyphs, id="head")
        yield Listing(self._glyphs, id="questions")
        yield LineBlock(self._glyphs, id="hint")
        yield LineBlock(self._glyphs, id="keys")

    def on_mount(self) -> None:
        """Show what is open."""
        self.query_one("#keys", LineBlock).say([[(_KEYS, theme.DIM)]])
        self._fill()
        self.query_one(Listing).focus()

    def on_resize(self) -> None:
        """Fit anew."""
        self._fill()

    def on_board_changed(self, event: BoardChanged) -> None:
        """Questions came or went: the cursor stays on its question."""
        if event.change.head:
            self._fill()

    def on_screen_resume(self) -> None:
        """Back from a dialog."""
        if self.is_mounted:
            self._fill()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Open the question under the cursor."""
        question = self._shown[event.index]
        if question.kind == CERTIFY:
            self.post_message(OpenCertify(question.subject))
        else:
            self.app.push_screen(Prompt(self._link, self._library, question, self._glyphs), self._done)

    def _done(self, given: tuple[str, str] | None) -> None:
        text = f" saved: {given[0]}" if given else " left open, nothing is decided"
        self.query_one("#hint", LineBlock).say([[(text, None)]])
        self._fill()

    def _fill(self) -> None:
        listing = self.query_one(Listing)
        chosen = self._shown[listing.cursor].number if listing.cursor < len(self._shown) else 0
        open_now = sorted(self._link.board.questions.values(), key=lambda q: (q.kind == CERTIFY, q.number))
        self._shown = open_now
        numbers = [question.number for question in open_now]
        cursor = numbers.index(chosen) if chosen in numbers else listing.cursor
        self._head(len(open_now))
        listing.fill([[self._line(question)] for question in open_now], cursor)

    def _head(self, count: int) -> None:
        board = self._link.board
        left: list[Span] = [(f" {self._glyphs.clean(board.run.instance)}" if board.run else "", theme.BOLD)]
        for mark in marks(board):
            left += [(" ", None), (f" {mark} ", theme.BANNER)]
        left.append((f"  {count or 'no'} open question{'' if count == 1 else 's'}", theme.ASK if count else None))
        verdicts = sum(1 for question in self._shown if question.kind == CERTIFY)
        right: list[Span] = [(f"{verdicts} to certify ", None)] if verdicts else []
        rule = [(self._glyphs.rule * self.size.width, theme.DIM)]
        self.query_one("#head", LineBlock).say([spread(left, right, self.size.width, self._glyphs), rule])

    def _line(self, question: Question) -> list[Span]:
        clean = self._glyphs.clean
        what = "certify " if question.kind == CERTIFY else ""
        asked = plain.asked(question)
        return spread(
            [
                (f"{question.number:>4}  ", None),
                (f"{what}{clean(question.subject)}", theme.BOLD),
                (f"  {clean(question.text)}", None),
            ],
            [(f"{asked} ", theme.DIM)] if asked and self.size.width >= 100 else [],
            self.size.width - 3,
            self._glyphs,
        )
