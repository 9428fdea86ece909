"""`t`: the cascade: which AB waits for what, and what waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine.core.sizes import counted
from engine.core.status import ENDED_WELL, STATES, said
from screens import theme
from screens.glyphs import Glyphs, width_of
from screens.links import EngineLink, Library
from screens.messages import BoardChanged
from screens.monitor.ab_detail import AbDetail
from screens.monitor.cascade_tree import NEEDED, NEEDS, Node, tree
from screens.monitor.log_view import LogView
from screens.monitor.more_memory import Asking, offered
from screens.monitor.why import WhyScreen
from screens.widgets.ab_order import shared_prefix
from screens.widgets.columns import short, told
from screens.widgets.family import rerun_of
from screens.widgets.lines import Span, Spans
from screens.widgets.list_screen import ListScreen

_DEEPEST = 8  # levels that are indented; deeper ones say their level


class CascadeScreen(ListScreen[Node]):
    """Lines of a tree. The states follow the engine; the tree is drawn anew when ABs come or go."""

    WHAT = "the cascade"
    EMPTY = "no AB is known here"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "turn_round", "turn round", tooltip="below an AB stands what it needs, or what needs it"),
        Binding("o", "only", "only this", tooltip="the selected AB and what hangs on it; again: all"),
        Binding("h", "hide", "hide done", tooltip="leave out what ended well, or show it again"),
        Binding("f", "next_failure", "next failure", tooltip="to the next failed, blocked, interrupted or stale AB"),
        Binding("w", "why", "why", tooltip="why it is not running, and what to do"),
        Binding("l", "log", "log", tooltip="the log of its recipe"),
        Binding("t", "again", "draw anew", tooltip="draw the tree again"),
    ]

    def __init__(
        self, ab: str, link: EngineLink, library: Library, alphabet: Glyphs, clock: Callable[[], float]
    ) -> None:
        super().__init__(link, library, alphabet, clock)
        self._first = ab
        self._root = ""
        self._direction = NEEDS
        self._unfinished = False
        self._prefix = ""  # of all names, left out
        self._widest = self._kinds = 10  # cells of branches with name, and of a kind

    async def read(self) -> Sequence[Node]:
        """The tree of what the board shows now."""
        rows = self.link.board.rows
        found = tree(rows, self._direction, unfinished=self._unfinished, root=self._root)
        self.EMPTY = "no AB is known here" if not rows else "all that is shown here is done; h shows it"
        self._prefix = shared_prefix(rows)
        names = (min(2 * node.depth, 2 * _DEEPEST) + width_of(self._short(node.ab)) for node in found)
        self._widest = max(names, default=0)
        self._kinds = max(7, min(16, max((width_of(row.kind) for row in rows.values()), default=0)))
        return found

    async def _read(self) -> None:
        await super()._read()
        if self._first:  # the AB that the operator came from
            wanted, self._first = self._first, ""
            at = next((at for at, i in enumerate(self.shown) if self.rows[i].ab == wanted), None)
            if at is not None:
                self.lines.go_to(at)
                self.frame()

    def subject(self) -> tuple[Spans, Spans]:
        """How much is done and what holds it up; how the tree is to be read."""
        counts: Counter[str] = self.link.board.counts
        done = sum(counts[state] for state in ENDED_WELL)
        second: list[Span] = [(f" Cascade  {done} of {self.link.board.total} done", theme.BOLD)]
        for state in ("FAILED", "BLOCKED", "INTERRUPTED", "STALE", "RUNNING", "PARENT", "SLOT", "PAUSED"):
            if counts[state]:
                bad = theme.BAD if state == "FAILED" else theme.of_state(state)
                second.append((f" {self.glyphs.dot} {counts[state]} {STATES[state].word}", bad))
        only = f"only {self._short(self._root)}; " if self._root else ""
        hidden = "; what is done is left out" if self._unfinished else ""
        return second, [(f" {only}below an AB: {self._direction}{hidden}", None)]

    def heading(self, width: int) -> str:
        """AB, kind, state."""
        return f"  {'AB':<{self._left(width)}} {'kind':<{self._kinds}} state"

    def line_of(self, row: Node, width: int) -> Spans:
        """Branches, AB, kind, state with its reason."""
        left = self._left(width)
        branch = self._branch(row)
        if row.hidden:
            return [(f"  {branch}{counted(row.hidden, 'AB')} done", theme.DIM)]
        found = self.link.board.rows.get(row.ab)
        name = self.glyphs.fit(branch + self._short(row.ab), left)
        if found is None:
            return [(f"? {name} ", None), ("in no pool that is shown here", theme.WARN)]
        style = theme.of_state(found.state)
        words = (
            "(see above)"
            if row.again
            else self.glyphs.clean(said(STATES[found.state].word, told(found.reason, self._prefix)))
        )
        room = max(0, width - left - self._kinds - 4)
        return [
            (f"{self.glyphs.state(found.state)} ", style),
            (f"{name} {self.glyphs.fit(found.kind, self._kinds)} ", None),
            (self.glyphs.fit(words, room).rstrip(), theme.DIM if row.again else style),
        ]

    def _branch(self, node: Node) -> str:
        if not node.depth:
            return ""
        if node.depth > _DEEPEST:
            return f"{'  ' * (_DEEPEST - 1)}{node.depth}: "
        corner = ("`-" if node.last else "|-") if self.glyphs.ascii else ("└ " if node.last else "├ ")
        rail = "| " if self.glyphs.ascii else "│ "
        return "".join(rail if node.rails >> level & 1 else "  " for level in range(node.depth - 1)) + corner

    def _left(self, width: int) -> int:
        """Cells for branches and name: what they take, as far as the state keeps a third of the line."""
        return max(12, min(self._widest, 44, width - self._kinds - 4 - width // 3))

    def _short(self, ab: str) -> str:
        """An AB's name as the monitor calls it: without what all share, and the suffix."""
        return short(ab, self._prefix)

    def text_of(self, row: Node) -> str:
        """Name, kind, state, reason."""
        found = self.link.board.rows.get(row.ab)
        if found is None:
            return row.ab
        return f"{row.ab} {found.kind} {found.target} {found.state} {STATES[found.state].word} {found.reason}"

    def identity(self, row: Node) -> object:
        """The AB at its place."""
        return row.ab, row.under, row.hidden > 0

    def keys(self) -> list[tuple[str, str]]:
        """Look."""
        return [("enter", "open"), ("d", "turn round"), ("o", "only this"), ("h", "hide done"), ("w", "why")]

    def opened(self, row: Node) -> None:
        """All about it."""
        if row.ab in self.link.board.rows:
            self.app.push_screen(AbDetail(row.ab, *self._given()))

    def _given(self) -> tuple[EngineLink, Library, Glyphs, Callable[[], float]]:
        return self.link, self.library, self.glyphs, self.clock

    # --- what the engine says --------------------------------------------------------------

    def on_board_changed(self, event: BoardChanged) -> None:
        """States are drawn as they are; a new tree when ABs came or went."""
        super().on_board_changed(event)
        if event.change.fresh:
            self.again()
        elif event.change.rows:
            self.lines.redraw()

    # --- keys ------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Draw anew."""
        self.again()

    def action_turn_round(self) -> None:
        """The other way."""
        self._keep()
        self._direction = NEEDED if self._direction == NEEDS else NEEDS
        self.say(f"below an AB: {self._direction}")
        self.again()

    def action_hide(self) -> None:
        """Finished ones away, or back."""
        self._keep()
        self._unfinished = not self._unfinished
        self.again()

    def action_only(self) -> None:
        """One AB, or all."""
        self._keep()
        row = self.current
        self._root = "" if self._root or row is None or row.outside else row.ab
        self.again()

    def _keep(self) -> None:
        """The cursor stays with its AB, wherever it stands in the next tree."""
        row = self.current
        self._first = row.ab if row is not None else ""

    def action_next_failure(self) -> None:
        """To the next failure."""
        rows = self.link.board.rows
        bad = ("FAILED", "BLOCKED", "INTERRUPTED", "STALE")
        self.to_next(lambda node: node.ab in rows and rows[node.ab].state in bad and not node.hidden, "no failure")

    def action_why(self) -> None:
        """Why it is not running."""
        row = self.current
        if row is not None and not row.hidden:
            again = bool(rerun_of(row.ab, self.link.board.rows).roots) if row.ab in self.link.board.rows else False
            more = bool(offered(row.ab, self.link))
            self.app.push_screen(WhyScreen(row.ab, self.library, self.glyphs, again=again, more=more), self._after_why)

    def _after_why(self, wish: str | None) -> None:
        row = self.current
        if wish == "log":
            self.action_log()
        elif wish == "retry" and row is not None:
            self.order("retry", ab=row.ab)
        elif wish == "memory" and row is not None:
            Asking(self, self.link, self.library, self.glyphs, self.say).about(row.ab)

    def action_log(self) -> None:
        """Its log."""
        row = self.current
        if row is not None and row.ab in self.link.board.rows:
            self.app.push_screen(LogView(row.ab, *self._given()))
