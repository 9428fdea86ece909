"""Large and deep rule files: time grows with the text, and no nesting is too much."""

from __future__ import annotations

import pytest

from engine.create.oca.lint import check
from engine.create.oca.read import read
from engine.create.oca.text import canonical
from tests.effort import ends, linear

RULE = 'if DPR.CATG == "CALIB" and DPR.TYPE like "%F{n}%" then {{ DO.CATG = "C{n}"; }}\n'
BROKEN = {
    "a word too much": 'if A == {n} and and B then {{ X = "a"; }}\n',
    "no closing brace": 'if A == {n} then {{ X = "a";\n',
    "no opening brace": 'if A == {n} then X = "a"; Y = "b"; }}\n',
    "open string": 'if A == {n} then {{ X = "a; }}\n',
    "open parenthesis": 'if (A == {n} then {{ X = "a"; }}\n',
}


def large(count: int) -> str:
    """Rules of `count` kinds of frames, five names for each."""
    return "".join(RULE.format(n=n) for n in range(5 * count)) + "".join(
        f'select execute(A{n}) from inputFiles where DO.CATG == "C{n}";\n'
        f'action A{n} {{ select file as B from calibFiles where DO.CATG == "C{n + 1}"; recipe r; }}\n'
        for n in range(count)
    )


def test_ten_thousand_rules_are_read_and_checked() -> None:
    with ends():
        rules = read(large(2_000))
        assert (len(rules.classification), len(rules.organisation), len(rules.actions)) == (10_000, 2_000, 2_000)
        assert check(rules) == ()
    assert linear(lambda count: check(read(large(count))), 20, 80)


@pytest.mark.parametrize("text", [*BROKEN.values(), *(text.replace("\n", " ") for text in BROKEN.values())])
def test_mistakes_in_every_rule_cost_no_more_than_the_text(text: str) -> None:
    with ends():
        rules = read(text.format(n=0) * 2_000)
    assert linear(lambda count: read(text.format(n=0) * count), 50, 200)
    assert rules.partial
    assert sum(problem.level == "error" for problem in rules.problems) <= 2 * 2_000 + 1


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 2000 + "A == 1" + ")" * 2000,
        "not " * 5000 + "A",
        "A == " + "-" * 5000 + "B",
        "A == 1" + " + 1" * 5000,
        "(A and (B or " * 2000 + "C" + "))" * 2000,
    ],
    ids=["parentheses", "not", "minus", "plus", "and-or"],
)
def test_deep_conditions_are_a_clean_mistake(condition: str) -> None:
    rules = read(f'if {condition} then {{ X = "a"; }}\nif B == 1 then {{ X = "b"; }}', "t.oca")
    assert len(rules.classification) == 1
    assert "nested too deep" in rules.problems[0].text and rules.problems[0].at.line == 1
    canonical(rules)


def test_deep_blocks_are_a_clean_mistake() -> None:
    rules = read("if A then {\n" * 3000 + "}\n" * 3000 + "if B == 1 then {}")
    assert rules.partial and rules.classification


def test_what_is_allowed_can_be_written_and_compared() -> None:
    condition = "(A and (B or not - (" * 15 + "C" + ")))" * 15
    rules = read(f"if {condition} and {'not ' * 30}D then {{}}")
    assert not rules.partial
    assert read(canonical(rules)).classification == read(canonical(rules)).classification


def test_long_flat_conditions_are_no_nesting() -> None:
    def flat(count: int) -> str:
        return "if " + " or ".join(f"A == {n}" for n in range(count)) + " then { X = 1; }"

    with ends():
        assert not read(flat(50_000)).partial
    assert linear(lambda count: read(flat(count)), 500, 2_000)


@pytest.mark.parametrize(
    ("piece", "count", "end"),
    [
        (" ", 3_000_000, ""),
        ("\n", 3_000_000, ""),
        ("/*", 500_000, ""),
        ('""', 250_000, '"'),
        ("minRet = 1;", 20_000, ")"),
    ],
    ids=["blanks", "lines", "comments", "quotes", "limits"],
)
def test_nothing_much_is_read_at_once(piece: str, count: int, end: str) -> None:
    with ends():
        read(piece * count + end)
    assert linear(lambda count: read(piece * count + end), 200, 800)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("if A == 1e999 then {}", "too large"),
        (f"if A == {'9' * 6000} then {{}}", "too large"),
        ('if A regexp "(" then {}', "regular expression"),
        ("if A regexp B then {}", "pattern in quotes"),
        ("if A is nonsense then {}", "is nonsense"),
        ("select execute(A) from nowhere;", "not from nowhere"),
        ("select execute(A) from inputFiles where SIG.X == 1;", "no event SIG.X"),
        ('action A { minRet = "x"; select file as B from calibFiles; recipe r; }', "whole number"),
        ("select execute(A) from inputFiles group by K as (A,b,c);", "an event and a tag"),
        ("priority = 3;", "outside of all rules"),
        ("A < B < C;", "unexpected"),
    ],
)
def test_rules_that_make_no_sense_are_left_out(rule: str, said: str) -> None:
    rules = read(f"if (T) then {{ X = 1; }}\n{rule}\nif (T) then {{ X = 2; }}\n", "t.oca")
    assert len(rules.classification) == 2 and not rules.organisation and not rules.actions
    (problem,) = [problem for problem in rules.problems if problem.level == "error"]
    assert said in problem.text and problem.at.line == 2
