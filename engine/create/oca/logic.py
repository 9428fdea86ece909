"""What can be said of conditions without any file: their terms, and whether two can hold at once."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.create.oca.model import (
    And,
    Arithmetic,
    Between,
    ClassRule,
    Compare,
    IsType,
    Key,
    Literal,
    Negative,
    Not,
    Or,
)
from engine.create.oca.values import like

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.create.oca.model import Assign, Expr


def walk(expr: Expr | None) -> Iterator[Expr]:
    """An expression and everything in it, from left to right."""
    stack = [expr] if expr is not None else []
    while stack:
        node = stack.pop()
        yield node
        match node:
            case And() | Or():
                stack += reversed(node.terms)
            case Not() | Negative():
                stack.append(node.term)
            case Compare() | Arithmetic():
                stack += (node.right, node.left)
            case IsType():
                stack.append(node.left)
            case Between():
                stack += (node.high, node.low, node.left)
            case _:
                pass


def terms(expr: Expr | None) -> list[Expr]:
    """What must all hold for the condition to hold."""
    if isinstance(expr, And):
        return [term for part in expr.terms for term in terms(part)]
    return [] if expr is None else [expr]


def flat(rules: Iterable[ClassRule]) -> Iterator[tuple[tuple[Expr, ...], ClassRule]]:
    """All rules, also those inside of others, each with the conditions of all around it and its own."""
    stack = [((), rule) for rule in reversed(list(rules))]
    while stack:
        outer, rule = stack.pop()
        tests: tuple[Expr, ...] = (*outer, rule.test)
        yield tests, rule
        stack += [(tests, inner) for inner in reversed(rule.body) if isinstance(inner, ClassRule)]  # type: ignore[misc]


def assigns(rule: ClassRule) -> Iterator[Assign]:
    """What a rule itself sets."""
    return (node for node in rule.body if not isinstance(node, ClassRule))


def constant(expr: Expr) -> tuple[Key, str, str] | None:
    """(key, operator, text) of a comparison of a key with a text by == or like; None for anything else."""
    if not isinstance(expr, Compare) or expr.op not in ("==", "like"):
        return None
    key, value = (expr.left, expr.right) if isinstance(expr.left, Key) else (expr.right, expr.left)
    if not isinstance(key, Key) or not isinstance(value, Literal) or not isinstance(value.value, str):
        return None
    if expr.op == "like" and key is not expr.left:
        return None
    return key, expr.op, value.value


@lru_cache(maxsize=4096)
def _pattern(like: str) -> re.Pattern[str]:
    # runs of % are one: no text may make the match slow
    return re.compile(".*?".join(map(re.escape, re.split("%+", like))), re.DOTALL)


def fits(text: str, op: str, wanted: str) -> bool:
    """Whether a known text meets `== wanted` or `like wanted`."""
    return _pattern(wanted).fullmatch(text) is not None if op == "like" else text.rstrip() == wanted.rstrip()


class Texts:
    """Known texts, e.g. categories, ready to be asked which of them a word or a pattern with % means."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = sorted(set(texts))

    def like(self, wanted: str) -> Iterator[str]:
        """Those that `like wanted` is true for, in their order; only those with its beginning are looked at."""
        head, some, _ = wanted.partition("%")
        matches = like(wanted)
        for text in self.texts[bisect_left(self.texts, head) :] if head else self.texts:
            if not text.startswith(head) or (not some and text != head):
                return
            if matches(text):
                yield text


def exclude(one: Iterable[Expr], other: Iterable[Expr]) -> bool:
    """Whether two conditions can never hold for one file, as far as their constant terms tell."""
    known: dict[Key, list[tuple[str, str]]] = {}
    for term in one:
        found = constant(term)
        if found:
            known.setdefault(found[0], []).append(found[1:])
    for term in other:
        found = constant(term)
        if found is None:
            continue
        key, op, text = found
        for before, said in known.get(key, ()):
            if "==" in (op, before) and not (fits(text, before, said) if op == "==" else fits(said, op, text)):
                return True
    return False
