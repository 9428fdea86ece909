"""What something costs, counted and not timed: the same on every machine, however busy it is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_CPU_S = 100.0  # hundreds of times what is needed: only what does not end takes as long


def effort(work: Callable[[], object]) -> int:
    """How many lines of Python are gone through to do it, and functions called, built-in ones included."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    def called(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(called)
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def linear(work: Callable[[int], object], small: int, large: int) -> bool:
    """Does `work(large)` cost no more than its size says, compared with `work(small)`? A fifth more is allowed."""
    work(1)  # what is done once only, like imports
    return effort(lambda: work(large)) * small <= effort(lambda: work(small)) * large * 1.2


@contextmanager
def ends() -> Iterator[None]:
    """What does not end, or might as well not, fails. In cpu time: other programs do not count."""

    def over(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {_CPU_S:.0f} s of cpu time")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, _CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
