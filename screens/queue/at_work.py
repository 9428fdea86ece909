"""What runs where: recipes as processes of this host with what they use, or as jobs of a batch system."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from screens import theme
from screens.glyphs import Glyphs, duration
from screens.links import EngineLink, Library
from screens.messages import BoardChanged
from screens.monitor.log_view import LogView
from screens.page import Page
from screens.queue.job_words import work_line
from screens.queue.queued import AtWork, WorkPlace
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen

_EVERY_S = 5.0
_STANDS = ("held", "suspended", "lost", "removed")


class AtWorkScreen(ListScreen[AtWork]):
    """One line per recipe under way, looked at anew every few seconds."""

    WHAT = "what is at work"
    EMPTY = "no recipe is under way"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "log", tooltip="the log of the selected recipe"),
        Binding("b", "again", "look again", tooltip="look at the processes, or ask the batch system, again"),
    ]

    def __init__(
        self, link: EngineLink, library: Library, alphabet: Glyphs | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self.place: WorkPlace | None = None

    def on_mount(self) -> None:
        """Look again by itself."""
        super().on_mount()
        self.set_interval(_EVERY_S, self._by_itself)

    async def read(self) -> Sequence[AtWork]:
        """Ask."""
        self.place = await self.library.at_work()
        return self.place.jobs

    def subject(self) -> tuple[Spans, Spans]:
        """Where recipes run, how many; how the engine is."""
        if self.place is None:
            return [(" At work", theme.BOLD)], []
        many: Span = (f" {counted(len(self.rows), 'recipe')} at work on {self.place.engine}", theme.BOLD)
        return [many], [(f" {self.glyphs.clean(self.place.health)}", None if self.place.well else theme.WARN)]

    def heading(self, width: int) -> str:
        """AB, who runs it, how long, what it uses."""
        return f"{'AB':<{self._room(width)}} {'where':<12}{'since':>7}{'cpu':>7}{'memory':>9}  state"

    def line_of(self, row: AtWork, width: int) -> Spans:
        """One recipe."""
        name = self.glyphs.fit_ends(row.ab.removesuffix(".ab"), self._room(width))
        since = duration(self.clock() - row.since) if row.since else ""
        memory = size_text(row.memory) if row.memory else ""
        used = f"{since:>7}{duration(row.cpu_s):>7}{memory:>9}  "
        style = theme.WARN if row.state in _STANDS else None
        reason = f": {self.glyphs.clean(row.reason)}" if row.reason else ""
        return [(f"{name} {self.glyphs.fit(row.ident, 12)}{used}", None), (f"{row.state}{reason}", style)]

    def text_of(self, row: AtWork) -> str:
        """AB, who runs it, state."""
        return f"{row.ab} {row.ident} {row.host} {row.state} {row.reason}"

    def identity(self, row: AtWork) -> object:
        """Its AB."""
        return row.ab

    def keys(self) -> list[tuple[str, str]]:
        """Look closer."""
        return [("enter", "all about it"), ("l", "log"), ("b", "look again")]

    def opened(self, row: AtWork) -> None:
        """All about it."""

        async def lines() -> list[str]:
            return [row.ab, "", work_line(row, self.clock())]

        self.app.push_screen(Page(row.ab, lines, self.link, self.glyphs, self.clock))

    def on_board_changed(self, event: BoardChanged) -> None:
        """Recipes come and go with the states of ABs."""
        self.old = self.old or bool(event.change.rows)
        super().on_board_changed(event)

    def _by_itself(self) -> None:
        if self.is_current:
            self.again()

    def _room(self, width: int) -> int:
        return max(16, min(36, width - 50))

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Look again."""
        self.again()

    def action_log(self) -> None:
        """Its log."""
        row = self.current
        if row is None:
            self.say("no recipe is selected")
        else:
            self.app.push_screen(LogView(row.ab, self.link, self.library, self.glyphs, self.clock))
