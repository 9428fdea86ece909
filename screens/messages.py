"""What screens and the app say to each other.

The app's event pump folds into the board and posts one `BoardChanged` to every screen of its
stack; a screen that wants something only the app can give (another author's screen, the way
out) posts a wish and the app fulfils it.
"""

from __future__ import annotations

from textual.message import Message

from engine.board import Change


class BoardChanged(Message):
    """The board took in one or more events; `change` says what to draw again."""

    def __init__(self, change: Change) -> None:
        self.change = change
        super().__init__()


class OpenCertify(Message):
    """The operator wants to certify, beginning with `ab` ('': the first that waits for a verdict)."""

    def __init__(self, ab: str = "") -> None:
        self.ab = ab
        super().__init__()


class OpenQuestions(Message):
    """The operator wants to see the open questions."""


class Leave(Message, namespace="console"):
    """The operator wants to leave the console; work goes on in the engine. Handled by `on_console_leave`."""


def joined(first: Change, second: Change) -> Change:
    """One change that says what both say; a pump that folded a burst posts it once."""
    rows = first.rows + second.rows if first.rows != second.rows else first.rows
    return Change(rows, first.fresh or second.fresh, first.head or second.head)
