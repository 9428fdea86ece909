"""`v`: the QC of one AB: every score with its limits and its history, the QCFLAG, what was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.core.score import GREEN, RED
from engine.core.sizes import counted
from screens import theme
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.page import Page
from screens.shown import QcPanel, ScoreLine
from screens.widgets.line_list import LineList
from screens.widgets.lines import LineBlock, Span, Spans
from screens.widgets.list_screen import ListScreen
from screens.widgets.plot import plot_lines

PLOT = 7  # lines of the plot
_WORDS = {GREEN: "ok", RED: "RED"}


class QcScreen(ListScreen[ScoreLine]):
    """A line per score; below, the history of the one under the cursor between its limits."""

    DEFAULT_CSS = f"""
    QcScreen > #qc-plot {{ height: {PLOT + 1}; }}
    """
    WHAT = "the QC"
    EMPTY = "no score"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "next_red", "next red", tooltip="to the next score that is red"),
        Binding("b", "flag", "QCFLAG", tooltip="the score bits, one by one, and the files that QC made"),
        Binding("v", "again", "look again", tooltip="read the scores again"),
    ]

    def __init__(
        self, ab: str, link: EngineLink, library: Library, alphabet: Glyphs, clock: Callable[[], float]
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self._panel = QcPanel(ab, "")
        self._plot = LineBlock(self.glyphs, id="qc-plot")

    def compose(self) -> ComposeResult:
        """The plot stands between the lines and the keys."""
        for widget in super().compose():
            if widget.id == "list-hint":
                yield self._plot
            yield widget

    async def read(self) -> Sequence[ScoreLine]:
        """Scores, limits, history."""
        self._panel = await self.library.qc(self._panel.ab)
        self.call_after_refresh(self._draw)
        return self._panel.scores

    def subject(self) -> tuple[Spans, Spans]:
        """Is it good? What it is, and its QCFLAG."""
        panel = self._panel
        name = self.glyphs.clean(panel.ab.removesuffix(".ab"))
        second: list[Span] = [(f" QC  {name}  ", theme.BOLD)]
        marks = Counter(score.mark for score in panel.scores)
        if marks[RED]:
            second.append((f"{counted(marks[RED], 'score')} RED", theme.BAD))
        elif marks[GREEN]:
            second.append((f"all {marks[GREEN]} scored are ok", theme.GOOD))
        rest = len(panel.scores) - marks[GREEN] - marks[RED]
        second.append(
            (f"{f', {rest} not scored' if panel.scores else 'not scored'}" if rest or not panel.scores else "", None)
        )
        if panel.note:
            return second, [(f" {self.glyphs.clean(panel.note)}", theme.WARN)]
        flag = f"   QCFLAG {panel.flag}" if panel.flag else ""
        return second, [(f" {self.glyphs.clean(panel.about)}{flag}", None)]

    def heading(self, width: int) -> str:
        """Parameter, value, limits, mark."""
        name, value, limits = _widths(width)
        return f"{'parameter':<{name}} {'value':<{value}} {'limits':<{limits}} score"

    def line_of(self, row: ScoreLine, width: int) -> Spans:
        """One score."""
        name, value, limits = _widths(width)
        fit = self.glyphs.fit
        word = _WORDS.get(row.mark, "not scored")
        style = theme.BAD if row.mark == RED else theme.GOOD if row.mark == GREEN else theme.DIM
        about = f"{fit(row.name, name)} {fit(row.text, value)} {fit(row.limits, limits)} "
        remark = f"  {self.glyphs.clean(row.remark)}" if row.remark else ""
        return [(about, None), (word, style), (remark, None)]

    def text_of(self, row: ScoreLine) -> str:
        """All of it."""
        return f"{row.name} {row.text} {row.limits} {_WORDS.get(row.mark, 'not scored')} {row.remark}"

    def identity(self, row: ScoreLine) -> object:
        """Its parameter."""
        return row.name

    def keys(self) -> list[tuple[str, str]]:
        """Look."""
        return [("enter", "history"), ("f", "next red"), ("b", "QCFLAG and files"), ("v", "look again")]

    def opened(self, row: ScoreLine) -> None:
        """Every value of its history."""

        async def lines() -> list[str]:
            head = [f"{row.name}  {row.text}", f"limits  {row.limits or 'none'}", row.remark, ""]
            old = [f"MJD {mjd:14.5f}   {value:.6g}" for mjd, value in reversed(row.points)]
            return [*head, *(old or ["no history yet"])]

        self.app.push_screen(Page(f"{row.name} of {self._panel.ab}", lines, self.link, self.glyphs, self.clock))

    # --- the plot --------------------------------------------------------------------------

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """The plot follows the cursor."""
        super().on_line_list_moved(event)
        self._draw()

    def _draw(self) -> None:
        row = self.current
        width = self.size.width
        if row is None or not width:
            self._plot.say([])
            return
        title: Spans = [
            (f" {self.glyphs.clean(row.name)}", theme.BOLD),
            (f"{self.glyphs.clean(_drawn(row))}  {_history(row)}", theme.DIM),
        ]
        lines = plot_lines(row.points, row.value, row.low, row.high, width, PLOT, self.glyphs)
        self._plot.say([title, *lines])

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Read again."""
        self.again()

    def action_next_red(self) -> None:
        """To the next red one."""
        self.to_next(lambda row: row.mark == RED, "no score is red")

    def action_flag(self) -> None:
        """The bits and the files."""
        panel = self._panel

        async def lines() -> list[str]:
            bits = [f"QCFLAG  {panel.flag or 'none'}", *(f"  {bit}" for bit in panel.bits)]
            return [*bits, "", "files", *(_listed(panel.files) or ["  none"])]

        self.app.push_screen(Page(f"QCFLAG of {panel.ab}", lines, self.link, self.glyphs, self.clock))


def _listed(paths: Sequence[str]) -> list[str]:
    """Files by directory: the ends of their names are what tells them apart."""
    lines: list[str] = []
    for place in dict.fromkeys(path.rpartition("/")[0] for path in paths):
        names = [path.rpartition("/")[2] for path in paths if path.rpartition("/")[0] == place]
        lines += [*([f"  {place}/"] if place else []), *(f"    {name}" for name in names)]
    return lines


def _drawn(row: ScoreLine) -> str:
    """What is drawn, where that is another quantity than the line shows."""
    if not row.param or row.param == row.name or row.value is None:
        return ""
    return f"  drawn: {row.param} = {row.value:.6g}"


def _history(row: ScoreLine) -> str:
    if not row.points:
        return "no history yet; X is this AB"
    return f"{counted(len(row.points), 'earlier value')}; X is this AB"


def _widths(width: int) -> tuple[int, int, int]:
    """Cells for parameter, value and limits."""
    room = max(30, width - 2 - 3 - 11)
    name = min(24, room * 30 // 100)
    limits = min(30, room * 35 // 100)
    return name, room - name - limits, limits
