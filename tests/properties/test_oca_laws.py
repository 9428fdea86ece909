"""Laws of the rules: no order of files shows, indexes change nothing, the later rule wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.create.oca.associate import Pools
from engine.create.oca.frame import Frame
from engine.create.oca.model import (
    Action,
    And,
    Arithmetic,
    Assign,
    Association,
    At,
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
    Rules,
)
from engine.create.oca.organise import Group
from engine.create.oca.reading import Reading, Window
from engine.create.oca.ruleset import RuleSet
from engine.create.oca.values import Value, calculated, equal, is_kind, like, ordered

AT = At("law.oca", 1)
KEYS = ("A", "B", "MJD-OBS")
VALUES: tuple[Any, ...] = (1, 1.0, 2, "1", "x", "X y", True, False, 2.5)

values = st.sampled_from(VALUES)
operands = st.one_of(
    st.builds(Literal, values), st.builds(Key, st.sampled_from(["", "inputFile"]), st.sampled_from(KEYS))
)
sums = st.one_of(
    operands, st.builds(Arithmetic, st.sampled_from("+-*/%"), operands, operands), st.builds(Negative, operands)
)
relations = st.one_of(
    st.builds(Compare, st.sampled_from(["==", "!=", "?=", "<", "<=", ">", ">="]), sums, sums, st.just(AT)),
    st.builds(Compare, st.just("like"), operands, st.sampled_from(["x", "%", "X%", "1"]).map(Literal), st.just(AT)),
    st.builds(
        IsType, operands, st.sampled_from(["string", "undefined", "number", "int", "float", "boolean"]), st.just(AT)
    ),
    st.builds(Between, sums, sums, sums, st.booleans(), st.just(AT)),
)
shared = st.sampled_from(
    [Compare("==", Key("inputFile", "A"), Key("", "A"), AT), Compare("==", Key("", "B"), Literal("x"), AT)]
)
conditions = st.recursive(
    st.one_of(relations, shared),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda terms: And(tuple(terms)), st.lists(inner, min_size=2, max_size=4)),
        st.builds(lambda terms: Or(tuple(terms)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "A": values,
        "B": values,
        "MJD-OBS": st.sampled_from([98.0, 99.5, 100.0, 100.5, 102]),
        "OBS.ID": st.just(1),
    },
)
pools = st.lists(st.tuples(headers, st.booleans()), max_size=8)
readings = st.builds(
    lambda rule, plan, extended, tolerance: Reading(
        time_rules={"X": rule}, windows={"X": Window(plan, extended)}, tolerance=tolerance
    ),
    st.sampled_from(["CLOSEST", "NEXT", "PREVIOUS", "ATTACHED"]),
    st.sampled_from([None, (-1.0, 1.0)]),
    st.sampled_from([None, (-2.0, 2.0)]),
    st.sampled_from([0.0, 1.0]),
)


def judged(expr: Expr, own: Mapping[str, Value], other: Mapping[str, Value], tolerance: float) -> int:
    """What a condition says, step by step as the language is described: 2 true, 1 NOK, 0 false."""

    def of(part: Expr) -> Value | None:
        match part:
            case Literal(value):
                return value
            case Key(prefix, name):
                return (other if prefix else own).get(name)
            case Arithmetic(op, left, right):
                return calculated(op, of(left), of(right))
            case Negative(term):
                return calculated("-", 0, of(term))
        raise AssertionError(part)

    def level(part: Expr) -> int:
        return judged(part, own, other, tolerance)

    match expr:
        case And(terms):
            return min(level(term) for term in terms)
        case Or(terms):
            return max(level(term) for term in terms)
        case Not(term):
            return 0 if level(term) else 2
        case IsType(term, kind):
            return 2 * is_kind(of(term), kind)
        case Between(middle, low, high, soft):
            value, least, most = of(middle), of(low), of(high)
            for one in (least, most):
                if not (ordered("<=", value, one) or ordered(">=", value, one)):
                    return 0
            inside = ordered("<=", least, value) and ordered("<=", value, most)
            return 2 if inside else int(soft)
        case Compare(op, left, right):
            return 2 * compared(op, of(left), of(right), tolerance)
    raise AssertionError(expr)


def compared(op: str, left: Value | None, right: Value | None, tolerance: float) -> bool:
    match op:
        case "==":
            return equal(left, right, tolerance)
        case "!=":
            return left is not None and right is not None and not equal(left, right, tolerance)
        case "?=":
            return left is None or right is None or equal(left, right, tolerance)
        case "like" if "%" not in str(right):
            return equal(left, right, tolerance)
        case "like":
            return isinstance(left, str) and like(str(right))(left)
    return ordered(op, left, right)


def naive(where: Expr, group: Group, pool: list[Frame], reading: Reading) -> list[tuple[str, bool]]:
    """Every file tried, all sorted: what the result must be."""
    window, rule = reading.windows["X"], reading.time_rules["X"]
    found = []
    for file in pool:
        delta = None if file.mjd is None or group.mjd_mod is None else file.mjd - group.mjd_mod
        level = judged(where, file.values, group.primary.values, reading.tolerance)
        late = delta is not None and ((rule == "NEXT" and delta < 0) or (rule == "PREVIOUS" and delta > 0))
        apart = rule == "ATTACHED" and not equal(file.get("OBS.ID"), group.primary.get("OBS.ID"))

        def inside(span: tuple[float, float], delta: float | None = delta) -> bool:
            return delta is not None and span[0] <= delta <= span[1]

        if not level or late or apart or (window.extended and not inside(window.extended)):
            continue
        ok = level == 2 and (window.plan is None or inside(window.plan))
        undated = file.mjd is None
        # file names are of one length, so that the newest name comes first by its negative number
        name = -int(file.name[1:]) if undated else int(file.name[1:])
        distance = 0.0 if undated or delta is None else abs(delta)
        found.append(((not ok, undated, distance, not undated and file.virtual, file.mjd or 0.0, name), file.path, ok))
    return [(path, ok) for _, path, ok in sorted(found)]


def ready(where: Expr, most: int, reading: Reading) -> RuleSet:
    association = Association("X", "calibFiles", where, 0, most, AT)
    action = Action("ACT", (association,), "r", (), (), (), AT)
    return RuleSet(Rules("law", (), (Organise("ACT", "inputFiles", None, (), "", "", 1, AT),), (action,)), reading)


@pytest.mark.row(118)
@given(conditions, headers, pools, st.sampled_from([-1, 1, 2]), readings, st.randoms(use_true_random=False))
def test_association_is_that_of_trying_every_file(
    where: Expr,
    primary: dict[str, Any],
    pool: list[tuple[dict[str, Any], bool]],
    most: int,
    reading: Reading,
    random: Any,
) -> None:
    ruleset = ready(where, most, reading)
    frame = Frame("raw.fits", primary)
    (group,) = ruleset.organise([frame]).groups
    files = [Frame(f"c{number:03}.fits", header, virtual=virtual) for number, (header, virtual) in enumerate(pool)]
    expected = naive(where, group, files, reading)
    random.shuffle(files)
    hits = ruleset.associate(group, Pools(files, [frame])).hits
    assert [(hit.frame.path, hit.ok) for hit in hits] == (expected if most < 0 else expected[:most])


@pytest.mark.row(116)
@given(st.lists(st.tuples(conditions, st.sampled_from("AB"), values), max_size=6), headers)
def test_the_later_rule_wins(rules: list[tuple[Expr, str, Any]], header: dict[str, Any]) -> None:
    made = tuple(ClassRule(test, (Assign(key, Literal(value), AT),), AT) for test, key, value in rules)
    frame = Frame("x.fits", header)
    seen = dict(frame.header)
    for test, key, value in rules:
        if judged(test, seen, seen, 0.0):
            seen[key] = value
    RuleSet(Rules("law", made, (), ())).classify(frame)
    assert {key: frame.get(key) for key in ("A", "B")} == {key: seen.get(key) for key in ("A", "B")}
    assert frame.header == {key: value for key, value in header.items() if value is not None}


organises = st.builds(
    lambda event, last, own, group_by, least: Organise(
        "ACT",
        "inputFiles",
        And(tuple(term for term in (event, last, own) if term is not None)) if event or last or own else None,
        group_by,
        "",
        "",
        least,
        AT,
    ),
    st.sampled_from([None, *(Compare("==", Key("SIG", name), Literal(1), AT) for name in ("FRAME", "TEMPLATE"))]),
    st.sampled_from([None, Compare("==", Key("LF", "A"), Literal(1), AT)]),
    st.one_of(st.none(), relations),
    st.sampled_from([(), ("B",), ("A", "B"), ("TPL.START",), ("ARCFILE",)]),
    st.integers(1, 2),
)
nights = st.lists(
    st.fixed_dictionaries(
        {"MJD-OBS": st.integers(100, 104)},
        optional={"A": values, "B": values, "TPL.START": st.sampled_from("st"), "TPL.EXPNO": st.integers(1, 2)},
    ),
    max_size=12,
)


def _as_told(found: Any) -> tuple[object, ...]:
    return tuple((*group.identity, tuple(file.path for file in group.members)) for group in found.groups), found.notes


@pytest.mark.row(117)
@given(st.lists(organises, min_size=1, max_size=3), nights, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_files_come_does_not_show(
    organisation: list[Organise], night: list[dict[str, Any]], closed: bool, random: Any
) -> None:
    known = ClassRule(Literal(True), (Assign("DO.CATG", Literal("RAW"), AT),), AT)
    ruleset = RuleSet(Rules("law", (known,), tuple(organisation), ()))
    files = [Frame(f"f{number:02}.fits", header) for number, header in enumerate(night)]
    for file in files:
        ruleset.classify(file)
    first = ruleset.organise(files, closed=closed)
    random.shuffle(files)
    assert _as_told(ruleset.organise(files, closed=closed)) == _as_told(first)
    for group in first.groups:
        assert group.primary is group.members[0]
        assert len(group.members) >= group.rule.min_ret
        assert len({id(member) for member in group.members}) == len(group.members)
    names = [(group.primary.name, group.tag) for group in first.groups]
    assert len(set(names)) == len(names)
