"""Threads that write: whoever waits for one sees it end, however often he is told to stop meanwhile.

A lock that is given up while a thread still moves files lets the next one in too early.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def to_end(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` returns or raises, called in a thread. Cancelled, it waits for the thread before it leaves.

    For all that writes; what only reads may be left behind with `asyncio.to_thread`.
    """
    loop = asyncio.get_running_loop()
    return await over(loop.run_in_executor(None, lambda: work(*args, **kwargs)))


async def over(future: asyncio.Future[_T]) -> _T:
    """The result of a future that a thread sets. Cancelled, it waits for that before it leaves.

    No task stands between: the end of a loop cancels all tasks.
    """
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # who stops does not want to know
        raise
    return future.result()
