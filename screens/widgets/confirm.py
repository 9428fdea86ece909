"""Are you sure: what, how many, whether it can be undone; the safe choice is under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from screens import theme
from screens.glyphs import Glyphs, wrapped
from screens.widgets.lines import LineBlock, Span

WIDTH = 70


class Confirm(ModalScreen[bool]):
    """True when the operator chose to do it. `esc` and the preselected first choice leave things as they are."""

    DEFAULT_CSS = """
    Confirm { align: center middle; background: transparent; }
    Confirm > Vertical {
        width: 74; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        border: round ansi_cyan; background: ansi_default;
    }
    Confirm > Vertical.-ascii { border: ascii ansi_cyan; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose"),
        Binding("escape,q", "leave", "leave it as it is"),
        Binding("up,down,tab,shift+tab,j,k,left,right", "other", "the other choice"),
    ]

    def __init__(self, title: str, text: Sequence[str], do: str, leave: str, glyphs: Glyphs) -> None:
        super().__init__()
        self._title = title
        self._text = [part for line in text for part in _indented(glyphs.clean(line))]
        self._choices = (leave, do)
        self._at = 0
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """One box."""
        with Vertical(classes="-ascii" if self._glyphs.ascii else ""):
            yield LineBlock(self._glyphs)

    def on_mount(self) -> None:
        """Show it."""
        self.query_one(LineBlock).styles.height = len(self._text) + 7
        self._draw()

    def action_other(self) -> None:
        """Move between the two choices."""
        self._at = 1 - self._at
        self._draw()

    def action_choose(self) -> None:
        """Take the choice under the cursor."""
        self.dismiss(self._at == 1)

    def action_leave(self) -> None:
        """Nothing happens."""
        self.dismiss(False)

    def _draw(self) -> None:
        lines: list[list[Span]] = [[(self._glyphs.clean(self._title), theme.BOLD)], []]
        lines += [[(f"  {line}", None)] for line in self._text]
        lines.append([])
        for index, choice in enumerate(self._choices):
            chosen = index == self._at
            mark = self._glyphs.cursor if chosen else " "
            lines.append([(f"{mark} {choice} ", theme.SELECTED if chosen else None)])
        lines += [[], [("enter choose   arrows the other one   esc leave it as it is", theme.DIM)]]
        self.query_one(LineBlock).say(lines)


def _indented(line: str) -> list[str]:
    body = line.lstrip(" ")
    indent = " " * (len(line) - len(body))
    return [indent + part for part in wrapped(body, WIDTH - 2 - len(indent))]
