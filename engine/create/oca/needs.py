"""Which action needs the products of which, read from the rules: what others make, what is asked for, circles. Pure.

What an action needs is read from the strings that the conditions of its associations (and of the rules that execute
it) compare with, and from the names of its associations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from engine.create.oca.logic import Texts
from engine.create.oca.model import (
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
    Rules,
)
from engine.create.oca.source import BadRules

MOST = 1_000_000  # pairs of actions that need each other
_FEWER = "let fewer actions make the same category, or ask for fewer with %"


def needs(rules: Rules, makes: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The actions whose products each action asks for; `makes` are the categories of the products of each."""
    actions = {action.name: action for action in rules.actions}
    makers: dict[str, list[str]] = {}
    for name in actions:
        for catg in makes.get(name, ()):
            makers.setdefault(catg, []).append(name)
    asked: dict[str, dict[str, None]] = {name: {} for name in actions}
    for action in actions.values():
        for association in action.associations:
            if association.max_ret != 0 and association.source == "calibFiles":
                asked[action.name].update(dict.fromkeys((association.tag, *literals(association.where))))
    for name, inputs in organised(rules).items():
        if name in asked:
            asked[name].update(dict.fromkeys(inputs))
    known, room = Texts(makers), MOST
    found: dict[str, set[str]] = {}
    for name, words in asked.items():
        catgs = (catg for word in words for catg in known.like(word))
        found[name] = {maker for catg in catgs for maker in makers[catg]} - {name}
        room -= len(found[name])
        if room < 0:
            where = str(actions[name].at)
            raise BadRules(f"the actions need each other in more than {MOST} ways", where=where, remedy=_FEWER)
    return found


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


def organised(rules: Rules) -> dict[str, set[str]]:
    """By action the words that its organisation rules compare with, e.g. the categories of the files they take."""
    found: dict[str, set[str]] = {}
    for rule in rules.organisation:
        found.setdefault(rule.action, set()).update(literals(rule.where))
    return found


def circles(parents: Mapping[str, set[str]]) -> dict[str, int]:
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


def rounds(parents: Mapping[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """One way around of every circle: each action needs the next, the last the first; that one is first in the file."""
    found = circles(parents)
    inside: dict[int, list[str]] = {}
    for name in parents:
        inside.setdefault(found[name], []).append(name)
    for names in inside.values():
        if len(names) > 1:
            yield _way_around(names[0], frozenset(names), parents)


def _way_around(start: str, circle: frozenset[str], parents: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The shortest one from `start` back to it."""
    came: dict[str, str] = {}
    todo = deque([start])
    while start not in came:
        name = todo.popleft()
        for parent in sorted(one for one in parents[name] if one in circle and one not in came):
            came[parent] = name
            todo.append(parent)
    way = [came[start]]
    while way[-1] != start:
        way.append(came[way[-1]])
    return tuple(reversed(way))
