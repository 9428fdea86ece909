"""Text to rules. A rule with a mistake is left out and named with file, line and column; the rest is read.

Whoever uses the rules sees from `Rules.partial` that something is missing, and asks before ABs are made from them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer, Token

from engine.create.oca.advice import advice
from engine.create.oca.build import BUILD, Limits
from engine.create.oca.lexer import Sheet, Word, words
from engine.create.oca.model import ClassRule, Organise, Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.create.oca.source import Source

_SAID = {
    **{"NAME": "a name", "STRING": "a string", "NUMBER": "a number", "$END": "the end"},
    **{"LBRACE": "'{'", "RBRACE": "'}'", "LPAR": "'('", "RPAR": "')'", "SEMICOLON": "';'", "COMMA": "','"},
    **{"ASSIGN": "'='", "RELATION": "a comparison", "SIGN": "'+' or '-'", "FACTOR": "'*', '/' or '%'"},
}
_NEXT = re.compile(
    r""" "[^"\n]*" | '[^'\n]*' | (?P<BRACE>[{}])
    | (?<![\w.\-]) (?: (?P<IF>if) | (?P<TOP>
          (?:(?:min|max)ret\s*=\s*-?\d+\s*;\s*){0,4} select\s+execute | action\s+\w+ ) ) (?![\w.\-])
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_STRING = re.compile(r""" "[^"\n]*" | '[^'\n]*' """, re.VERBOSE)
_LINE = 500
_LOOK_AHEAD = 200
_LOOK_BACK = 20
_INDENTED = 200
SYNTAX = "syntax"
_VALUE = {"NAME", "STRING", "NUMBER", "LPAR", "SIGN"}


class _NoLexer(Lexer):
    """The parser is fed word by word."""

    def __init__(self, conf: Any) -> None:
        """Nothing to prepare."""

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:
        """There is no text."""
        return iter(())


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="ascii")
    build = SimpleNamespace(**BUILD)
    return Lark(grammar, parser="lalr", lexer=_NoLexer, keep_all_tokens=True, transformer=build)


def read(source: Source | str, name: str = "") -> Rules:
    """The rules of a pre-processed text (a plain string is pre-processed here: comments only).

    Never fails: what is wrong is among the problems.
    """
    if isinstance(source, str):
        from engine.create.oca.preprocess import plain

        source = plain(source, name)
    reading = _Reading(source)
    start: int | None = 0
    while start is not None:
        start = reading.parse(start)
    return reading.rules(name)


class _Reading:
    """The rules that were read so far, each with the offset where it begins; None for one that was left out."""

    def __init__(self, source: Source) -> None:
        self.sheet = Sheet(source)
        self.text = source.text
        self.starts: list[int] = []
        self.found: list[Any] = []

    def parse(self, start: int) -> int | None:
        """Read from `start` on; the offset to go on from after a mistake, None at the end."""
        parser = _parser().parse_interactive()
        feed = parser.feed_token
        word = None
        try:
            for word in words(self.sheet, start):
                feed(word)  # type: ignore[arg-type]
            word = None
            self._keep(parser.feed_eof())  # type: ignore[no-untyped-call]
            return None
        except UnexpectedToken as trouble:
            expected = trouble.accepts or trouble.expected
        stack = parser.parser_state.value_stack
        try:
            # what is complete up to here is a rule: the mistake came after it
            self._keep(parser.feed_eof())  # type: ignore[no-untyped-call]
            begin = word.offset if word else len(self.text)
        except UnexpectedToken:
            self._keep(stack[0])
            begin = stack[1].offset
        self.starts.append(begin)
        self.found.append(None)
        self._tell(word, begin, expected)
        return self._next_rule(begin)

    def _keep(self, rules: list[tuple[Word, Any]]) -> None:
        self.starts += [word.offset for word, _ in rules]
        self.found += [node for _, node in rules]

    def _tell(self, word: Word | None, begin: int, expected: Any) -> None:
        """Say what was found where, what was expected, and which rule is lost by it."""
        source = self.sheet.source
        if word is None:
            found = "the text ends inside this rule"
        elif word.type == "DEEP":
            found = "nested too deep"
        elif word.type == "STRANGE":
            found = "this string is not closed" if word.text in "\"'" else f"unexpected character {word.text!r}"
        else:
            found = f"unexpected {_shown(word.text)}"
        value = set(expected) >= _VALUE
        rest = set(expected) - ({*_VALUE, "BETWEEN"} if value else set())
        wanted = sorted({_SAID.get(kind, kind.lower()) for kind in rest})
        wanted += ["a value"] * value
        if word is not None and word.type not in ("DEEP", "STRANGE") and wanted:
            found += f", expected {' or '.join(wanted)}" if len(wanted) < 9 else ""
        if word is not None and word.text not in "\"'" and word.type != "DEEP" and self._open_string(word.offset):
            found = f"a string of this line is never closed: {found}"
        elif word is not None and word.text not in "\"'":
            before = self.text[max(begin, word.offset - _LOOK_BACK) : word.offset]
            found = "; ".join(filter(None, (found, advice(word.type, word.text, before, expected))))
        line = source.place(begin)
        where = word.offset if word else begin
        self.sheet.tell(where, "error", SYNTAX, f"{found}; the rule from line {line.line} on is left out")

    def _open_string(self, offset: int) -> bool:
        """Whether the line of this offset has a quote too many. Lines that are very long are not looked at."""
        start = self.text.rfind("\n", max(0, offset - _LINE), offset) + 1
        if not start and offset > _LINE:
            return False
        line = self.text[start : offset + _LINE].partition("\n")[0]
        return any(quote in _STRING.sub("", line) for quote in "\"'")

    def _next_rule(self, begin: int) -> int | None:
        """Where the next rule begins: at the depth of the one that is lost, or at what can only be a rule of its own.

        A lost brace must not cost more than its own rule, so an `if` that is not indented counts as a rule too.
        """
        depth, candidate, column = 0, None, self._column(begin)
        for count, match in enumerate(_NEXT.finditer(self.text, begin + 1)):
            if match["TOP"]:
                return candidate if candidate is not None and depth > 0 else match.start("TOP")
            if match["BRACE"]:
                depth += 1 if match["BRACE"] == "{" else -1
            elif match["IF"]:
                if depth <= 0:
                    return match.start("IF")
                if candidate is None and self._column(match.start("IF")) <= column:
                    candidate = match.start("IF")
            if candidate is not None and depth > 0 and count > _LOOK_AHEAD:
                break
        return candidate if depth > 0 else None

    def _column(self, offset: int) -> int:
        """How far a rule is indented; without bound for one that does not begin its line."""
        ahead = self.text[max(0, offset - _INDENTED) : offset].rpartition("\n")[2]
        return len(ahead) if len(ahead) < _INDENTED and not ahead.strip() else len(self.text)

    def rules(self, name: str) -> Rules:
        """All together, without the rules that have a fault in them."""
        for offset, problem in self.sheet.findings:
            if problem.level == "error" and problem.code != SYNTAX:  # a rule with a mistake in syntax is None already
                self.found[max(0, bisect_right(self.starts, offset) - 1)] = None
        classification, organisation, actions = [], [], []
        limits = Limits()
        for node in self.found:
            if isinstance(node, tuple):
                limits.take(*node)
            elif isinstance(node, Organise):
                organisation.append(replace(node, min_ret=limits.resolved(group=True)[0]))
            elif isinstance(node, ClassRule):
                classification.append(node)
            elif node is not None:
                actions.append(node)
        limits.unused()
        findings = sorted(dict.fromkeys(self.sheet.findings), key=lambda found: found[0])
        problems = (*self.sheet.source.problems, *(problem for _, problem in findings))
        return Rules(name, tuple(classification), tuple(organisation), tuple(actions), problems)


def _shown(text: str) -> str:
    """A word of the rules in a message, never long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
