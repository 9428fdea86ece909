"""What is typed ahead, key by key: a slow line delivers many at once, and each must find the screen it was meant for.

Textual gives all of them to what has the focus now. So `c`, a comment and Enter would be keys of the list, and a letter
of the comment a verdict. Here a key waits until the one before it has gone all its way.
"""

from __future__ import annotations

import asyncio
from collections import deque

from textual import events
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import Worker

from screens.start import OPENS

LONGEST = 1.0  # seconds that a key waits for the one before it, whatever that does
_ROUNDS = 50  # looks at a screen that never has nothing to do


class InTurn(App[None]):
    """An app that gives keys and pasted text out one after the other, in the order in which they came.

    The next one is given when the last has passed every pump that it could reach, what it set off has been done, and
    the screen that it opens (`start(..., opens=True)`) is there; after `LONGEST` seconds whatever happens.
    """

    class Followed(Message):
        """Goes the way of the key before it: what that key did first has been done where this arrives."""

        def __init__(self, turn: int) -> None:
            super().__init__()
            self.turn = turn

    def __init__(self, *, ansi_color: bool = False) -> None:
        super().__init__(ansi_color=ansi_color)
        self._typed: deque[events.Event] = deque()
        self._turn = 0  # the number of the key that is on its way
        self._round = 0
        self._latest: asyncio.TimerHandle | None = None  # there is one while a key is on its way

    @property
    def typing(self) -> bool:
        """A key is on its way; those after it wait."""
        return self._latest is not None

    async def on_event(self, event: events.Event) -> None:
        """Keys and pasted text wait for their turn; everything else goes on as ever."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            if not self.typing:
                await self._next()
        else:
            await super().on_event(event)

    async def _next(self) -> None:
        if self._latest is not None:
            self._latest.cancel()
            self._latest = None
        if self._typed:
            self._turn += 1
            self._round = 0
            self._latest = asyncio.get_running_loop().call_later(LONGEST, self.call_later, self._give_up, self._turn)
            await super().on_event(self._typed.popleft())
            self._follow()

    def _follow(self) -> None:
        if not self.screen_stack:  # the app ends
            return
        if not (self.focused or self.screen).post_message(self.Followed(self._turn)):
            self.call_later(self._look_again, self._turn)

    def on_in_turn_followed(self, message: Followed) -> None:
        """It came back; what was asked of the app on the way stands in line before this."""
        self.call_later(self._look_again, message.turn)

    async def _look_again(self, turn: int) -> None:
        if turn != self._turn or not self.typing:
            return
        if opening := [work for work in self.workers if work.name == OPENS and not work.is_finished]:
            self.run_worker(self._opened(opening, turn), group="in turn", exclusive=True)
            return
        self._round += 1
        if self._round > _ROUNDS or (self._round > 1 and not any(pump.message_queue_size for pump in self._pumps())):
            await self._next()
        else:
            self._follow()

    async def _opened(self, opening: list[Worker[object]], turn: int) -> None:
        await asyncio.gather(*(work.wait() for work in opening), return_exceptions=True)
        self.call_later(self._look_again, turn)

    async def _give_up(self, turn: int) -> None:
        if turn == self._turn and self.typing:
            await self._next()

    def _pumps(self) -> list[MessagePump]:
        """Whoever may still have something to do that a key set off."""
        return [self, *self.screen_stack, *([self.focused] if self.focused else [])]
