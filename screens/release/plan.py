"""`M`: what a move will do, line by line, before anything moves; `x` carries out exactly this plan."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted, size_text
from engine.errors import DfosError
from engine.events import RunEnded
from screens import theme
from screens.ask.ask_line import AskLine
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.messages import BoardChanged, OpenCertify
from screens.page import Page
from screens.release.released import Plan, PlanLine
from screens.start import start
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen
from screens.widgets.orders import Sure

CONFLICT, VERDICT, MOVE, DELETE, WITHHELD = "CONFLICT", "verdict?", "move", "delete", "withheld"
_STYLES = {
    CONFLICT: theme.BAD,
    VERDICT: theme.ASK,
    DELETE: theme.WARN,
    "retire": theme.WARN,
    "unknown": theme.WARN,
    "warning": theme.WARN,
    WITHHELD: theme.WARN,
}
_WORDS = {"stays": "ABs stay", "AB": "ABs", "log": "logs", "plot": "plots", "page": "pages", "note": "notes"}
_ONE = {"stays": "AB stays"}
_SAID = (CONFLICT, "unknown", "warning", "note")  # sentences: they have the whole line
_FATE = 9  # cells of the longest fate and a blank
_SIZE = 9


class PlanScreen(ListScreen[PlanLine]):
    """The plan of one MODE and DATE: fate, from, to; conflicts first."""

    WHAT = "the plan"
    EMPTY = "nothing to move"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "execute", "execute", tooltip="carry out exactly this plan (asks); refused if anything changed"),
        Binding("s", "save", "save", tooltip="keep the plan in a file, for moveProducts --plan"),
        Binding("K", "held", "keep, recreate", tooltip="what becomes of files that stand in the final place already"),
        Binding("f", "next_conflict", "next conflict", tooltip="to the next line that is in the way"),
        Binding("C", "certify", "certify", tooltip="judge what has no verdict yet"),
        Binding("M", "again", "plan again", tooltip="look at the tree again"),
    ]

    def __init__(
        self,
        mode: str,
        date: str,
        link: EngineLink,
        library: Library,
        alphabet: Glyphs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self.mode = mode
        self.date = date
        self.plan: Plan | None = None
        self._recreate = False
        self._raw_types = ""
        self._counts: Counter[str] = Counter()
        self._moving = False

    async def read(self) -> Sequence[PlanLine]:
        """The plan, made now."""
        plan = await self.library.plan(self.mode, self.date, self._recreate)
        self.plan = plan
        self._counts = Counter(line.fate for line in plan.lines)
        groups = Counter(line.group for line in plan.lines if line.group)
        none = [name for name, _ in plan.raw_types if name not in groups]
        found = [f"{name} {count}" for name, count in groups.items()]
        self._raw_types = ", ".join(found + ([f"none of {', '.join(none)}"] if none else []))
        return plan.lines

    # --- how it looks ----------------------------------------------------------------------

    def subject(self) -> tuple[Spans, Spans]:
        """How many, how big, where to, what is in the way; then the fates and raw types."""
        plan = self.plan
        title = f" Plan {self.mode} {self.date}"
        if plan is None:
            return [(f"{title}: being made", theme.BOLD)], []
        moves = self._counts[MOVE]
        what = f": {counted(moves, 'product')}, {size_text(plan.size)}" if moves else ": nothing to move"
        second: list[Span] = [(title, theme.BOLD), (what, None)]
        conflicts, open_ = self._counts[CONFLICT], len(plan.undecided)
        dot = f" {self.glyphs.dot} "
        if conflicts or not open_:
            second.append((f"{dot}{counted(conflicts, 'conflict')}", theme.BAD if conflicts else None))
        if open_:
            second.append((f"{dot}{open_} without verdict", theme.ASK))
        if moves:
            second.append((f" to {self.glyphs.clean(plan.place)}", None))
        others = [(fate, count) for fate, count in self._counts.items() if fate not in (CONFLICT, VERDICT, MOVE)]
        fates = [f"{count} {_WORDS.get(fate, fate) if count > 1 else _ONE.get(fate, fate)}" for fate, count in others]
        parts: list[Span] = [(" " + dot.join(fates), None)] if fates else []
        if self._raw_types:
            parts.append((f" {self.glyphs.clean(self._raw_types)}", theme.DIM))
        if plan.held and moves:
            held = "to the trash (K keeps)" if plan.recreate else "kept (K recreates)"
            parts.insert(0, (f" {counted(plan.held, 'file')}, {size_text(plan.held_size)} there: {held}", theme.WARN))
        third: list[Span] = []
        for part in parts:
            third += [(f" {self.glyphs.dot}", None), part] if third else [part]
        return second, third

    def heading(self, width: int) -> str:
        """Fate, from, to, size."""
        left, right = _widths(width)
        fit = self.glyphs.fit
        return f"{fit('fate', _FATE)}{fit('from', left)} {fit('to', right)}{'size':>{_SIZE}}"

    def line_of(self, row: PlanLine, width: int) -> Spans:
        """Both ends of long names stay readable; a conflict has the whole line."""
        fate: Span = (self.glyphs.fit(row.fate, _FATE), _STYLES.get(row.fate))
        if row.fate in _SAID:
            text = f"{row.name}: {row.to}" if row.to else row.name
            return [fate, (self.glyphs.fit_ends(text, width - _FATE), _STYLES.get(row.fate))]
        left, right = _widths(width)
        name, to = self.glyphs.fit_ends(_plain(row.name), left), self.glyphs.fit_ends(_plain(row.to), right)
        size = f"{size_text(row.size):>{_SIZE}}" if row.size else " " * _SIZE
        return [fate, (f"{name} {to}{size}", None)]

    def text_of(self, row: PlanLine) -> str:
        """Fate, names, raw type."""
        return f"{row.fate} {row.name} {row.to} {row.group}"

    def keys(self) -> list[tuple[str, str]]:
        """What can be done about this plan."""
        keys = [("f", "next conflict")] if self._counts[CONFLICT] else []
        if self.plan is not None and self.plan.undecided:
            keys.append(("C", "certify"))
        if not keys and self._counts[MOVE] and not self.old:
            keys.append(("x", "execute"))
        if self.old:
            keys.append(("M", "plan again"))
        keys += [("s", "save"), ("enter", "header")]
        if self.plan is not None and self.plan.held and self._counts[MOVE]:
            keys.append(("K", "keep, recreate"))
        return keys

    def opened(self, row: PlanLine) -> None:
        """The header of a product; the whole text of anything else."""
        if row.fate == VERDICT:
            self.post_message(OpenCertify(row.name))
            return

        async def lines() -> list[str]:
            said = [f"{row.fate}  {size_text(row.size)}" if row.size else row.fate, f"from  {row.name}"]
            said += [f"to    {row.to}"] if row.to else []
            said += [f"raw type  {row.group}"] if row.group else []
            if not row.path:
                return said
            try:
                return [*said, row.path, "", *await self.library.header(row.path)]
            except (DfosError, OSError) as trouble:
                return [*said, row.path, "", f"its header cannot be read: {trouble}"]

        self.app.push_screen(Page(row.name, lines, self.link, self.glyphs, self.clock))

    # --- what happens meanwhile --------------------------------------------------------------

    def on_board_changed(self, event: BoardChanged) -> None:
        """A plan of a tree that has changed since says so."""
        touched = event.change.rows
        rows = self.link.board.rows
        since = self.plan is not None and self.link.board.seen_at > self.plan.made  # both by the engine's clock
        if since and any((rows[ab].mode, rows[ab].date) == (self.mode, self.date) for ab in touched if ab in rows):
            self.old = True
        super().on_board_changed(event)

    def run_ended(self, ended: RunEnded) -> None:
        """The move has ended: say how, and plan anew."""
        if self._moving:
            self._moving = False
            self.say(ended.text)
            self.again()

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Plan anew."""
        self.say("the plan is made anew")
        self.again()

    def action_held(self) -> None:
        """The other way to treat what stands there already."""
        if self.plan is None or not self.plan.held:
            self.say("the final place holds nothing of this date yet; there is nothing to keep or recreate")
            return
        self._recreate = not self._recreate
        self.say("recreate: what stands there goes to the trash" if self._recreate else "keep: new ones join it")
        self.again()

    def action_next_conflict(self) -> None:
        """To the next conflict."""
        self.to_next(lambda line: line.fate == CONFLICT, "no conflict")

    def action_certify(self) -> None:
        """Judge what waits."""
        if self.plan is not None and self.plan.undecided:
            self.post_message(OpenCertify(self.plan.undecided[0]))
        else:
            self.say("everything here has its verdict")

    def action_execute(self) -> None:
        """Carry out this plan, after asking."""
        why = self._why_not()
        if why or self.plan is None:
            self.say(why)
        else:
            self.ask(self._sure(self.plan))

    def _why_not(self) -> str:
        plan = self.plan
        if plan is None:
            return "the plan is still being made"
        if self._counts[CONFLICT]:
            return f"{counted(self._counts[CONFLICT], 'conflict')} first: put right what is in the way, then M"
        if plan.undecided:
            return f"{counted(len(plan.undecided), 'AB')} without a verdict: C certifies; nothing moves before"
        if self.old:
            return "things have happened since this plan was made; M plans again"
        return "" if self._counts[MOVE] or self._counts[DELETE] else "nothing to move"

    def _sure(self, plan: Plan) -> Sure:
        gone = [line for line in plan.lines if line.fate in (DELETE, "retire")]
        text = [f"{counted(self._counts[MOVE], 'product')}, {size_text(plan.size)}, to {plan.place}."]
        if gone:
            size = size_text(sum(line.size for line in gone))
            text.append(f"{counted(len(gone), 'file')}, {size}, to the trash: T brings them back.")
        if plan.recreate:
            text.append(f"Recreate: {counted(plan.held, 'file')} that stand there now go to the trash as well.")
        if self._counts[WITHHELD]:
            text.append(f"{self._counts[WITHHELD]} withheld stay where they are.")
        text.append("One journalled step: cut anywhere, it is finished later to the same tree.")
        order: dict[str, str | int] = {
            "mode": plan.mode,
            "date": plan.date,
            "digest": plan.digest,
            "recreate": int(plan.recreate),
        }
        title, do = f"Move {plan.mode} {plan.date}?", f"Move {counted(self._counts[MOVE], 'product')}"
        return Sure(title, tuple(text), do, "Not now", (("move", order),))

    def order(self, verb: str, **arguments: str | int) -> None:
        """The move goes its way; its end is told by the engine."""
        self._moving = True
        super().order(verb, **arguments)

    def ordered(self) -> None:
        """The plan is made anew when the move has ended, not before."""

    # --- saving ----------------------------------------------------------------------------

    def action_save(self) -> None:
        """Ask for the file, then keep the plan in it."""
        plan = self.plan
        if plan is None:
            self.say("the plan is still being made")
            return

        def named(path: str | None) -> None:
            if path:
                start(self, self.told, lambda: self.library.save_plan(plan, path), "save", group="orders")
            else:
                self.say("nothing was saved")

        text = (
            "A file that is not there yet.",
            "moveProducts --plan FILE carries it out, if nothing has changed.",
        )
        proposal = f"plan_{plan.mode}_{plan.date}.json"
        self.app.push_screen(AskLine("Keep the plan in", text, proposal, self.glyphs), named)


def _widths(width: int) -> tuple[int, int]:
    """Cells for where it comes from and where it goes."""
    room = width - _FATE - 1 - _SIZE
    return room - room // 2, room // 2


def _plain(name: str) -> str:
    return name.removesuffix(".fits")
