"""`w`: why is this AB not running? The whole chain in one panel, ending with what to do."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs, wrapped
from screens.links import Library
from screens.start import start
from screens.widgets.lines import LineBlock
from screens.widgets.text_view import TextView

MOST = 14  # lines of the chain that are in view at once
WIDTH = 74


class WhyScreen(ModalScreen[str]):
    """The chain of reasons. Dismissed with what the operator wants next: '', 'retry', 'memory' or 'log'."""

    DEFAULT_CSS = """
    WhyScreen { align: center middle; background: transparent; }
    WhyScreen > Vertical {
        width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        border: round ansi_cyan; background: ansi_default;
    }
    WhyScreen > Vertical.-ascii { border: ascii ansi_cyan; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,w,q,enter", "close('')", "back"),
        Binding("r", "close('retry')", "run again"),
        Binding("m", "close('memory')", "run again with more memory"),
        Binding("l", "close('log')", "log"),
        Binding("down,j", "scroll(1)", "down"),
        Binding("up,k", "scroll(-1)", "up"),
    ]

    def __init__(self, ab: str, library: Library, glyphs: Glyphs, *, again: bool = True, more: bool = False) -> None:
        super().__init__()
        self.ab = ab
        self._library = library
        self._glyphs = glyphs
        self._view = TextView(glyphs)
        self._again = again  # it can be run again
        self._more = more  # it lacked memory

    def compose(self) -> ComposeResult:
        """One box."""
        with Vertical(classes="-ascii" if self._glyphs.ascii else ""):
            yield LineBlock(self._glyphs, id="why-title")
            yield self._view
            yield LineBlock(self._glyphs, id="why-foot")

    async def on_mount(self) -> None:
        """Ask for the chain."""
        name = self._glyphs.clean(self.ab.removesuffix(".ab"))
        self.query_one("#why-title", LineBlock).say([[(f"Why is {name} not running?", theme.BOLD)]])
        again = "r run again   " if self._again else ""
        again += "m with more memory   " if self._more else ""
        self.query_one("#why-foot", LineBlock).say([[(f"{again}l log   esc back", theme.DIM)]])
        self._view.styles.height = 3
        self._view.show(["", "looking ..."])
        self._view.focus()
        start(self, self._look, exclusive=True)

    async def _look(self) -> None:
        try:
            chain = await self._library.why(self.ab)
        except (DfosError, OSError) as trouble:
            chain = [f"cannot tell: {trouble}"]
        lines = [""]
        for sentence in chain:
            parts = wrapped(self._glyphs.clean(sentence), min(WIDTH, self.app.size.width - 6) - 2)
            lines += [("  " if i else "") + part for i, part in enumerate(parts)]
        self._view.styles.height = min(MOST, len(lines) + 1)
        self._view.show([*lines, ""])

    def action_scroll(self, lines: int) -> None:
        """Long chains."""
        self._view.go_to(self._view.top + lines)

    def action_close(self, wish: str) -> None:
        """Back, with a wish."""
        if (wish == "retry" and not self._again) or (wish == "memory" and not self._more):
            return
        self.dismiss(wish)
