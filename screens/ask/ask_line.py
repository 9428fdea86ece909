"""One line that an operator types: what it is for, a proposal to edit, enter or esc."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from screens import theme
from screens.glyphs import Glyphs
from screens.widgets.lines import LineBlock
from screens.widgets.search_line import SearchLine


class AskLine(ModalScreen[str]):
    """Dismissed with the text, '' when the operator leaves it."""

    DEFAULT_CSS = """
    AskLine { align: center middle; background: transparent; }
    AskLine > Vertical {
        width: 74; max-width: 100%; height: auto; padding: 0 1; border: round ansi_cyan; background: ansi_default;
    }
    AskLine > Vertical.-ascii { border: ascii ansi_cyan; }
    """

    def __init__(self, title: str, text: Sequence[str], proposal: str, glyphs: Glyphs) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._glyphs = glyphs
        self._line = SearchLine(title)
        self._line.value = proposal

    def compose(self) -> ComposeResult:
        """One box."""
        with Vertical(classes="-ascii" if self._glyphs.ascii else ""):
            yield LineBlock(self._glyphs, id="about")
            yield self._line
            yield LineBlock(self._glyphs, id="keys")

    def on_mount(self) -> None:
        """The line takes the keys."""
        about = self.query_one("#about", LineBlock)
        about.styles.height = len(self._text) + 2
        clean = self._glyphs.clean
        about.say([[(clean(self._title), theme.BOLD)], *([(f"  {clean(line)}", None)] for line in self._text), []])
        keys = self.query_one("#keys", LineBlock)
        keys.styles.height = 2
        keys.say([[], [("enter takes it   esc leaves it", theme.DIM)]])
        self._line.ask()

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Done."""
        self.dismiss(event.text.strip() if event.kept else "")
