from __future__ import annotations

import asyncio
import threading

import pytest

from engine.errors import DfosError
from engine.process.ab.few_threads import FewThreads
from tests.fakes import settle


async def test_one_thread_serves_steps_that_are_short() -> None:
    threads = FewThreads()
    seen = [await threads.call(threading.get_ident) for _ in range(50)]
    assert len(set(seen)) == 1 and seen[0] != threading.get_ident()
    assert len(threads) == 1
    threads.close()


async def test_a_step_that_hangs_holds_nobody_up() -> None:
    threads = FewThreads()
    go = threading.Event()
    slow = [asyncio.create_task(threads.call(go.wait)) for _ in range(3)]
    assert await asyncio.wait_for(threads.call(len, "abc"), 180) == 3
    assert len(threads) >= 4 - 1  # three hang; who did the fourth may have left
    go.set()
    assert await asyncio.gather(*slow) == [True, True, True]
    threads.close()


async def test_never_more_threads_than_allowed() -> None:
    threads = FewThreads(most=2)
    go = threading.Event()
    busy, most, guard = 0, 0, threading.Lock()

    def step() -> None:
        nonlocal busy, most
        with guard:
            busy += 1
            most = max(most, busy)
            if most == 2:
                go.set()
        go.wait()
        with guard:
            busy -= 1

    await asyncio.wait_for(asyncio.gather(*(threads.call(step) for _ in range(20))), 180)
    assert most == 2
    threads.close()


async def test_trouble_is_the_callers_and_the_thread_goes_on() -> None:
    threads = FewThreads()

    def bad() -> None:
        raise DfosError("no", where="here")

    with pytest.raises(DfosError, match="no"):
        await threads.call(bad)
    assert await threads.call(int, "7") == 7
    threads.close()


async def test_a_cancelled_wait_is_over_with_the_step() -> None:
    threads = FewThreads()
    go, done = threading.Event(), threading.Event()

    def step() -> None:
        go.wait()
        done.set()

    waiting = asyncio.create_task(threads.call(step))
    await asyncio.sleep(0)
    waiting.cancel()
    await settle()
    assert not waiting.done(), "it writes an AB, perhaps"
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()
    threads.close()


async def test_calls_after_close_begin_anew() -> None:
    threads = FewThreads()
    await threads.call(len, "")
    threads.close()
    assert await asyncio.wait_for(threads.call(len, "ab"), 180) == 2
    threads.close()
