"""What a careful reader would say about a rule set. Nothing here stops anybody: rules of real instruments have it all.

Each finding has a code (docs/oca.md lists them), so that a known one can be left out of sight.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from engine.create.oca.logic import assigns, constant, exclude, fits, flat, terms, walk
from engine.create.oca.model import Compare, Key, Literal, Or, Problem
from engine.create.oca.needs import needs, rounds
from engine.create.oca.ruleset import RuleSet
from engine.create.oca.text import expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.create.oca.model import Action, At, ClassRule, Expr, Rules

_Class: TypeAlias = "tuple[list[Expr], ClassRule]"
_PAIRS = 10_000
_SHOWN = 60  # characters of a value or condition in a finding
_WAY = 4  # actions of a circle that are named
_OPPOSITE = {"<": ">=", ">=": "<", "<=": ">", ">": "<="}


def check(rules: Rules, makes: Mapping[str, Iterable[str]] | None = None) -> tuple[Problem, ...]:
    """All findings: of reading, of making ready, and of the rule set as a whole, in the order of the text.

    `makes` are the categories of the products of each action, as far as they are known: circles show by them.
    """
    book = _Book(rules)
    found = [
        *book.categories(),
        *book.actions(),
        *book.terms(),
        *book.prefixes(),
        *book.blanks(),
        *book.overruled(),
        *book.incomplete(),
        *book.circles(makes or {}),
    ]
    files: dict[str, int] = {}
    for at in _places(rules):
        files.setdefault(at.file, len(files))

    def place(problem: Problem) -> tuple[int, int, int]:
        return files.get(problem.at.file, 0), problem.at.line, problem.at.column

    return tuple(sorted(dict.fromkeys((*RuleSet(rules).problems, *found)), key=place))


def _places(rules: Rules) -> Iterator[At]:
    for group in (rules.classification, rules.organisation, rules.actions):
        yield from (rule.at for rule in group)


class _Book:
    """The rule set with what its checks share: which rule sets what, and who asks for it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.classes = [
            ([term for test in tests for term in terms(test)], rule) for tests, rule in flat(rules.classification)
        ]
        self.setting: dict[str, list[_Class]] = defaultdict(list)  # key -> the rules that set it
        self.giving: dict[tuple[str, str], list[_Class]] = defaultdict(list)  # (key, text) -> those that set it to text
        self.texts: dict[str, set[str]] = defaultdict(set)  # key -> the texts that rules set it to
        self.open: set[str] = set()  # keys that some rule sets to what it finds, not to a text
        for tests, rule in self.classes:
            for node in assigns(rule):
                self.setting[node.key].append((tests, rule))
                if isinstance(node.value, Literal) and isinstance(node.value.value, str):
                    self.giving[node.key, node.value.value].append((tests, rule))
                    self.texts[node.key].add(node.value.value.rstrip())
                else:
                    self.open.add(node.key)
        for node in (one for action in rules.actions for product in action.products for one in product.assigns):
            if node.key in self.texts:  # what a product block says of its product
                if isinstance(node.value, Literal):
                    self.texts[node.key].add(str(node.value.value).rstrip())
                else:
                    self.open.add(node.key)

    def conditions(self) -> Iterator[Expr]:
        """The conditions of all groups and associations."""
        for rule in self.rules.organisation:
            if rule.where is not None:
                yield rule.where
        for action in self.rules.actions:
            for association in action.associations:
                if association.where is not None:
                    yield association.where

    def categories(self) -> Iterator[Problem]:
        """Categories that are asked for and that no rule gives."""
        for where in self.conditions():
            for node in walk(where):
                found = constant(node)
                if not isinstance(node, Compare) or found is None or found[0].name not in self.texts:
                    continue
                key, op, text = found
                given = self.texts[key.name]
                if key.name in self.open or text.rstrip() in given:
                    continue
                if op == "==" or not any(fits(known, op, text) for known in given):
                    yield _problem("warning", "never-assigned", f'no rule sets {key.name} to "{_short(text)}"', node.at)

    def actions(self) -> Iterator[Problem]:
        """Actions that are never executed, executed and not there, there twice, or executed by both kinds of rules."""
        ways: dict[str, set[bool]] = defaultdict(set)
        known = {action.name for action in self.rules.actions}
        for rule in self.rules.organisation:
            if rule.action not in known:
                yield _problem("warning", "no-action", f"there is no action {rule.action}", rule.at)
            events = any(isinstance(node, Key) and node.prefix == "SIG" for node in walk(rule.where))
            ways[rule.action].add(events)
            if len(ways[rule.action]) == 2:
                text = f"action {rule.action} is executed by events and by grouping: the same AB may come from both"
                yield _problem("info", "two-ways", text, rule.at)
                ways[rule.action] = {events}
        seen: set[str] = set()
        for action in self.rules.actions:
            if action.name not in ways:
                yield _problem("info", "never-executed", f"action {action.name} is never executed", action.at)
            if action.name in seen:
                yield _problem("warning", "action-again", f"a second action {action.name}", action.at)
            seen.add(action.name)

    def terms(self) -> Iterator[Problem]:
        """Comparisons that do not say what they seem to."""
        tests = [rule.test for _, rule in self.classes]
        for condition in [*tests, *self.conditions()]:
            for node in walk(condition):
                found = constant(node)
                if found and found[1] == "like" and "%" not in found[2]:
                    yield _problem(
                        "info", "like-plain", f'like "{_short(found[2])}" has no %: it is the same as ==', _at(node)
                    )
                if isinstance(node, Or) and _always(node):
                    text = f"{_short(expression(node))} holds whenever both are there"
                    yield _problem("info", "always-true", text, _at(node.terms[0]))

    def prefixes(self) -> Iterator[Problem]:
        """`inputFile.` and `LF.` where there is no such file: they mean the file itself there."""
        places: list[tuple[str, Expr | None, At]] = [("", rule.test, rule.at) for _, rule in self.classes]
        places += [("", node.value, node.at) for _, rule in self.classes for node in assigns(rule)]
        places += [("LF", rule.where, rule.at) for rule in self.rules.organisation]
        places += [("inputFile", one.where, one.at) for action in self.rules.actions for one in action.associations]
        for allowed, expr, at in places:
            for node in walk(expr):
                if isinstance(node, Key) and node.prefix not in ("", "SIG", allowed):
                    text = f"there is no {node.prefix} here: {node.prefix}.{node.name} is read as {node.name}"
                    yield _problem("warning", "prefix", text, at)

    def blanks(self) -> Iterator[Problem]:
        """Texts that begin with a blank: they count, and are hardly meant."""
        for _, rule in self.classes:
            for node in assigns(rule):
                if isinstance(node.value, Literal) and str(node.value.value).startswith(" "):
                    yield _problem("warning", "blank", f"{_short(expression(node.value))} begins with a blank", node.at)
        for where in self.conditions():
            for term in walk(where):
                found = constant(term)
                if found and found[2].startswith(" "):
                    yield _problem("warning", "blank", f'"{_short(found[2])}" begins with a blank', _at(term))

    def overruled(self) -> Iterator[Problem]:
        """Rules that a later one with the same meaning overrules: == and like "%...%" are taken for the same here."""
        last: dict[tuple[frozenset[str], str], tuple[At, str, bool]] = {}
        for conditions, rule in reversed(self.classes):
            meaning = frozenset(_rough(term) for term in conditions if not _of_instrument(term))
            for node in assigns(rule):
                value = expression(node.value)
                adds = any(isinstance(part, Key) and part.name == node.key for part in walk(node.value))
                at, other, more = last.setdefault((meaning, node.key), (rule.at, value, adds))
                if at != rule.at and other != value and not more:  # one that adds to what is there overrules nothing
                    text = f"{node.key} = {_short(value)} is overruled by the rule of line {at.line}: {_short(other)}"
                    yield _problem("info", "overruled", text, rule.at)

    def incomplete(self) -> Iterator[Problem]:
        """Actions that can never be complete: a mandatory match asks the primary for what others only get."""
        own = self.setting.keys() - self.texts.keys()
        triggers = self._triggers() if own else {}
        for action in self.rules.actions if own else ():
            asked: dict[str, list[str]] = defaultdict(list)
            for tag, key in _mandatory(action):
                if key in own:
                    asked[key].append(tag)
            for key, tags in asked.items():
                for category in triggers.get(action.name, ()):
                    if not self._may_have(category, key):
                        text = f'rules set {key}, but not for "{category[1]}": {", ".join(tags)} may never match'
                        yield _problem("warning", "key-missing", text, action.at)

    def circles(self, makes: Mapping[str, Iterable[str]]) -> Iterator[Problem]:
        """Actions that need products of each other: no night can make all of them."""
        at = {action.name: action.at for action in self.rules.actions}
        for way in rounds(needs(self.rules, makes)):
            said = [f"{name} ({at[name]})" for name in way[1:_WAY]]
            said += [f"{len(way) - _WAY} more"] * (len(way) > _WAY)
            text = f"{way[0]} needs products of {', which needs those of '.join([*said, way[0]])}: they go in a circle"
            yield _problem("warning", "circle", text, at[way[0]])

    def _triggers(self) -> dict[str, dict[tuple[str, str], None]]:
        """Action -> (key, text) of the categories that make it run."""
        found: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        for rule in self.rules.organisation:
            for node in walk(rule.where):
                said = constant(node)
                if said and said[1] == "==" and said[0].name in self.texts:
                    found[rule.action][said[0].name, said[2]] = None
        return found

    def _may_have(self, category: tuple[str, str], key: str) -> bool:
        """Whether a file of this category may get `key` from some rule. Rules for products say nothing of raw files."""
        giving, setting = self.giving.get(category, []), self.setting[key]
        if not giving or len(giving) * len(setting) > _PAIRS:
            return True
        return any(
            rule is other or not (exclude(tests, others) or _of_product(others) > _of_product(tests))
            for tests, rule in giving
            for others, other in setting
        )


def _of_product(tests: list[Expr]) -> bool:
    return any(isinstance(node, Key) and node.name.startswith("PRO.") for term in tests for node in walk(term))


def _mandatory(action: Action) -> Iterator[tuple[str, str]]:
    """(tag, key) of what the primary must have for a mandatory association."""
    for association in action.associations:
        if association.min_ret:
            for term in terms(association.where):
                if isinstance(term, Compare) and term.op == "==":
                    for side in (term.left, term.right):
                        if isinstance(side, Key) and side.prefix == "inputFile":
                            yield association.tag, side.name


def _always(node: Or) -> bool:
    """`a < b or a >= b`."""
    if len(node.terms) != 2:
        return False
    one, two = node.terms
    return (
        isinstance(one, Compare)
        and isinstance(two, Compare)
        and _OPPOSITE.get(one.op) == two.op
        and (one.left, one.right) == (two.left, two.right)
    )


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _rough(term: Expr) -> str:
    found = constant(term)
    return f"{found[0].name}={found[2].strip('%')}" if found else expression(term)


def _of_instrument(term: Expr) -> bool:
    found = constant(term)
    return found is not None and found[0].name == "INSTRUME"


def _at(node: Expr) -> At:
    return node.at  # type: ignore[union-attr]


def _problem(level: str, code: str, text: str, at: At) -> Problem:
    return Problem(level, code, text, at)
