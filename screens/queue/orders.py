"""The engine's queue: what runs now, what waits, what is parked and for which question, what ended how."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged, OpenQuestions
from screens.page import Page
from screens.queue.job_words import ended_words, order_lines, take_back_sure
from screens.queue.queued import Ordered
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen

_SYMBOLS = {"running": "RUNNING", "queued": "SLOT", "parked": "PAUSED"}


class OrdersScreen(ListScreen[Ordered]):
    """Orders, what runs on top, what has ended below."""

    WHAT = "the orders"
    EMPTY = "nothing was ordered yet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "take_back", "take back", tooltip="take the selected order back, if it has not begun (asks)"),
        Binding("Q", "questions", "questions", tooltip="open questions: what parked orders wait for"),
        Binding("f", "next_failure", "next failure", tooltip="to the next order that did not end well"),
        Binding("o", "again", "look again", tooltip="read the queue again"),
    ]

    def __init__(
        self, link: EngineLink, library: Library, alphabet: Glyphs | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self._run = link.board.run

    async def read(self) -> Sequence[Ordered]:
        """The queue."""
        return await self.library.orders()

    def subject(self) -> tuple[Spans, Spans]:
        """How many run, wait, are parked; what the selected one waits for, or how it ended."""
        if not self.read_at:
            return [(" Orders", theme.BOLD)], []
        dot = f" {self.glyphs.dot} "
        count = {state: sum(row.state == state for row in self.rows) for state in ("running", "queued", "parked")}
        second: list[Span] = [(f" Orders: {count['running']} running{dot}{count['queued']} waiting", theme.BOLD)]
        second.append((f"{dot}{count['parked']} parked" if count["parked"] else "", theme.WARN))
        bad = sum(map(_badly, self.rows))
        second.append((f"{dot}{bad} of the last {self._how_many()} ended badly" if bad else "", theme.BAD))
        row = self.current
        if row is None:
            return second, []
        if row.questions:
            return second, [(f" waits for question {self.glyphs.clean(row.questions[0])}", theme.WARN)]
        return second, [(f" {self.glyphs.clean(row.text)}", theme.BAD if _badly(row) else None)]

    def heading(self, width: int) -> str:
        """Number, what, since when, how it ended."""
        return f"{'no':>5} {'what':<{max(20, width - 41)}} {'since':<11} state"

    def line_of(self, row: Ordered, width: int) -> Spans:
        """One order."""
        mark = self._mark(row)
        what = self.glyphs.fit(self.glyphs.clean(row.what), max(20, width - 41))
        since = row.ended or (row.begun if row.state == "running" else "") or row.given
        about: Span = (f"{row.number:>5} {what} {since[5:10]} {since[11:16]} ", None)
        style = theme.BAD if _badly(row) else theme.WARN if row.state == "parked" else None
        return [about, (f"{mark} {ended_words(row)}", style)]

    def text_of(self, row: Ordered) -> str:
        """What it is, who gave it, how it ended."""
        return f"{row.number} {row.state} {row.what} {row.who} {row.text}"

    def identity(self, row: Ordered) -> object:
        """Its number."""
        return row.number

    def keys(self) -> list[tuple[str, str]]:
        """What can be done about the selected one."""
        row = self.current
        if row is None:
            return [("o", "look again")]
        does = {"queued": [("D", "take back")], "parked": [("Q", "questions")]}.get(row.state, [])
        return [("enter", "all about it"), *does, ("f", "next failure")]

    def opened(self, row: Ordered) -> None:
        """All about it."""

        async def lines() -> list[str]:
            return order_lines(row)

        self.app.push_screen(Page(f"order {row.number}", lines, self.link, self.glyphs, self.clock))

    def on_board_changed(self, event: BoardChanged) -> None:
        """A run has begun: the queue is another."""
        run = self.link.board.run
        if run is not self._run:
            self._run = run
            self.again()
        super().on_board_changed(event)

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Read again."""
        self.again()

    def action_next_failure(self) -> None:
        """To the next that ended badly."""
        self.to_next(_badly, "no order ended badly")

    def action_questions(self) -> None:
        """What is to be answered."""
        self.post_message(OpenQuestions())

    def action_take_back(self) -> None:
        """Take it back before it begins."""
        row = self.current
        if row is None:
            self.say("no order is selected")
        elif row.state == "queued":
            self.ask(take_back_sure(row))
        else:
            self.say(f"order {row.number} is {row.state}; only what has not begun can be taken back")

    def _how_many(self) -> str:
        return counted(sum(row.state == "ended" for row in self.rows), "order")

    def _mark(self, row: Ordered) -> str:
        if row.state == "ended":
            return self.glyphs.state("FAILED" if _badly(row) else "DONE")
        return self.glyphs.state(_SYMBOLS.get(row.state, "CREATED"))


def _badly(row: Ordered) -> bool:
    return row.state == "ended" and row.code not in (0, 130)
