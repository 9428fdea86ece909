"""`R`: what was made, moved, renamed, undone; and what was cut: how far it is, what finishing it will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted
from screens import theme
from screens.messages import BoardChanged
from screens.page import Page
from screens.release.released import Run
from screens.release.undo import UndoScreen
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen
from screens.widgets.orders import Sure


class RecoveryScreen(ListScreen[Run]):
    """The runs of the journal: those that were cut first, then the newest."""

    WHAT = "the journal"
    EMPTY = "nothing was made or moved yet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "recover", "recover", tooltip="finish the selected run that was cut (asks)"),
        Binding(
            "u", "undo", "undo", tooltip="what undoing the last run of this MODE and DATE would do; x in it does it"
        ),
        Binding("R", "again", "look again", tooltip="read the journal again"),
    ]

    async def read(self) -> Sequence[Run]:
        """The journal."""
        return await self.library.runs()

    def subject(self) -> tuple[Spans, Spans]:
        """Is everything whole; if not, what is open."""
        if not self.read_at:
            return [(" Runs", theme.BOLD)], []
        cut = [run for run in self.rows if not run.sealed and not run.busy]
        busy = [run for run in self.rows if run.busy]
        if cut:
            what = f" {counted(len(cut), 'run')} cut half-way: enter shows it, r finishes it, esc leaves it"
            return [(what, theme.BAD)], [(" nothing else happens to this MODE and DATE before", None)]
        second: list[Span] = [(" Nothing was cut", theme.GOOD), (f" {self.glyphs.dot} {len(self.rows)} runs", None)]
        if busy:
            second.append((f" {self.glyphs.dot} {len(busy)} under way", theme.WORK))
        run = self.current
        return second, [(f" {self.glyphs.clean(run.summary)}", None)] if run is not None else []

    def heading(self, width: int) -> str:
        """Which, what, how far, when, who."""
        return f"{'run':<15}{'mode':<8}{'date':<11}{'steps':>8}  {'begun (UT)':<17}{'state':<10}who"

    def line_of(self, row: Run, width: int) -> Spans:
        """One run."""
        label = self.glyphs.fit(f"{row.kind}-{row.number:06d}", 14)
        steps = f"{row.done:,}/{row.of:,}" if not row.sealed else f"{row.of:,}"
        state, style = ("done", None) if row.sealed else ("CUT", theme.BAD)
        if row.busy:
            state, style = "under way", theme.WORK
        head = f"{label} {self.glyphs.fit(row.mode, 7)} {self.glyphs.fit(row.date, 10)} {steps:>8}  "
        begun = row.begun[:16].replace("T", " ")
        return [(f"{head}{begun:<17}", None), (f"{state:<10}", style), (self.glyphs.clean(row.who), None)]

    def text_of(self, row: Run) -> str:
        """All of it."""
        state = "done" if row.sealed else "cut"
        return f"{row.kind}-{row.number:06d} {row.mode} {row.date} {row.who} {row.begun} {row.summary} {state}"

    def identity(self, row: Run) -> object:
        """Its number."""
        return row.number

    def keys(self) -> list[tuple[str, str]]:
        """What can be done about the selected run."""
        run = self.current
        keys = [("enter", "steps")] if run is not None else []
        if run is not None and not run.sealed and not run.busy:
            keys.append(("r", "recover"))
        elif run is not None and run.sealed:
            keys.append(("u", "undo"))
        return [*keys, ("R", "look again")]

    def opened(self, row: Run) -> None:
        """A run that was cut: what finishing it does, and the way to do it. Any other: its steps."""
        if not row.sealed and not row.busy:
            self.ask(recover_sure(row))
            return

        async def lines() -> list[str]:
            head = [row.summary, f"by {row.who}, begun {row.begun} UT, {f'done {row.sealed} UT' if row.sealed else ''}"]
            return [*head, "", *await self.library.run_steps(row.number)]

        title = f"{row.kind}-{row.number:06d}  {row.mode} {row.date}  {counted(row.of, 'step')}"
        self.app.push_screen(Page(title, lines, self.link, self.glyphs, self.clock))

    def on_board_changed(self, event: BoardChanged) -> None:
        """While something runs the journal goes on."""
        self.old = self.old or self.link.board.ended is None
        super().on_board_changed(event)

    def action_again(self) -> None:
        """Read again."""
        self.again()

    def action_undo(self) -> None:
        """Look at what undoing would do."""
        run = self.current
        if run is None:
            self.say("nothing was moved yet")
        elif not run.sealed:
            self.say("it is open: what was cut is finished first (r), then it can be undone")
        else:
            keep = run.kind != "create"
            screen = UndoScreen(run.mode, run.date, self.link, self.library, self.glyphs, self.clock, keep_created=keep)
            self.app.push_screen(screen)

    def action_recover(self) -> None:
        """Finish what was cut."""
        run = self.current
        if run is None or run.sealed:
            self.say("this run is whole; there is nothing to recover" if run else "nothing was moved yet")
        elif run.busy:
            self.say("it is under way right now; wait for its end")
        else:
            self.ask(recover_sure(run))


def recover_sure(run: Run) -> Sure:
    """Finish a run that was cut."""
    text = (*run.words, "Nothing is done twice, nothing is overwritten; a second cut is recovered the same way.")
    order: tuple[str, dict[str, str | int]] = ("recover", {"mode": run.mode, "date": run.date})
    return Sure(f"Finish {run.kind}-{run.number:06d}?", text, "Finish it", "Leave everything as it is", (order,))
