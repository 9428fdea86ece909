"""Look-ups that are made once, ahead of time where possible, and never twice at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class LookUps(Generic[T]):
    """Answers by key, at most `most` of them; a look-up that failed is made again when asked again."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer: at once when it is there, else as soon as it comes."""
        return await asyncio.shield(self.begin(key, make))

    def begin(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Start a look-up without waiting for it."""
        task = self._tasks.pop(key, None)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(_made(make))
            task.add_done_callback(_seen)
        self._tasks[key] = task
        while len(self._tasks) > self._most:
            self._tasks.pop(next(iter(self._tasks))).cancel()
        return task

    def ready(self, key: Hashable) -> T | None:
        """The answer if it is there."""
        task = self._tasks.get(key)
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None

    def known(self, key: Hashable) -> bool:
        """True when the look-up was made, even if nothing was found."""
        task = self._tasks.get(key)
        return task is not None and task.done()

    def forget(self, key: Hashable) -> None:
        """The answer is out of date."""
        self._tasks.pop(key, None)

    def forget_all(self, of: Callable[[Hashable], bool]) -> None:
        """Every answer whose key `of` says yes to is out of date."""
        for key in [key for key in self._tasks if of(key)]:
            del self._tasks[key]

    def close(self) -> None:
        """Nobody waits any more."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()


async def _made(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _seen(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()
