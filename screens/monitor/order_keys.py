"""What the monitor's keys order of the engine: at once, or after asking whether that is meant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.screen import Screen

from engine.board import Row
from engine.errors import DfosError
from screens.glyphs import Glyphs
from screens.links import EngineLink
from screens.monitor.monitor_frame import MonitorFrame
from screens.start import start
from screens.widgets import orders
from screens.widgets.ab_list import AbList
from screens.widgets.confirm import Confirm
from screens.widgets.orders import Sure


class OrderKeys(Screen[None]):
    """A screen whose actions are orders. Whatever the engine answers is said in the foot."""

    link: EngineLink
    list: AbList
    frame: MonitorFrame
    glyphs: Glyphs
    clock: Callable[[], float]

    def say(self, text: str) -> None:
        """One line for the operator, until the next key or the next news."""
        self.frame.say(text)

    def with_row(self, act: Callable[[Row], object]) -> None:
        """Do something about the selected AB, if there is one."""
        row = self.list.current
        if row is None:
            self.say("no AB is selected")
        else:
            act(row)

    def _send(self, verb: str, **arguments: str | int) -> None:
        start(self, self._sent, lambda: self.link.command(verb, **arguments), verb, group="orders")

    async def _sent(self, order: Callable[[], Awaitable[str]], verb: str) -> None:
        try:
            self.say(await order() or f"{verb}: ordered")
        except (DfosError, OSError, TimeoutError) as trouble:
            self.say(f"{verb} failed: {trouble}")

    def _ask(self, sure: Sure | str) -> None:
        if isinstance(sure, str):
            self.say(sure)
            return

        def answered(yes: bool | None) -> None:
            if not yes:
                self.say("nothing changed")
                return
            for verb, arguments in sure.orders:
                self._send(verb, **arguments)

        self.app.push_screen(Confirm(sure.title, sure.text, sure.do, sure.leave, self.glyphs), answered)

    # --- at once ---------------------------------------------------------------------------

    def action_order(self, verb: str) -> None:
        """Order something without asking."""
        self._send(verb)

    def action_pause(self) -> None:
        """Pause, or go on."""
        self._send("resume" if self.link.board.mode == "paused" else "pause")

    def action_streams(self, step: int) -> None:
        """One stream more or less."""
        streams = self.link.board.streams + step
        if streams < 1:
            self.say("one stream is the least; p pauses")
        else:
            self._send("streams", n=streams)

    def action_engine(self) -> None:
        """Start the engine again."""
        if self.link.alive:
            self.say("the engine answers; there is nothing to start")
        else:
            self._send("engine")

    # --- after asking ----------------------------------------------------------------------

    def action_stop(self) -> None:
        """Finish what runs, then end."""
        self._ask(orders.stop(self.link.board, tuple(self.frame.streams().values())))

    def action_abort(self) -> None:
        """Terminate the recipes."""
        self._ask(orders.abort(tuple(self.frame.streams().values()), self.clock()))

    def action_rerun(self) -> None:
        """Run again."""
        self.with_row(lambda row: self._ask(orders.rerun(row, self.link.board)))

    def action_release(self) -> None:
        """Move what is certified."""
        self._ask(orders.release(self.link.board))

    def action_ingest(self) -> None:
        """Hand over to the archive."""
        self._ask(orders.ingest(self.link.board))

    def action_override(self) -> None:
        """Run in spite of the gate."""
        self._ask(orders.override(self.link.board))
