"""In which order actions are organised: one whose products others need comes first (decision 11a). Pure.

What an action needs is read from its rules: the strings that the conditions of its associations (and of the rules
that execute it) compare with, and the names of its associations.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.create.oca.model import (
    Action,
    And,
    Arithmetic,
    Between,
    Compare,
    Expr,
    IsType,
    Literal,
    Negative,
    Not,
    Or,
    Organise,
    Rules,
)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Actions in the order in which they are organised, the level of each (from 1), and circles that were cut."""

    order: tuple[str, ...]
    level: Mapping[str, int]
    notes: tuple[str, ...] = ()


def ladder(rules: Rules, makes: Mapping[str, Iterable[str]]) -> Ladder:
    """The order of the actions; `makes` are the categories of the products of each.

    Actions that need each other (a circle) follow in the order of the file: the first of them gets what is real.
    """
    actions = {action.name: action for action in rules.actions}
    parents = _parents(rules, actions, makes)
    order: list[str] = []
    level: dict[str, int] = {}
    notes = []
    rest = list(actions)
    while rest:
        free = next((name for name in rest if not parents[name] - level.keys()), None)
        if free is None:
            free = min(rest, key=lambda name: (len(_above(name, parents, level) & set(rest)), rest.index(name)))
            missing = sorted(parents[free] - level.keys())
            notes.append(f"{free} needs products of {', '.join(missing)}, which needs it: only real ones are used")
        rest.remove(free)
        order.append(free)
        level[free] = 1 + max((level[name] for name in parents[free] if name in level), default=0)
    return Ladder(tuple(order), level, tuple(notes))


def literals(expr: Expr | None) -> Iterator[str]:
    """Every string that an expression compares with."""
    match expr:
        case Literal(value) if isinstance(value, str):
            yield value
        case Compare(_, left, right, _) | Arithmetic(_, left, right):
            yield from literals(left)
            yield from literals(right)
        case Between(left, low, high, _, _):
            for term in (left, low, high):
                yield from literals(term)
        case IsType(term, _, _) | Not(term) | Negative(term):
            yield from literals(term)
        case And(terms) | Or(terms):
            for term in terms:
                yield from literals(term)
        case _:
            return


def organised(rules: Iterable[Organise]) -> frozenset[str]:
    """The words that organisation rules compare with: a product among them starts ABs of a second step."""
    return frozenset(word for rule in rules for word in literals(rule.where))


def _parents(rules: Rules, actions: Mapping[str, Action], makes: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    makers: dict[str, list[str]] = {}
    for name in actions:
        for catg in makes.get(name, ()):
            makers.setdefault(catg, []).append(name)
    found: dict[str, set[str]] = {name: set() for name in actions}
    for action in actions.values():
        for association in action.associations:
            if association.max_ret != 0 and association.source == "calibFiles":
                words = (association.tag, *literals(association.where))
                found[action.name].update(_makers(words, makers))
    for rule in rules.organisation:
        if rule.action in found:
            found[rule.action].update(_makers(literals(rule.where), makers))
    for name, parents in found.items():
        parents.discard(name)
    return found


def _makers(words: Iterable[str], makers: Mapping[str, list[str]]) -> Iterator[str]:
    for word in dict.fromkeys(words):
        if "%" in word:
            pattern = re.compile(fnmatch.translate(word.replace("[", "[[]").replace("%", "*")))
            yield from (name for catg, names in makers.items() if pattern.match(catg) for name in names)
        else:
            yield from makers.get(word, ())


def _above(name: str, parents: Mapping[str, set[str]], placed: Mapping[str, int]) -> set[str]:
    """All that must come before `name` and has no place yet; a circle brings `name` itself."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        for parent in parents[todo.pop()]:
            if parent not in seen and parent not in placed:
                seen.add(parent)
                todo.append(parent)
    return seen
