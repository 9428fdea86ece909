"""The Textual app: it wires link, library and screens, and pumps events. It decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from console.views.library import AccountLibrary
from engine.board import Change
from engine.errors import DfosError
from engine.events import Stamped
from screens.ask.questions import Questions
from screens.glyphs import glyphs
from screens.in_turn import InTurn
from screens.links import EngineLink
from screens.messages import BoardChanged, Leave, OpenCertify, OpenQuestions, joined
from screens.monitor.ab_monitor import AbMonitor
from screens.release.recovery import RecoveryScreen
from screens.review.certify import Certify
from screens.start import start
from screens.theme import DFOS

PULSE = 0.1  # seconds between two drawings of a busy board
RETRY = 2.0  # seconds between two tries to reach an engine that went away


class ConsoleApp(InTurn):
    """The console on one engine. Leaving it never stops work."""

    BINDINGS: ClassVar = [Binding("ctrl+q", "leave", show=False), Binding("ctrl+c", "leave", show=False)]
    ENABLE_COMMAND_PALETTE = True
    TITLE = "dfos"

    def __init__(
        self,
        link: EngineLink,
        library: AccountLibrary,
        *,
        attach: Callable[[], Awaitable[None]] | None = None,
        first: str = "monitor",
        ascii_only: bool = False,
        graphics: str = "",
    ) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours; NO_COLOR then means none
        self.animation_level = "none"
        self.register_theme(DFOS)
        self.theme = DFOS.name
        self.link = link
        self.library = library
        self._reattach = attach
        self._first = first
        self._ascii = ascii_only
        self._alphabet = glyphs(ascii_only or None)
        self._graphics = graphics
        self._change: Change | None = None
        self._due = False

    def on_mount(self) -> None:
        """Show the monitor; with `first="certify"` the certification above it."""
        self.push_screen(AbMonitor(self.link, self.library, ascii=self._ascii or None))
        if self._first == "certify":
            self.post_message(OpenCertify())
        start(self, self._look_for_cut_runs, group="cut")
        if not self.link.alive:  # it went away before there was anything to say it on
            self.lost()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Nothing of the framework's own in the palette: the verbs come from the screens."""
        return ()

    # --- the event pump -------------------------------------------------------------------

    def heard(self, stamped: Stamped, change: Change) -> None:
        """An event was folded into the board; draw soon, once for a burst."""
        self._change = change if self._change is None else joined(self._change, change)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(PULSE, self._pump)

    def lost(self) -> None:
        """The engine went away: say so, and look for one until it is back. Starting one is the operator's word."""
        if not self.is_running:
            return
        self.heard_nothing()
        if self._reattach is not None:
            start(self, self._look, self._reattach, exclusive=True, group="look")

    def heard_nothing(self) -> None:
        """Draw the head again: what is known has not changed, but it is old now."""
        for screen in self.screen_stack:
            screen.post_message(BoardChanged(Change(head=True)))

    def _pump(self) -> None:
        self._due = False
        change, self._change = self._change, None
        if change is None:
            return
        for screen in self.screen_stack:
            screen.post_message(BoardChanged(change))

    async def _look(self, attach: Callable[[], Awaitable[None]]) -> None:
        while not self.link.alive:
            await asyncio.sleep(RETRY)
            with contextlib.suppress(DfosError):
                await attach()
        self.heard_nothing()
        await self._look_for_cut_runs()

    async def _look_for_cut_runs(self) -> None:
        """What an earlier engine left half-way is shown at once; `esc` leaves it as it is."""
        with contextlib.suppress(DfosError, OSError):
            cut = [run for run in await self.library.runs() if not run.sealed and not run.busy]
            if cut and not any(isinstance(screen, RecoveryScreen) for screen in self.screen_stack):
                self.push_screen(RecoveryScreen(self.link, self.library, self._alphabet))

    # --- wishes of screens ----------------------------------------------------------------

    def on_open_certify(self, message: OpenCertify) -> None:
        """Open the certification, with the standing comments if the engine tells them; one at a time."""
        start(self, self._certify, message.ab, exclusive=True, group="certify", opens=True)

    async def _certify(self, ab: str) -> None:
        comments: list[str] = []
        with contextlib.suppress(DfosError):
            comments = await self.library.comments()
        if any(isinstance(screen, Certify) for screen in self.screen_stack):
            return  # it was asked for twice
        self.push_screen(
            Certify(self.link, self.library, ab, comments=comments, graphics=self._graphics, alphabet=self._alphabet)
        )

    def on_open_questions(self, message: OpenQuestions) -> None:
        """Open the list of questions."""
        self.push_screen(Questions(self.link, self.library, alphabet=self._alphabet))

    def on_console_leave(self, message: Leave) -> None:
        """Leave; the engine goes on."""
        self.exit()

    def action_leave(self) -> None:
        """Leave; the engine goes on."""
        self.exit()
