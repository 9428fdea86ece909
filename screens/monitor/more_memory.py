"""`m`: an AB whose job was ended for its memory runs again with more: how much (a proposal to edit), then whether."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.screen import Screen

from engine.core.status import lacked_memory
from engine.errors import DfosError
from screens.ask.ask_line import AskLine
from screens.glyphs import Glyphs
from screens.links import EngineLink, Library
from screens.shown import MoreMemory
from screens.start import start
from screens.widgets import orders
from screens.widgets.confirm import Confirm
from screens.widgets.family import rerun_of


def offered(ab: str, link: EngineLink) -> str:
    """The AB that could run again with more memory: this one, or what blocks it; '' when there is none."""
    rows = link.board.rows
    roots = rerun_of(ab, rows).roots if ab in rows else ()
    return next((root for root in roots if lacked_memory(rows[root].state, rows[root].reason)), "")


@dataclass(frozen=True, slots=True)
class Asking:
    """The boxes over a screen. `tell` shows one line to the operator."""

    screen: Screen[Any]
    link: EngineLink
    library: Library
    glyphs: Glyphs
    tell: Callable[[str], object]

    def about(self, ab: str) -> None:
        """Offer it."""
        if root := offered(ab, self.link):
            start(self.screen, self._offer, root, exclusive=True, group="memory", opens=True)
        else:
            rows = self.link.board.rows
            again = "; r runs it again as it is" if ab in rows and rerun_of(ab, rows).roots else ""
            self.tell(f"{ab.removesuffix('.ab')} was not ended for its memory{again}")

    async def _offer(self, ab: str) -> None:
        try:
            found = await self.library.more_memory(ab)
        except (DfosError, OSError, TimeoutError) as trouble:
            self.tell(f"cannot tell what it needs: {trouble}")
            return
        if found is None:
            self.tell(f"{ab.removesuffix('.ab')} has run since it was ended for its memory")
            return

        def amount(said: str | None) -> None:
            if said:
                self._sure(ab, said)
            else:
                self.tell("nothing changed")

        box = AskLine("More memory", told(found), f"{found.proposed_mb / 1000:g}GB", self.glyphs)
        self.screen.app.push_screen(box, amount)

    def _sure(self, ab: str, said: str) -> None:
        row = self.link.board.rows.get(ab)
        sure = orders.rerun(row, self.link.board) if row else "it is not in this run any more"
        if isinstance(sure, str):
            self.tell(sure)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self.screen, self._order, ab, said, group="orders")
            else:
                self.tell("nothing changed")

        asks = f"It asks for {said}{'' if said[-1:].isalpha() else ' times as much'}, now and whenever it runs again."
        box = Confirm("Run again with more memory?", (*sure.text, asks), sure.do, sure.leave, self.glyphs)
        self.screen.app.push_screen(box, answered)

    async def _order(self, ab: str, said: str) -> None:
        try:
            self.tell(await self.link.command("retry", ab=ab, memory=said))
        except (DfosError, OSError, TimeoutError) as trouble:
            self.tell(f"retry failed: {trouble}")


def told(found: MoreMemory) -> list[str]:
    """What is known of it."""
    asked = f"asked for {_amount(found.asked_mb)}" if found.asked_mb else "asked for what the site gives"
    used = f" and used {_amount(found.used_mb)}" if found.used_mb else ""
    lines = [found.ab.removesuffix(".ab"), f"Its job {asked}{used} when it was ended."]
    if found.forecast_mb:
        lines.append(f"ABs of its kind need up to {_amount(found.forecast_mb)} here.")
    return [*lines, "Ask for (8GB, 500MB; 2 is twice as much):"]


def _amount(mb: float) -> str:
    return f"{mb / 1000:.3g} GB" if mb >= 1000 else f"{mb:.0f} MB"
