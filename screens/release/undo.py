"""`u` on a run: what undoing the last run of its MODE and DATE would do, line by line; `x` does it.

Runs of createAB count where `u` was pressed on one; elsewhere they are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged
from screens.release.released import Undo
from screens.start import start
from screens.widgets.confirm import Confirm
from screens.widgets.lines import Spans
from screens.widgets.text_screen import TextScreen
from screens.widgets.text_view import Styler


def undo_style(line: str) -> Style | None:
    """What is in the way stands out."""
    return theme.BAD if line.startswith(" REFUSED") else None


class UndoScreen(TextScreen):
    """The preview of an undo."""

    FOOTER = "x undo  / search  n N next, previous  esc nothing happens  ? keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "execute", "execute", tooltip="undo exactly this (asks); every file is compared first"),
    ]

    def __init__(
        self,
        mode: str,
        date: str,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
        *,
        keep_created: bool = False,
    ) -> None:
        super().__init__(link, alphabet, clock)
        self.mode = mode
        self.date = date
        self.keep_created = keep_created
        self.library = library
        self.undo: Undo | None = None
        self._ordered = False
        self._ended = link.board.ended

    def styler(self) -> Styler:
        """What is in the way."""
        return undo_style

    def subject(self) -> Spans:
        """What goes back, or why nothing does."""
        undo, title = self.undo, f" Undo {self.mode} {self.date}"
        if undo is None:
            return [(f"{title}: being planned", theme.BOLD)]
        if not undo.label:
            return [(f"{title}: nothing to undo", theme.BOLD)]
        if undo.refusals:
            return [(f" {undo.label} cannot be undone: {self.glyphs.clean(undo.refusals[0])}", theme.BAD)]
        return [(f" Undo {undo.label} of {self.mode} {self.date}: {_files(undo)}", theme.BOLD)]

    def on_mount(self) -> None:
        """Plan it."""
        start(self, self._read, exclusive=True)

    async def _read(self) -> None:
        try:
            self.undo = await self.library.undo(self.mode, self.date, keep_created=self.keep_created)
        except (DfosError, OSError) as trouble:
            self.hint(f"it cannot be planned: {trouble}")
            return
        head = [f" {self.undo.summary}", ""] if self.undo.label else []
        self.view.show(head + [f" {line}" for line in self.undo.lines])
        self.frame()

    def on_board_changed(self, event: BoardChanged) -> None:
        """Its end is told, and what could be undone next is planned."""
        ended = self.link.board.ended
        if self._ordered and ended is not None and ended is not self._ended:
            self._ordered = False
            start(self, self._read, exclusive=True)
            self.hint(ended.text)
        super().on_board_changed(event)

    def action_execute(self) -> None:
        """Undo, after asking."""
        undo = self.undo
        if undo is None or not undo.label:
            self.hint("there is nothing to undo" if undo else "it is still being planned")
            return
        if undo.refusals:
            self.hint(f"it cannot be undone: {undo.refusals[0]}")
            return
        away = [f"{counted(undo.away, 'file')} it wrote go to the trash."] if undo.away else []
        text = [
            f"{_files(undo)}." if _created(undo) else f"{_files(undo)}, back where they were.",
            *away,
            "Every file is compared first; then one journalled step.",
        ]
        self.app.push_screen(Confirm(f"Undo {undo.label}?", text, "Undo it", "Leave it", self.glyphs), self._answered)

    def _answered(self, yes: bool | None) -> None:
        if yes and self.undo is not None:
            start(self, self._order, self.undo)
        else:
            self.hint("nothing changed")

    async def _order(self, undo: Undo) -> None:
        self._ordered, self._ended = True, self.link.board.ended
        try:
            keep = int(undo.keep_created)
            self.hint(
                await self.link.command("undo", mode=undo.mode, date=undo.date, digest=undo.digest, keep_created=keep)
            )
        except (DfosError, OSError, TimeoutError) as trouble:
            self.hint(f"undo failed: {trouble}")


def _created(undo: Undo) -> bool:
    return undo.label.startswith("create-")


def _files(undo: Undo) -> str:
    if _created(undo):
        back = f", {counted(undo.others, 'file')} as before" if undo.others else ""
        return f"{counted(undo.taken, 'AB')} taken back{back}"
    others = f" and {counted(undo.others, 'other file')}" if undo.others else ""
    return f"{counted(undo.products, 'product')}{others}, {size_text(undo.size)}"
