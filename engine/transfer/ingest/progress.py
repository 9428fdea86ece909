"""How far an ingestion is, and how long it still takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine import events as ev
from engine.context import Context
from engine.transfer.ingest.states import Item

_PER_FILE = 200_000  # bytes a file counts for in the remaining time, beside its own


class Progress:
    """How far a phase is and how long it still takes; large files count for more than small ones."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def begin(self, phase: str, items: Iterable[Item], done: Callable[[Item], bool]) -> None:
        """A phase begins; what is done already does not count for its speed."""
        all_ = list(items)
        self._phase, self._of, self._started = phase, len(all_), self._context.clock()
        self._left = sum(item.size + _PER_FILE for item in all_ if not done(item))
        self._done = sum(done(item) for item in all_)
        self._spent = 0
        self._context.bus.publish(ev.Progressed(phase, self._done, self._of, ""))

    def step(self, item: Item) -> None:
        """One more is done."""
        self._done += 1
        self._spent += item.size + _PER_FILE
        self._left -= item.size + _PER_FILE
        seconds = (self._context.clock() - self._started) / self._spent * self._left
        self._context.bus.publish(ev.Progressed(self._phase, self._done, self._of, f"{duration(seconds)} left"))


def duration(seconds: float) -> str:
    """Remaining time in words: 40 s, 12 min, 3 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
