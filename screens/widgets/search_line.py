"""The one line in which an operator types a filter or a search."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class SearchLine(Input):
    """Hidden until `ask`; posts `Typed` at every key, and `Closed` when the operator is done with it."""

    DEFAULT_CSS = """
    SearchLine, SearchLine:focus {
        display: none; height: 1; border: none; padding: 0 1;
        background: ansi_default; color: ansi_default;
    }
    SearchLine.-asking { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "clear", show=False)]

    class Typed(Message):
        """The text as it stands."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Closed(Message):
        """Done: `kept` with enter, False with esc (the text is empty then)."""

        def __init__(self, text: str, kept: bool) -> None:
            self.text = text
            self.kept = kept
            super().__init__()

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, select_on_focus=False)
        self.cursor_blink = False

    def ask(self) -> None:
        """Show the line and take the keys."""
        self.add_class("-asking")
        self.cursor_position = len(self.value)
        self.focus()

    def clear_text(self) -> None:
        """Forget what was typed, without a message."""
        with self.prevent(Input.Changed):
            self.value = ""

    def on_input_changed(self, event: Input.Changed) -> None:
        """Every key counts."""
        event.stop()
        self.post_message(self.Typed(self.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the text."""
        event.stop()
        self._close(kept=True)

    def action_give_up(self) -> None:
        """Clear the text and go back."""
        self.clear_text()
        self._close(kept=False)

    def _close(self, *, kept: bool) -> None:
        self.remove_class("-asking")
        self.post_message(self.Closed(self.value, kept))
