"""What two values are to each other, and what patterns match."""

from __future__ import annotations

import pytest

from engine.create.oca.frame import Frame, bare_name
from engine.create.oca.model import Compare
from engine.create.oca.reading import Reading
from engine.create.oca.regexp import BadPattern, regexp
from engine.create.oca.values import bucket, calculated, equal, is_kind, like, ordered
from tests.effort import effort
from tests.oca_rules import classified, rules


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, 2, False),
        ("A", "A", True),
        (" A", "A", False),
        ("a", "A", False),
        (True, True, True),
        (True, 1, False),
        ("T", True, False),
        ("2", 2.0, True),
        ("2.50", 2.5, True),
        ("2", "2.0", False),
        ("2x", 2, False),
        ("nan", "nan", True),
        ("1e999", float("inf"), False),
        (float("nan"), float("nan"), False),
        (None, None, False),
        (None, "A", False),
        ("9" * 5000, 9, False),
    ],
)
def test_when_two_values_are_equal(left: object, right: object, same: bool) -> None:
    assert equal(left, right) is same  # type: ignore[arg-type]
    assert equal(right, left) is same  # type: ignore[arg-type]
    if same and left == left:
        assert bucket(left) == bucket(right)  # type: ignore[arg-type]


def test_a_tolerance_is_for_numbers_only() -> None:
    assert equal(1.0, 1.05, 0.1)
    assert not equal(1.0, 1.2, 0.1)
    assert bucket(1.0, 0.1) == bucket(1.05, 0.1)
    assert not equal("A", "B", 0.1)


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        ("<", 1, 2.5, True),
        (">=", 2.0, 2, True),
        ("<", "2014-01-02", "2014-01-10", True),
        ("<", "b", "a", False),
        ("<", "a", 1, False),
        (">", True, False, False),
        ("<", None, 1, False),
        (">", None, None, False),
    ],
)
def test_what_comes_before_what(op: str, left: object, right: object, result: bool) -> None:
    assert ordered(op, left, right) is result  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        ("+", 1, 2, 3),
        ("-", 1.5, 1, 0.5),
        ("/", 1, 0, None),
        ("%", 7, 0, None),
        ("*", "2", 2, None),
        ("*", True, 2, None),
        ("+", None, 2, None),
        ("*", 1e200, 1e200, None),
        ("*", 10**400, 10**400, None),
        ("+", "[", 7, "[7"),
        ("+", 1.5, "]", "1.5]"),
        ("+", "a", "b ", "ab"),
        ("+", "a", None, None),
        ("+", "a", True, None),
        ("-", "a", "b", None),
        ("+", "x" * 4000, "y" * 4000, None),
    ],
)
def test_what_can_be_calculated(op: str, left: object, right: object, result: object) -> None:
    assert calculated(op, left, right) == result  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("Blue%", ["Blue", "Blue filter"], ["blue", " Blue"]),
        ("%FLAT%", ["FLAT", "FLAT,LAMP", "SKY,FLAT"], ["FLA", ""]),
        ("%LAMP", ["LAMP", "FLAT,LAMP"], ["LAMP,FLAT"]),
        ("A%A", ["AA", "ABA"], ["A", "AB"]),
        ("%", ["", "x", "a\nb"], []),
        ("A_B", ["A_B"], ["AxB"]),
        ("%a%b%c", ["abc", "xaxbxc", "ababc"], ["acb", "ab"]),
        ("[x]*%", ["[x]*", "[x]*y"], ["x"]),
        ("%%x", ["x", "yx"], ["xy"]),
    ],
)
def test_like_is_anchored_and_only_percent_is_special(pattern: str, matching: list[str], others: list[str]) -> None:
    assert all(like(pattern)(text) for text in matching)
    assert not any(like(pattern)(text) for text in others)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("MUSE_[wn]fm_cal_specflat", ["MUSE_wfm_cal_specflat", "x MUSE_nfm_cal_specflat y"], ["MUSE_xfm_cal_specflat"]),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        ("^(?:ab)+$", ["ab", "abab"], ["", "aba"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
        ("^a{2}$", ["aa"], ["a", "aaa"]),
        ("^a{000002,00003}b{0,0}$", ["aa", "aaa"], ["a", "aaaa", "aab"]),
        (r"^\d+\.[^x]?$", ["12.", "1.y"], ["12", "1.x"]),
        (r"^[\]a-c]*$", ["", "]", "abc]"], ["d"]),
        ("^(a|b*)*c$", ["c", "abc", "bbac"], ["d"]),
        ("", ["", "anything"], []),
        ("^.?(x|yz)??$", ["", "a", "ax", "ayz"], ["axx"]),
    ],
)
def test_regular_expressions(pattern: str, matching: list[str], others: list[str]) -> None:
    assert all(regexp(pattern)(text) for text in matching)
    assert not any(regexp(pattern)(text) for text in others)


def test_the_whole_value_must_match_when_that_is_the_reading() -> None:
    assert regexp("b+")("abc")
    assert not regexp("b+", search=False)("abc")
    assert regexp("b+", search=False)("bbb")


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a)", "[a", "*a", "a**", r"(a)\1", "(?=a)", "(?<x>a)", "a{3,2}", r"\b", "[z-a]", "\\"),
        *("x{9999}", "((x{30}){30}){30}", "(" * 100 + ")" * 100, "(){9999}", "(){0,9999}", "a" * 10_000),
        *("a{99999999999}", "a{1,99999999999}", f"a{{{'9' * 5000}}}", "a{00000099999}"),
    ],
)
def test_a_pattern_that_has_no_bounded_cost_or_is_wrong_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        regexp(pattern)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a*)*b", "^(a|aa)+$", ".*.*.*.*.*.*x", "(a?){60}a{60}"])
def test_a_pattern_of_exponential_cost_costs_little(pattern: str) -> None:
    assert effort(lambda: regexp(pattern)("a" * 3000 + "!")) < 3_000_000


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("x", {"string"}),
        (1, {"number", "int"}),
        (1.0, {"number", "float"}),
        (True, {"boolean"}),
        (None, {"undefined"}),
    ],
)
def test_what_a_value_is(value: object, kinds: set[str]) -> None:
    every = ("string", "number", "int", "float", "boolean", "undefined")
    assert {kind for kind in every if is_kind(value, kind)} == kinds  # type: ignore[arg-type]


TABLE = {  # domain facts on OCA 7.4: both missing, one missing, equal, different
    "inputFile.K == K": (False, False, True, False),
    "inputFile.K != K": (False, False, False, True),
    "inputFile.K ?= K": (True, True, True, False),
    "(inputFile.K is undefined and K is undefined) or inputFile.K==K": (True, False, True, False),
    "not inputFile.K == K": (True, True, False, True),
}


@pytest.mark.row(116)
@pytest.mark.parametrize("condition", TABLE)
@pytest.mark.parametrize("value", ["x", 1, 1.5, True])
def test_matching_with_missing_keys(condition: str, value: object) -> None:
    ruleset = rules(f"action A {{ minRet = 0; select file as X from calibFiles where {condition}; recipe r; }}")
    where = ruleset.associator.seekers(ruleset.rules.actions[0])[0]
    other = "y" if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
    pairs = [({}, {}), ({"K": value}, {}), ({"K": value}, {"K": value}), ({"K": value}, {"K": other})]
    assert tuple(where._test(own, theirs) for own, theirs in pairs) == TABLE[condition]
    assert tuple(where._test(own, theirs) for theirs, own in pairs) == TABLE[condition]


def test_a_pattern_may_come_from_a_key_and_a_bad_one_matches_nothing() -> None:
    ruleset = rules('if A like B then { X = "yes"; }')
    assert classified(ruleset, "f", A="abc", B="a%").get("X") == "yes"
    assert classified(ruleset, "f", A="abc", B="b%").get("X") is None
    assert classified(ruleset, "f", A=1, B="%").get("X") is None


def test_like_without_percent_is_plain_equality() -> None:
    ruleset = rules('if A like "2" then { X = "yes"; }')
    assert [classified(ruleset, "f", A=value).get("X") for value in ("2", 2, "22")] == ["yes", "yes", None]


def test_strings_of_headers_lose_trailing_blanks_only() -> None:
    frame = Frame("/a/b/MUSE.2014-10-22T01:02:03.123.fits.fz", {"A": " x  ", "B": None, "C": 1, "MJD-OBS": "56952.5"})
    assert frame.header == {"A": " x", "C": 1, "MJD-OBS": "56952.5"}
    assert (frame.mjd, frame.name) == (56952.5, "MUSE.2014-10-22T01:02:03.123")
    assert frame.get("RFXNAME") == frame.name
    assert bare_name(".fits") == ".fits"


def test_a_rule_that_cannot_be_carried_out_is_left_out_and_named() -> None:
    ruleset = rules('if A regexp "(a)\\1" then { X = "1"; }\nif A == "b" then { X = "2"; }')
    assert ruleset.partial
    assert [problem.at.line for problem in ruleset.problems if problem.level == "error"] == [1]
    assert classified(ruleset, "f", A="b").get("X") == "2"


def test_the_tolerance_is_a_setting() -> None:
    text = "action A { select file as X from calibFiles where inputFile.K == K; recipe r; }"
    for tolerance, found in ((0.0, False), (0.01, True)):
        ruleset = rules(text, Reading(tolerance=tolerance))
        condition = ruleset.rules.actions[0].associations[0].where
        assert isinstance(condition, Compare)
        seeker = ruleset.associator.seekers(ruleset.rules.actions[0])[0]
        assert seeker._test({"K": 1.0}, {"K": 1.005}) is found
