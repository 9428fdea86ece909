"""`V`: the virtual calibrations: whose each is, how old, and whether it is real by now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted
from screens import theme
from screens.glyphs import duration
from screens.page import Page
from screens.release.released import Virtual
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen

ORPHAN = "orphan"


class VcalScreen(ListScreen[Virtual]):
    """One line per entry; those that nobody makes real stand on top."""

    WHAT = "the virtual calibrations"
    EMPTY = "no virtual calibration"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "next_orphan", "next orphan", tooltip="to the next that nobody will make real"),
        Binding("V", "again", "look again", tooltip="look into the container again"),
    ]

    async def read(self) -> Sequence[Virtual]:
        """The container."""
        return sorted(await self.library.vcal(), key=lambda entry: entry.state != ORPHAN)

    def subject(self) -> tuple[Spans, Spans]:
        """How many, what became of them; what the selected one is about."""
        if not self.read_at:
            return [(" Virtual calibrations", theme.BOLD)], []
        states = Counter(entry.state for entry in self.rows)
        second: list[Span] = [(f" {counted(len(self.rows), 'virtual calibration')}", theme.BOLD)]
        if states:
            words = ", ".join(
                f"{count} {'wait' if state == 'waits' and count > 1 else state}" for state, count in states.items()
            )
            second.append((f" {self.glyphs.dot} {words}", theme.WARN if states[ORPHAN] else None))
        entry = self.current
        return second, [(f" {self.glyphs.clean(entry.meaning)}", None)] if entry is not None else []

    def heading(self, width: int) -> str:
        """Entry, AB, DATE, age, state."""
        left, right = _widths(width)
        return f"{'entry':<{left}} {'AB':<{right}} {'date':<11}{'age':>6} state"

    def line_of(self, row: Virtual, width: int) -> Spans:
        """One entry."""
        left, right = _widths(width)
        name = self.glyphs.fit_ends(row.name.removesuffix(".fits").removesuffix(".hdr"), left)
        ab = self.glyphs.fit_ends(row.ab or "no AB", right)
        text = f"{name} {ab} {row.date or '-':<11}{duration(row.age_s):>6} "
        return [(text, None), (row.state, theme.WARN if row.state == ORPHAN else None)]

    def text_of(self, row: Virtual) -> str:
        """All of it."""
        return f"{row.name} {row.ab} {row.date} {row.state} {row.meaning}"

    def identity(self, row: Virtual) -> object:
        """Its name."""
        return row.date, row.name

    def keys(self) -> list[tuple[str, str]]:
        """Look."""
        return [("enter", "all of it"), ("f", "next orphan"), ("V", "look again")]

    def opened(self, row: Virtual) -> None:
        """Everything about it."""

        async def lines() -> list[str]:
            return [
                f"AB     {row.ab or 'no AB'}",
                f"date   {row.date or 'unknown'}",
                f"age    {duration(row.age_s)}",
                f"state  {row.state}: {row.meaning}",
            ]

        self.app.push_screen(Page(row.name, lines, self.link, self.glyphs, self.clock))

    def action_again(self) -> None:
        """Look again."""
        self.again()

    def action_next_orphan(self) -> None:
        """To the next orphan."""
        self.to_next(lambda entry: entry.state == ORPHAN, "no orphan")


def _widths(width: int) -> tuple[int, int]:
    """Cells for the entry and its AB."""
    room = width - 2 - 11 - 6 - 1 - 7
    return room - room // 2, room // 2
