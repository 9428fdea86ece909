"""What C's pre-processor does for rule files, in Python: includes, conditions, macros, line markers, comments.

Differences to C, all on purpose: `#` lines that are no directive are comments, `#if` knows numbers and `defined`
only, and everything is bounded: depth and number of includes, number, depth and size of expansions.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.create.oca.macros import Macros
from engine.create.oca.model import At, Problem
from engine.create.oca.source import BadRules, Lines, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEPTH = 32
FILES = 1000

_COMMENT = re.compile(
    r""" ^[ \t\f\v]*\#(?![ \t]*(?:include|define|undef|if|ifdef|ifndef|elif|else|endif|line|\d+)\b)[^\n]*
       | "[^"\n]*" | '[^'\n]*' | //[^\n]* | /\*.*?\*/ | (?P<OPEN>/\*.*) | (?P<SPLICE>\\(?=\n)) """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_DIRECTIVE = re.compile(r"^[ \t\f\v]*#[ \t]*(\w+)((?:\\\n|[^\n])*)", re.MULTILINE)
_VISIBLE = re.compile(r"\S")
_MARKER = re.compile(r'\s*(\d{1,9})(?!\d)\s*(?:"([^"\n]*)")?')
_INCLUDE = re.compile(r'\s*(?:"([^"\n]+)"|<([^>\n]+)>)\s*')
_DEFINED = re.compile(r"(!?)\s*defined\s*(?:\(\s*(\w+)\s*\)|(\w+))")


def plain(text: str, file: str) -> Source:
    """A text without directives: only comments go, as blanks, so that every offset stays."""
    source = Source()
    source.text = blanked(text, file, source.problems)
    source.mark_lines(text, 0, file, 1, 1)
    return source


def blanked(text: str, file: str, problems: list[Problem]) -> str:
    """`text` with comments as blanks of the same shape. Continued lines of directives stay continued."""

    def blank(match: re.Match[str]) -> str:
        piece = match.group()
        if piece[0] in "\"'" or match["SPLICE"]:
            return piece
        if match["OPEN"]:
            said = "this comment is never closed: everything behind it is lost"
            problems.append(Problem("error", "syntax", said, Lines(text, file).place(match.start())))
        return _VISIBLE.sub(" ", piece)

    return _COMMENT.sub(blank, text)


def expand(path: Path, text: Callable[[Path], str], below: Path) -> Source:
    """`path` with everything it includes; `text` reads a file. Includes may only lie in the directory `below`."""
    return _Expansion(text, _real(below)).run(path)


def _real(path: Path, asked: str = "") -> Path:
    """Where links lead to; `asked` says who wants to know. BadRules when they go in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise BadRules(
            f"{path.name!r} is a link that leads to itself", where=asked or str(path), remedy="make the link anew"
        ) from None


class _Expansion:
    """One run of the pre-processor."""

    def __init__(self, text: Callable[[Path], str], below: Path) -> None:
        self.read = text
        self.below = below
        self.source = Source()
        self.macros = Macros(self.source)
        self.files = 0
        self.chain: list[tuple[Path, str]] = []

    def run(self, path: Path) -> Source:
        """All text in one."""
        self.file(_real(path))
        self.source.text = self.macros.out.getvalue()
        return self.source

    def shown(self, path: Path) -> str:
        """A file as messages name it: from the rule directory on."""
        return str(path.relative_to(self.below)) if path.is_relative_to(self.below) else path.name

    def file(self, path: Path, asked: str = "") -> None:
        """One file; `asked` says where it was included."""
        self.files += 1
        if any(path == other for other, _ in self.chain):
            names = [*(self.shown(other) for other, _ in self.chain), self.shown(path)]
            raise BadRules(f"includes go in a circle: {' -> '.join(names)}", where=asked, remedy="take one of them out")
        if len(self.chain) >= DEPTH or self.files > FILES:
            raise BadRules(
                f"more than {DEPTH} includes deep, or {FILES} in all", where=asked, remedy="put the files together"
            )
        self.chain.append((path, asked))
        self.text(blanked(self.read(path), self.shown(path), self.source.problems), path)
        self.chain.pop()

    def text(self, text: str, path: Path) -> None:
        """The text of one file, directive by directive, with the runs between them."""
        lines, done = Lines(text, self.shown(path)), 0
        conditions: list[tuple[bool, bool, At]] = []  # (this branch is read, one was read already, where it began)
        for match in _DIRECTIVE.finditer(text):
            at = lines.place(match.start())
            if all(read for read, _, _ in conditions):
                self.macros.expand(text, done, match.start(), lines)
            done = match.end()
            word, rest = match[1], match[2].replace("\\\n", "  ")
            if word in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
                self.condition(word, rest, conditions, at)
            elif not all(read for read, _, _ in conditions):
                continue
            elif word == "include":
                self.include(rest, path, at)
            elif word == "define":
                self.macros.define(rest, at)
            elif word == "undef":
                self.macros.undefine(rest.strip())
            else:
                self.marker(rest if word == "line" else word + rest, lines, lines.line(match.end()) + 1, at)
        if conditions:
            raise BadRules("this #if has no #endif", where=str(conditions[-1][2]), remedy="end it with #endif")
        self.macros.expand(text, done, len(text), lines)

    def marker(self, rest: str, lines: Lines, line: int, at: At) -> None:
        """`# 12 "file.h"`: `line` of this text is line 12 of that file."""
        match = _MARKER.match(rest)
        if match is None:
            raise BadRules("this line marker is not understood", where=str(at), remedy='# 12 "file.h"')
        lines.name = match[2] or lines.name
        lines.shift = int(match[1]) - line

    def condition(self, word: str, rest: str, conditions: list[tuple[bool, bool, At]], at: At) -> None:
        """#if and its kin: what is read from here on."""
        if word.startswith("if"):
            true = self.true(rest, at) if word == "if" else (rest.strip() in self.macros) == (word == "ifdef")
            conditions.append((true, true, at))
            return
        if not conditions:
            raise BadRules(f"#{word} without #if", where=str(at), remedy="take it out, or begin with #if or #ifdef")
        _, before, began = conditions.pop()
        if word != "endif":
            true = not before and (word == "else" or self.true(rest, at))
            conditions.append((true, before or true, began))

    def true(self, rest: str, at: At) -> bool:
        """The condition of an #if: a number or `defined NAME`."""
        rest = rest.strip()
        if rest.isdigit():
            return int(rest[:9]) != 0
        match = _DEFINED.fullmatch(rest)
        if match is None:
            raise BadRules(
                f"#if {rest[:40]}: only a number or defined(NAME) is understood",
                where=str(at),
                remedy="#define a name where it holds, and ask with #ifdef",
            )
        return ((match[2] or match[3]) in self.macros) != bool(match[1])

    def include(self, rest: str, path: Path, at: At) -> None:
        """Another file, from beside this one or from the rule directory."""
        match = _INCLUDE.fullmatch(rest)
        if match is None:
            raise BadRules("an include needs a file name in quotes", where=str(at), remedy='#include "name.h"')
        name = match[1] or match[2]
        if name.startswith(("/", "~")) or ".." in name.split("/") or "\0" in name:
            raise BadRules(f"{name!r} is not below the rule directory", where=str(at), remedy="include by plain names")
        for directory in (path.parent, self.below):
            found = _real(directory / name, str(at))
            if not found.is_relative_to(self.below):
                raise BadRules(
                    f"{name!r} leads out of the rule directory", where=str(at), remedy="copy the file, not a link"
                )
            if os.path.lexists(found):
                self.file(found, str(at))
                return
        raise BadRules(f"{name!r} is not there", where=str(at), remedy=f"it was looked for in {self.below}")
