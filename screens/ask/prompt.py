"""One question of the engine as a dialog: what each answer would do, the safe one under the cursor."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from engine.errors import DfosError
from engine.questions import LATER, Question
from screens import theme
from screens.ask import plain
from screens.glyphs import Glyphs, glyphs, width_of
from screens.links import EngineLink, Library
from screens.messages import BoardChanged
from screens.review.comment import CommentField
from screens.review.cover import Reading, plain_lines
from screens.start import start
from screens.widgets.board_lines import marked, marks
from screens.widgets.lines import LineBlock, Spans
from screens.widgets.listing import Entry, Listing, wrapped

_KEYS = " enter choose  c comment  d details  esc leave it open"


class Prompt(ModalScreen[tuple[str, str] | None]):
    """Asks one question. Dismissed with (choice, comment) once that is saved, None when left open."""

    CSS_PATH = "../widgets/dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "leave it open"),
        Binding("c", "comment", "comment"),
        Binding("d", "details", "details"),
        *[Binding(str(n), f"pick({n})", show=False) for n in range(1, 10)],
    ]

    def __init__(self, link: EngineLink, library: Library, question: Question, alphabet: Glyphs | None = None) -> None:
        super().__init__()
        self.question = question
        self._link = link
        self._library = library
        self._glyphs = alphabet or glyphs()
        self._choices = plain.offered(question)
        self._on_board = False
        self._saving = False
        self._pending = ""  # the choice that waits for its comment

    def compose(self) -> ComposeResult:
        """Subject, text, choices, comment, a line for hints, the keys."""
        with Vertical(classes="frame -ascii" if self._glyphs.ascii else "frame") as frame:
            instance = self._link.board.run.instance if self._link.board.run else ""
            number = f"question {self.question.number}" if self.question.number else "question"
            frame.border_title = " ".join(filter(None, (instance, *marks(self._link.board), number))).replace("[", "(")
            frame.border_subtitle = plain.asked(self.question).replace("[", "(")
            yield LineBlock(self._glyphs, id="about")
            yield Listing(self._glyphs, id="choices")
            yield LineBlock(self._glyphs, id="gap")
            with Horizontal(id="comment-row"):
                yield LineBlock(self._glyphs, id="comment-label")
                yield CommentField(id="comment")
            yield LineBlock(self._glyphs, id="hint")
            yield LineBlock(self._glyphs, id="keys")

    def on_mount(self) -> None:
        """The safe answer is under the cursor."""
        self._on_board = self.question.number in self._link.board.questions
        self.query_one("#comment-label", LineBlock).say([[(" comment ", theme.DIM)]])
        self.query_one("#keys", LineBlock).say([[(_KEYS, theme.DIM)]])
        self._fill(self._choices.index(plain.safe_choice(self.question)))
        self.query_one(Listing).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        self._fill(None)

    def _fill(self, cursor: int | None) -> None:
        width = max(40, min(110, self.size.width * 24 // 25) - 4)
        clean = self._glyphs.clean
        about: list[Spans] = [
            [(f" {line}", theme.BOLD)] for line in wrapped(self.question.subject, width - 1, self._glyphs)
        ]
        about.append([])
        about += [[(f" {line}", None)] for line in wrapped(self.question.text, width - 2, self._glyphs)]
        about.append([])
        block = self.query_one("#about", LineBlock)
        block.styles.height = len(about)
        block.say(about)
        label = max(width_of(clean(choice.label)) for choice in self._choices) + 2
        entries: list[Entry] = []
        for choice in self._choices:
            effect = choice.effect + (" (needs a comment)" if choice.needs_comment else "")
            lines = wrapped(effect, width - label - 5, self._glyphs)
            named = self._glyphs.fit(choice.label, label)
            entries.append(
                [[(named if n == 0 else " " * label, theme.BOLD), (line, None)] for n, line in enumerate(lines)]
            )
        self.query_one(Listing).fill(entries, cursor)

    def hint(self, text: str, bad: bool = False) -> None:
        """Show one line to the operator."""
        line = self._glyphs.clean(text)
        self.query_one("#hint", LineBlock).say([[(f" {line}", theme.WARN if bad else None)]])

    # --- keys -----------------------------------------------------------------------------

    def action_pick(self, number: int) -> None:
        """A digit moves the cursor; enter chooses."""
        if number <= len(self._choices):
            listing = self.query_one(Listing)
            listing.action_move(number - 1 - listing.cursor)

    def action_comment(self) -> None:
        """To the comment line."""
        self.query_one(CommentField).focus()

    def action_leave(self) -> None:
        """Nothing is decided."""
        self.dismiss(None)

    def action_details(self) -> None:
        """The plan or list behind the question."""
        start(self, self._details, exclusive=True, group="details")

    async def _details(self) -> None:
        try:
            found = await self._library.question_details(self.question.number)
        except DfosError as trouble:
            self.hint(str(trouble), bad=True)
            return
        width = self.size.width - 4
        lines = plain_lines(plain.details(self.question, found), width, self._glyphs)
        self.app.push_screen(Reading(marked(self.question.subject, self._link.board), lines, self._glyphs))

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Enter: give this answer, or ask for the comment it needs."""
        choice = self._choices[event.index]
        if choice.needs_comment and not self.query_one(CommentField).value.strip():
            self._pending = choice.key
            self.hint(f"'{choice.label}' needs a comment: say why in one line, then enter")
            self.action_comment()
            return
        self._give(choice.key)

    def on_listing_moved(self) -> None:
        """Another choice: what was said about the last one is over."""
        self._pending = ""
        self.hint("")

    def on_input_submitted(self) -> None:
        """Enter in the comment: give the answer that waited for it, else back to the choices."""
        if self._pending and self.query_one(CommentField).value.strip():
            self._give(self._pending)
        else:
            self.on_comment_field_left()

    def on_comment_field_left(self) -> None:
        """Back to the choices; the comment stays."""
        self._pending = ""
        self.hint("")
        self.query_one(Listing).focus()

    def on_comment_field_cleaned(self) -> None:
        """Say what became of the character."""
        self.hint("a comment is one line without '#' and tabs: made a space")

    # --- the answer -----------------------------------------------------------------------

    def _give(self, key: str) -> None:
        if key == LATER:
            self.dismiss(None)
        elif not self._saving:
            self._saving = True
            start(self, self._send, key, self.query_one(CommentField).value.strip(), group="answer")

    async def _send(self, key: str, comment: str) -> None:
        try:
            self.question.checked(key, comment)
            await self._link.answer(self.question.number, key, comment)
        except DfosError as trouble:
            self.hint(str(trouble), bad=True)
            self.query_one(Listing).focus()
        else:
            self.dismiss((key, comment))
        finally:
            self._saving = False

    def on_board_changed(self, event: BoardChanged) -> None:
        """Answered elsewhere meanwhile: say so, the engine would take it as a revision."""
        gone = self._on_board and self.question.number not in self._link.board.questions
        if gone and not self._saving:
            self._on_board = False
            self.hint("this question was answered meanwhile, in another console or with dfos answer; esc", bad=True)
