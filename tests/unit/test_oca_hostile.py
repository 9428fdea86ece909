"""Large and deep rule files: the work grows with the text, and no nesting is too much."""

from __future__ import annotations

import pytest

from engine.create.createab.build import makes_of
from engine.create.createab.levels import ladder
from engine.create.createab.predict import Table
from engine.create.oca.lint import check
from engine.create.oca.read import read
from engine.create.oca.source import BadRules
from engine.create.oca.text import canonical
from tests.effort import effort

RULE = 'if DPR.CATG == "CALIB" and DPR.TYPE like "%F{n}%" then {{ DO.CATG = "C{n}"; }}\n'
BROKEN = {
    "a word too much": 'if A == {n} and and B then {{ X = "a"; }}\n',
    "no closing brace": 'if A == {n} then {{ X = "a";\n',
    "no opening brace": 'if A == {n} then X = "a"; Y = "b"; }}\n',
    "open string": 'if A == {n} then {{ X = "a; }}\n',
    "open parenthesis": 'if (A == {n} then {{ X = "a"; }}\n',
}


def instrument(count: int, needs: str, makes: str) -> str:
    """Rules for so many kinds of files, each with an action of its own that needs and makes something."""
    kinds = "".join(f'if DPR.TYPE == "T{n}" then {{ DO.CATG = "T{n}"; }}\n' for n in range(count))
    runs = "".join(f'select execute(A{n}) from inputFiles where DO.CATG == "T{n}";\n' for n in range(count))
    return f"if PRO.CATG is string then {{ DO.CATG = PRO.CATG; }}\n{kinds}{runs}" + "".join(
        f"action A{n} {{ select file as X from calibFiles where DO.CATG {needs.format(n=n, next=(n + 1) % count)};"
        f' recipe r; product {makes.format(n=n)} {{ PRO.CATG = "{makes.format(n=n)}"; }} }}\n'
        for n in range(count)
    )


def test_ten_thousand_rules_are_read_and_checked() -> None:
    text = "".join(RULE.format(n=n) for n in range(10_000))
    text += "".join(
        f'select execute(A{n}) from inputFiles where DO.CATG == "C{n}";\n'
        f'action A{n} {{ select file as B from calibFiles where DO.CATG == "C{n + 1}"; recipe r; }}\n'
        for n in range(2_000)
    )
    rules = read(text)
    assert (len(rules.classification), len(rules.organisation), len(rules.actions)) == (10_000, 2_000, 2_000)
    assert check(rules) == ()


@pytest.mark.parametrize(
    ("needs", "makes"),
    [
        ('== "P{next}"', "P{n}"),  # one circle of all
        ('== "P{n}"', "P{n}"),
        ('like "P{next}_%"', "P{n}_"),
        ('== "MASTER"', "P{n}"),
    ],
)
def test_the_work_grows_with_the_rules_and_no_faster(needs: str, makes: str) -> None:
    def work(count: int) -> int:
        rules = read(instrument(count, needs, makes))

        def all_of_it() -> None:
            known = makes_of(rules, Table({}))
            check(rules, known)
            ladder(rules, known)

        return effort(all_of_it)

    work(2)  # what is done once only is done
    assert work(200) < 2.5 * work(100)


def test_many_small_circles_are_cut_one_by_one() -> None:
    def work(count: int) -> int:
        pairs = "".join(
            f"action {a}{n} {{ select file as {b}{n} from calibFiles; recipe r; product {a}{n} {{}} }}\n"
            for n in range(count)
            for a, b in ("AB", "BA")
        )
        rules = read(pairs)
        known = makes_of(rules, Table({}))
        assert len(ladder(rules, known).notes) == count
        return effort(lambda: ladder(rules, known))

    assert work(200) < 2.5 * work(100)


def test_actions_that_all_need_each_other_are_refused() -> None:
    rules = read(instrument(1_001, 'like "P%"', "P{n}"), "t.oca")
    with pytest.raises(BadRules, match=r"t.oca:\d+.*more than 1000000 ways"):
        check(rules, makes_of(rules, Table({})))


@pytest.mark.parametrize("text", [*BROKEN.values(), *(text.replace("\n", " ") for text in BROKEN.values())])
def test_mistakes_in_every_rule_cost_no_more_than_the_text(text: str) -> None:
    small, large = (effort(lambda many=many: read(text.format(n=0) * many)) for many in (100, 200))
    assert large < 2.5 * small
    rules = read(text.format(n=0) * 2_000)
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
    assert not read("if " + " or ".join(f"A == {n}" for n in range(50_000)) + " then { X = 1; }").partial


@pytest.mark.parametrize(
    "text",
    [" " * 300_000, "\n" * 300_000, "/*" * 50_000, '"' * 50_001, "minRet = 1;" * 5_000 + ")"],
    ids=["blanks", "lines", "comments", "quotes", "limits"],
)
def test_nothing_much_is_read_at_once(text: str) -> None:
    assert effort(lambda: read(text)) < 100 * len(text)


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
