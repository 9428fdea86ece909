"""Jump to an AB of the sitting: type its number or a part of its name, or use the arrows."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from screens import theme
from screens.glyphs import Glyphs
from screens.review.sitting import Sitting, word_of
from screens.widgets.board_lines import marked
from screens.widgets.lines import LineBlock, Spans
from screens.widgets.listing import Listing


class Jump(ModalScreen[str]):
    """Dismissed with the AB chosen, '' when the operator stays."""

    CSS_PATH = "../widgets/dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stay", "back"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
    ]

    def __init__(self, sitting: Sitting, glyphs: Glyphs) -> None:
        super().__init__()
        self._sitting = sitting
        self._glyphs = glyphs
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        """A line to type in, the list, the keys."""
        with Vertical(classes="frame -ascii" if self._glyphs.ascii else "frame") as frame:
            frame.border_title = marked("jump to", self._sitting.board)
            yield Input(compact=True, placeholder="number, or a part of name, target or state")
            yield Listing(self._glyphs)
            yield LineBlock(self._glyphs, id="keys")

    def on_mount(self) -> None:
        """Show all; typing narrows."""
        self.query_one("#keys", LineBlock).say([[(" enter go there  up down choose  esc stay", theme.DIM)]])
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        self._fill("")
        self.query_one(Listing).can_focus = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list."""
        self._fill(event.value)

    def on_input_submitted(self) -> None:
        """Go to the AB under the cursor."""
        at = self.query_one(Listing).cursor
        if at < len(self._shown):
            self.dismiss(self._shown[at])

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Go to the AB that was clicked."""
        self.dismiss(self._shown[event.index])

    def action_move(self, by: int) -> None:
        """Cursor up and down."""
        self.query_one(Listing).action_move(by)

    def action_stay(self) -> None:
        """No jump."""
        self.dismiss("")

    def _fill(self, typed: str) -> None:
        names = self._sitting.names
        part = typed.strip().casefold()
        number = int(part) if part.isascii() and part.isdigit() and len(part) < 6 else 0
        exact = [names[number - 1]] if 1 <= number <= len(names) else []
        self._shown = exact + [ab for ab in names if part in self._text(ab).casefold() and ab not in exact]
        cursor = self._shown.index(self._sitting.current) if not part and self._sitting.current in self._shown else 0
        self.query_one(Listing).fill([[self._line(ab)] for ab in self._shown], cursor)

    def _text(self, ab: str) -> str:
        return f"{ab} {self._sitting.target(ab)} {word_of(self._sitting.state(ab))}"

    def _line(self, ab: str) -> Spans:
        state, place = self._sitting.state(ab), self._sitting.names.index(ab) + 1
        fit = self._glyphs.fit
        return [
            (f"{place:>3} ", None),
            (f"{self._glyphs.state(state)} {fit(word_of(state), 11)}", theme.of_state(state)),
            (f"{fit(self._sitting.target(ab), 10)} {fit(self._sitting.score(ab), 4)} ", None),
            (self._glyphs.clean(ab.removesuffix(".ab")), None),
        ]
