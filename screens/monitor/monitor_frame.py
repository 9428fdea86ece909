"""What stands around the list of ABs: head, pane, foot and keys, drawn from the board.

Drawing is cheap to ask for: what looks the same is not written to the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from engine.board import Row
from engine.core.status import AT_WORK
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink
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
from screens.widgets.lines import LineBlock

ESTIMATE_S = 10.0  # the remaining time is estimated at most this often


class MonitorFrame:
    """The lines around `abs_`, for a screen of `width()` cells. `filter` is what the operator typed."""

    def __init__(
        self, link: EngineLink, abs_: AbList, glyphs: Glyphs, clock: Callable[[], float], width: Callable[[], int]
    ) -> None:
        self.head = LineBlock(glyphs, id="head")
        self.pane = LineBlock(glyphs, id="pane")
        self.foot = LineBlock(glyphs, id="foot")
        self.keys = LineBlock(glyphs, id="keys")
        self.hint = ""
        self.filter = ""
        self._link = link
        self._list = abs_
        self._glyphs = glyphs
        self._clock = clock
        self._width = width
        self._busy: dict[int, str] = {}
        self._last = ""
        self._ready_at: float | None = None
        self._estimated = 0.0

    # --- what is known ---------------------------------------------------------------------

    def begin(self) -> None:
        """Another board than before: look at all of it."""
        self._busy = {stream: row.ab for stream, row in self._link.board.in_streams().items()}

    def take(self, names: Iterable[str]) -> None:
        """These ABs have changed; a hint makes room for what was said since."""
        board = self._link.board
        for name in names:
            row = board.rows.get(name)
            if row is not None and row.stream and row.state in AT_WORK:
                self._busy[row.stream] = name
        if self._last != board.last[1]:
            self.hint = ""

    def estimate(self) -> None:
        """When the run should be ready; never costs more than a hundredth of the time."""
        started = time.monotonic()
        if started < self._estimated:
            return
        now = self._clock()
        left = self._link.board.remaining_s(now)
        self._ready_at = None if left is None else now + left
        spent = time.monotonic() - started
        self._estimated = started + max(ESTIMATE_S, 100 * spent)

    def streams(self) -> dict[int, Row]:
        """The AB in each busy stream."""
        rows = self._link.board.rows
        for stream, name in list(self._busy.items()):
            row = rows.get(name)
            if row is None or row.stream != stream or row.state not in AT_WORK:
                del self._busy[stream]
        return {stream: rows[name] for stream, name in sorted(self._busy.items())}

    # --- drawing ---------------------------------------------------------------------------

    def draw(self) -> None:
        """Everything but the pane."""
        self.draw_head()
        self.draw_foot()
        self.draw_keys()

    def draw_head(self) -> None:
        """What the run is, whether all is right, what holds it."""
        board, now, width, glyphs = self._link.board, self._clock(), self._width(), self._glyphs
        left = None if self._ready_at is None else self._ready_at - now
        self.head.say(
            [
                title_line(board, now, width, glyphs),
                status_line(board, left, now, width, glyphs),
                situation_line(board, self._link.alive, left, now, width, glyphs),
            ]
        )

    def draw_foot(self) -> None:
        """What of the list is out of sight, the streams, and what was said last."""
        board, abs_, width, glyphs = self._link.board, self._list, self._width(), self._glyphs
        self._last = board.last[1]
        hint = [(f" {glyphs.clean(self.hint)}", theme.BOLD)]
        self.foot.say(
            [
                list_line(abs_.order, abs_.top, abs_.page, board.total, self.filter, width, glyphs),
                gauges_line(board, self.streams(), abs_.prefix, self._clock(), width, glyphs),
                hint if self.hint else last_line(board, abs_.prefix, width, glyphs),
            ]
        )

    def draw_keys(self) -> None:
        """The keys that make sense for the selected AB."""
        self.keys.say([footer_spans(self._list.current, self._link.board, self._link.alive, self._width())])

    def draw_pane(self) -> None:
        """All about the selected AB, where the terminal is wide."""
        if self.pane.display:
            row, height = self._list.current, max(1, self._list.size.height)
            width = self.pane.size.width or 46
            self.pane.say(pane_lines(row, self._link.board, self._clock(), width, height, self._glyphs))

    def draw_pane_of(self, names: set[str]) -> None:
        """The pane, when it shows one of these ABs."""
        row = self._list.current
        if self.pane.display and row is not None and names.intersection((row.ab, *row.parents)):
            self.draw_pane()

    def say(self, text: str) -> None:
        """One line for the operator, until the next key or the next news."""
        self.hint = text
        self.draw_foot()
