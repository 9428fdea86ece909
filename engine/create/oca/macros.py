"""Macros of rule files: what a name stands for, and text with all of them replaced.

A macro never expands inside itself, strings are never touched, and a macro named DET rewrites DET.DIT as C does:
that is told, because it is rarely meant.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from engine.create.oca.model import At, Problem
from engine.create.oca.source import BadRules, Lines, Source

CHARACTERS = 32_000_000
WORK = 10_000_000  # characters that are looked at on behalf of macros
DEPTH = 64

_DEFINE = re.compile(r"[ \t]*([A-Za-z_]\w*)(\(([^()]*)\))?(?=\s|$)(.*)", re.DOTALL)
_TOKEN = re.compile(r""" "[^"\n]*" | '[^'\n]*' | \.?\d(?:[eE][+-]|[\w.])* | (?P<NAME>[A-Za-z_]\w*) """, re.VERBOSE)
_BRACKET = re.compile(r""" "[^"\n]*" | '[^'\n]*' | [(),] """, re.VERBOSE)


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro; `names` are its arguments, None for one without parentheses."""

    name: str
    names: tuple[str, ...] | None
    body: str


class Macros:
    """The macros that are defined, and the text that was made with them so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.out = io.StringIO()
        self.known: dict[str, Macro] = {}
        self.told: set[str] = set()
        self.left = WORK
        self.room = CHARACTERS

    def __contains__(self, name: str) -> bool:
        return name in self.known

    def define(self, rest: str, at: At) -> None:
        """`#define NAME body` or `#define NAME(a, b) body`."""
        match = _DEFINE.fullmatch(rest.rstrip())
        if match is None:
            raise BadRules("this #define is not understood", where=str(at), remedy="#define NAME text")
        if "#" in _TOKEN.sub("", match[4]):
            raise BadRules("# and ## in a macro are not understood", where=str(at), remedy="write the text out")
        names = tuple(name.strip() for name in match[3].split(",")) if match[2] else None
        names = () if names == ("",) else names
        if names and (len(set(names)) < len(names) or not all(name.isidentifier() for name in names)):
            raise BadRules(
                f"the arguments of macro {match[1]} are not understood",
                where=str(at),
                remedy="#define NAME(a,b) text, every name once",
            )
        made = Macro(match[1], names, match[4].strip())
        if self.known.get(match[1], made) != made:
            text = f"macro {match[1]} is defined anew, with another meaning"
            self.source.problems.append(Problem("warning", "macro-again", text, at))
        self.known[match[1]] = made

    def undefine(self, name: str) -> None:
        """`#undef NAME`."""
        self.known.pop(name, None)

    def expand(self, text: str, begin: int, end: int, lines: Lines) -> None:
        """Write the text between two offsets, with its macros replaced, and keep where it came from."""
        at = lines.place(begin)
        file, line, column = at.file, at.line, at.column
        written = begin
        for match in _TOKEN.finditer(text, begin, end) if self.known else ():
            macro = self.known.get(match["NAME"]) if match["NAME"] and match.start() >= written else None
            if macro is None:
                continue
            used = self._used(macro, text, match.end(), end)
            if used is None:
                continue
            values, after = used
            piece = text[written : match.start()]
            line, column = self._literal(piece, file, line, column)
            here = At(file, line, column)
            self._warn(macro, text, match, here)
            made = self._body(macro, values, (macro.name,), here)
            self.source.mark(self.out.tell(), file, line, column, macro=True)
            self._write(made, here)
            line, column = _moved(text[match.start() : after], line, column)
            written = after
        self._literal(text[written:end], file, line, column)

    def _literal(self, piece: str, file: str, line: int, column: int) -> tuple[int, int]:
        if piece:
            self.source.mark_lines(piece, self.out.tell(), file, line, column)
            self._write(piece, At(file, line, column))
        return _moved(piece, line, column)

    def _write(self, text: str, at: At) -> None:
        self.room -= len(text)
        if self.room < 0:
            raise BadRules(
                f"the rules grow beyond {CHARACTERS // 1_000_000} million characters",
                where=str(at),
                remedy="include less, or smaller macros",
            )
        self.out.write(text)

    def _warn(self, macro: Macro, text: str, match: re.Match[str], at: At) -> None:
        """A macro that is also a part of a key is hardly meant."""
        around = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
        if "." in around and macro.name not in self.told:
            self.told.add(macro.name)
            said = f"macro {macro.name} is also a part of a key here, and rewrites it"
            self.source.problems.append(Problem("warning", "macro-key", said, at))

    def _used(self, macro: Macro, text: str, begin: int, end: int) -> tuple[list[str], int] | None:
        """The values of a use of `macro` and where it ends; None for one that needs values and has none."""
        if macro.names is None:
            return [], begin
        start = begin
        while start < end and text[start].isspace():
            start += 1
        if start >= end or text[start] != "(":
            return None
        values, depth, since = [], 0, start + 1
        for match in _BRACKET.finditer(text, start, end):
            sign = match.group()
            depth += (sign == "(") - (sign == ")")
            if depth == 0 or (depth == 1 and sign == ","):
                values.append(text[since : match.start()].strip())
                since = match.end()
            if depth == 0:
                return ([] if values == [""] and not macro.names else values), match.end()
        return None

    def _body(self, macro: Macro, values: list[str], inside: tuple[str, ...], at: At) -> str:
        """What a macro stands for, with its values put in and all macros in it replaced."""
        body = macro.body
        if macro.names is not None:
            if len(values) != len(macro.names):
                said = f"macro {macro.name} takes {len(macro.names)} values, not {len(values)}"
                raise BadRules(said, where=str(at), remedy=f"{macro.name}({', '.join(macro.names)})")
            given = {name: self._replace(text, inside[:-1], at) for name, text in zip(macro.names, values, strict=True)}
            body = self._filled(body, given, inside, at)
        return self._replace(body, inside, at)

    def _filled(self, body: str, given: dict[str, str], inside: tuple[str, ...], at: At) -> str:
        """A body with values instead of the names of its arguments."""
        parts, written = [], 0
        for match in _TOKEN.finditer(body):
            value = given.get(match["NAME"] or "")
            if value is not None:
                self._work(len(value), inside, at)
                parts += [body[written : match.start()], value]
                written = match.end()
        return "".join([*parts, body[written:]])

    def _work(self, characters: int, inside: tuple[str, ...], at: At) -> None:
        """Count what macros cost, so that no few lines can take all time and memory."""
        self.left -= characters + 10
        if self.left < 0:
            said = f"macros without end: {' -> '.join(inside[:3])} grows and grows"
            raise BadRules(said, where=str(at), remedy="let them stand in each other less often")

    def _replace(self, text: str, inside: tuple[str, ...], at: At) -> str:
        """`text` with all macros replaced but those it stands inside of."""
        if len(inside) > DEPTH:
            said = f"macros go more than {DEPTH} deep: {' -> '.join(inside[:3])} ..."
            raise BadRules(said, where=str(at), remedy="let them stand in each other less often")
        self._work(len(text), inside, at)
        parts, written = [], 0
        for match in _TOKEN.finditer(text):
            name = match["NAME"]
            macro = self.known.get(name) if name and name not in inside and match.start() >= written else None
            used = self._used(macro, text, match.end(), len(text)) if macro else None
            if macro is None or used is None:
                continue
            self._work(used[1] - match.start(), inside, at)
            made = self._body(macro, used[0], (*inside, macro.name), at)
            self._work(len(made), inside, at)
            parts += [text[written : match.start()], made]
            written = used[1]
        return "".join([*parts, text[written:]])


def _moved(piece: str, line: int, column: int) -> tuple[int, int]:
    """Line and column behind a piece of text."""
    lines = piece.count("\n")
    return line + lines, len(piece) - piece.rfind("\n") if lines else column + len(piece)
