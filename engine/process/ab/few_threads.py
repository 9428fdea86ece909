"""Blocking steps of ABs in as few threads as keep up.

Threads that take turns at the interpreter cost more than they bring while steps are short: one thread does them, in
order. When a step has waited for long, because one before it hangs at a slow disk or checks a large product, another
thread joins, and leaves when nothing waits any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from engine import threads

_T = TypeVar("_T")
PATIENCE_S = 0.02  # a step waits no longer than this for a thread that is busy
_IDLE_S = 2.0  # a thread without work ends


class _Step:
    """One call, who waits for it, and since when."""

    __slots__ = ("act", "args", "begun", "loop", "over", "since")

    def __init__(self, act: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.act = act
        self.args = args
        self.begun = False
        self.loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Any] = self.loop.create_future()
        self.since = self.loop.time()

    def take(self) -> None:
        """Do it, in a thread."""
        self.begun = True
        result: Any = None
        trouble: BaseException | None = None
        try:
            result = self.act(*self.args)
        except BaseException as raised:  # noqa: BLE001 - it belongs to the caller
            trouble = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._tell, result, trouble)

    def _tell(self, result: Any, trouble: BaseException | None) -> None:
        if self.over.done():
            return  # nobody waits any more
        if trouble is None:
            self.over.set_result(result)
        else:
            self.over.set_exception(trouble)


class FewThreads:
    """Calls that block, off the loop. `most` threads at a time."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._work: queue.SimpleQueue[_Step | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._waiting: deque[_Step] = deque()
        self._watched = False

    def __len__(self) -> int:
        return len(self._threads)

    async def call(self, act: Callable[..., _T], *args: Any) -> _T:
        """What `act(*args)` returns or raises. Cancelled, it waits for the call before it leaves."""
        step = _Step(act, args)
        self._waiting.append(step)
        self._work.put(step)
        if not self._threads:
            self._join()
        if not self._watched:
            self._watched = True
            step.loop.call_later(PATIENCE_S, self._watch, step.loop)
        result: _T = await threads.over(step.over)
        return result

    def close(self) -> None:
        """No more calls; what was asked for is done. Called again, threads begin anew."""
        for _ in tuple(self._threads):
            self._work.put(None)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let another thread join when a step has waited for too long; look again while any waits."""
        waiting = self._waiting
        while waiting and waiting[0].begun:
            waiting.popleft()
        self._watched = bool(waiting)
        if waiting:
            if loop.time() - waiting[0].since >= PATIENCE_S and len(self._threads) < self._most:
                self._join()
            loop.call_later(PATIENCE_S, self._watch, loop)

    def _join(self) -> None:
        thread = threading.Thread(target=self._serve, name="ab", args=(not self._threads,))
        self._threads.add(thread)
        thread.start()

    def _serve(self, first: bool) -> None:
        try:
            while step := self._work.get(timeout=_IDLE_S):
                step.take()
                del step
                if not first and self._work.empty():
                    return
        except queue.Empty:
            pass
        finally:
            self._threads.discard(threading.current_thread())
