"""The AB monitor: one line per AB, and what is to be known and done about it.

Reads the link's board only. Bursts of events are drawn together, a few times a second at most;
a single event is drawn at once. While nothing happens nothing is written to the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.containers import Horizontal
from textual.timer import Timer

from engine.board import Change
from engine.core.status import AT_WORK
from screens.glyphs import glyphs
from screens.keys import Key, KeysScreen, Verbs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged, Leave
from screens.monitor.look_keys import LookKeys
from screens.monitor.monitor_frame import MonitorFrame
from screens.widgets.ab_list import AbList
from screens.widgets.search_line import SearchLine

FLUSH_S = 0.05  # bursts are drawn at most this often
REORDER_S = 0.3  # and sorted at most this often
PANE_S = 0.15  # the pane waits until the cursor rests
WIDE = 140  # columns from which the pane is shown


class AbMonitor(LookKeys):
    """All ABs of the run. Everything an operator may do begins here."""

    CSS_PATH = "ab_monitor.tcss"
    AUTO_FOCUS = "AbList"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Verbs}
    PALETTE: ClassVar[tuple[Key, ...]] = (
        Key("", "process", "start processing the ABs that wait", "order('process')"),
        Key("", "move everything", "certify and move all dates, as configured (asks)", "release"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="all about the selected AB, its file included"),
        Binding("l", "log", "log", tooltip="the log of its recipe, as it grows"),
        Binding("w", "why", "why", tooltip="why it is not running, and what to do"),
        Binding("v", "qc", "QC", tooltip="its scores with limits and history, QCFLAG, reports and plots"),
        Binding("t", "cascade", "cascade", tooltip="which AB waits for what, as a tree"),
        Binding("c", "certify", "certify", tooltip="judge the selected AB"),
        Binding("C", "certify_next", "certify all", tooltip="judge one after the other what waits for a verdict"),
        Binding("r", "rerun", "run again", tooltip="the AB and what depends on it, unless its products have moved"),
        Binding("m", "more_memory", "more memory", tooltip="again with more, if its job was ended for its memory"),
        Binding("slash", "filter", "filter", tooltip="name, state, target, kind; state:failed, kind:, target:; !not"),
        Binding("s", "sort", "sort", tooltip="execution order, state, target, time, score"),
        Binding("F", "float", "failures up", tooltip="failures on top of the list, or back in their place"),
        Binding("f", "next_failure", "next failure", tooltip="to the next failed, blocked, interrupted or stale AB"),
        Binding("p", "pause", "pause", tooltip="start nothing new; what runs goes on. Again: go on"),
        Binding("S", "stop", "stop", tooltip="finish what runs, then end the run (asks)"),
        Binding("X", "abort", "abort", tooltip="terminate the running recipes (asks)"),
        Binding("plus", "streams(1)", "one stream more"),
        Binding("minus", "streams(-1)", "one stream less"),
        Binding("W", "widths", "widths", tooltip="how many of each kind run at once, and by configuration"),
        Binding("e", "forecast", "forecast", tooltip="what processing this date will take: time, memory, disk"),
        Binding("M", "plan", "move", tooltip="the plan of the move of this date, line by line; x in it carries it out"),
        Binding("i", "ingest", "ingest", tooltip="hand moved products to the archive (asks)"),
        Binding("o", "override", "run anyway", tooltip="in spite of the foreign task that holds us (asks)"),
        Binding("E", "engine", "start engine", tooltip="when the engine does not answer any more"),
        Binding("Q", "questions", "questions", tooltip="open questions of the engine"),
        Binding("J", "jobs", "jobs", tooltip="what waits in the JOBS_ files; the engine's queue; what is at work"),
        Binding("R", "runs", "recovery", tooltip="what was moved, renamed, undone; finish what was cut"),
        Binding("T", "trash", "trash", tooltip="what was retired, until when, and why"),
        Binding("V", "vcal", "virtual", tooltip="virtual calibrations: whose they are, how old, what became of them"),
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
        self.frame = MonitorFrame(link, self.list, self.glyphs, clock, lambda: self.size.width)
        self._typed = SearchLine("part of a name, state:failed, kind:pst, target:, !not", id="filter")
        self._rows: set[str] = set()
        self._fresh = False
        self._later: dict[str, Timer] = {}
        self._flushed = 0.0
        self._ordered = 0.0

    def compose(self) -> ComposeResult:
        """Head, list and pane, foot, keys."""
        yield self.frame.head
        with Horizontal(id="middle"):
            yield self.list
            yield self.frame.pane
        yield self.frame.foot
        yield self._typed
        yield self.frame.keys

    def on_mount(self) -> None:
        """Draw what is known; from then on only what changes."""
        self.list.reorder()
        self.frame.begin()
        self.frame.estimate()
        self.frame.draw()
        self.set_interval(1.0, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """More columns, or the pane, where there is room."""
        self.set_class(event.size.width >= WIDE, "-wide")
        self.frame.draw()

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
            self.frame.begin()
        names, self._rows = self._rows, set()
        fresh, self._fresh = self._fresh, False
        self.frame.take(names)
        self.list.take(Change(tuple(names), fresh))
        if self.list.stale:
            self._soon("reorder", REORDER_S - (time.monotonic() - self._ordered), self._reorder)
        self.frame.draw()
        self.frame.draw_pane_of(names)

    def _reorder(self) -> None:
        started = time.monotonic()
        self.list.reorder()
        self._ordered = time.monotonic()
        self._ordered += 4 * (self._ordered - started)  # a long list is sorted less often
        self.frame.draw_foot()

    def _caught_up(self) -> None:
        self.list.stale = True
        self._reorder()
        self.frame.draw()

    def _tick(self) -> None:
        """Once a second: only what shows a running time, and the minute."""
        if not self.is_current:
            return
        self.frame.estimate()
        if any(self.link.board.counts[state] for state in AT_WORK):
            self.list.tick()
            self.frame.draw_foot()
        self.frame.draw_head()

    # --- keys ------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A key without meaning costs nothing but a hint."""
        if self.focused is self._typed:
            return
        if event.is_printable and event.key not in self.active_bindings:
            self.say(f"'{event.character}' does nothing here; ? lists the keys")
        elif self.frame.hint:
            self.say("")

    def on_ab_list_selected(self, event: AbList.Selected) -> None:
        """Footer and pane follow the selection; the pane when the cursor rests."""
        self.frame.draw_keys()
        self.frame.draw_foot()
        if self.frame.pane.display:
            self._soon("pane", PANE_S, self.frame.draw_pane)

    def on_ab_list_resized(self) -> None:
        """What is out of sight is counted when the list has its new size."""
        self.frame.draw_foot()
        self.frame.draw_pane()

    def on_ab_list_opened(self, event: AbList.Opened) -> None:
        """A second click opens."""
        self.action_open()

    def action_move(self, lines: int) -> None:
        """Cursor."""
        self.list.move(lines)

    def action_turn(self, pages: int) -> None:
        """Pages."""
        self.list.turn(pages)
        self.frame.draw_foot()

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
        self.frame.keys.display = False
        self._typed.ask()
        self.say("enter keeps the filter, esc clears it")

    def on_search_line_typed(self, event: SearchLine.Typed) -> None:
        """The list narrows while it is typed."""
        self._set_filter(event.text)

    def on_search_line_closed(self, event: SearchLine.Closed) -> None:
        """Back to the list."""
        self._set_filter(event.text)
        self.frame.keys.display = True
        self.list.focus()
        self.say("")

    def action_unfilter(self) -> None:
        """All ABs again."""
        self._typed.clear_text()
        self._set_filter("")

    def _set_filter(self, text: str) -> None:
        self.frame.filter = text.strip()
        self.list.filter(text)
        self.frame.draw_foot()

    def action_keys(self) -> None:
        """Every key."""
        self.app.push_screen(KeysScreen(self, self.glyphs))

    def action_leave(self) -> None:
        """Leave; work goes on."""
        self.post_message(Leave())
