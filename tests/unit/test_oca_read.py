"""Reading rules: what the language is, and what happens to a rule with a mistake."""

from __future__ import annotations

import pytest

from engine.create.oca.model import And, Arithmetic, Between, Compare, Expr, IsType, Key, Literal, Not, Or, Rules
from engine.create.oca.read import read


def where(text: str) -> Expr:
    """The condition of an association."""
    rules = clean(f"action A {{ select file as X from calibFiles where {text}; recipe r; }}")
    found = rules.actions[0].associations[0].where
    assert found is not None
    return found


def clean(text: str) -> Rules:
    """Rules without any mistake."""
    rules = read(text, "t.oca")
    assert not rules.partial, rules.problems
    return rules


@pytest.mark.parametrize("said", ["between", "tryBetween", "BETWEEN"])
@pytest.mark.parametrize("form", ["X {} -1 and A + 1", "X {} -1, A + 1", "X {}(-1, A + 1)", "{}(X, -1, A + 1)"])
def test_every_way_to_write_a_range(form: str, said: str) -> None:
    found = where(f"{form.format(said)} and Y == 2")
    assert isinstance(found, And) and isinstance(found.terms[0], Between)
    between = found.terms[0]
    assert (between.left, between.low, between.soft) == (Key("", "X"), Literal(-1), said == "tryBetween")
    assert between.high == Arithmetic("+", Key("", "A"), Literal(1))


def test_parentheses_behind_between_are_still_parentheses() -> None:
    found = where("X between (A + 1) and (B)")
    assert isinstance(found, Between) and (found.low, found.high) == (
        Arithmetic("+", Key("", "A"), Literal(1)),
        Key("", "B"),
    )


def test_limits_hold_for_the_next_select_only() -> None:
    rules = clean("""
        action SETUP {
          minRet = 0; maxRet = 0;
          select file as BPM from calibFiles where DO.CATG == "BPM";
          minRet = 1;
          select file as LINES from calibFiles where DO.CATG == "LINES";
          select file as MASTER_BIAS from calibFiles where DO.CATG == "MASTER_BIAS";
          minRet = 3; maxRet = -1;
          select file as DARK from rawFiles where DO.CATG == "DARK";
          maxRet = 4;
          select file as FEW from rawFiles where DO.CATG == "FEW";
          priority = 10;
          recipe my_flat { "--method=median --merge"; "--range=1,2:3,4"; "--method=mean"; }
          product MASTER_FLAT { PRO.CATG = "MASTER_FLAT"; PRO.EXT = "grp_0000.fits"; }
          product FLAT_ERR    { PRO.CATG = "FLAT_ERR"; }
        }""")
    action = rules.actions[0]
    limits = [(found.tag, found.min_ret, found.max_ret) for found in action.associations]
    assert limits == [("BPM", 0, 0), ("LINES", 1, 1), ("MASTER_BIAS", 1, 1), ("DARK", 3, -1), ("FEW", 1, 4)]
    assert action.params == ("--merge", "--range=1,2:3,4", "--method=mean")
    assert [product.name for product in action.products] == ["MASTER_FLAT", "FLAT_ERR"]
    assert [(setting.key, setting.value) for setting in action.settings] == [("priority", Literal(10))]


def test_not_is_looser_than_a_comparison_and_and_binds_closer_than_or() -> None:
    found = where('not A like "x" or B is undefined and C == 1')
    assert isinstance(found, Or)
    first, second = found.terms
    assert isinstance(first, Not) and isinstance(first.term, Compare)
    assert isinstance(second, And) and isinstance(second.terms[0], IsType)


@pytest.mark.parametrize("key", ["IFU.X", "AS.X", "IS.ON", "if.x", "file-name", "MJD-OBS", "A-1", "and_x", "X.AND"])
def test_keys_that_begin_like_keywords_are_keys(key: str) -> None:
    found = where(f"{key} == 1")
    assert isinstance(found, Compare) and found.left == Key("", key)


@pytest.mark.parametrize(
    ("text", "value"),
    [("57823.", 57823.0), (".5", 0.5), ("1e3", 1000.0), ("-2", -2), ("1", 1), ("T", True), ("FALSE", False)]
    + [(f'"{text}"', text) for text in ("a//b", "/* x */", "# x", "it's", "T", " B", "\\d")]
    + [("'say \"x\"'", 'say "x"')],
)
def test_values(text: str, value: object) -> None:
    found = where(f"K == {text}")
    assert isinstance(found, Compare) and found.right == Literal(value)  # type: ignore[arg-type]
    assert type(getattr(found.right, "value", None)) is type(value)


def test_a_lost_brace_costs_one_rule() -> None:
    rules = read("""
        if A == 1 then { X = "1"; }
        if A == 2 then { X = "2";
        if A == 3 then { X = "3"; }
        minRet = 3;
        select execute(B) from inputFiles where SIG.TEMPLATE == 1;
        """)
    assert rules.partial
    assert [rule.body[0].value for rule in rules.classification] == [Literal("1"), Literal("3")]  # type: ignore[union-attr]
    assert [rule.min_ret for rule in rules.organisation] == [3]


def test_a_mistake_is_told_with_its_place_and_costs_its_rule_only() -> None:
    rules = read(
        'if A == 1 then { X = "1"; }\nif B == 2 and and C == 3\nthen { X = "2"; }\nif D == 1 then Y = 2;', "t.oca"
    )
    (problem,) = rules.problems
    assert str(problem.at) == "t.oca:2:15" and "unexpected 'and'" in problem.text and "line 2" in problem.text
    assert len(rules.classification) == 2


def test_an_inner_rule_never_becomes_a_rule_of_its_own() -> None:
    rules = read('if A == 1 then { X = ; \nif B == 2 then { X = "b"; }\n}\n')
    assert rules.partial and not rules.classification


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('if A == "x then { X = "a"; }', True),
        ("if A == 'x then { X = 'a'; }", True),
        ('if A == "x then { X = 1; }', True),
        ('if A == "it\'s" then { X = 1; } }', False),
        ('if A == "x" then then { X = "a"; }', False),
    ],
)
def test_a_string_that_is_never_closed_is_named_as_what_is_wrong(line: str, told: bool) -> None:
    rules = read(f'{line}\nif B == 1 then {{ X = "b"; }}\n')
    (problem, *_) = rules.problems
    assert ("never closed" in problem.text or "not closed" in problem.text) is told
    assert problem.at.line == 1 and len(rules.classification) >= 1
