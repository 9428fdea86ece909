"""Why: which rule said what about a file, why a calibration was chosen, and why the others were not.

Nothing here decides anything: the same functions that make the ABs are asked, and their terms are shown with
the values they had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.create.oca.associate import Hit, Pools, Seeker, Shortage
from engine.create.oca.classify import Setting
from engine.create.oca.closures import Compiler, keys, terms
from engine.create.oca.frame import Frame
from engine.create.oca.model import ClassRule, Expr, Key, Organise
from engine.create.oca.organise import Group
from engine.create.oca.ruleset import RuleSet
from engine.create.oca.text import expression
from engine.create.oca.values import Value

_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a condition: its text, its result (true, false, missing), and the values of its keys."""

    text: str
    result: str
    values: tuple[tuple[str, Value | None], ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{key} {'missing' if value is None else repr(value)}" for key, value in self.values)
        return f"{self.text}: {self.result} ({shown})" if shown else f"{self.text}: {self.result}"


@dataclass(frozen=True, slots=True)
class Ran:
    """A classification rule that was tried: what it set, which of that a later rule overwrote, and its terms."""

    rule: ClassRule
    true: bool
    settings: tuple[Setting, ...]
    overwritten: tuple[str, ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """An organisation rule and a file: None in `group` where it is in no group of the rule, then `terms` say why."""

    rule: Organise
    group: Group | None
    terms: tuple[Term, ...]

    @property
    def near(self) -> bool:
        """True when the file does what is asked of it, yet its group ended otherwise, is too small or unfinished."""
        return bool(self.terms) and all(term.result == "true" for term in self.terms)


_Rule = TypeVar("_Rule", Ran, Tried)


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that was not taken. `kind`: member, term, time, window, farther; `why` is for the operator."""

    frame: Frame
    delta_days: float | None
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One association of a group: what it took (the best first), what it refused (the nearest first), and how.

    `off`: why nothing was looked for, '' otherwise. `elsewhere`: files of the pool that are of another kind.
    """

    seeker: Seeker
    hits: tuple[Hit, ...]
    refused: tuple[Refused, ...]
    elsewhere: int
    shortage: Shortage | None
    off: str


def traced(where: Expr | None, own: Mapping[str, Value], other: Mapping[str, Value], compiler: Compiler) -> list[Term]:
    """The terms of a condition with their values and results; `missing` is false because of a missing key."""
    found: list[Term] = []
    for term in terms(where):
        true = compiler.test(term)(own, other)
        values = dict[str, Value | None]()
        for key in keys(term):
            theirs = bool(key.prefix) and key.prefix == compiler.other
            values[_name(key)] = (other if theirs else own).get(key.name)
        missing = not true and None in values.values()
        found.append(
            Term(expression(term), "true" if true else "missing" if missing else "false", tuple(values.items()))
        )
    return found


def classification(rules: RuleSet, frame: Frame) -> tuple[Ran, ...]:
    """Classify a file, and tell every rule in the order of the text."""
    steps = list(rules.classifier.steps(frame))
    last = {setting.key: setting for step in steps for setting in step.settings}
    compiler = Compiler(rules.reading)
    return tuple(
        Ran(
            step.rule,
            step.true,
            step.settings,
            tuple(one.key for one in step.settings if last[one.key] is not one),
            tuple(traced(step.rule.test, step.seen, step.seen, compiler)),
        )
        for step in steps
    )


def organisation(rules: RuleSet, frame: Frame, groups: Iterable[Group]) -> tuple[Tried, ...]:
    """For every organisation rule the group that a file is in, or the terms that it failed by itself."""
    by_rule = {id(group.rule): group for group in groups if any(member is frame for member in group.members)}
    compiler = Compiler(rules.reading, "LF")
    found: list[Tried] = []
    for rule in rules.rules.organisation:
        asked = [term for term in terms(rule.where) if not {key.prefix for key in keys(term)} & {"LF", "SIG"}]
        traces = [one for term in asked for one in traced(term, frame.values, frame.values, compiler)]
        found.append(Tried(rule, by_rule.get(id(rule)), tuple(traces)))
    return tuple(found)


def nearest(tried: Iterable[_Rule]) -> tuple[_Rule, ...]:
    """The rules that a file all but fits: most terms true, then fewest that are not, then the order of the text."""
    counts = [(sum(term.result == "true" for term in one.terms), len(one.terms), one) for one in tried]
    near = [count for count in counts if 0 < count[0] < count[1]]
    near.sort(key=lambda count: (-count[0], count[1]))
    return tuple(one for _, _, one in near[:_NEAREST])


def association(rules: RuleSet, group: Group, pools: Pools) -> tuple[Choice, ...]:
    """For every association of a group what was chosen and why the other files of that kind were not."""
    got = rules.associate(group, pools)
    return tuple(
        _choice(rules, seeker, group, pools, got.hits, got.shortages)
        for seeker in rules.associator.seekers(group.action)
    )


def _choice(
    rules: RuleSet,
    seeker: Seeker,
    group: Group,
    pools: Pools,
    all_hits: Sequence[Hit],
    shortages: Sequence[Shortage],
) -> Choice:
    rule = seeker.rule
    pool = pools.of(rule.source)
    kind = [file for file in pool.files if seeker.of_kind(file)]
    shortage = next((one for one in shortages if one.rule is rule), None)
    elsewhere = len(pool.files) - len(kind)
    if rule.max_ret == 0:
        return Choice(seeker, (), (), elsewhere, None, "maxRet is 0")
    compiler = Compiler(rules.reading, "inputFile")
    hits: list[Hit] = []
    refused: list[Refused] = []
    for rank, (file, delta, ok) in enumerate(seeker.ranked(group, pools), 1):
        if rule.max_ret < 0 or rank <= rule.max_ret:
            hits.append(Hit(file, rule.tag, rule.source, delta, ok, rule))
        else:
            less = "outside the plan range" if not ok and hits and hits[-1].ok else "farther in time"
            refused.append(Refused(file, delta, "farther", f"{less}: number {rank}, maxRet is {rule.max_ret}"))
    known = {id(file) for file in (*(hit.frame for hit in hits), *(one.frame for one in refused))}
    refused += [_refused(seeker, group, file, compiler) for file in kind if id(file) not in known]
    refused.sort(key=lambda one: (one.delta_days is None, abs(one.delta_days or 0), one.frame.name))
    return Choice(seeker, tuple(hits), tuple(refused), elsewhere, shortage, "")


def _refused(seeker: Seeker, group: Group, file: Frame, compiler: Compiler) -> Refused:
    _, delta = seeker.fit(group, file)
    if file.path in {member.path for member in group.members}:
        return Refused(file, delta, "member", "it is one of the files to be calibrated")
    for term in traced(seeker.rule.where, file.values, group.primary.values, compiler):
        if term.result != "true":
            return Refused(file, delta, "term", str(term))
    if not seeker.in_time_rule(group, file, delta):
        return Refused(file, delta, "time", f"the time rule is {seeker.time_rule}")
    return Refused(file, delta, "window", f"outside of {_span(seeker)} days")


def _span(seeker: Seeker) -> str:
    low, high = (seeker.window and seeker.window.extended) or (0.0, 0.0)
    return f"{low:+g}/{high:+g}"


def _name(key: Key) -> str:
    return f"{key.prefix}.{key.name}" if key.prefix else key.name
