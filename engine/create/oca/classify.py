"""Classification: every rule is tried on every file from top to bottom, and what a later one says holds.

A value that was assigned is seen at once by the next assignment and the next rule.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.create.oca.closures import BadExpression, Compiler, Getter, Test, keys, terms
from engine.create.oca.frame import Frame
from engine.create.oca.model import Assign, ClassRule, Compare, Expr, Key, Literal, Problem
from engine.create.oca.values import Value, bucket

_DEEPEST = 50  # rules inside rules
_KEPT = 1000  # values of a key whose rules are kept at hand


@dataclass(frozen=True, slots=True)
class _Rule:
    test: Test
    body: tuple[_Set | _Rule, ...]
    said: ClassRule


@dataclass(frozen=True, slots=True)
class _Set:
    key: str
    value: Getter
    said: Assign


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment that took place: by which rule, what it set, and what stood there before (None: nothing)."""

    rule: ClassRule
    assign: Assign
    key: str
    value: Value
    before: Value | None


@dataclass(frozen=True, slots=True)
class Step:
    """One rule tried on a file: whether it was true, the values it saw, and what it set."""

    rule: ClassRule
    true: bool
    seen: Mapping[str, Value]
    settings: tuple[Setting, ...]


class Classifier:
    """The classification rules of a rule set, ready to run. Rules that cannot run are left out and in `problems`."""

    def __init__(self, rules: Sequence[ClassRule], compiler: Compiler) -> None:
        self._compiler = compiler
        self.problems: list[Problem] = []
        self.keys: set[str] = set()
        made: list[_Rule] = []
        for rule in rules:
            try:
                made.append(self._made(rule, 0))
            except BadExpression as trouble:
                self.problems.append(Problem("error", trouble.code, trouble.text, trouble.at or rule.at))
        self._rules = tuple(made)
        self._by, self._places = _chosen(self._rules, compiler.reading.tolerance)
        self._some: dict[Hashable, tuple[_Rule, ...]] = {}

    def classify(self, frame: Frame) -> None:
        """Try every rule on a file; what was assigned before is forgotten first."""
        frame.forget()
        for rule in self._candidates(frame):
            if rule.test(frame.values, frame.values):
                _run(rule, frame, None)

    def steps(self, frame: Frame) -> Iterator[Step]:
        """Classify a file rule by rule; every rule of the text comes, the false ones too."""
        frame.forget()
        for rule in self._rules:
            settings: list[Setting] = []
            seen = dict(frame.values)
            true = rule.test(seen, seen)
            if true:
                _run(rule, frame, settings.append)
            yield Step(rule.said, true, seen, tuple(settings))

    def _candidates(self, frame: Frame) -> tuple[_Rule, ...]:
        """The rules that can be true for this file: those that need its value of one key, or none of that key."""
        value = bucket(frame.values.get(self._by), self._compiler.reading.tolerance)
        if value not in self._places:
            value = None
        found = self._some.get(value)
        if found is None:
            if len(self._some) >= _KEPT:
                self._some.clear()
            places = self._places.get(None, []) + (self._places[value] if value is not None else [])
            found = self._some[value] = tuple(self._rules[place] for place in sorted(places))
        return found

    def _made(self, rule: ClassRule, depth: int) -> _Rule:
        if depth > _DEEPEST:
            raise BadExpression("too-deep", f"more than {_DEEPEST} rules inside each other", rule.at)
        body: list[_Set | _Rule] = []
        for item in rule.body:
            if isinstance(item, ClassRule):
                body.append(self._made(item, depth + 1))
            else:
                body.append(_Set(item.key, self._compiler.value(item.value), item))
                self.keys.update(key.name for key in keys(item.value))
        self.keys.update(key.name for key in keys(rule.test))
        return _Rule(self._compiler.test(rule.test), tuple(body), rule)


def _run(rule: _Rule, frame: Frame, tell: Callable[[Setting], None] | None) -> None:
    for item in rule.body:
        if isinstance(item, _Rule):
            if item.test(frame.values, frame.values):
                _run(item, frame, tell)
            continue
        value = item.value(frame.values, frame.values)
        if value is None:  # a missing value leaves what is there
            continue
        if tell:
            tell(Setting(rule.said, item.said, item.key, value, frame.get(item.key)))
        frame.assign(item.key, value)


def _chosen(rules: Sequence[_Rule], tolerance: float) -> tuple[str, dict[Hashable, list[int]]]:
    """The key by whose value the fewest rules remain, of those that none assigns, and the places of the rules by the
    value they need of it; None for those that need none."""
    assigned = {one.key for rule in rules for one in _assigned(rule.said)}
    needed = [dict(reversed([*_fixed(rule.said.test)])) for rule in rules]  # the first of a key counts
    asked: dict[str, dict[Hashable, int]] = {}
    for needs in needed:
        for name, text in needs.items():
            if name not in assigned:
                counts, value = asked.setdefault(name, {}), bucket(text, tolerance)
                counts[value] = counts.get(value, 0) + 1

    def remain(name: str) -> float:
        many = sum(asked[name].values())
        return len(rules) - many + many / len(asked[name])

    best = min(asked, key=lambda name: (remain(name), name), default="")
    places: dict[Hashable, list[int]] = {}
    for place, needs in enumerate(needed):
        places.setdefault(bucket(needs[best], tolerance) if best in needs else None, []).append(place)
    return best, places


def _fixed(test: Expr) -> Iterator[tuple[str, str]]:
    for term in terms(test):
        match term:
            case Compare("==", Key("", name), Literal(str(text))):
                yield name, text.rstrip(" ")


def _assigned(rule: ClassRule) -> Iterator[Assign]:
    for item in rule.body:
        if isinstance(item, ClassRule):
            yield from _assigned(item)
        else:
            yield item
