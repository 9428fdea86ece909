"""`J`: what waits in JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT and JOBS_AUTO: run a job, take it out, look into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from screens import theme
from screens.messages import BoardChanged
from screens.page import Page
from screens.queue.at_work import AtWorkScreen
from screens.queue.job_words import call_line, file_line, remove_sure, run_sure, states_words
from screens.queue.orders import OrdersScreen
from screens.queue.queued import Job
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen

_BAD = ("FAILED", "PARKED", "DUPLICATE", "MISSING")


class JobsScreen(ListScreen[Job]):
    """The jobs in the order of their files."""

    WHAT = "the jobs"
    EMPTY = "no job waits"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run", "run", tooltip="carry out the selected job now (asks); what is done already stays done"),
        Binding("D", "remove", "take out", tooltip="take the selected job out of its file (asks)"),
        Binding("f", "next_failure", "next failure", tooltip="to the next job of which something failed"),
        Binding("o", "orders", "orders", tooltip="the engine's queue: what runs, waits, is parked, and how it ended"),
        Binding(
            "b", "at_work", "at work", tooltip="where recipes run: processes of this host, or jobs of the batch system"
        ),
        Binding("J", "again", "look again", tooltip="read the files again"),
    ]

    async def read(self) -> Sequence[Job]:
        """All four files."""
        return await self.library.jobs()

    def subject(self) -> tuple[Spans, Spans]:
        """How many wait, how many went wrong; what the files hold."""
        if not self.read_at:
            return [(" Jobs", theme.BOLD)], []
        known = [job for job in self.rows if job.mode]
        bad = [job for job in known if _failed(job)]
        strange = len(self.rows) - len(known)
        dot = f" {self.glyphs.dot} "
        second: list[Span] = [(f" {counted(len(known), 'job')} waiting" if known else " No job waits", theme.BOLD)]
        second.append((f"{dot}{len(bad)} with failures" if bad else "", theme.BAD))
        second.append((f"{dot}{counted(strange, 'line')} not understood" if strange else "", theme.WARN))
        total = sum(job.size for job in known)
        files, abs_ = (
            sum(count for job in known for _, count in job.states if bool(job.name) is named) for named in (False, True)
        )
        parts = [f"{counted(files, 'file')}, {size_text(total)}"] if files else []
        parts += [f"{counted(abs_, 'AB')} in job files"] if abs_ else []
        third = f" {dot.join(parts)}"
        job = self.current
        if job is not None and job.mode and job.why:
            return second, [(f" {job.date}: {self.glyphs.clean(job.why)}", theme.BAD)]
        return second, [(third, None)]

    def heading(self, width: int) -> str:
        """Which tool on what, how far."""
        return f"{'job':<25}{'files/ABs':>9}{'size':>9}  state"

    def line_of(self, row: Job, width: int) -> Spans:
        """Tool, MODE and DATE; files, bytes; how far, why not."""
        if not row.mode:
            why = f" ({row.why})" if row.why else ""
            return [(f"{row.queue}: not understood: {self.glyphs.clean(row.line + why)}", theme.WARN)]
        tool, part = _tool_of(row)
        named = self.glyphs.fit(f"{tool} {row.mode} {row.date}", 25)
        files = sum(count for _, count in row.states)
        about: Span = (f"{named}{files or '-':>9}{size_text(row.size) if row.size else '':>9}  ", None)
        why = "".join(f"  {self.glyphs.clean(text)}" for text in (part, row.why) if text)
        return [about, (states_words(row), theme.BAD if _failed(row) else None), (why, None)]

    def text_of(self, row: Job) -> str:
        """The line and what became of it."""
        return f"{row.queue} {row.line} {row.states} {row.why}"

    def identity(self, row: Job) -> object:
        """The line in its file."""
        return row.queue, row.line

    def keys(self) -> list[tuple[str, str]]:
        """Run, take out, look into."""
        job = self.current
        if job is None:
            return [("o", "orders"), ("b", "at work"), ("J", "look again")]
        if not job.mode:
            return [("enter", "the line"), ("o", "orders"), ("b", "at work"), ("J", "look again")]
        what = "ABs" if job.name else "files"
        return [("enter", what), ("r", "run"), ("D", "take out"), ("o", "orders"), ("b", "at work")]

    def opened(self, row: Job) -> None:
        """Its files, the failed ones first; then its log."""

        async def lines() -> list[str]:
            head = [f"{row.queue}: {row.line}"]
            if not row.mode:
                return [
                    *head,
                    *([row.why] if row.why else []),
                    "",
                    "this line stays as it is: correct the file by hand",
                ]
            if row.name:
                calls = [call_line(call) for call in await self.library.job_calls(row)]
                return [*head, states_words(row), *([row.why] if row.why else []), "", *calls]
            files = await self.library.job_files(row)
            log = await self.library.job_log(row)
            about = [file_line(file) for file in files] or ["not begun yet"]
            return [*head, "", *about, *(["", "its log:", *log] if log else [])]

        self.app.push_screen(Page(row.line, lines, self.link, self.glyphs, self.clock, file_style))

    def on_board_changed(self, event: BoardChanged) -> None:
        """While jobs are carried out the picture grows old."""
        board = self.link.board
        self.old = self.old or (board.ended is None and board.phase in ("ingest", "export", "move", "process"))
        super().on_board_changed(event)

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Read again."""
        self.again()

    def action_next_failure(self) -> None:
        """To the next job with failures."""
        self.to_next(_failed, "nothing failed")

    def action_orders(self) -> None:
        """The engine's queue."""
        self.app.push_screen(OrdersScreen(self.link, self.library, self.glyphs, self.clock))

    def action_at_work(self) -> None:
        """Where recipes run."""
        self.app.push_screen(AtWorkScreen(self.link, self.library, self.glyphs, self.clock))

    def action_run(self) -> None:
        """Carry it out."""
        job = self._known()
        if job is not None:
            self.ask(run_sure(job))

    def action_remove(self) -> None:
        """Take it out."""
        job = self._known()
        if job is not None:
            self.ask(remove_sure(job))

    def _known(self) -> Job | None:
        job = self.current
        if job is None:
            self.say("no job is selected")
        elif not job.mode:
            self.say("nobody knows this line; correct the file by hand")
        else:
            return job
        return None


def _tool_of(job: Job) -> tuple[str, str]:
    """The tool of a job, and of a job file the AB its sub-cascade begins with."""
    if not job.name:
        return job.line.split()[0].removesuffix("Products"), ""
    tool, named, part = job.name.partition(f"_{job.mode}_{job.date}")
    if not named:  # a call, or a file that somebody has named
        tool, _, part = job.name.partition(" -a ")
    return tool, part.removeprefix("_")


def _failed(job: Job) -> bool:
    return any(state in _BAD for state, _ in job.states)


def file_style(line: str) -> Style | None:
    """What failed stands out."""
    return theme.BAD if line.strip().startswith(_BAD) else None
