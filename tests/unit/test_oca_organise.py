"""Organisation: which files belong together."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.create.oca.frame import Frame
from engine.create.oca.organise import Organised
from engine.create.oca.reading import Reading
from engine.create.oca.ruleset import RuleSet
from tests.oca_rules import classified, names, only, rules

CLASSES = 'if DPR.TYPE == "FLAT" then { DO.CATG = "FLAT"; } if DPR.TYPE == "ARC" then { DO.CATG = "ARC"; }\n'
ACTIONS = "\n".join(f"action {name} {{ recipe r; }}" for name in ("MOSCAL", "ARCONLY", "EACH", "SETUP", "X", "Y"))
TABLE = """
select execute(MOSCAL) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT";
select execute(ARCONLY) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "ARC";
select execute(EACH)   from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";
select execute(SETUP)  from inputFiles where DO.CATG == "FLAT" group by INS.FILT1.NAME as (GRP_A,grp);
"""


def ready(text: str, **reading: Any) -> RuleSet:
    return rules(CLASSES + text + ACTIONS, Reading(**reading))


def night(ruleset: RuleSet, *files: str, **more: Any) -> list[Frame]:
    """Files written `A1@.10/a`: name, MJD-OBS, template; A is an ARC, F a FLAT, X is unknown."""
    found = []
    for text in files:
        name, _, rest = text.partition("@")
        time, _, start = rest.partition("/")
        header: dict[str, Any] = {"DPR__TYPE": {"A": "ARC", "F": "FLAT"}.get(name[0], "?"), "MJD_OBS": float(time)}
        if start:
            header |= {"TPL__START": start, "INSTRUME": "XYZ"}
        found.append(classified(ruleset, name, **header, **more))
    return found


def two_templates(ruleset: RuleSet, **more: Any) -> list[Frame]:
    return night(ruleset, "A1@.10/a", "F1@.11/a", "F2@.12/a", "F3@.20/b", "A2@.21/b", **more)


@pytest.mark.row(117)
def test_templates_frames_and_groups() -> None:
    ruleset = ready(TABLE)
    groups = ruleset.organise(two_templates(ruleset, INS__FILT1__NAME="R")).groups
    assert names(groups, "MOSCAL") == [["A1", "F1", "F2"]]
    assert names(groups, "ARCONLY") == [["A1"], ["A2"]]
    assert names(groups, "EACH") == [["F1"], ["F2"], ["F3"]]
    assert names(groups, "SETUP") == [["F1", "F2", "F3"]]
    assert (only(groups, "MOSCAL").event, only(groups, "MOSCAL").tag) == ("TPL_A", "tpl")
    assert (only(groups, "SETUP").event, only(groups, "SETUP").tag) == ("GRP_A", "grp")
    assert only(groups, "SETUP").match == (("INS.FILT1.NAME", "R"),)
    assert {(group.event, group.tag) for group in groups if group.rule.action == "EACH"} == {("SINGLE", "")}


@pytest.mark.row(117)
def test_a_missing_group_key_is_a_value_of_its_own_and_is_told() -> None:
    ruleset = ready(TABLE)
    files = two_templates(ruleset, INS__FILT1__NAME="R")
    lacking = night(ruleset, "F2@.12/a", "F4@.30/c")
    found = ruleset.organise([file for file in files if file.name != "F2"] + lacking)
    assert names(found.groups, "SETUP") == [["F1", "F3"], ["F2", "F4"]]
    assert any("INS.FILT1.NAME is missing in F2, F4" in note for note in found.notes)


def test_numbers_group_by_value_and_not_with_strings() -> None:
    ruleset = ready("select execute(X) from inputFiles where A is undefined group by DIT;")
    files = [
        classified(ruleset, name, MJD_OBS=time, DIT=dit)
        for name, time, dit in (("a", 1, 2), ("b", 2, 2.0), ("c", 3, "2"), ("d", 4, True), ("e", 5, 1))
    ]
    assert names(ruleset.organise(files).groups) == [["a", "b"], ["c"], ["d"], ["e"]]


@pytest.mark.parametrize("key", ["TPL.START", "OBS.START", "ARCFILE"])
def test_without_the_key_that_joins_them_files_stay_alone(key: str) -> None:
    ruleset = ready(f"select execute(X) from inputFiles where A is undefined group by {key};")
    files = [classified(ruleset, name, MJD_OBS=1.0) for name in "ba"]
    assert names(ruleset.organise(files).groups) == [["a"], ["b"]]


def test_without_template_start_a_file_is_a_template_of_its_own() -> None:
    ruleset = ready(TABLE)
    assert names(ruleset.organise(night(ruleset, "F1@.1", "F2@.2")).groups, "MOSCAL") == [["F1"], ["F2"]]


def test_grouping_by_the_file_is_no_grouping() -> None:
    ruleset = ready('select execute(X) from inputFiles where DO.CATG == "FLAT" group by DET.DIT, ARCFILE;')
    files = [classified(ruleset, name, DPR__TYPE="FLAT", MJD_OBS=1, ARCFILE="same") for name in "ab"]
    assert names(ruleset.organise(files).groups) == [["a"], ["b"]]


def test_without_event_and_keys_every_file_is_alone() -> None:
    ruleset = ready('select execute(X) from inputFiles where LF.DO.CATG == "FLAT";')
    found = ruleset.organise(two_templates(ruleset))
    assert names(found.groups) == [["F1"], ["F2"], ["F3"]]


def test_group_by_divides_a_template_further() -> None:
    ruleset = ready('select execute(X) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT" group by DIT;')
    files = [
        *night(ruleset, "F1@.1/a", "F3@.3/a", DIT=2),
        *night(ruleset, "F2@.2/a", DIT=4),
        *night(ruleset, "F4@.4/b", DIT=2),
    ]
    assert names(ruleset.organise(files).groups) == [["F1", "F3"], ["F2"], ["F4"]]


def test_the_last_file_of_a_group_counts_where_there_is_no_event() -> None:
    ruleset = ready("""
        select execute(X) from inputFiles where LF.DO.CATG == "FLAT" group by OBS.START as (TPL_A,tpl);
        select execute(Y) from inputFiles where LF.DO.CATG == "ARC" group by OBS.START as (TPL_A,tpl);
    """)
    files = [*night(ruleset, "A1@1", "F1@2", "U1@1.5", OBS__START="o"), *night(ruleset, "F2@3", "A2@4", OBS__START="p")]
    found = ruleset.organise(files)
    assert names(found.groups, "X") == [["A1", "F1"]]
    assert names(found.groups, "Y") == [["F2", "A2"]]
    assert "no classification rule knows U1" in found.notes


def test_a_term_on_the_file_and_the_last_file_together() -> None:
    ruleset = ready("""
        select execute(X) from inputFiles where SIG.TEMPLATE == 1 and (LF.DO.CATG == "FLAT" or DO.CATG == "ARC");
        select execute(Y) from inputFiles where DO.CATG is string and LF.DO.CATG == DO.CATG group by TPL.START;
    """)
    found = ruleset.organise(two_templates(ruleset))
    assert names(found.groups, "X") == [["A1", "F1", "F2"], ["A2"]]
    assert names(found.groups, "Y") == [["F1", "F2"], ["A2"]]


def test_the_last_file_is_the_latest_then_the_highest_exposure() -> None:
    ruleset = ready('select execute(X) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT";')
    flat = classified(ruleset, "a", DPR__TYPE="FLAT", MJD_OBS=1.0, TPL__START="t", TPL__EXPNO=2)
    arc = classified(ruleset, "b", DPR__TYPE="ARC", MJD_OBS=1.0, TPL__START="t", TPL__EXPNO=1)
    assert names(ruleset.organise([flat, arc]).groups) == [["a", "b"]]


def test_arms_of_an_instrument_are_templates_of_their_own() -> None:
    text = 'select execute(X) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT";'
    files = [(f"F{quadrant}{number}", quadrant) for number in (1, 2) for quadrant in (1, 2)]
    for arms, expected in ((("QUAD",), [["F11", "F12"], ["F21", "F22"]]), ((), [["F11", "F21", "F12", "F22"]])):
        ruleset = ready(text, arms=arms)
        made = [
            classified(ruleset, name, DPR__TYPE="FLAT", MJD_OBS=float(name[-1]), TPL__START="t", QUAD=quadrant)
            for name, quadrant in files
        ]
        assert names(ruleset.organise(made).groups) == expected


@pytest.mark.parametrize(
    ("numbers", "finished"),
    [
        ({"BLUE": (1, 3), "RED": (2, 4)}, ["blue", "red"]),  # one count over both arms
        ({"BLUE": (1, 2), "RED": (1, 2, 3, 4)}, ["red"]),  # a count of its own in each
        ({"BLUE": (1, 2), "RED": (3,)}, []),
    ],
)
def test_a_template_ends_for_all_arms_that_share_its_count(
    numbers: dict[str, tuple[int, ...]], finished: list[str]
) -> None:
    text = "select execute(X) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG is string;"
    ruleset = ready(text, arms=("INS.PATH",))
    files = [
        classified(
            ruleset,
            f"{path}{one}",
            DPR__TYPE="FLAT",
            MJD_OBS=one,
            TPL__START="t",
            TPL__EXPNO=one,
            TPL__NEXP=4,
            INS__PATH=path,
        )
        for path, some in numbers.items()
        for one in some
    ]
    waiting = ruleset.organise(files, closed=False)
    assert [str(group.primary.get("INS.PATH")).lower() for group in waiting.groups] == finished


def test_a_group_that_is_too_small_makes_no_ab_and_is_told() -> None:
    ruleset = ready('minRet = 3;\nselect execute(X) from inputFiles where DO.CATG == "FLAT" group by TPL.START;')
    found = ruleset.organise(night(ruleset, "F1@1/a", "F2@2/a", "F3@3/a", "F4@4/b"))
    assert names(found.groups) == [["F1", "F2", "F3"]]
    assert any("1 of at least 3 files, no AB: F4" in note for note in found.notes)


def template(ruleset: RuleSet, of: int, *numbers: int) -> list[Frame]:
    return [
        classified(ruleset, f"F{one}", DPR__TYPE="FLAT", MJD_OBS=one, TPL__START="t", TPL__EXPNO=one, TPL__NEXP=of)
        for one in numbers
    ]


@pytest.mark.parametrize("rule", ["SIG.TEMPLATE == 1 and", ""])
def test_an_unfinished_template_waits_for_the_night_to_close(rule: str) -> None:
    end = "" if rule else "group by TPL.START"
    ruleset = ready(f'select execute(X) from inputFiles where {rule} DO.CATG == "FLAT" {end};')
    waiting = ruleset.organise(template(ruleset, 3, 1, 2), closed=False)
    assert not waiting.groups
    assert "more files may come: F1, F2" in waiting.notes[0]
    assert names(ruleset.organise(template(ruleset, 3, 1, 2, 3), closed=False).groups) == [["F1", "F2", "F3"]]
    aborted = ruleset.organise(template(ruleset, 3, 1, 2))
    assert names(aborted.groups) == [["F1", "F2"]]
    assert [group.unfinished for group in aborted.groups] == ["2 of 3 exposures"]


def test_frames_do_not_wait_and_groups_across_templates_do() -> None:
    ruleset = ready("""
        select execute(EACH) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";
        select execute(SETUP) from inputFiles where DO.CATG == "FLAT" group by INS.FILT1.NAME;
    """)
    found = ruleset.organise(template(ruleset, 3, 1, 2), closed=False)
    assert names(found.groups) == [["F1"], ["F2"]]
    assert any("SETUP" in note and "more files may come" in note for note in found.notes)


def test_the_same_ab_from_two_rules_is_one() -> None:
    ruleset = ready("""
        select execute(X) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT";
        select execute(X) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT";
    """)
    assert names(ruleset.organise(night(ruleset, "F1@1/a", "F2@2/a")).groups) == [["F1", "F2"]]
    found = ruleset.organise(night(ruleset, "F1@1/a", "A1@2/a", "F2@3/a"))
    assert names(found.groups) == [["F1", "F2"]]
    assert any("make the same AB of different files" in note for note in found.notes)


def test_the_same_name_from_two_actions_is_kept_apart() -> None:
    ruleset = ready("""
        select execute(X) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT";
        select execute(Y) from inputFiles where SIG.TEMPLATE == 1 and LF.DO.CATG == "FLAT";
        select execute(EACH) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";
        select execute(SETUP) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";
    """)
    found = ruleset.organise(night(ruleset, "F1@1/a"))
    assert [(group.rule.action, group.tag) for group in found.groups] == [
        ("X", "tpl"),
        ("Y", "tpl_2"),
        ("EACH", ""),
        ("SETUP", "2"),
    ]
    assert any("X and Y make an AB of the same name from F1" in note for note in found.notes)


def test_the_primary_is_the_first_file_and_times_are_its() -> None:
    ruleset = ready(TABLE)
    files = night(ruleset, "F2@10/a", "F1@10/a", "F3@9.5/a", EXPTIME=864)
    group = only(ruleset.organise(files).groups, "MOSCAL")
    assert [file.name for file in group.members] == ["F3", "F1", "F2"]
    assert (group.primary.name, group.mjd) == ("F3", 9.5)
    assert group.mjd_mod == pytest.approx(9.505)
    assert group.identity == ("F3", "tpl", "MOSCAL")


def test_files_without_time_come_last() -> None:
    ruleset = ready('select execute(X) from inputFiles where DO.CATG == "FLAT" group by K;')
    files = [classified(ruleset, "a", DPR__TYPE="FLAT"), classified(ruleset, "b", DPR__TYPE="FLAT", MJD_OBS=1)]
    (group,) = ruleset.organise(files).groups
    assert [file.name for file in group.members] == ["b", "a"]
    (alone,) = ruleset.organise(files[:1]).groups
    assert (alone.mjd, alone.mjd_mod) == (None, None)


def test_an_action_that_is_not_there_is_told() -> None:
    ruleset = ready('select execute(NOBODY) from inputFiles where SIG.FRAME == 1 and DO.CATG == "FLAT";')
    found = ruleset.organise(night(ruleset, "F1@1"))
    assert found.groups[0].action is None
    assert any("there is no action NOBODY" in note for note in found.notes)


@pytest.mark.parametrize(
    "where",
    ["SIG.FRAME == 2", "(SIG.FRAME == 1 or A == 1)", "SIG.FRAME == 1 and SIG.TEMPLATE == 1", "not SIG.FRAME == 1"],
)
def test_an_event_that_nobody_understands_is_an_error(where: str) -> None:
    ruleset = ready(f"select execute(X) from inputFiles where {where};")
    assert ruleset.partial
    assert not ruleset.organise(night(ruleset, "F1@1")).groups


def told(found: Organised) -> list[tuple[object, ...]]:
    return [(*group.identity, [file.path for file in group.members], group.mjd_mod) for group in found.groups]


def test_the_order_of_the_files_does_not_matter() -> None:
    ruleset = ready(TABLE)
    files = [
        file
        for number in range(300)
        for file in night(ruleset, f"{'AF'[number % 3 > 0]}{number}@{number % 37}/{number % 11}")
    ]
    first = ruleset.organise(files)
    for seed in range(3):
        random.Random(seed).shuffle(files)
        again = ruleset.organise(files)
        assert told(again) == told(first)
        assert again.notes == first.notes
