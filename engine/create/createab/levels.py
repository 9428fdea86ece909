"""In which order actions are organised: one whose products others need comes first (decision 11a). Pure.

What an action needs is read from its rules: the strings that the conditions of its associations (and of the rules
that execute it) compare with, and the names of its associations.
"""

from __future__ import annotations

import fnmatch
import heapq
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
    children: dict[str, list[str]] = {name: [] for name in actions}
    for name, needed in parents.items():
        for parent in needed:
            children[parent].append(name)
    place = {name: index for index, name in enumerate(actions)}
    missing = {name: len(needed) for name, needed in parents.items()}
    free = [place[name] for name, count in missing.items() if not count]
    names, level, notes = list(actions), dict[str, int](), []
    circles: dict[str, int] | None = None
    while len(level) < len(names):
        if not free:
            circles = circles if circles is not None else _circles(parents)
            name = _first_of_circle(names, parents, level, circles)
            needs = ", ".join(sorted(parents[name] - level.keys()))
            notes.append(f"{name} needs products of {needs}, which needs it: only real ones are used")
        else:
            name = names[heapq.heappop(free)]
        if name in level:
            continue
        level[name] = 1 + max((level[parent] for parent in parents[name] if parent in level), default=0)
        for child in children[name]:
            missing[child] -= 1
            if not missing[child] and child not in level:
                heapq.heappush(free, place[child])
    return Ladder(tuple(level), level, tuple(notes))


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
    """The words that organisation rules compare with, e.g. the categories of the files they take."""
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


def _first_of_circle(
    names: list[str], parents: Mapping[str, set[str]], level: Mapping[str, int], circles: Mapping[str, int]
) -> str:
    """The first action in the order of the file that waits for nothing but its own circle."""
    rest = [name for name in names if name not in level]
    waits = {
        circles[name]
        for name in rest
        if any(parent not in level and circles[parent] != circles[name] for parent in parents[name])
    }
    return next(name for name in rest if circles[name] not in waits)


def _circles(parents: Mapping[str, set[str]]) -> dict[str, int]:
    """The number of the circle that each action is in, most of them alone (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    found: dict[str, int] = {}
    stack: list[str] = []
    for start in parents:
        todo = [(start, iter(sorted(parents[start])))] if start not in number else []
        while todo:
            name, rest = todo[-1]
            if name not in number:
                number[name] = low[name] = len(number)
                stack.append(name)
            for parent in rest:
                if parent not in number:
                    todo.append((parent, iter(sorted(parents[parent]))))
                    break
                if parent not in found:
                    low[name] = min(low[name], number[parent])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[name])
                if low[name] == number[name]:
                    while stack[-1] != name:
                        found[stack.pop()] = number[name]
                    found[stack.pop()] = number[name]
    return found
