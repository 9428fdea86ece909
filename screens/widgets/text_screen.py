"""A screen of text under the frame every screen has: instance, subject, text, hint, keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from screens import theme
from screens.glyphs import Glyphs, glyphs
from screens.keys import KeysScreen, Verbs
from screens.links import EngineLink
from screens.messages import BoardChanged
from screens.widgets.board_lines import title_line
from screens.widgets.lines import LineBlock, Spans
from screens.widgets.search_line import SearchLine
from screens.widgets.text_view import Styler, TextView


class TextScreen(Screen[None]):
    """Scroll, search, help and back. A screen of it says its subject and fills `view`."""

    DEFAULT_CSS = """
    TextScreen { background: ansi_default; }
    TextScreen > #text-head { height: 2; }
    """
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    FOOTER = "/ search  n N next, previous  g G begin, end  esc back  ? keys"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back", tooltip="to the screen before"),
        Binding("slash", "search", "search", tooltip="type a text; enter goes to the first line that has it"),
        Binding("n", "next(1)", "next match"),
        Binding("N", "next(-1)", "previous match"),
        Binding("down,j", "scroll(1)", "down"),
        Binding("up,k", "scroll(-1)", "up"),
        Binding("pagedown,space", "page(1)", "page down"),
        Binding("pageup", "page(-1)", "page up"),
        Binding("home,g", "home", "begin"),
        Binding("end,G", "end", "end"),
        Binding("right", "sideways(1)", "right", tooltip="the rest of long lines"),
        Binding("left", "sideways(-1)", "left"),
        Binding("question_mark", "keys", "keys", tooltip="this list"),
        Binding("colon", "app.command_palette", "commands", tooltip="every verb by name"),
    ]

    def __init__(
        self, link: EngineLink, alphabet: Glyphs | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self.link = link
        self.glyphs = alphabet or glyphs()
        self.clock = clock
        self.view = TextView(self.glyphs, self.styler())
        self._hint = ""

    def styler(self) -> Styler | None:
        """How lines are coloured; None: not at all."""
        return None

    def subject(self) -> Spans:
        """The second line: what is shown."""
        return []

    def compose(self) -> ComposeResult:
        """Frame and text."""
        yield LineBlock(self.glyphs, id="text-head")
        yield self.view
        yield LineBlock(self.glyphs, id="text-hint")
        yield SearchLine("search")
        yield LineBlock(self.glyphs, id="text-foot")

    def on_mount(self) -> None:
        """Draw the frame; the text takes the keys."""
        self.view.focus()
        self.frame()

    def frame(self) -> None:
        """Draw head, hint and footer again."""
        width = self.size.width
        self.query_one("#text-head", LineBlock).say(
            [title_line(self.link.board, self.clock(), width, self.glyphs), self.subject()]
        )
        self.query_one("#text-hint", LineBlock).say([[(f" {self.glyphs.clean(self._hint)}", theme.DIM)]])
        self.query_one("#text-foot", LineBlock).say([[(f" {self.FOOTER}", None)]])

    def hint(self, text: str) -> None:
        """One line above the footer, until the next key."""
        self._hint = text
        self.frame()

    def on_resize(self, event: events.Resize) -> None:
        """The frame is as wide as the terminal."""
        self.frame()

    def on_board_changed(self, event: BoardChanged) -> None:
        """The frame follows the engine."""
        if event.change.head:
            self.frame()

    def on_key(self, event: events.Key) -> None:
        """A key without meaning costs nothing but a hint."""
        if self.focused is not self.view:
            return
        if event.is_printable and event.key not in self.active_bindings:
            self.hint(f"'{event.character}' does nothing here; ? lists the keys")
        elif self._hint:
            self.hint("")

    def on_search_line_typed(self, event: SearchLine.Typed) -> None:
        """Mark what is found while it is typed."""
        self.view.search(event.text)

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Go to the first match."""
        self.query_one("#text-foot").display = True
        self.view.focus()
        count = self.view.search(event.text)
        if event.kept and event.text:
            self.action_next(1) if count else self.hint(f"'{event.text}' is not in it")
        else:
            self.hint("")

    def action_search(self) -> None:
        """Ask for the text."""
        self.query_one("#text-foot").display = False
        self.query_one(SearchLine).ask()

    def action_next(self, step: int) -> None:
        """To the next or previous match."""
        number = self.view.next_match(step)
        if number:
            self.hint(f"line {self.view.matches[number - 1] + 1}, match {number} of {len(self.view.matches)}")
        else:
            self.hint("nothing to look for; / asks" if not self.view.wanted else "not in it")

    def action_scroll(self, lines: int) -> None:
        """By lines."""
        self.view.follow = False
        self.view.go_to(self.view.top + lines)

    def action_page(self, pages: int) -> None:
        """By pages."""
        self.view.follow = False
        self.view.go_to(self.view.top + pages * self.view.page)

    def action_home(self) -> None:
        """To the first line."""
        self.view.follow = False
        self.view.go_to(0)

    def action_end(self) -> None:
        """To the last line."""
        self.view.go_to(len(self.view.lines))

    def action_sideways(self, steps: int) -> None:
        """Long lines."""
        self.view.sideways(steps)

    def action_keys(self) -> None:
        """Every key."""
        self.app.push_screen(KeysScreen(self, self.glyphs))

    def action_back(self) -> None:
        """To the screen before."""
        self.dismiss()
