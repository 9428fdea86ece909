"""The comment of a decision: one line, with standing comments on the digits.

A comment may hold neither `#` nor tabs nor line ends (it goes into files where these mean
something); pasted ones become spaces, and the operator is told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from screens import theme
from screens.glyphs import Glyphs, width_of
from screens.widgets.lines import Span

_BETWEEN = "; "
_REFUSED = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph ends


class CommentField(Input):
    """One line of comment. `enter` posts `Submitted` as every field does, `esc` goes back to the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", show=False)]
    DEFAULT_CSS = """
    CommentField { background: ansi_default; color: ansi_default; text-style: underline; }
    CommentField:focus { background: ansi_default; text-style: none; }
    """

    class Left(Message):
        """The operator went back to the keys; the text stays."""

    class Cleaned(Message):
        """Something was typed or pasted that a comment may not hold; it became a space."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def replace(self, text: str, start: int, end: int) -> None:
        """Take typed or pasted text in, made harmless."""
        clean = "".join(" " if char == "#" or unicodedata.category(char) in _REFUSED else char for char in text)
        if clean != text:
            self.post_message(self.Cleaned())
        super().replace(clean, start, end)

    def action_back(self) -> None:
        """Leave the field; what was typed stays."""
        self.post_message(self.Left())


def toggled(comment: str, standing: str) -> str:
    """The comment with a standing one added, or taken out when it was in."""
    parts = [part for part in comment.split(_BETWEEN) if part.strip()]
    if standing in parts:
        parts.remove(standing)
    else:
        parts.append(standing)
    return _BETWEEN.join(parts)


def pick_line(standing: Sequence[str], comment: str, width: int, glyphs: Glyphs) -> list[Span]:
    """The standing comments with their digits, those in use in bold; as many as fit, the rest counted."""
    if not standing:
        return []
    chosen = comment.split(_BETWEEN)
    spans: list[Span] = [(" pick    ", theme.DIM)]
    room = width - 9
    for number, text in enumerate(standing[:9], 1):
        label = f"{number} {glyphs.clean(text)}  "
        rest = len(standing) - number
        if width_of(label) > room - (8 if rest else 0):
            spans.append((f"+{rest + 1} more", theme.DIM))
            break
        spans.append((label, theme.BOLD if text in chosen else None))
        room -= width_of(label)
    return spans
