"""`e`: the forecast: what processing will take, before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from screens import theme
from screens.glyphs import Glyphs, duration, moment, span, wrapped
from screens.links import EngineLink, Library
from screens.shown import Forecast, KindForecast, TargetForecast
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen
from screens.widgets.orders import Sure

_NOTES = 4  # that are repeated in the question before the start
Line = str | KindForecast | TargetForecast


class ForecastScreen(ListScreen[Line]):
    """What must be known first, then a line per kind of AB and per target."""

    WHAT = "the forecast"
    EMPTY = "nothing is to be processed"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "begin", "start", tooltip="start processing the ABs that wait (asks)"),
        Binding("e", "again", "look again", tooltip="make the forecast anew"),
    ]

    def __init__(
        self,
        mode: str,
        date: str,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self._pool = (mode, date)
        self._seen: Forecast | None = None

    async def read(self) -> Sequence[Line]:
        """The forecast, made now."""
        self._seen = seen = await self.library.forecast(*self._pool)
        room = max(20, (self.size.width or 80) - 4)
        notes = [part for note in seen.notes for part in wrapped(self.glyphs.clean(note), room)]
        return [*notes, *seen.kinds, *seen.targets]

    def subject(self) -> tuple[Spans, Spans]:
        """How long, until when; memory and disk."""
        seen = self._seen
        mode, date = self._pool
        second: list[Span] = [(f" Forecast  {mode} {date}", theme.BOLD)]
        if seen is None:
            return second, []
        if not seen.todo:
            if seen.never:
                done = f", {seen.abs - seen.never} done" if seen.abs > seen.never else ""
                return [*second, (f"  nothing can start: {seen.never} of {seen.abs} ABs are held{done}", theme.BAD)], []
            why = f"all {seen.abs} ABs are done" if seen.abs else "no AB of this date is at work"
            return [*second, (f"  nothing to do, {why}", theme.GOOD)], []
        now = self.clock()
        ready = f"{span(seen.seconds)}, ready {moment(now + seen.seconds, now)}"
        second.append((f"  {seen.todo} of {seen.abs} ABs", None))
        if seen.never:
            second.append((f" ({seen.never} cannot)", theme.BAD))
        second.append((f", {ready}", None))
        return second, self._needs(seen)

    def _needs(self, seen: Forecast) -> list[Span]:
        spans: list[Span] = []
        if seen.memory_gb:
            short = bool(seen.host_gb) and seen.memory_gb > seen.host_gb
            have = f" of {_gb(seen.host_gb)}" if seen.host_gb else ""
            spans.append((f" memory {_gb(seen.memory_gb)}{have} GB", theme.BAD if short else None))
        if seen.disk_bytes:
            short = bool(seen.free_bytes) and seen.disk_bytes > seen.free_bytes
            have = f" of {size_text(seen.free_bytes)} free" if seen.free_bytes else ""
            spans.append((f"   disk {size_text(seen.disk_bytes)}{have}", theme.BAD if short else None))
        if seen.ranks_s - seen.seconds >= 60:
            spans.append((f"   rank by rank {span(seen.ranks_s)}", theme.DIM))
        return spans

    def heading(self, width: int) -> str:
        """What, how many, how long."""
        name = _name(width)
        return f"{'kind or target':<{name}}{'ABs':>6}{'streams':>9}{'each':>8}{'in all':>8}{'memory':>10}  time from"

    def line_of(self, row: Line, width: int) -> Spans:
        """A note, a kind or a target."""
        name = _name(width)
        if isinstance(row, str):
            return [(self.glyphs.fit(row, max(1, width - 2)).rstrip(), theme.WARN)]
        if isinstance(row, KindForecast):
            memory = f"{_gb(row.memory_gb)} GB" if row.memory_gb else ""
            origin = f"{counted(row.measured, 'run')} here" if row.measured else "the profile"
            text = f"{self.glyphs.fit(row.kind, name)}{row.abs:>6}{row.streams:>9}{duration(row.each_s):>8}"
            return [(f"{text}{duration(row.work_s):>8}{memory:>10}  {origin}", None)]
        memory = f"{_gb(row.memory_gb)} GB" if row.memory_gb else ""
        text = (
            f"{self.glyphs.fit(row.target or '-', name)}{row.abs:>6}{'':>9}{'':>8}{duration(row.done_s):>8}{memory:>10}"
        )
        return [(f"{text}  {counted(row.inputs, 'input')}", None)]

    def text_of(self, row: Line) -> str:
        """All of it."""
        return str(row)

    def keys(self) -> list[tuple[str, str]]:
        """Start, or look again."""
        todo = self._seen is not None and self._seen.todo
        return [*([("x", "start")] if todo else []), ("e", "look again")]

    def opened(self, row: Line) -> None:
        """A long note in full."""
        if isinstance(row, str):
            self.say(row)

    def action_again(self) -> None:
        """Anew."""
        self.again()

    def action_begin(self) -> None:
        """Start processing."""
        seen = self._seen
        if seen is None or not seen.todo:
            self.say("nothing is to be processed")
            return
        more = [f"{len(seen.notes) - _NOTES} more: see the list"] if len(seen.notes) > _NOTES else []
        text = (f"{counted(seen.todo, 'AB')}, about {span(seen.seconds)}.", *seen.notes[:_NOTES], *more)
        self.ask(Sure("Start processing?", text, "Start", "Not now", (("process", {}),)))


def _name(width: int) -> int:
    """Cells for the name."""
    return max(12, min(30, width - 2 - 41 - 14))


def _gb(amount: float) -> str:
    """Gigabytes: whole ones from ten on."""
    return f"{amount:.0f}" if amount >= 10 else f"{amount:.2g}"
