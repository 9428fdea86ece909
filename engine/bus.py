"""Publish once; many listeners; none can block or break us.

A listener is a plain function called in the order of publishing. One that raises is
unsubscribed and reported to the others; the run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.events import Event, Notice, Stamped

Listener = Callable[[Stamped], object]


class Bus:
    """The one place where events get their run, number and time."""

    def __init__(self, run: str, clock: Callable[[], float] = time.time, first: int = 1) -> None:
        self.run = run
        self.seq = first - 1
        self._clock = clock
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for every event from now on; returns the way out."""
        self._listeners.append(listener)

        def leave() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return leave

    def publish(self, event: Event) -> Stamped:
        """Stamp the event and hand it to every listener."""
        self.seq += 1
        stamped = Stamped(self.run, self.seq, self._clock(), event)
        for listener in tuple(self._listeners):
            try:
                listener(stamped)
            except Exception as trouble:  # noqa: BLE001 - a listener must never hurt the run
                self._listeners.remove(listener)
                name = getattr(listener, "__qualname__", repr(listener))
                self.publish(Notice("error", f"listener {name} failed and was unsubscribed: {trouble!r}"))
        return stamped
