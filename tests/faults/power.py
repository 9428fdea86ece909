"""Runs that are cut everywhere: recorded once, then recovered from everything a power cut may have left."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from engine.atomic import fs
from tests.faults.disk import Change, Found, Tape

ALL = ("nothing", "the latest", "everything", "one", "all but one", "some")


class PowerCut(BaseException):
    """The machine is gone."""


class Plug:
    """Pulls the plug before mutating call `at` (0: never); what was being written is torn."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.calls = 0

    def __call__(self, verb: str, path: str) -> None:
        self.calls += 1
        if self.at and self.calls >= self.at:
            if self.calls == self.at and verb == "fsync" and path.endswith((".dfos~", ".txt")):
                content = Path(path).read_bytes()
                Path(path).write_bytes(content[:-10])
            raise PowerCut(f"{verb} {path}")


class Trouble:
    """Mutating call `at` fails, as a full or dying disk makes it fail, and so does every later one while `lasts`."""

    def __init__(self, at: int, number: int, *, lasts: bool = False) -> None:
        self.at, self.number, self.lasts = at, number, lasts
        self.calls = 0
        self.hit = ""

    def __call__(self, verb: str, path: str) -> None:
        self.calls += 1
        if verb != "commit" and (self.calls == self.at or (self.lasts and self.calls >= self.at)):
            self.hit = self.hit or f"{verb} {path}"
            raise OSError(self.number, f"no luck: {errno.errorcode[self.number]}", path)


def variants(tape: Tape, at: int, of: Collection[str] = ALL) -> Iterator[tuple[str, list[Change]]]:
    """What a cut before call `at` may have taken with it, in words: nothing, or some of what was not synced."""
    pending, dice = tape.pending(at), random.Random(at)
    if "nothing" in of:
        yield "nothing", []
    if not pending:
        return
    if "the latest" in of:
        yield "the latest", pending[-1:]
    if "everything" in of:
        yield "everything", pending
    if len(pending) > 1 and "one" in of:
        yield "one", [dice.choice(pending)]
    if len(pending) > 2 and "all but one" in of:
        kept = dice.choice(pending)
        yield "all but one", [change for change in pending if change is not kept]
    if len(pending) > 2 and "some" in of:
        yield "some", [change for change in pending if dice.random() < 0.5]


def survived(
    tape: Tape,
    recovered: Callable[[fs.Probe], object],
    portrait: Callable[[], Mapping[str, object]],
    *,
    kept: Collection[bytes] = (),
    cuts: Collection[int] | None = None,
    of: Collection[str] = ALL,
    wanted: Mapping[str, object] | None = None,
) -> int:
    """Recover from whatever cuts before every call (`cuts`: these, counted from 1) of the run on tape may leave.

    `recovered(probe)` recovers and finishes what had not begun; afterwards the portrait must be the `wanted` one
    (that of now, which the undisturbed run has left), and to recover again must call nothing. `kept` are contents
    that must be there at any moment. Returns in how many different states the disk was found.
    """
    wanted = portrait() if wanted is None else wanted
    seen: set[str] = set()
    calls = len(tape.calls)
    for at in range(1, calls + 2) if cuts is None else cuts:
        where = f"before call {at} of {calls} ({' '.join(tape.calls[at - 1]) if at <= calls else 'the end'})"
        for what, lost in variants(tape, at, of):
            found = tape.left(at, lost, at)
            mark = tape.mark(found)
            if mark in seen:
                continue
            seen.add(mark)
            story = f"cut {where}, lost: {what} {[change.what for change in lost]}"
            gone = set(kept) - _contents(tape, found)
            assert not gone, f"{story}: content is gone: {sorted(gone)[0][:60]!r}"
            tape.lay_down(found)
            try:
                recovered(Plug())
            except Exception as trouble:
                raise AssertionError(f"{story}: not recovered: {trouble}") from trouble
            assert differences(portrait(), wanted) == [], story
            if len(seen) % 7 == 1:
                again = Plug()
                recovered(again)
                assert again.calls == 0, f"{story}: a second recovery changes something"
                assert differences(portrait(), wanted) == [], story
    return len(seen)


def differences(found: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """Where two portraits differ, in words."""
    return [
        f"{name}: {found.get(name, 'missing')} instead of {wanted.get(name, 'nothing')}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def _contents(tape: Tape, found: Found) -> set[bytes]:
    """The content of every file that has a name."""
    contents: set[bytes] = set()
    todo = list(tape.tops)
    while todo:
        for number in found.names.get(todo.pop(), {}).values():
            node = found.nodes[number]
            if node.kind == "d":
                todo.append(number)
            elif node.kind == "-":
                contents.add(node.data)
    return contents
