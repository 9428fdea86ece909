"""Classification: all rules from top to bottom, the later one wins, key by key."""

from __future__ import annotations

import pytest

from engine.create.oca.frame import Frame
from tests.effort import effort
from tests.oca_rules import classified, rules

TEXT = """
if (T) then { DO.CATG = "UNDEFINED"; }
if DPR.CATG == "CALIB" and DPR.TYPE like "%FLAT%" then { DO.CATG = "FLAT"; RAW.TYPE = "FLAT"; WARM = DET.TEMP > 100.; }
if DPR.CATG == "CALIB" and DPR.TYPE like "%FLAT%" and not DPR.TYPE like "%LAMP%" then { DO.CATG = "SKYFLAT"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; }
"""


@pytest.mark.row(116)
@pytest.mark.parametrize(
    ("header", "category", "raw_type", "warm"),
    [
        ({"DPR.CATG": "CALIB", "DPR.TYPE": "FLAT,LAMP", "DET.TEMP": 120}, "FLAT", "FLAT", True),
        ({"DPR.CATG": "CALIB", "DPR.TYPE": "FLAT,SKY"}, "SKYFLAT", "FLAT", False),
        ({"DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT"}, "UNDEFINED", None, None),
        (
            {"DPR.CATG": "CALIB", "DPR.TYPE": "FLAT,LAMP", "PRO.CATG": "MASTER_FLAT ", "DET.TEMP": 99.5},
            "MASTER_FLAT",
            "FLAT",
            False,
        ),
    ],
)
def test_the_later_rule_wins_for_each_key(
    header: dict[str, object], category: str, raw_type: str | None, warm: bool | None
) -> None:
    frame = Frame("x.fits", header)
    rules(TEXT).classify(frame)
    assert (frame.get("DO.CATG"), frame.get("RAW.TYPE"), frame.get("WARM")) == (category, raw_type, warm)
    assert "DO.CATG" not in frame.header
    assert frame.overlay["DO.CATG"] == category


def test_what_was_assigned_is_seen_at_once() -> None:
    ruleset = rules("""
        if A == 1 then { B = A + 1; C = B * 2; }
        if C == 4 then { D = "seen"; A = 3; }
        if A == 1 then { E = "not any more"; }
    """)
    frame = classified(ruleset, "f", A=1)
    assert dict(frame.overlay) == {"B": 2, "C": 4, "D": "seen", "A": 3}
    assert frame.header["A"] == 1


def test_a_missing_value_is_not_assigned() -> None:
    assert classified(rules('if T then { A = "x"; A = B; C = B; }'), "f").overlay == {"A": "x"}


def test_classifying_again_begins_anew() -> None:
    ruleset = rules('if A is undefined then { A = "first"; } if A == "first" and B == "x" then { C = 1; }')
    frame = classified(ruleset, "f", B="x")
    before = dict(frame.overlay)
    ruleset.classify(frame)
    assert frame.overlay == before == {"A": "first", "C": 1}


def test_rules_inside_rules() -> None:
    ruleset = rules('if A == 1 then { B = "out"; if C == 1 then { B = "in"; } if C == 2 then B = "two"; }')
    assert [classified(ruleset, "f", A=1, C=c).get("B") for c in (0, 1, 2)] == ["out", "in", "two"]
    assert classified(ruleset, "f", C=1).get("B") is None


def test_swapped_rules_give_the_other_result() -> None:
    one, two = 'if A == 1 then { X = "1"; }', 'if A like "%" or A == 1 then { X = "2"; }'
    assert classified(rules(one + two), "f", A=1).get("X") == "2"
    assert classified(rules(two + one), "f", A=1).get("X") == "1"


def test_rules_that_are_looked_up_by_a_value_run_in_the_order_of_the_text() -> None:
    ruleset = rules("""
        if K == "a" and T1 == 1 then { X = "1"; S1 = "a"; }
        if T then { X = "2"; }
        if K == "a" then { S2 = X; }
        if K == "b" then { X = "3"; }
        if K == "7" then { X = "seven"; }
    """)
    assert classified(ruleset, "f", K="a", T1=1).overlay == {"X": "2", "S1": "a", "S2": "2"}
    assert classified(ruleset, "f", K="b").overlay == {"X": "3"}
    assert classified(ruleset, "f", K="c").overlay == {"X": "2"}
    assert classified(ruleset, "f").overlay == {"X": "2"}
    assert classified(ruleset, "f", K=7).overlay == {"X": "seven"}  # a string that is a number meets a number


def test_a_key_that_rules_assign_is_asked_anew_by_every_rule() -> None:
    ruleset = rules('if T then { K = "b"; } if K == "a" then { X = "a"; } if K == "b" then { X = "b"; }')
    assert classified(ruleset, "f", K="a").get("X") == "b"


@pytest.mark.parametrize("order", ["K == {0} and C == 'x'", "C == 'x' and K == {0}"])
def test_the_work_for_a_file_does_not_grow_with_rules_for_others(order: str) -> None:
    def work(count: int) -> int:
        terms = order.replace("{0}", '"{0}x"')
        ruleset = rules("\n".join(f'if {terms.format(n)} then {{ X = "{n}"; }}' for n in range(count)))
        assert classified(ruleset, "f", K="7x", C="x").get("X") == "7"
        return effort(lambda: [classified(ruleset, "f", K=f"{n % 50}x", C="x") for n in range(100)])

    assert work(5_000) < 2 * work(100)


def test_what_a_product_block_says_holds_for_its_products() -> None:
    ruleset = rules("""
        if DPR.TYPE == "BIAS" then { REFLEX.CATG = "BIAS"; }
        action A { recipe r; product MASTER_BIAS { REFLEX.CATG = "MASTER_BIAS"; PRO.CATG = " MASTER_BIAS"; }
                             product NOISE { REFLEX.CATG = "NOISE_MAP"; } }
    """)
    assert classified(ruleset, "raw", DPR__TYPE="BIAS").get("REFLEX.CATG") == "BIAS"
    assert classified(ruleset, "virtual", DPR__TYPE="BIAS", PRO__CATG="MASTER_BIAS").overlay == {
        "REFLEX.CATG": "MASTER_BIAS"
    }
    assert classified(ruleset, "real", PRO__CATG="NOISE").get("REFLEX.CATG") == "NOISE_MAP"
    assert classified(ruleset, "other", PRO__CATG="OTHER").overlay == {}
    *_, block = [step for step in ruleset.classifier.steps(classified(ruleset, "real", PRO__CATG="NOISE")) if step.true]
    assert block.rule.at.line == 4  # explain names the block


def test_every_key_that_the_rules_ask_for_is_known() -> None:
    ruleset = rules("""
        if A.B == C then { D = E; }
        select execute(X) from inputFiles where SIG.FRAME == 1 and LF.F == 1 group by G;
        action X { select file as Y from calibFiles where inputFile.H == I and J tryBetween K and L; recipe r; }
    """)
    assert {"A.B", "C", "E", "F", "G", "H", "I", "J", "K", "L", "MJD-OBS", "TPL.START"} <= ruleset.keys
    assert not {"D", "FRAME", "SIG.FRAME"} & ruleset.keys


def test_a_product_block_gives_the_header_of_a_virtual_product() -> None:
    ruleset = rules("""
        if PRO.CATG == "MASTER" then { DO.CATG = "M"; }
        action X { recipe r; product MASTER { PRO.CATG = "MASTER"; WLEN = INS.WLEN / 2; NO = INS.NONE; } }
    """)
    frame = classified(ruleset, "raw", INS__WLEN=500)
    made = ruleset.assigned(ruleset.rules.actions[0].products[0].assigns, frame)
    assert made == {"PRO.CATG": "MASTER", "WLEN": 250.0}
    product = Frame("r_0000.fits", {**frame.header, **made}, virtual=True)
    ruleset.classify(product)
    assert ruleset.tag(product) == "M"


def test_the_tag_of_a_file_comes_from_the_first_key_that_has_a_value() -> None:
    ruleset = rules('if A == 1 then { DO.CATG = "catg"; } if B == 1 then { DO.CLASS = "class"; }')
    assert ruleset.tag(classified(ruleset, "f", A=1, B=1)) == "class"
    assert ruleset.tag(classified(ruleset, "f", A=1)) == "catg"
    assert ruleset.tag(classified(ruleset, "f", PRO__CATG="PRO")) == "PRO"
    assert ruleset.tag(classified(ruleset, "f")) == ""
