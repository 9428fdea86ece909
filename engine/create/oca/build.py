"""From the words of a rule to the model: one function per rule of grammar.lark, called as the parser goes.

There is no tree in between. Simple operands stay words until an expression takes them, so that it knows where
it begins. What is wrong in meaning is kept as a fault at a word; reading goes on, and the rule is left out.
"""

from __future__ import annotations

import math
import re
from typing import Any

from engine.create.oca.lexer import Word
from engine.create.oca.model import (
    Action,
    And,
    Arithmetic,
    Assign,
    Association,
    Between,
    ClassRule,
    Compare,
    Expr,
    IsType,
    Key,
    Literal,
    Negative,
    Not,
    Or,
    Organise,
    ProductRule,
)
from engine.create.oca.regexp import BadPattern, regexp

TRUE, FALSE = ("T", "True", "TRUE"), ("F", "False", "FALSE")
TYPES = ("string", "undefined", "number", "int", "float", "boolean")
SOURCES = {name.lower(): name for name in ("inputFiles", "calibFiles", "rawFiles")}
SIGNALS = ("FRAME", "TEMPLATE")
NO_LIMIT = -1
_BEFORE_OPTION = re.compile(r"\s+(?=--)")


class Limits:
    """The limits that were given and wait for their select: how often, where, and what they say."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.given: dict[str, int] = {}
        self.word: Word | None = None
        self.twice = False

    def take(self, name: Word, value: Expr) -> bool:
        """Keep a limit; False when the name is none."""
        kind = name.text.lower()
        if kind not in ("minret", "maxret"):
            return False
        if not isinstance(value, Literal) or isinstance(value.value, bool) or not isinstance(value.value, int):
            fault(name, f"{name.text} must be a whole number")
            return True
        if kind in self.given and not self.twice:
            self.twice = True
            tell(name, "warning", "limits-twice", f"{name.text} is given twice before a select: the last holds")
        self.given[kind] = value.value
        self.word = self.word or name
        return True

    def resolved(self, *, group: bool = False) -> tuple[int, int]:
        """(smallest, largest) number for the select that follows, of files or of a `group`; then the defaults hold."""
        low, high = self.given.get("minret"), self.given.get("maxret")
        if self.word and low is not None and high is None and not group:
            tell(self.word, "info", "limit-alone", f"minRet without maxRet: maxRet is taken as {max(1, low)}")
        if low is None:
            low = 1 if high is None else min(1, high) if high >= 0 else 1
        if high is None:
            high = max(1, low)
        if self.word and (low < 0 or high < NO_LIMIT or low > high >= 0):
            tell(self.word, "warning", "limits-odd", f"minRet {low} and maxRet {high} make no sense together")
        self._clear()
        return max(0, low), max(NO_LIMIT, high)

    def unused(self) -> None:
        """Say so when limits were given and no select came."""
        if self.word:
            tell(self.word, "warning", "limits-unused", "these limits hold for nothing: no select follows them")
        self._clear()


def tell(word: Word, level: str, code: str, text: str) -> None:
    """Note a finding at a word."""
    word.sheet.tell(word.offset, level, code, text)


def fault(word: Word, text: str, code: str = "meaning") -> None:
    """Note that the rule which holds this word cannot be used."""
    tell(word, "error", code, text)


# --- expressions -----------------------------------------------------------------------------------------------


def value(operand: Any) -> Expr:
    """The expression that an operand stands for."""
    if not isinstance(operand, Word):
        return operand  # type: ignore[no-any-return]
    sheet = operand.sheet
    made = sheet.values.get(operand.text)
    if made is None:
        before = len(sheet.findings)
        made = _value(operand)
        if len(sheet.findings) == before:
            sheet.values[operand.text] = made
    return made


def _value(word: Word) -> Expr:
    if word.type == "STRING":
        return Literal(word.text[1:-1])
    if word.type == "NUMBER":
        return _number(word)
    if word.text in TRUE or word.text in FALSE:
        return Literal(word.text in TRUE)
    head, dot, rest = word.text.partition(".")
    if dot and head.lower() == "inputfile":
        return Key("inputFile", rest)
    if dot and head in ("LF", "SIG"):
        if head == "SIG" and rest not in SIGNALS:
            fault(word, f"there is no event SIG.{rest}; SIG.FRAME and SIG.TEMPLATE are known")
        return Key(head, rest)
    return Key("", word.text)


def _number(word: Word) -> Literal:
    if word.text.isdigit() and len(word.text) < 20:
        return Literal(int(word.text))
    number = float(word.text)
    if math.isinf(number) or word.text.isdigit():
        fault(word, "this number is too large")
    return Literal(number)


def _place(operand: Any, operator: Word) -> Any:
    return operand.at if isinstance(operand, Word) else operator.at


def atom(c: list[Any]) -> Any:
    """A word as it is, a sign before a value, or what stands in parentheses."""
    if len(c) == 1:
        return c[0]
    if len(c) == 3:
        return c[1]
    inner = value(c[1])
    if isinstance(inner, Literal) and isinstance(inner.value, int | float) and not isinstance(inner.value, bool):
        return Literal(-inner.value) if c[0].text == "-" else inner
    return Negative(inner) if c[0].text == "-" else inner


def term(c: list[Any]) -> Any:
    """Products, and sums: from left to right."""
    return c[0] if len(c) == 1 else Arithmetic(c[1].text, value(c[0]), value(c[2]))


def relation(c: list[Any]) -> Expr:
    """A comparison, a question for a type, a range, or a value by itself."""
    if len(c) == 1:
        return value(c[0])
    at = _place(c[0], c[1])
    if len(c) > 3:
        return _between(c, at)
    if c[1].type == "IS":
        kind = c[2].text.lower()
        if kind not in TYPES:
            fault(c[2], f"'is {c[2].text}' is not known; there is {', '.join(TYPES)}")
        return IsType(value(c[0]), kind, at)
    operator = c[1].text.lower()
    right = value(c[2])
    if operator == "regexp":
        _pattern(c[1], right)
    return Compare(operator, value(c[0]), right, at)


def _between(c: list[Any], at: Any) -> Between:
    """A range: `x between a and b`, `x between a, b`, `x between (a, b)` or `between(x, a, b)`."""
    operator, middle, low, high = {5: (1, 0, 2, 4), 7: (1, 0, 3, 5), 8: (0, 2, 4, 6)}[len(c)]
    soft = c[operator].text.lower() != "between"
    return Between(value(c[middle]), value(c[low]), value(c[high]), soft, at)


def _pattern(word: Word, right: Expr) -> None:
    if not isinstance(right, Literal) or not isinstance(right.value, str):
        fault(word, "regexp needs a pattern in quotes")
        return
    try:
        regexp(right.value)
    except BadPattern as trouble:
        fault(word, f"this regular expression does not work: {trouble}", "regexp")


def negation(c: list[Any]) -> Expr:
    """`not term`, or the term."""
    return c[0] if len(c) == 1 else Not(c[1])


def listed(c: list[Any]) -> list[Any]:
    """`x` begins a list, `list x` and `list , x` go on with it, nothing is an empty one."""
    if len(c) < 2:
        return c
    c[0].append(c[-1])
    return c[0]  # type: ignore[no-any-return]


def ors(c: list[Any]) -> list[Any]:
    """All terms of an `or`, each the list of an `and`. An `and` beside an `or` without parentheses is told."""
    if len(c) == 1:
        return [c[0]]
    c[0].append(c[2])
    if len(c[2]) > 1 or (len(c[0]) == 2 and len(c[0][0]) > 1):
        tell(c[1], "info", "mixed", "'and' and 'or' without parentheses: 'and' binds closer")
    return c[0]  # type: ignore[no-any-return]


def expr(c: list[Any]) -> Expr:
    """The whole condition or value."""
    terms = [ands[0] if len(ands) == 1 else And(tuple(ands)) for ands in c[0]]
    return terms[0] if len(terms) == 1 else Or(tuple(terms))


# --- rules -----------------------------------------------------------------------------------------------------


def first(c: list[Any]) -> Any:
    """The only thing there is; None for nothing."""
    return c[0] if c else None


def second(c: list[Any]) -> Any:
    """What follows a keyword; None for nothing."""
    return c[1] if c else None


def assign(c: list[Any]) -> tuple[Word, Expr]:
    """`key = value;`, still with its word."""
    return c[0], c[2]


def _assign(word: Word, given: Expr) -> Assign:
    return Assign(word.text, given, word.at)


def body(c: list[Any]) -> list[Any]:
    """What stands behind `then`, with or without braces."""
    return [c[0]] if len(c) == 1 else c[1]


def classrule(c: list[Any]) -> tuple[Word, ClassRule]:
    """`if test then ...`."""
    inner = tuple(node if isinstance(node, ClassRule) else _assign(word, node) for word, node in c[3])
    return c[0], ClassRule(c[1], inner, c[0].at)


def limit(c: list[Any]) -> tuple[Word, tuple[Word, Expr]]:
    """A limit outside of all rules."""
    if c[0].text.lower() not in ("minret", "maxret"):
        fault(c[0], f"{c[0].text} stands outside of all rules; only minRet and maxRet may")
    return c[0], (c[0], c[2])


def _from(word: Word) -> str:
    found = SOURCES.get(word.text.lower())
    if found is None:
        fault(word, f"files come from {', '.join(SOURCES.values())}, not from {word.text}")
    return found or word.text


def organise(c: list[Any]) -> tuple[Word, Organise]:
    """`select execute(...)`; its smallest group is filled in by the reader."""
    keys, names = c[8], c[9]
    if names and len(names) > 2:
        fault(names[2], "'as' takes an event and a tag, no more")
    event, tag = ([word.text for word in names or ()] + ["", ""])[:2]
    group_by = tuple(word.text for word in keys or ())
    return c[0], Organise(c[3].text, _from(c[6]), c[7], group_by, event, tag, 1, c[0].at)


def event(c: list[Any]) -> list[Any] | None:
    """`as (EVENT, tag)`."""
    return c[2] if c else None


def grouping(c: list[Any]) -> list[Any] | None:
    """`group by KEY, KEY`."""
    return c[2] if c else None


def association(c: list[Any]) -> tuple[Word, Any]:
    """`select file as tag`; the limits are filled in by the action."""
    return c[0], Association(c[3].text, _from(c[5]), c[6], 1, 1, c[0].at)


def options(c: list[Any]) -> list[Word]:
    """The strings of a recipe; a missing semicolon is told."""
    if not c:
        return []
    if c[2] is None:
        tell(c[1], "warning", "semicolon", "no semicolon behind this option")
    c[0].append(c[1])
    return c[0]  # type: ignore[no-any-return]


def recipe(c: list[Any]) -> tuple[Word, tuple[str, tuple[str, ...]]]:
    """`recipe name { "--option=value"; }`: every option once, the last one of a name holds."""
    found: dict[str, str] = {}
    for word in c[3] if len(c) > 3 else ():
        for option in _BEFORE_OPTION.split(word.text[1:-1].strip()):
            name = option.partition("=")[0]
            if not option.startswith("--"):
                tell(word, "warning", "option", f"{option[:40]!r} does not begin with --")
            if found.pop(name, None) is not None:
                tell(word, "warning", "option-twice", f"{name} is given twice: the last one holds")
            found[name] = option
    return c[0], (c[1].text, tuple(found.values()))


def product(c: list[Any]) -> tuple[Word, ProductRule]:
    """`product NAME { ... }`."""
    return c[0], ProductRule(c[1].text, tuple(_assign(*pair) for pair in c[3]), c[0].at)


def action(c: list[Any]) -> tuple[Word, Action]:
    """`action NAME { ... }`, with the limits of each association."""
    limits = Limits()
    associations, products, settings = [], [], []
    named: tuple[str, tuple[str, ...]] | None = None
    for word, node in c[3]:
        if isinstance(node, Association):
            low, high = limits.resolved()
            associations.append(Association(node.tag, node.source, node.where, low, high, node.at))
        elif isinstance(node, ProductRule):
            products.append(node)
        elif isinstance(node, tuple):
            limits.unused()
            if named:
                tell(word, "warning", "recipe-twice", f"a second recipe in {c[1].text}: the last one holds")
            named = node
        elif not limits.take(word, node):
            settings.append(_assign(word, node))
    limits.unused()
    name, params = named or ("", ())
    if not named:
        tell(c[1], "warning", "no-recipe", f"action {c[1].text} names no recipe: nothing is processed")
    if c[1].text[0].isdigit():
        tell(c[1], "warning", "digit", f"the name {c[1].text} begins with a digit")
    made = Action(c[1].text, tuple(associations), name, params, tuple(products), tuple(settings), c[0].at)
    return c[0], made


BUILD = {
    **dict.fromkeys(("start", "rule", "statement", "item", "closed"), first),
    **dict.fromkeys(("rules", "statements", "items", "assigns", "keys", "ands"), listed),
    **dict.fromkeys(("term", "sum"), term),
    "where": second,
    **{made.__name__: made for made in (assign, atom, relation, negation, ors, expr, body, classrule, limit)},
    **{made.__name__: made for made in (organise, event, grouping, association, options, recipe, product, action)},
}
