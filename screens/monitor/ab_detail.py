"""`enter`: all about one AB: its row, whom it waits for, who waits for it, products, every qualifier."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from engine.board import Board, Row
from engine.errors import DfosError
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged, OpenCertify
from screens.monitor.log_view import LogView
from screens.monitor.more_memory import Asking, offered
from screens.monitor.why import WhyScreen
from screens.start import start
from screens.widgets.board_lines import ab_spans
from screens.widgets.facts import facts, relatives
from screens.widgets.family import children_of
from screens.widgets.lines import Spans
from screens.widgets.text_screen import TextScreen
from screens.widgets.text_view import Styler

_LISTS = {"PRODUCTS": "Products", "FURTHER": "Further files"}


def detail_lines(row: Row, board: Board, ab_text: str, now: float, glyphs: Glyphs) -> list[str]:
    """The whole page. Headings begin in the first column."""
    children = children_of(board.rows).get(row.ab, [])
    lines = [f"  {fact}" for fact in facts(row, board, now, glyphs)]
    lines += ["", f"Waits for {len(row.parents)}", *relatives(list(row.parents), board, glyphs)]
    lines += ["", f"Is waited for by {len(children)}", *relatives(children, board, glyphs)]
    for word, what in _LISTS.items():
        listed = [" ".join(line.split()[1:]) for line in ab_text.splitlines() if line.split(maxsplit=1)[:1] == [word]]
        lines += (
            ["", f"{what} {len(listed)}", *(f"  {line}" for line in listed)] if listed or word == "PRODUCTS" else []
        )
    lines += ["", "AB file", *(f"  {line}" for line in ab_text.splitlines())]
    return lines


def detail_style(line: str) -> Style | None:
    """Headings are bold."""
    return theme.BOLD if line and not line.startswith(" ") else None


class AbDetail(TextScreen):
    """One AB, its file included. `l`, `w`, `c` go on from here."""

    FOOTER = "l log  w why  c certify  m more memory  / search  g G begin, end  esc back  ? keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "log", tooltip="the recipe's log"),
        Binding("w", "why", "why", tooltip="why this AB is not running"),
        Binding("c", "certify", "certify", tooltip="judge this AB"),
        Binding("m", "more_memory", "more memory", tooltip="again with more, if its job was ended for its memory"),
    ]

    def __init__(
        self,
        ab: str,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(link, alphabet, clock)
        self.ab = ab
        self.library = library
        self._text = ""

    def styler(self) -> Styler:
        """Bold headings."""
        return detail_style

    def subject(self) -> Spans:
        """Which AB."""
        return [(" ", None), *ab_spans(self.ab, self.link.board.rows.get(self.ab), self.glyphs)]

    def on_mount(self) -> None:
        """Show the facts at once, the file when it comes."""
        self.fill()
        start(self, self._read, exclusive=True)

    async def _read(self) -> None:
        try:
            self._text = await self.library.ab_text(self.ab)
        except (DfosError, OSError) as trouble:
            self._text = ""
            self.hint(f"the AB file cannot be read: {trouble}")
        self.fill()

    def fill(self) -> None:
        """Write the page anew."""
        row = self.link.board.rows.get(self.ab)
        if row is None:
            self.view.show([f"{self.ab} is not in this run any more", "", *self._text.splitlines()])
        else:
            self.view.show(detail_lines(row, self.link.board, self._text, self.clock(), self.glyphs))

    def on_board_changed(self, event: BoardChanged) -> None:
        """Follow the AB; its file is read again when the engine has rewritten it."""
        row = self.link.board.rows.get(self.ab)
        touched = set(event.change.rows)
        if self.ab in touched:
            start(self, self._read, exclusive=True)
        elif row is not None and touched.intersection(row.parents):
            self.fill()

    def action_log(self) -> None:
        """The log."""
        self.app.push_screen(LogView(self.ab, self.link, self.library, self.glyphs, self.clock))

    def action_why(self) -> None:
        """The chain of reasons."""
        self.app.push_screen(
            WhyScreen(self.ab, self.library, self.glyphs, again=False, more=bool(offered(self.ab, self.link))),
            self._after_why,
        )

    def _after_why(self, wish: str | None) -> None:
        if wish == "log":
            self.action_log()
        elif wish == "memory":
            self.action_more_memory()

    def action_more_memory(self) -> None:
        """Run again with more memory."""
        Asking(self, self.link, self.library, self.glyphs, self.hint).about(self.ab)

    def action_certify(self) -> None:
        """Judge it."""
        self.post_message(OpenCertify(self.ab))
