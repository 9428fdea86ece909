"""Why a file is what it is, and why it gets the calibrations it gets."""

from __future__ import annotations

from typing import Any

import pytest

from engine.create.oca.associate import Pools
from engine.create.oca.explain import Choice, association, classification, organisation
from engine.create.oca.frame import Frame
from engine.create.oca.reading import Reading, Window
from engine.create.oca.ruleset import RuleSet
from tests.oca_rules import classified, only, rules

TEXT = """if (T) then { DO.CATG = "UNDEFINED"; }
if DPR.TYPE like "%FLAT%" and DET.TEMP > 100. then { DO.CATG = "HOT"; }
if DPR.TYPE like "%FLAT%" then { DO.CATG = "FLAT"; SEEN = DO.CATG; }
select execute(A) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT";
select execute(B) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT" and LF.DO.CATG == "ARC";
select execute(C) from inputFiles where SIG.FRAME == 1 and DO.CATG == "ARC" and K == 1;
action A {
  select file as BIAS from calibFiles where DO.CATG == "BIAS" and inputFile.K == K;
  minRet = 0; maxRet = 0; select file as OFF from calibFiles where DO.CATG == "OFF";
  select file as NEAR from rawFiles where DO.CATG == "FLAT";
  recipe r;
}
"""


def flat(ruleset: RuleSet, name: str = "flat", **more: Any) -> Frame:
    header = {"DPR__TYPE": "FLAT", "K": 1, "MJD_OBS": 100.0, "TPL__START": "t", **more}
    return classified(ruleset, name, **header)


def choices(ruleset: RuleSet, calibs: list[Frame]) -> dict[str, Choice]:
    raws = [flat(ruleset), flat(ruleset, "flat2")]
    group = only(ruleset.organise(raws).groups, "A")
    return {one.seeker.rule.tag: one for one in association(ruleset, group, Pools(calibs, raws))}


@pytest.mark.row(120)
def test_every_rule_with_what_it_set_and_what_was_overwritten() -> None:
    ruleset = rules(TEXT)
    frame = flat(ruleset)
    first, hot, last = classification(ruleset, frame)
    assert [(one.rule.at.line, one.true) for one in (first, hot, last)] == [(1, True), (2, False), (3, True)]
    assert first.overwritten == ("DO.CATG",)
    assert not last.overwritten
    assert [(one.key, one.value, one.before) for one in last.settings] == [
        ("DO.CATG", "FLAT", "UNDEFINED"),
        ("SEEN", "FLAT", None),
    ]
    assert [(term.text, term.result) for term in hot.terms] == [
        ('DPR.TYPE like "%FLAT%"', "true"),
        ("DET.TEMP > 100.0", "missing"),
    ]
    assert hot.terms[1].values == (("DET.TEMP", None),)
    assert frame.get("DO.CATG") == "FLAT"


@pytest.mark.row(120)
def test_a_term_is_shown_with_the_values_it_had() -> None:
    ruleset = rules("if A == 1 then { A = 2; } if A == 1 then { B = 1; } if not A == 2 or A > C then { D = 1; }")
    _, second, third = classification(ruleset, classified(ruleset, "f", A=1, C=5))
    assert str(second.terms[0]) == "A == 1: false (A 2)"
    assert str(third.terms[0]) == "not A == 2 or A > C: false (A 2, C 5)"


def test_organisation_says_in_which_group_a_file_is_and_which_term_it_fails() -> None:
    ruleset = rules(TEXT)
    frame = flat(ruleset)
    in_a, in_b, in_c = organisation(ruleset, frame, ruleset.organise([frame]).groups)
    assert in_a.group is not None
    assert in_b.group is None
    assert in_b.near  # it fits by itself; the last file of its template does not
    assert not in_c.near
    assert [(term.text, term.result) for term in in_c.terms] == [('DO.CATG == "ARC"', "false"), ("K == 1", "true")]


@pytest.mark.row(120)
def test_why_that_calibration_and_why_not_the_others() -> None:
    ruleset = rules(TEXT, Reading(windows={"BIAS": Window(plan=(-2, 2), extended=(-20, 20))}))
    calibs = [
        classified(ruleset, name, DO__CATG="UNDEFINED", MJD_OBS=100.0 + days, **more)
        for name, days, more in (
            ("near", 1, {"K": 1}),
            ("other", 0.1, {"K": 2}),
            ("none", 0.2, {}),
            ("far", -1.5, {"K": 1}),
            ("nok", 3, {"K": 1}),
            ("gone", 30, {"K": 1}),
        )
    ]
    for calib in calibs:
        calib.assign("DO.CATG", "BIAS")
    found = choices(ruleset, [*calibs, classified(ruleset, "stranger")])["BIAS"]
    assert [(hit.frame.name, hit.delta_days) for hit in found.hits] == [("near", 1.0)]
    assert [(one.frame.name, one.kind) for one in found.refused] == [
        ("other", "term"),
        ("none", "term"),
        ("far", "farther"),
        ("nok", "farther"),
        ("gone", "window"),
    ]
    why = [one.why for one in found.refused]
    assert why[0] == "inputFile.K == K: false (inputFile.K 1, K 2)"
    assert why[1] == "inputFile.K == K: missing (inputFile.K 1, K missing)"
    assert why[2] == "farther in time: number 2, maxRet is 1"
    assert why[3] == "outside the plan range: number 3, maxRet is 1"
    assert why[4] == "outside of -20/+20 days"
    assert found.elsewhere == 1
    assert found.shortage is None


def test_what_is_switched_off_what_is_short_and_what_belongs_to_the_group() -> None:
    ruleset = rules(TEXT)
    found = choices(ruleset, [])
    assert found["OFF"].off == "maxRet is 0"
    assert found["BIAS"].shortage is not None
    assert [(one.frame.name, one.kind) for one in found["NEAR"].refused] == [("flat", "member"), ("flat2", "member")]


@pytest.mark.parametrize(("rule", "days"), [("NEXT", -1), ("PREVIOUS", 1), ("ATTACHED", 1)])
def test_the_time_rule_that_refuses_a_file_is_named(rule: Any, days: int) -> None:
    ruleset = rules(TEXT, Reading(time_rules={"BIAS": rule}))
    calib = classified(ruleset, "c", K=1, MJD_OBS=100.0 + days)
    calib.assign("DO.CATG", "BIAS")
    (refused,) = choices(ruleset, [calib])["BIAS"].refused
    assert (refused.kind, refused.why) == ("time", f"the time rule is {rule}")
