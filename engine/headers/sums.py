"""The ones' complement sum of FITS appendix J over parts of a file, about as fast as the file can be read.

Per chunk three vector operations in the cache: the 64-bit words are added down the columns, modulo 2^64; every
second byte is isolated (a shift of 16-bit words) and these are added as well. At most 256 rows are added, so that
no 16-bit field of the second sum overflows; the difference of the two sums then gives the other bytes exactly.
Large parts are added by several threads; reading and adding let the others run.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy

from engine.headers.cards import fold

_ROWS = 256
_COLUMNS = 512
_ROW = 8 * _COLUMNS  # bytes
_CHUNK = _ROWS * _ROW  # bytes; with its sums within the second level cache of one core
_KEPT = 16  # chunks whose sums are kept before they are taken apart
_SPAN = 4 * _CHUNK  # bytes that a thread takes at a time
_MOST = 4  # threads
_BYTE = numpy.uint16(8)


class Digest(Protocol):
    """What is told of every byte in its order, e.g. a `hashlib.sha256()`."""

    def update(self, data: memoryview[int] | bytes, /) -> object:
        """Hear of the next bytes."""
        ...


class FileSum:
    """Adds parts of one open file. Keeps its buffers for the next part; one thread at a time may use it."""

    def __init__(self, file: int, digest: Digest | None = None) -> None:
        self._file = file
        self._digest = digest
        self._adders: list[_Adder] = []

    def of(self, start: int, stop: int) -> int:
        """The sum of the bytes from `start` to `stop`. EOFError when the file ends before."""
        spans = -(-(stop - start) // _SPAN)
        workers = 1 if self._digest else max(1, min(spans, _MOST, len(os.sched_getaffinity(0))))
        while len(self._adders) < workers:
            self._adders.append(_Adder(self._file, self._digest))
        if workers == 1:
            return fold(self._adders[0].added([start], stop, stop - start))
        return fold(self._shared(workers, start, stop))

    def _shared(self, workers: int, start: int, stop: int) -> int:
        """Every thread takes the next span as soon as it is free, so that none waits for a slower one."""
        spans, found, troubles = itertools.count(start, _SPAN), list[int](), list[Exception]()

        def work(adder: _Adder) -> None:
            try:
                found.append(adder.added(_until(spans, stop), stop, _SPAN))
            except (OSError, EOFError) as trouble:
                troubles.append(trouble)

        threads = [threading.Thread(target=work, args=(adder,), daemon=True) for adder in self._adders[1:workers]]
        for thread in threads:
            thread.start()
        work(self._adders[0])
        for thread in threads:
            thread.join()
        if troubles:
            raise troubles[0]
        return sum(found)


def _until(spans: Iterator[int], stop: int) -> Iterator[int]:
    return itertools.takewhile(lambda at: at < stop, spans)


class _Adder:
    """One thread's buffers, and what they added up to."""

    def __init__(self, file: int, digest: Digest | None) -> None:
        self._file = file
        self._digest = digest
        self._words: Any = numpy.empty((_ROWS, _COLUMNS), "<u8")
        self._pairs: Any = self._words.view("<u2")
        self._room: memoryview = self._words.view("u1").reshape(-1).data
        self._sums: Any = numpy.empty((_KEPT, _COLUMNS), "<u8")  # of whole words, modulo 2^64
        self._odds: Any = numpy.empty((_KEPT, _COLUMNS), "<u8")  # of every second byte, exactly, in 16-bit fields

    def added(self, spans: Iterable[int], stop: int, span: int) -> int:
        """The sum of some spans that begin at `spans`, not folded."""
        total = kept = 0
        for begin in spans:
            at, end = begin, min(begin + span, stop)
            while at < end:
                self._add(kept, at, min(_CHUNK, end - at))
                at, kept = at + _CHUNK, kept + 1
                if kept == _KEPT:
                    total, kept = total + self._apart(kept), 0
        return total + self._apart(kept)

    def _add(self, kept: int, at: int, count: int) -> None:
        """Read a chunk and add up its columns."""
        words, pairs, room = self._words, self._pairs, self._room
        if count < _CHUNK:
            rows = -(-count // _ROW)
            room[count : rows * _ROW] = bytes(rows * _ROW - count)
            words, pairs, room = words[:rows], pairs[:rows], room[:count]
        got = os.preadv(self._file, [room], at)
        while got < count:
            more = os.preadv(self._file, [room[got:]], at + got)
            if not more:
                raise EOFError
            got += more
        if self._digest:
            self._digest.update(room)
        numpy.add.reduce(words, 0, None, self._sums[kept])
        numpy.right_shift(pairs, _BYTE, out=pairs)
        numpy.add.reduce(words, 0, None, self._odds[kept])

    def _apart(self, kept: int) -> int:
        """The sum of big-endian 32-bit words in the chunks added last."""
        if not kept:
            return 0
        odds = self._odds[:kept]
        evens = self._sums[:kept] - (odds << numpy.uint64(8))
        first, third, fifth, seventh = _fields(evens)
        second, fourth, sixth, eighth = _fields(odds)
        high = (first + fifth << 24) + (second + sixth << 16)
        return high + (third + seventh << 8) + fourth + eighth


def _fields(sums: Any) -> list[int]:
    """Four sums of bytes, from 16-bit fields."""
    return [int(one) for one in sums.view("<u2").reshape(-1, 4).sum(axis=0, dtype="u8")]
