"""Blocking calls in their own thread: limits, trouble, and a program that can always end."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.process.executors.one_thread import OneThread

_HANGS = """
import asyncio, threading
from engine.process.executors.one_thread import OneThread
async def main():
    try:
        await OneThread("t").call(0.05, threading.Event().wait)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""


async def test_calls_come_one_after_another_in_one_thread() -> None:
    thread = OneThread("t")
    found = await asyncio.gather(*(thread.call(5, threading.get_ident) for _ in range(20)))
    assert len(set(found)) == 1 and found[0] != threading.get_ident()
    thread.close()


async def test_trouble_belongs_to_the_caller() -> None:
    thread = OneThread("t")
    with pytest.raises(ZeroDivisionError):
        await thread.call(5, lambda: 1 // 0)
    assert await thread.call(180, lambda: 7) == 7
    thread.close()


async def test_a_call_that_hangs_is_given_up_and_the_next_does_not_wait_for_it() -> None:
    thread, go = OneThread("t"), threading.Event()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: complaints.append(said))

    def hang() -> None:
        go.wait()
        raise OSError("too late to matter")

    with pytest.raises(TimeoutError):
        await thread.call(0.02, hang)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        await thread.call(180, lambda: 7)
    assert loop.time() - began < 100, "at once: the thread is known to hang"
    go.set()
    async with asyncio.timeout(180):
        while True:
            try:
                assert await thread.call(180, lambda: 7) == 7
                break
            except TimeoutError:
                await asyncio.sleep(0)
    gc.collect()
    assert not complaints
    thread.close()


async def test_a_cancelled_call_does_not_count_as_hanging() -> None:
    thread, go = OneThread("t"), threading.Event()
    waiting = asyncio.ensure_future(thread.call(180, go.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    assert await thread.call(180, lambda: 7) == 7
    thread.close()


def test_a_program_ends_whatever_hangs(repository: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _HANGS], cwd=repository, capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stdout) == (0, "gave up\n")
