"""The AB monitor: one line per AB, and what is to be known and done about it.

Reads the link's board only. Bursts of events are drawn together, a few times a second at most;
a single event is drawn at once. While nothing happens nothing is written to the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer

from engine.board import Change, Row
from engine.core.status import AT_WORK
from engine.errors import DfosError
from screens import theme
from screens.ab_detail import AbDetail
from screens.glyphs import glyphs
from screens.keys import Key, KeysScreen, Verbs
from screens.links import EngineLink, Library
from screens.log_view import LogView
from screens.messages import BoardChanged, Leave, OpenCertify, OpenQuestions
from screens.plugins import PluginsScreen
from screens.start import start
from screens.why import WhyScreen
from screens.widgets import orders
from screens.widgets.ab_list import AbList
from screens.widgets.board_lines import (
    footer_spans,
    gauges_line,
    last_line,
    list_line,
    pane_lines,
    situation_line,
    status_line,
    title_line,
)
from screens.widgets.confirm import Confirm
from screens.widgets.lines import LineBlock
from screens.widgets.orders import Sure
from screens.widgets.search_line import SearchLine

FLUSH_S = 0.05  # bursts are drawn at most this often
REORDER_S = 0.3  # and sorted at most this often
ESTIMATE_S = 10.0  # the remaining time is estimated at most this often
PANE_S = 0.15  # the pane waits until the cursor rests
WIDE = 140  # columns from which the pane is shown


class AbMonitor(Screen[None]):
    """All ABs of the run. Everything an operator may do begins here."""

    CSS_PATH = "ab_monitor.tcss"
    AUTO_FOCUS = "AbList"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    PALETTE: ClassVar[tuple[Key, ...]] = (Key("", "process", "start processing the ABs that wait", "order('process')"),)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="all about the selected AB, its file included"),
        Binding("l", "log", "log", tooltip="the log of its recipe, as it grows"),
        Binding("w", "why", "why", tooltip="why it is not running, and what to do"),
        Binding("c", "certify", "certify", tooltip="judge the selected AB"),
        Binding("C", "certify_next", "certify all", tooltip="judge one after the other what waits for a verdict"),
        Binding("r", "rerun", "run again", tooltip="what failed, was interrupted or is stale, and what depends on it"),
        Binding("slash", "filter", "filter", tooltip="name, state, target, kind; state:failed, kind:, target:; !not"),
        Binding("s", "sort", "sort", tooltip="execution order, state, target, time, score"),
        Binding("F", "float", "failures up", tooltip="failures on top of the list, or back in their place"),
        Binding("f", "next_failure", "next failure", tooltip="to the next failed, blocked, interrupted or stale AB"),
        Binding("p", "pause", "pause", tooltip="start nothing new; what runs goes on. Again: go on"),
        Binding("S", "stop", "stop", tooltip="finish what runs, then end the run (asks)"),
        Binding("X", "abort", "abort", tooltip="terminate the running recipes (asks)"),
        Binding("plus", "streams(1)", "one stream more"),
        Binding("minus", "streams(-1)", "one stream less"),
        Binding("M", "release", "move", tooltip="move and rename the certified products, update their ABs (asks)"),
        Binding("i", "ingest", "ingest", tooltip="hand moved products to the archive (asks)"),
        Binding("o", "override", "run anyway", tooltip="in spite of the foreign task that holds us (asks)"),
        Binding("E", "engine", "start engine", tooltip="when the engine does not answer any more"),
        Binding("Q", "questions", "questions", tooltip="open questions of the engine"),
        Binding("P", "plugins", "plugins", tooltip="plugin slots: configured, found, missing"),
        Binding("down,j", "move(1)", "down"),
        Binding("up,k", "move(-1)", "up"),
        Binding("pagedown,space", "turn(1)", "page down"),
        Binding("pageup", "turn(-1)", "page up"),
        Binding("home,g", "home", "first AB"),
        Binding("end,G", "end", "last AB"),
        Binding("escape", "unfilter", "clear filter"),
        Binding("question_mark", "keys", "keys", tooltip="this list"),
        Binding("colon", "app.command_palette", "commands", tooltip="every verb by name"),
        Binding("q", "leave", "leave", tooltip="close the console; the engine and its recipes go on"),
    ]

    def __init__(
        self,
        link: EngineLink,
        library: Library,
        *,
        ascii: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.link = link
        self.library = library
        self.glyphs = glyphs(ascii)
        self.clock = clock
        self.list = AbList(link.board.rows, self.glyphs, clock)
        self._head = LineBlock(self.glyphs, id="head")
        self._pane = LineBlock(self.glyphs, id="pane")
        self._foot = LineBlock(self.glyphs, id="foot")
        self._keys = LineBlock(self.glyphs, id="keys")
        self._typed = SearchLine("part of a name, state:failed, kind:pst, target:, !not", id="filter")
        self._busy: dict[int, str] = {}
        self._rows: set[str] = set()
        self._fresh = False
        self._later: dict[str, Timer] = {}
        self._flushed = 0.0
        self._ordered = 0.0
        self._ready_at: float | None = None
        self._estimated = 0.0
        self._hint = ""
        self._last = ""
        self._filter = ""

    def compose(self) -> ComposeResult:
        """Head, list and pane, foot, keys."""
        yield self._head
        with Horizontal(id="middle"):
            yield self.list
            yield self._pane
        yield self._foot
        yield self._typed
        yield self._keys

    def on_mount(self) -> None:
        """Draw what is known; from then on only what changes."""
        self.list.reorder()
        self._busy = {stream: row.ab for stream, row in self.link.board.in_streams().items()}
        self._estimate()
        self.draw()
        self.set_interval(1.0, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """More columns, or the pane, where there is room."""
        self.set_class(event.size.width >= WIDE, "-wide")
        self.draw()

    def on_screen_resume(self) -> None:
        """Back from another screen: catch up."""
        self.call_after_refresh(self._caught_up)

    # --- what the engine says --------------------------------------------------------------

    def on_board_changed(self, event: BoardChanged) -> None:
        """Take it in; draw at once when quiet, together with others in a burst."""
        self._rows.update(event.change.rows)
        self._fresh = self._fresh or event.change.fresh
        self._soon("flush", FLUSH_S - (time.monotonic() - self._flushed), self._flush)

    def _soon(self, name: str, delay: float, act: Callable[[], object]) -> None:
        """Act now, or once in `delay` seconds."""
        if name in self._later:
            return
        if delay <= 0:
            act()
            return

        def later() -> None:
            self._later.pop(name, None)
            act()

        self._later[name] = self.set_timer(delay, later)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if not self.is_attached or not self.is_mounted:
            return
        board = self.link.board
        if self.list.rows is not board.rows:  # the link began anew
            self.list.rows, self._fresh = board.rows, True
            self._busy = {stream: row.ab for stream, row in board.in_streams().items()}
        names, self._rows = self._rows, set()
        fresh, self._fresh = self._fresh, False
        for name in names:
            row = board.rows.get(name)
            if row is not None and row.stream and row.state in AT_WORK:
                self._busy[row.stream] = name
        self.list.take(Change(tuple(names), fresh))
        if self.list.stale:
            self._soon("reorder", REORDER_S - (time.monotonic() - self._ordered), self._reorder)
        if self._last != board.last[1]:
            self._hint = ""
        self.draw()
        row = self.list.current
        if self._pane.display and row is not None and names.intersection((row.ab, *row.parents)):
            self._draw_pane()

    def _reorder(self) -> None:
        started = time.monotonic()
        self.list.reorder()
        self._ordered = time.monotonic()
        self._ordered += 4 * (self._ordered - started)  # a long list is sorted less often
        self._draw_foot()

    def _caught_up(self) -> None:
        self.list.stale = True
        self._reorder()
        self.draw()

    def _tick(self) -> None:
        """Once a second: only what shows a running time, and the minute."""
        if not self.is_current:
            return
        self._estimate()
        if any(self.link.board.counts[state] for state in AT_WORK):
            self.list.tick()
            self._draw_foot()
        self._draw_head()

    def _estimate(self) -> None:
        """When the run should be ready; never costs more than a hundredth of the time."""
        started = time.monotonic()
        if started < self._estimated:
            return
        now = self.clock()
        left = self.link.board.remaining_s(now)
        self._ready_at = None if left is None else now + left
        spent = time.monotonic() - started
        self._estimated = started + max(ESTIMATE_S, 100 * spent)

    # --- drawing ---------------------------------------------------------------------------

    def draw(self) -> None:
        """Everything around the list; what looks the same is not written."""
        self._draw_head()
        self._draw_foot()
        self._draw_keys()

    def _draw_head(self) -> None:
        board, now, width = self.link.board, self.clock(), self.size.width
        left = None if self._ready_at is None else self._ready_at - now
        self._head.say(
            [
                title_line(board, now, width, self.glyphs),
                status_line(board, left, now, width, self.glyphs),
                situation_line(board, self.link.alive, left, now, width, self.glyphs),
            ]
        )

    def _draw_foot(self) -> None:
        board, width = self.link.board, self.size.width
        self._last = board.last[1]
        hint = [(f" {self.glyphs.clean(self._hint)}", theme.BOLD)]
        self._foot.say(
            [
                list_line(
                    self.list.order, self.list.top, self.list.page, board.total, self._filter, width, self.glyphs
                ),
                gauges_line(board, self._streams(), self.list.prefix, self.clock(), width, self.glyphs),
                hint if self._hint else last_line(board, self.list.prefix, width, self.glyphs),
            ]
        )

    def _streams(self) -> dict[int, Row]:
        rows = self.link.board.rows
        for stream, name in list(self._busy.items()):
            row = rows.get(name)
            if row is None or row.stream != stream or row.state not in AT_WORK:
                del self._busy[stream]
        return {stream: rows[name] for stream, name in sorted(self._busy.items())}

    def _draw_keys(self) -> None:
        self._keys.say([footer_spans(self.list.current, self.link.board, self.link.alive, self.size.width)])

    def _draw_pane(self) -> None:
        if self._pane.display:
            row = self.list.current
            height = max(1, self.list.size.height)
            board, now = self.link.board, self.clock()
            self._pane.say(pane_lines(row, board, now, self._pane.size.width or 46, height, self.glyphs))

    def say(self, text: str) -> None:
        """One line for the operator, until the next key or the next news."""
        self._hint = text
        self._draw_foot()

    # --- keys ------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A key without meaning costs nothing but a hint."""
        if self.focused is self._typed:
            return
        if event.is_printable and event.key not in self.active_bindings:
            self.say(f"'{event.character}' does nothing here; ? lists the keys")
        elif self._hint:
            self.say("")

    def on_ab_list_selected(self, event: AbList.Selected) -> None:
        """Footer and pane follow the selection; the pane when the cursor rests."""
        self._draw_keys()
        self._draw_foot()
        if self._pane.display:
            self._soon("pane", PANE_S, self._draw_pane)

    def on_ab_list_opened(self, event: AbList.Opened) -> None:
        """A second click opens."""
        self.action_open()

    def action_move(self, lines: int) -> None:
        """Cursor."""
        self.list.move(lines)

    def action_turn(self, pages: int) -> None:
        """Pages."""
        self.list.turn(pages)
        self._draw_foot()

    def action_home(self) -> None:
        """First AB."""
        self.list.go_to(0)

    def action_end(self) -> None:
        """Last AB."""
        self.list.go_to(len(self.list.order.names) - 1)

    def action_next_failure(self) -> None:
        """To the next failure."""
        if not self.list.next_failure():
            hidden = " among the ABs shown" if self.list.order.terms else ""
            self.say(f"no failure{hidden}")

    def action_sort(self) -> None:
        """Next order."""
        self.say(f"sorted by {self.list.sort_next()}")

    def action_float(self) -> None:
        """Failures up."""
        self.say("failures first" if self.list.float_failures() else "failures in their place again")

    def action_filter(self) -> None:
        """Type a filter."""
        self._keys.display = False
        self._typed.ask()
        self.say("enter keeps the filter, esc clears it")

    def on_search_line_typed(self, event: SearchLine.Typed) -> None:
        """The list narrows while it is typed."""
        self._set_filter(event.text)

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Back to the list."""
        self._set_filter(event.text)
        self._keys.display = True
        self.list.focus()
        self.say("")

    def action_unfilter(self) -> None:
        """All ABs again."""
        self._typed.clear_text()
        self._set_filter("")

    def _set_filter(self, text: str) -> None:
        self._filter = text.strip()
        self.list.filter(text)
        self._draw_foot()

    # --- other screens ---------------------------------------------------------------------

    def _with_row(self, act: Callable[[Row], object]) -> None:
        row = self.list.current
        if row is None:
            self.say("no AB is selected")
        else:
            act(row)

    def action_open(self) -> None:
        """All about it."""
        self._with_row(lambda row: self.app.push_screen(AbDetail(row.ab, *self._given())))

    def action_log(self) -> None:
        """Its log."""
        self._with_row(lambda row: self.app.push_screen(LogView(row.ab, *self._given())))

    def _given(self) -> tuple[Any, ...]:
        return self.link, self.library, self.glyphs, self.clock

    def action_why(self) -> None:
        """Why it is not running."""
        self._with_row(lambda row: self.app.push_screen(WhyScreen(row.ab, self.library, self.glyphs), self._after_why))

    def _after_why(self, wish: str | None) -> None:
        if wish == "retry":
            self.action_rerun()
        elif wish == "log":
            self.action_log()

    def action_certify(self) -> None:
        """Judge it."""
        self._with_row(lambda row: self.post_message(OpenCertify(row.ab)))

    def action_certify_next(self) -> None:
        """Judge what waits."""
        self.post_message(OpenCertify())

    def action_questions(self) -> None:
        """Open questions."""
        self.post_message(OpenQuestions())

    def action_plugins(self) -> None:
        """Plugin slots."""
        self.app.push_screen(PluginsScreen(*self._given()))

    def action_keys(self) -> None:
        """Every key."""
        self.app.push_screen(KeysScreen(self, self.glyphs))

    def action_leave(self) -> None:
        """Leave; work goes on."""
        self.post_message(Leave())

    # --- orders ----------------------------------------------------------------------------

    def action_order(self, verb: str) -> None:
        """Order something without asking."""
        self._send(verb)

    def _send(self, verb: str, **arguments: str | int) -> None:
        start(self, self._sent, self.link.command(verb, **arguments), verb, group="orders")

    async def _sent(self, order: Coroutine[Any, Any, str], verb: str) -> None:
        try:
            self.say(await order or f"{verb}: ordered")
        except (DfosError, OSError, TimeoutError) as trouble:
            self.say(f"{verb} failed: {trouble}")

    def _ask(self, sure: Sure | str) -> None:
        if isinstance(sure, str):
            self.say(sure)
            return

        def answered(yes: bool | None) -> None:
            if not yes:
                self.say("nothing changed")
                return
            for verb, arguments in sure.orders:
                self._send(verb, **arguments)

        self.app.push_screen(Confirm(sure.title, sure.text, sure.do, sure.leave, self.glyphs), answered)

    def action_pause(self) -> None:
        """Pause, or go on."""
        self._send("resume" if self.link.board.mode == "paused" else "pause")

    def action_streams(self, step: int) -> None:
        """One stream more or less."""
        streams = self.link.board.streams + step
        if streams < 1:
            self.say("one stream is the least; p pauses")
        else:
            self._send("streams", n=streams)

    def action_stop(self) -> None:
        """Finish what runs, then end."""
        self._ask(orders.stop(self.link.board, list(self._streams().values())))

    def action_abort(self) -> None:
        """Terminate the recipes."""
        self._ask(orders.abort(list(self._streams().values()), self.clock()))

    def action_rerun(self) -> None:
        """Run again."""
        self._with_row(lambda row: self._ask(orders.rerun(row, self.link.board)))

    def action_release(self) -> None:
        """Move what is certified."""
        self._ask(orders.release(self.link.board))

    def action_ingest(self) -> None:
        """Hand over to the archive."""
        self._ask(orders.ingest(self.link.board))

    def action_override(self) -> None:
        """Run in spite of the gate."""
        self._ask(orders.override(self.link.board))

    def action_engine(self) -> None:
        """Start the engine again."""
        if self.link.alive:
            self.say("the engine answers; there is nothing to start")
        else:
            self._send("engine")
