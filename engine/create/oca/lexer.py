"""The words of a rule file. One regular expression for all of them; keywords are names that are looked up.

Nesting is counted here, so that nothing behind ever needs a deep stack: too deep gives a word of kind DEEP.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.create.oca.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.create.oca.model import At, Expr
    from engine.create.oca.source import Source

BRACES = 8
PARENTHESES = 64
OPERATORS = 200

_LANGUAGE = "if then select execute from where group by as file action recipe product is and or not between"
RESERVED = {word: word.upper() for word in _LANGUAGE.split()}
RESERVED |= {"like": "RELATION", "regexp": "RELATION", "trybetween": "BETWEEN"}

_PUNCTUATION = {"{": "LBRACE", "}": "RBRACE", "(": "LPAR", ")": "RPAR", ";": "SEMICOLON", ",": "COMMA", "=": "ASSIGN"}

_WORD = re.compile(
    r"""\s*(?:
      (?P<NUMBER>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w]))
    | (?P<NAME>\w+(?:[.-]\w+)*)
    | (?P<STRING>"[^"\n]*"|'[^'\n]*')
    | (?P<RELATION>==|!=|\?=|<=|>=|<|>)
    | (?P<SEMICOLON>;(?:\s*;)*)
    | (?P<PUNCTUATION>[{}(),=])
    | (?P<SIGN>[-+])
    | (?P<FACTOR>[*/%])
    | (?P<STRANGE>\S)
    )""",
    re.VERBOSE | re.ASCII,
)


class Sheet:
    """One text while it is read: the findings so far, by offset, and the keys and values met, each made once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.end = len(source.text.rstrip())
        self.findings: list[tuple[int, Problem]] = []
        self.values: dict[str, Expr] = {}

    def tell(self, offset: int, level: str, code: str, text: str) -> None:
        """Note a finding."""
        self.findings.append((offset, Problem(level, code, text, self.source.place(offset))))


class Word:
    """One word: its kind (a terminal of the grammar), its text, and where it stands. Kept small: there are many."""

    __slots__ = ("offset", "sheet", "text", "type")

    def __init__(self, kind: str, text: str, offset: int, sheet: Sheet) -> None:
        self.type = kind
        self.text = text
        self.offset = offset
        self.sheet = sheet

    @property
    def at(self) -> At:
        """Where it stands for the operator."""
        return self.sheet.source.place(self.offset)


def words(sheet: Sheet, start: int = 0) -> Iterator[Word]:
    """The words of a text from the offset `start` on. What is no word at all comes as STRANGE."""
    braces = parentheses = operators = 0
    for match in _WORD.finditer(sheet.source.text, start, sheet.end):
        kind = match.lastgroup
        if kind is None:
            return
        said = match[kind]
        offset = match.start(kind)
        if kind == "NAME":
            kind = RESERVED.get(said.lower(), kind)
            operators += kind == "NOT"
        elif kind == "PUNCTUATION":
            kind = _PUNCTUATION[said]
            if kind == "LPAR":
                parentheses += 1
            elif kind == "RPAR":
                parentheses -= 1
            elif kind == "LBRACE":
                braces += 1
                parentheses = operators = 0
            elif kind == "RBRACE":
                braces -= 1
        elif kind == "SEMICOLON":
            parentheses = operators = 0
        elif kind in ("SIGN", "FACTOR"):
            operators += 1
        if parentheses > PARENTHESES or braces > BRACES or operators > OPERATORS:
            kind = "DEEP"
        yield Word(kind, said, offset, sheet)
