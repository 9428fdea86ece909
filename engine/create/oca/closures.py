"""Expressions of the rules made into functions, so that a night of headers costs little.

A function takes two mappings: the values of the file itself, and those of the other file that a prefix names
(`inputFile.` the primary of the group, `LF.` the last file). Where there is no other file both are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from engine.create.oca.model import (
    And,
    Arithmetic,
    At,
    Between,
    Compare,
    Expr,
    IsType,
    Key,
    Literal,
    Negative,
    Not,
    Or,
)
from engine.create.oca.reading import Reading
from engine.create.oca.regexp import BadPattern, regexp
from engine.create.oca.values import Value, calculated, equal, is_kind, like, number, ordered, plain

Values = Mapping[str, Value]
Test = Callable[[Values, Values], bool]
Getter = Callable[[Values, Values], Value | None]
Level = Callable[[Values, Values], int]

NO, NOK, OK = 0, 1, 2
"""How well a candidate fits: not at all, outside a tryBetween, fully."""

_DEEPEST = 150  # expressions inside each other


class BadExpression(Exception):
    """An expression that cannot be carried out; the rule is left out and reported."""

    def __init__(self, code: str, text: str, at: At | None = None) -> None:
        self.code = code
        self.text = text
        self.at = at
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Compiler:
    """Makes functions of expressions. `other` is the prefix that names the other file, '' where there is none."""

    reading: Reading
    other: str = ""

    def test(self, expr: Expr | None) -> Test:
        """True or false for a file; an absent condition is true. BadExpression."""
        if expr is None:
            return lambda own, other: True
        check_depth(expr)
        return self._test(expr)

    def value(self, expr: Expr) -> Getter:
        """The value of an expression for a file, None for a missing one. BadExpression."""
        check_depth(expr)
        return self._value(expr)

    def level(self, expr: Expr | None) -> Level | None:
        """How well a file fits: NO, NOK or OK; None without a tryBetween, where `test` says it all."""
        if expr is None or not any(isinstance(part, Between) and part.soft for part in parts(expr)):
            return None
        check_depth(expr)
        return self._level(expr)

    def _test(self, expr: Expr) -> Test:
        match expr:
            case And(terms):
                return _all(tuple(self._test(term) for term in terms))
            case Or(terms):
                return _any(tuple(self._test(term) for term in terms))
            case Not(term):
                inner = self._test(term)
                return lambda own, other: not inner(own, other)
            case Compare():
                return self._compare(expr)
            case IsType(left, kind):
                value = self._value(left)
                return lambda own, other: is_kind(value(own, other), kind)
            case Between():
                level = self._between(expr)
                return lambda own, other: level(own, other) > NO
            case _:
                value = self._value(expr)
                return lambda own, other: value(own, other) is True

    def _value(self, expr: Expr) -> Getter:
        match expr:
            case Literal(given):
                constant = plain(given)
                return lambda own, other: constant
            case Key(prefix, name):
                if prefix == "SIG":
                    raise BadExpression("sig-place", f"SIG.{name} can only stand beside other terms, joined by 'and'")
                if prefix and prefix == self.other:
                    return lambda own, other: other.get(name)
                return lambda own, other: own.get(name)
            case Arithmetic(op, left, right):
                one, two = self._value(left), self._value(right)
                return lambda own, other: calculated(op, one(own, other), two(own, other))
            case Negative(term):
                inner = self._value(term)
                return lambda own, other: calculated("-", 0, inner(own, other))
            case _:
                return self._test(expr)

    def _compare(self, expr: Compare) -> Test:
        one, op, two = self._value(expr.left), expr.op, self._value(expr.right)
        tolerance = self.reading.tolerance
        match op:
            case "==":
                return self._equality(expr) or (lambda own, other: equal(one(own, other), two(own, other), tolerance))
            case "!=":

                def differ(own: Values, other: Values) -> bool:
                    left, right = one(own, other), two(own, other)
                    return left is not None and right is not None and not equal(left, right, tolerance)

                return differ
            case "?=":

                def agree(own: Values, other: Values) -> bool:
                    left, right = one(own, other), two(own, other)
                    return left is None or right is None or equal(left, right, tolerance)

                return agree
            case "like":
                if isinstance(expr.right, Literal) and "%" not in str(expr.right.value):
                    return self._compare(Compare("==", expr.left, expr.right, expr.at))
                return self._pattern(expr, like)
            case "regexp":
                search = self.reading.regexp_search
                return self._pattern(expr, lambda pattern: regexp(pattern, search=search))
            case _:
                return lambda own, other: ordered(op, one(own, other), two(own, other))

    def _equality(self, expr: Compare) -> Test | None:
        """The two forms that nearly all terms have, made fast: KEY == "text" and inputFile.KEY == KEY."""
        match expr:
            case Compare(_, Key() as key, Literal(str(text))) | Compare(_, Literal(str(text)), Key() as key):
                if number(text) is not None:
                    return None
                name, wanted = key.name, text.rstrip(" ")
                if self._is_other(key):
                    return lambda own, other: other.get(name) == wanted
                return lambda own, other: own.get(name) == wanted
            case Compare(_, Key() as one, Key() as two) if self._is_other(one) != self._is_other(two):
                mine, theirs = (two.name, one.name) if self._is_other(one) else (one.name, two.name)
                tolerance = self.reading.tolerance

                def same(own: Values, other: Values) -> bool:
                    left, right = own.get(mine), other.get(theirs)
                    if type(left) is str and type(right) is str:
                        return left == right
                    return equal(left, right, tolerance)

                return same
        return None

    def _is_other(self, key: Key) -> bool:
        if key.prefix == "SIG":
            raise BadExpression("sig-place", f"SIG.{key.name} can only stand beside other terms, joined by 'and'")
        return bool(key.prefix) and key.prefix == self.other

    def _pattern(self, expr: Compare, compiled: Callable[[str], Callable[[str], bool]]) -> Test:
        value = self._value(expr.left)
        if isinstance(expr.right, Literal):
            try:
                matches = compiled(str(expr.right.value))
            except BadPattern as trouble:
                text = f"the regular expression {expr.right.value!r} cannot be used: {trouble}"
                raise BadExpression("bad-regexp", text, expr.at) from None

            def fits(own: Values, other: Values) -> bool:
                text = value(own, other)
                return isinstance(text, str) and matches(text)

            return fits
        pattern = self._value(expr.right)

        def fits_now(own: Values, other: Values) -> bool:
            text, wanted = value(own, other), pattern(own, other)
            if not isinstance(text, str) or not isinstance(wanted, str):
                return False
            try:
                return compiled(wanted)(text)
            except BadPattern:
                return False

        return fits_now

    def _between(self, expr: Between) -> Level:
        value, low, high = self._value(expr.left), self._value(expr.low), self._value(expr.high)
        outside = NOK if expr.soft else NO

        def level(own: Values, other: Values) -> int:
            middle, least, most = value(own, other), low(own, other), high(own, other)
            if not (comparable(middle, least) and comparable(middle, most)):
                return NO
            return OK if ordered("<=", least, middle) and ordered("<=", middle, most) else outside

        return level

    def _level(self, expr: Expr) -> Level:
        match expr:
            case And(terms):
                levels = tuple(self._level(term) for term in terms)
                return lambda own, other: min([level(own, other) for level in levels])
            case Or(terms):
                levels = tuple(self._level(term) for term in terms)
                return lambda own, other: max([level(own, other) for level in levels])
            case Between():
                return self._between(expr)
            case _:
                test = self._test(expr)
                return lambda own, other: OK if test(own, other) else NO


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda own, other: first(own, other) and second(own, other)
    if len(tests) == 3:
        first, second, third = tests
        return lambda own, other: first(own, other) and second(own, other) and third(own, other)

    def every(own: Values, other: Values) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs as much as the tests
            if not test(own, other):
                return False
        return True

    return every


def _any(tests: tuple[Test, ...]) -> Test:
    def some(own: Values, other: Values) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs as much as the tests
            if test(own, other):
                return True
        return False

    return some


def comparable(left: Value | None, right: Value | None) -> bool:
    """True when the two can be put in order."""
    if isinstance(left, str) and isinstance(right, str):
        return True
    return number(left) is not None and number(right) is not None


def inner(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside one."""
    match expr:
        case And(terms) | Or(terms):
            return terms
        case Compare(_, left, right) | Arithmetic(_, left, right):
            return (left, right)
        case Between(left, low, high):
            return (left, low, high)
        case Not(term) | Negative(term) | IsType(term):
            return (term,)
        case _:
            return ()


def parts(expr: Expr | None) -> Iterator[Expr]:
    """An expression and everything inside it."""
    todo = [] if expr is None else [expr]
    while todo:
        part = todo.pop()
        yield part
        todo.extend(reversed(inner(part)))


def keys(expr: Expr | None) -> Iterator[Key]:
    """Every key an expression asks for."""
    return (part for part in parts(expr) if isinstance(part, Key))


def terms(expr: Expr | None) -> tuple[Expr, ...]:
    """What must all be true: the terms of the outermost `and`, also of one inside another."""
    found: list[Expr] = []
    todo = [] if expr is None else [expr]
    while todo:
        part = todo.pop()
        if isinstance(part, And):
            todo.extend(reversed(part.terms))
        else:
            found.append(part)
    return tuple(found)


def place(expr: Expr) -> At | None:
    """Where an expression stands, as far as it is known."""
    return next((part.at for part in parts(expr) if isinstance(part, Compare | IsType | Between)), None)


def check_depth(expr: Expr) -> None:
    """BadExpression when expressions stand in each other so deep that nobody can have meant it."""
    level: list[Expr] = [expr]
    for _ in range(_DEEPEST):
        level = [one for part in level for one in inner(part)]
        if not level:
            return
    raise BadExpression("too-deep", f"more than {_DEEPEST} expressions inside each other", place(expr))
