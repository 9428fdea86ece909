"""A hand at the keys of a screen: when a call of it returns, everything that follows from it has happened.

Textual's own pilot takes a process that gets no processor for one that has nothing to do, so on a busy machine it
looks, and presses the next key, before the last one has arrived.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual import events
from textual.app import App
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key
from textual.pilot import Pilot

HANG_S = 180.0


class Hand(Pilot[Any]):
    """A pilot that waits for the screen and never for the clock."""

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each when the one before it has done all it does."""
        for key in keys:
            assert self.app._driver is not None
            self.app._driver.send_message(key_event(key))
            await self.pause()

    async def pause(self, delay: float | None = None) -> None:
        """Until nothing is left to do and all is drawn; clocks, threads and processes are not waited for."""
        assert delay is None, "a time is not a thing to wait for; see `until`"
        async with asyncio.timeout(HANG_S):
            await self._rest()
            while getattr(self.app, "typing", False) and self.app.is_running:  # a look-up that opens a screen
                await asyncio.sleep(0.005)
                await self._rest()
            while getattr(self._top(), "_later", None):  # the monitor draws a burst together, a moment later
                await asyncio.sleep(0.005)
                await self._rest()

    async def resize_terminal(self, width: int, height: int) -> None:
        """Another size of the terminal, once every screen has it: Textual tells them a moment later."""
        await super().resize_terminal(width, height)
        await self.until(lambda: self.app._resize_event is None)

    async def until(self, true: Callable[[], bool]) -> None:
        """Until `true()`, and everything that belongs to it is drawn."""
        async with asyncio.timeout(HANG_S):
            while not true():
                await asyncio.sleep(0.01)
                await self._rest()
        await self.pause()

    async def _rest(self) -> None:
        """Until the event loop has nothing ready to run and the screen nothing to draw."""
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        while True:
            while ready:  # noqa: ASYNC110
                await asyncio.sleep(0)
            if (screen := self._top()) is None:
                return
            screen._on_timer_update()
            if not ready:
                return

    def _top(self) -> Any:
        """The screen that is seen; None when the app has ended."""
        return self.app.screen_stack[-1] if self.app.is_running and self.app.screen_stack else None


@asynccontextmanager
async def hand_on(app: App[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[Hand]:
    """Run an app without a terminal; it is drawn when this is entered."""
    async with app.run_test(size=size):
        hand = Hand(app)
        await hand.pause()
        yield hand


def key_event(key: str) -> events.Key:
    if len(key) == 1 and not key.isalnum():
        key = _character_to_key(key)
    try:
        char: str | None = unicodedata.lookup(_get_unicode_name_from_key(REPLACED_KEYS.get(key, key)))
    except KeyError:
        char = key if len(key) == 1 else None
    return events.Key(key, char)
