"""A screen of lines to choose from, under the frame every screen has: instance, what it is, lines, hint, keys.

A screen of it says how a line looks and what can be done about it; filter, cursor, progress, orders
and their confirmation, `?` and the way back are here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from engine.errors import DfosError
from engine.events import RunEnded
from screens import theme
from screens.glyphs import Glyphs, clock, glyphs
from screens.keys import KeysScreen, Verbs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged
from screens.start import start
from screens.widgets.board_lines import engine_ended, silent, title_line
from screens.widgets.confirm import Confirm
from screens.widgets.line_list import LineList
from screens.widgets.lines import LineBlock, Span, Spans, spread
from screens.widgets.orders import Sure
from screens.widgets.progress import progress_line
from screens.widgets.search_line import SearchLine

Row = TypeVar("Row")


class ListScreen(Screen[None], Generic[Row]):
    """Lines, one of them chosen. The selection stays with its row when the rows are read again."""

    DEFAULT_CSS = """
    ListScreen { background: ansi_default; }
    ListScreen > #list-head { height: 3; }
    """
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    AUTO_FOCUS = "LineList"
    WHAT = "this"  # what is read, for messages
    EMPTY = "nothing"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="all about the line under the cursor"),
        Binding("slash", "filter", "filter", tooltip="words that a line must have; !word: must not have"),
        Binding("escape,q", "back", "back", tooltip="first out of the filter, then to the screen before"),
        Binding("down,j", "move(1)", "down"),
        Binding("up,k", "move(-1)", "up"),
        Binding("pagedown,space", "turn(1)", "page down"),
        Binding("pageup", "turn(-1)", "page up"),
        Binding("home,g", "home", "first line"),
        Binding("end,G", "end", "last line"),
        Binding("question_mark", "keys", "keys", tooltip="this list"),
        Binding("colon", "app.command_palette", "commands", tooltip="every verb by name"),
    ]

    def __init__(
        self,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.link = link
        self.library = library
        self.glyphs = alphabet or glyphs()
        self.clock = clock
        self.rows: Sequence[Row] = ()
        self.shown: Sequence[int] = ()
        self.read_at = 0.0  # when the rows were read; 0: not yet
        self.old = False  # something has happened since
        self.lines = LineList(self.glyphs, self._line, self.heading, "reading ...")
        self._filter = ""
        self._hint = ""
        self._ended = link.board.ended
        self._typed = SearchLine("words that a line must have; !word: must not have")

    # --- what a screen of this kind says ---------------------------------------------------

    async def read(self) -> Sequence[Row]:
        """The rows, read anew."""
        raise NotImplementedError

    def heading(self, width: int) -> str:
        """The titles of the columns."""
        return ""

    def line_of(self, row: Row, width: int) -> Spans:
        """A row as a line of `width` cells."""
        raise NotImplementedError

    def text_of(self, row: Row) -> str:
        """What the filter looks at."""
        return str(row)

    def identity(self, row: Row) -> object:
        """What the selection holds on to when the rows are read again."""
        return row

    def subject(self) -> tuple[Spans, Spans]:
        """The second and the third line: is all right, and what else there is to know."""
        return [], []

    def keys(self) -> list[tuple[str, str]]:
        """The keys that make sense now, the most useful first."""
        return []

    def opened(self, row: Row) -> None:
        """`enter` on a row."""

    # --- frame -----------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Head, lines, hint or progress, keys."""
        yield LineBlock(self.glyphs, id="list-head")
        yield self.lines
        yield LineBlock(self.glyphs, id="list-rule")
        yield LineBlock(self.glyphs, id="list-hint")
        yield self._typed
        yield LineBlock(self.glyphs, id="list-keys")

    def on_mount(self) -> None:
        """Read, and look at what goes on once a second."""
        self.again()
        self.frame()
        self.set_interval(1.0, self.frame)

    def again(self) -> None:
        """Read the rows anew, beside what is going on."""
        start(self, self._read, exclusive=True, group="read")

    async def _read(self) -> None:
        try:
            rows = await self.read()
        except (DfosError, OSError) as trouble:
            self.lines.empty = f"{self.WHAT} cannot be read"
            self.lines.redraw()
            self.say(f"{self.WHAT} cannot be read: {trouble}")
            return
        chosen = self.current
        self.rows, self.read_at, self.old = rows, self.clock(), False
        self.lines.empty = self.EMPTY
        self._fill(None if chosen is None else self.identity(chosen))

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        at = self.lines.cursor
        return self.rows[self.shown[at]] if at < len(self.shown) else None

    def frame(self) -> None:
        """Draw all but the lines again."""
        if not self.is_mounted or not self.is_current:
            return
        width, board = self.size.width, self.link.board
        second, third = self.subject()
        self.query_one("#list-head", LineBlock).say(
            [title_line(board, self.clock(), width, self.glyphs), second, self._aged(third, width)]
        )
        self.query_one("#list-rule", LineBlock).say([self._rule(width)])
        hint: Spans = [(f" {self.glyphs.clean(self._hint)}", theme.BOLD)] if self._hint else []
        self.query_one("#list-hint", LineBlock).say([hint or progress_line(board, width, self.glyphs)])
        self.query_one("#list-keys", LineBlock).say([self._keys(width)])

    def _aged(self, third: Spans, width: int) -> Spans:
        """What is old says so."""
        if engine_ended(self.link.board, self.link.alive):
            right: list[Span] = [(f"as of {clock(self.read_at)}, the engine has ended ", None)]
        elif silent(self.link.board, self.link.alive, self.clock()):
            right = [(f" engine silent, as of {clock(self.read_at)} ", theme.BANNER)]
        elif self.old:
            right = [(f"as of {clock(self.read_at)}, things have happened since ", theme.WARN)]
        else:
            right = [(f"as of {clock(self.read_at)} ", None)] if self.read_at else []
        return spread(third, right, width, self.glyphs)

    def _rule(self, width: int) -> Spans:
        left = f"{self.glyphs.rule} {self.glyphs.clean(self._filter)} " if self._filter else ""
        left += f"{len(self.shown)} of {len(self.rows)}, esc clears " if self._filter else ""
        hidden = [(self.lines.top, self.glyphs.above)]
        hidden.append((max(0, self.lines.count - self.lines.top - self.lines.page), self.glyphs.below))
        note = " ".join(f"{count} more {arrow}" for count, arrow in hidden if count)
        right = f" {note} {self.glyphs.rule}" if note else ""
        return [(left + self.glyphs.rule * max(0, width - len(left) - len(right)) + right, None)]

    def _keys(self, width: int) -> Spans:
        tail = [("/", "filter"), ("esc", "back"), ("?", "keys")]
        room = width - sum(len(key) + len(word) + 3 for key, word in tail)
        spans: list[Span] = []
        for key, word in self.keys():
            if len(key) + len(word) + 3 <= room:
                room -= len(key) + len(word) + 3
                spans += [(f" {key}", theme.BOLD), (f" {word} ", None)]
        for key, word in tail:
            spans += [(f" {key}", theme.BOLD), (f" {word} ", None)]
        return spans

    def say(self, text: str) -> None:
        """One line for the operator, until the next key."""
        self._hint = text
        self.frame()

    def _line(self, index: int, width: int) -> Spans:
        return self.line_of(self.rows[self.shown[index]], width)

    # --- filter ----------------------------------------------------------------------------

    def _fill(self, wanted: object = None) -> None:
        words = self._filter.casefold().split()
        if words:
            self.shown = [i for i, row in enumerate(self.rows) if _has(self.text_of(row).casefold(), words)]
        else:
            self.shown = range(len(self.rows))
        cursor = None
        if wanted is not None:
            cursor = next((at for at, i in enumerate(self.shown) if self.identity(self.rows[i]) == wanted), None)
        self.lines.fill(len(self.shown), cursor)
        self.frame()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#list-keys").display = False
        self._typed.ask()
        self.say("enter keeps the filter, esc clears it")

    def on_search_line_typed(self, event: SearchLine.Typed) -> None:
        """The list narrows while it is typed."""
        self._set_filter(event.text)

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Back to the lines."""
        self.query_one("#list-keys").display = True
        self.lines.focus()
        self._set_filter(event.text)
        self.say("")

    def _set_filter(self, text: str) -> None:
        chosen = self.current
        self._filter = text.strip()
        self.lines.empty = "nothing matches the filter; esc clears it" if self._filter else self.EMPTY
        self._fill(None if chosen is None else self.identity(chosen))

    # --- events ----------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """The frame is as wide as the terminal."""
        self.call_after_refresh(self.frame)

    def on_screen_resume(self) -> None:
        """Back from another screen."""
        self.call_after_refresh(self.frame)

    def on_board_changed(self, event: BoardChanged) -> None:
        """The frame follows the engine; when a run has ended the screen hears of it once."""
        ended = self.link.board.ended
        if ended is not None and ended is not self._ended:
            self._ended = ended
            self.run_ended(ended)
        self.frame()

    def run_ended(self, ended: RunEnded) -> None:
        """A run of the engine has ended: what is shown may be another now."""
        self.again()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Other keys may make sense now."""
        self.frame()

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click opens."""
        self.action_open()

    def action_open(self) -> None:
        """Open the line under the cursor."""
        row = self.current
        if row is not None:
            self.opened(row)

    def on_key(self, event: events.Key) -> None:
        """A key without meaning costs nothing but a hint."""
        if self.focused is not self.lines:
            return
        if event.is_printable and event.key not in self.active_bindings:
            self.say(f"'{event.character}' does nothing here; ? lists the keys")
        elif self._hint:
            self.say("")

    def action_move(self, lines: int) -> None:
        """Cursor."""
        self.lines.go_to(self.lines.cursor + lines)

    def action_turn(self, pages: int) -> None:
        """Pages."""
        self.action_move(pages * self.lines.page)

    def action_home(self) -> None:
        """First line."""
        self.lines.go_to(0)

    def action_end(self) -> None:
        """Last line."""
        self.lines.go_to(self.lines.count - 1)

    def to_next(self, test: Callable[[Row], bool], none: str) -> None:
        """Put the cursor on the next row that passes, around the end; `none` is said when there is none."""
        for step in range(1, len(self.shown) + 1):
            at = (self.lines.cursor + step) % len(self.shown)
            if test(self.rows[self.shown[at]]):
                self.lines.go_to(at)
                return
        self.say(none)

    def action_keys(self) -> None:
        """Every key."""
        self.app.push_screen(KeysScreen(self, self.glyphs))

    def action_back(self) -> None:
        """Out of the filter, or to the screen before."""
        if self._filter:
            self._typed.clear_text()
            self._set_filter("")
        else:
            self.dismiss()

    # --- orders ----------------------------------------------------------------------------

    def ask(self, sure: Sure) -> None:
        """Say what would happen; order it when that is meant."""

        def answered(yes: bool | None) -> None:
            if not yes:
                self.say("nothing changed")
                return
            for verb, arguments in sure.orders:
                self.order(verb, **arguments)

        self.app.push_screen(Confirm(sure.title, sure.text, sure.do, sure.leave, self.glyphs), answered)

    def order(self, verb: str, **arguments: str | int) -> None:
        """Order something; what the engine replies is said."""
        start(self, self.told, lambda: self.link.command(verb, **arguments), verb, group="orders")

    async def told(self, work: Callable[[], Awaitable[str]], what: str) -> None:
        """Say how a piece of work ended."""
        try:
            said = await work() or f"{what}: done"
        except (DfosError, OSError, TimeoutError) as trouble:
            self.say(f"{what} failed: {trouble}")
            return
        self.say(said)
        self.ordered()

    def ordered(self) -> None:
        """Something that was ordered has been taken on: look again."""
        self.again()


def _has(text: str, words: Sequence[str]) -> bool:
    return all((word[1:] not in text) if word[0] == "!" and word[1:] else word in text for word in words)
