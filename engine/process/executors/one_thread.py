"""Calls that block, one after another in a thread of their own: bindings that know neither asyncio nor time limits."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """The thread. It is a daemon: a call that never comes back does not keep the program from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late = 0

    async def call(self, limit_s: float, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `act` there and wait at most `limit_s` seconds; TimeoutError at once while an earlier call hangs.

        A call that took too long may still have its effect.
        """
        if self._late:
            raise TimeoutError
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result: Any = None
            trouble: BaseException | None = None
            try:
                result = act(*args, **kwargs)
            except BaseException as raised:  # noqa: BLE001 - it belongs to the caller
                trouble = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._tell, over, result, trouble)

        self._work.put(work)
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.shield(over)
        except TimeoutError:
            if not over.done():
                self._late += 1
                over.add_done_callback(self._in_time_again)
            raise

    def close(self) -> None:
        """No more calls; what runs there comes to its own end."""
        self._work.put(None)

    def _serve(self) -> None:
        while work := self._work.get():
            work()

    def _in_time_again(self, over: asyncio.Future[Any]) -> None:
        self._late -= 1
        over.exception()  # nobody asks for it any more

    @staticmethod
    def _tell(over: asyncio.Future[T], result: T, trouble: BaseException | None) -> None:
        if trouble is None:
            over.set_result(result)
        else:
            over.set_exception(trouble)
