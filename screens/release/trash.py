"""`T`: what is in the trash, by transaction: how much, why, until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from engine.events import RunEnded
from screens import theme
from screens.ask.ask_line import AskLine
from screens.page import Page
from screens.release.released import Thrown
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen
from screens.widgets.orders import Order, Sure

WIDE = 96  # columns from which the day is shown too


class TrashScreen(ListScreen[Thrown]):
    """One line per transaction, the oldest first."""

    WHAT = "the trash"
    EMPTY = "the trash is empty"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "u", "restore", "undo, bring back", tooltip="all of the selected line goes back to where it was (asks)"
        ),
        Binding("D", "delete", "delete", tooltip="delete for good (asks; before it expires, its name must be typed)"),
        Binding("f", "next_expired", "next expired", tooltip="to the next line whose last day is past"),
        Binding("T", "again", "look again", tooltip="look into the trash again"),
    ]

    async def read(self) -> Sequence[Thrown]:
        """The trash."""
        return await self.library.trash()

    def subject(self) -> tuple[Spans, Spans]:
        """How much there is, how much of it may go."""
        if not self.read_at:
            return [(" Trash", theme.BOLD)], []
        files, size = sum(row.files for row in self.rows), sum(row.size for row in self.rows)
        second: list[Span] = [
            (f" Trash: {counted(files, 'file')}, {size_text(size)}" if files else " Trash: empty", None)
        ]
        gone = [row for row in self.rows if row.expired]
        if gone:
            what = f"{sum(row.files for row in gone)} expired, {size_text(sum(row.size for row in gone))}"
            second.append((f" {self.glyphs.dot} {what}", theme.WARN))
        row = self.current
        return second, [(f" {self.glyphs.clean(row.why)}", None)] if row is not None else []

    def heading(self, width: int) -> str:
        """What, how much, until when, why."""
        on = f"{'on':<11}" if width >= WIDE else ""
        return f"{'by':<19}{'files':>7}{'size':>10}  {on}{'kept until':<19}why"

    def line_of(self, row: Thrown, width: int) -> Spans:
        """One transaction."""
        head = f"{self.glyphs.fit_ends(row.label, 18)} {row.files:>7,}{size_text(row.size):>10}  "
        head += f"{row.day:<11}" if width >= WIDE else ""
        until: Span = (
            f"{row.until or '-':<11}{'expired' if row.expired else '':<8}",
            theme.WARN if row.expired else None,
        )
        return [(head, None), until, (self.glyphs.clean(row.why), None)]

    def text_of(self, row: Thrown) -> str:
        """All of it."""
        return f"{row.label} {row.day} {row.until} {row.why} {row.who} {'expired' if row.expired else ''}"

    def identity(self, row: Thrown) -> object:
        """Its transaction."""
        return row.day, row.label

    def keys(self) -> list[tuple[str, str]]:
        """Look into it."""
        return [("enter", "files"), ("u", "bring back"), ("D", "delete"), ("T", "look again")]

    def opened(self, row: Thrown) -> None:
        """Its files."""

        async def lines() -> list[str]:
            return await self.library.thrown_files(row)

        title = (
            f"{row.label}  {counted(row.files, 'file')}, {size_text(row.size)}, kept until {row.until or 'taken away'}"
        )
        self.app.push_screen(Page(title, lines, self.link, self.glyphs, self.clock))

    def action_restore(self) -> None:
        """Bring it back."""
        row = self.current
        if row is None:
            self.say("the trash is empty")
            return
        text = (
            f"{_much(row)} of {row.mode} {row.date} go back to where they were.",
            "What stands under an old name by now is not touched: that file stays in the trash, and is named.",
        )
        self.ask(Sure(f"Bring back {row.label}?", text, "Bring it back", "Leave it", (_order("restore", row),)))

    def action_delete(self) -> None:
        """Delete it for good; what has not expired wants its name typed first."""
        row = self.current
        if row is None:
            self.say("the trash is empty")
        elif row.expired:
            self.ask(_delete(row))
        else:
            text = (
                f"It is kept until {row.until or 'nobody knows when'}. To delete it before, type its name:",
                row.label,
            )
            self.app.push_screen(
                AskLine("Delete before its time?", text, "", self.glyphs), lambda said: self._typed_name(row, said)
            )

    def _typed_name(self, row: Thrown, said: str | None) -> None:
        if said == row.label:
            self.ask(_delete(row))
        else:
            self.say("nothing changed" if not said else f"'{said}' is not its name; nothing changed")

    def action_next_expired(self) -> None:
        """To the next that has expired."""
        self.to_next(lambda row: row.expired, "nothing has expired")

    def ordered(self) -> None:
        """The trash is looked at again when the order has ended."""

    def run_ended(self, ended: RunEnded) -> None:
        """Say how it ended."""
        self.say(ended.text)
        self.again()

    def action_again(self) -> None:
        """Look again."""
        self.again()


def _delete(row: Thrown) -> Sure:
    text = (
        f"{_much(row)} of {row.mode} {row.date} are gone for good.",
        f"{row.label} can never be undone after that.",
    )
    return Sure(f"Delete {row.label} from the trash?", text, "Delete for good", "Leave it", (_order("expunge", row),))


def _much(row: Thrown) -> str:
    return f"{counted(row.files, 'file')}, {size_text(row.size)},"


def _order(verb: str, row: Thrown) -> Order:
    return verb, {"mode": row.mode, "date": row.date, "label": row.label}
