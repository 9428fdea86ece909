"""Regular expressions whose cost is bounded, whatever a rule file asks for.

All ways through the pattern are followed at the same time, one character after the other, so the cost is the
length of the value times the size of the pattern. What cannot be had this way (references back, looking
around) is refused. Inside: literals, `.`, classes, \\d \\w \\s, ^, $, groups, `|`, `*` `+` `?` `{m,n}`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache

_LARGEST = 500  # instructions; the longest pattern we carry out
_DIGITS = 9
_DEEPEST = 40  # groups inside groups
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]")
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")
_ANY: Callable[[str], object] = bool

# An instruction: ("one", test of a character), ("split", offsets to go on at), ("begin",) or ("end",).
_Step = tuple[str, Callable[[str], object] | tuple[int, ...] | None]
_Program = list[_Step]


class BadPattern(ValueError):
    """The pattern is wrong, or asks for something that has no bounded cost."""


@lru_cache(maxsize=1024)
def regexp(pattern: str, *, search: bool = True) -> Callable[[str], bool]:
    """What tells whether a value matches: anywhere with `search`, else as a whole. BadPattern."""
    program = _Reader(pattern).program()

    @lru_cache(maxsize=4096)
    def matches(text: str) -> bool:
        return _matches(program, text, search)

    return matches


def _matches(program: _Program, text: str, search: bool) -> bool:
    size = len(program)
    ways = _reached(program, {0}, text, 0)
    for at, character in enumerate(text):
        if size in ways and search:
            return True
        following = {
            step + 1
            for step in ways
            if step < size and program[step][0] == "one" and program[step][1](character)  # type: ignore[operator,misc]
        }
        if search:
            following.add(0)
        if not following:
            return False
        ways = _reached(program, following, text, at + 1)
    return size in ways


def _reached(program: _Program, starts: set[int], text: str, at: int) -> set[int]:
    """Every instruction that can be reached without taking a character."""
    todo, seen = list(starts), set(starts)
    while todo:
        here = todo.pop()
        if here == len(program):
            continue
        kind, more = program[here]
        onward: tuple[int, ...] = ()
        if kind == "split":
            onward = tuple(here + offset for offset in more)  # type: ignore[union-attr]
        elif (kind == "begin" and at == 0) or (kind == "end" and at == len(text)):
            onward = (here + 1,)
        for step in onward:
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return seen


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.depth = 0

    def program(self) -> _Program:
        program = self._choice()
        if self.at < len(self.text):
            raise BadPattern(f"')' at character {self.at + 1} closes nothing")
        return program

    def _choice(self) -> _Program:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadPattern(f"more than {_DEEPEST} groups inside each other")
        ways = [self._row()]
        while self._take("|"):
            ways.append(self._row())
        self.depth -= 1
        program = ways.pop()
        for way in reversed(ways):
            jump: _Step = ("split", (len(program) + 1,))
            program = self._sized([("split", (1, len(way) + 2)), *way, jump, *program])
        return program

    def _row(self) -> _Program:
        row: _Program = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            row = self._sized(row + self._repeated(self._atom()))
        return row

    def _repeated(self, atom: _Program) -> _Program:
        least, most = self._limits()
        if (least, most) == (1, 1):
            return atom
        if self._limits() != (1, 1):
            raise BadPattern(f"two repetitions in a row at character {self.at}")
        self._sized_of((len(atom) + 1) * max(least, most or 0, 1))
        program = atom * least
        if most is None:
            return [*program, ("split", (1, len(atom) + 2)), *atom, ("split", (-len(atom) - 1,))]
        for _ in range(most - least):
            program = [*program, ("split", (1, len(atom) + 1)), *atom]
        return program

    def _limits(self) -> tuple[int, int | None]:
        for sign, limits in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                self._take("?")
                return limits
        found = _COUNT.match(self.text, self.at)
        if found is None:
            return 1, 1
        self.at = found.end()
        self._take("?")
        least = _bounded(found[1])
        most = least if found[2] is None else _bounded(found[3]) if found[3] else None
        if most is not None and most < least:
            raise BadPattern(f"{found[0]} is a repetition that cannot be")
        return least, most

    def _atom(self) -> _Program:
        start, character = self.at, self.text[self.at]
        self.at += 1
        match character:
            case "(":
                if self.text.startswith("?", self.at) and not self.text.startswith("?:", self.at):
                    raise BadPattern(f"(?{self.text[self.at + 1 : self.at + 2]} is not supported")
                self.at += 2 if self.text.startswith("?:", self.at) else 0
                inner = self._choice()
                if not self._take(")"):
                    raise BadPattern(f"'(' at character {start + 1} is not closed")
                return inner
            case "[":
                found = _CLASS.match(self.text, start)
                if found is None:
                    raise BadPattern(f"'[' at character {start + 1} is not closed")
                self.at = found.end()
                return [("one", _class(found[0]))]
            case "\\":
                return [("one", self._escaped())]
            case ".":
                return [("one", _ANY)]
            case "^":
                return [("begin", None)]
            case "$":
                return [("end", None)]
            case "*" | "+" | "?":
                raise BadPattern(f"'{character}' at character {start + 1} repeats nothing")
            case _:
                return [("one", character.__eq__)]

    def _escaped(self) -> Callable[[str], object]:
        name = self.text[self.at : self.at + 1]
        self.at += 1
        if name in ("d", "D", "w", "W", "s", "S"):
            return _class(f"\\{name}")
        if not name or name.isalnum():
            raise BadPattern(f"\\{name} is not supported")
        return name.__eq__

    def _take(self, sign: str) -> bool:
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def _sized(self, program: _Program) -> _Program:
        self._sized_of(len(program))
        return program

    def _sized_of(self, size: int) -> None:
        if size > _LARGEST:
            raise BadPattern("it is too long, or repeats too much")


def _bounded(digits: str) -> int:
    """A number of repetitions; one that is too large anyhow counts as one more than the most."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < _DIGITS else _LARGEST + 1


def _class(text: str) -> Callable[[str], object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what a later Python may read differently: we do not care
            return re.compile(text, re.ASCII | re.DOTALL).fullmatch
    except re.error as trouble:
        raise BadPattern(f"{text}: {trouble.msg}") from None
