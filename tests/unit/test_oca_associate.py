"""Association: which calibrations a group gets."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.create.oca.associate import Associated, Pools
from engine.create.oca.frame import Frame
from engine.create.oca.reading import Reading, Window
from engine.create.oca.ruleset import RuleSet
from tests.oca_rules import classified, only, rules

SELECT = 'select execute(A) from inputFiles where DO.CATG == "FLAT" group by TPL.START;\n'
SETUP = """
action A
{
  minRet = 0; maxRet = 0;
  select file as BPM from calibFiles where DO.CATG == "BPM";
  minRet = 1;
  select file as LINES from calibFiles where DO.CATG == "LINES";
  select file as MASTER_BIAS from calibFiles where DO.CATG == "MASTER_BIAS" and inputFile.DET.CHIPS == DET.CHIPS;
  minRet = 3; maxRet = -1;
  select file as DARK from rawFiles where DO.CATG == "DARK" and inputFile.DET.DIT == DET.DIT
    and INS.FILT2.ID ?= inputFile.INS.FILT2.ID;
  priority = 10;
  recipe my_flat { "--method=median --merge"; "--range=1,2:3,4"; "--method=mean"; }
}
"""


def one(where: str, least: int = 1, most: int = 1, source: str = "calibFiles") -> str:
    limits = f"minRet = {least}; maxRet = {most};"
    return f"{SELECT} action A {{ {limits} select file as X from {source} where {where}; recipe r; }}"


def ready(text: str, **reading: Any) -> RuleSet:
    return rules(text, Reading(**reading))


def got(ruleset: RuleSet, calib: list[Frame], inputs: list[Frame] | None = None, **primary: Any) -> Associated:
    """What a FLAT at MJD-OBS 100 gets."""
    flat = classified(ruleset, "flat", **{"DO__CATG": "FLAT", "MJD_OBS": 100.0, "TPL__START": "t", **primary})
    files = [flat, *(inputs or [])]
    group = only(ruleset.organise(files).groups, "A")
    return ruleset.associate(group, Pools(calib, files))


def calibs(ruleset: RuleSet, *times: float | None, category: str = "C", **header: Any) -> list[Frame]:
    """Calibrations named after their time."""
    return [
        classified(ruleset, f"c{time}", DO__CATG=category, **({} if time is None else {"MJD_OBS": time}), **header)
        for time in times
    ]


def names(found: Associated) -> list[str]:
    return [hit.frame.name for hit in found.hits]


@pytest.mark.row(118)
def test_limits_switches_and_shortages() -> None:
    ruleset = ready(SELECT + SETUP)
    pool = [
        *calibs(ruleset, 99, category="BPM"),
        *calibs(ruleset, 97, 102, category="LINES"),
        *calibs(ruleset, 101, category="MASTER_BIAS", DET__CHIPS=2),
    ]
    darks = [
        classified(ruleset, name, DO__CATG="DARK", DET__DIT=2.0, MJD_OBS=time, **more)
        for name, time, more in (
            ("d1", 100.5, {}),
            ("d2", 99, {"INS__FILT2__ID": "R"}),
            ("d3", 99, {"INS__FILT2__ID": "V"}),
        )
    ]
    found = got(ruleset, pool, darks, DET__CHIPS=1, DET__DIT=2, INS__FILT2__ID="R")
    assert [(hit.tag, hit.frame.name, hit.source) for hit in found.hits] == [
        ("LINES", "c102", "calibFiles"),
        ("DARK", "d1", "rawFiles"),
        ("DARK", "d2", "rawFiles"),
    ]
    assert [(lack.rule.tag, lack.found) for lack in found.shortages] == [("MASTER_BIAS", 0), ("DARK", 2)]
    assert not found.complete
    assert found.hits[0].delta_days == pytest.approx(2)
    assert "only 2 of 3" in found.shortages[1].why


@pytest.mark.row(118)
@pytest.mark.parametrize(
    ("times", "nearest"),
    [
        ([97, 102], ["c102"]),
        ([97.5, 102.5], ["c97.5"]),  # the earlier of two as far
        ([None, 50], ["c50"]),
        ([100, None], ["c100"]),
        ([None], ["cNone"]),
    ],
)
def test_the_nearest_in_time(times: list[float | None], nearest: list[str]) -> None:
    ruleset = ready(one('DO.CATG == "C"'))
    assert names(got(ruleset, calibs(ruleset, *times))) == nearest


def test_a_real_file_comes_before_a_virtual_one_that_is_as_near() -> None:
    ruleset = ready(one('DO.CATG == "C"', most=-1))
    files = [
        classified(ruleset, name, virtual=virtual, DO__CATG="C", MJD_OBS=time)
        for name, virtual, time in (("v98", True, 98), ("r102", False, 102), ("r98", False, 98), ("a102", False, 102))
    ]
    assert names(got(ruleset, files)) == ["r98", "a102", "r102", "v98"]


def test_files_without_time_come_last_the_newest_name_first() -> None:
    ruleset = ready(one('DO.CATG == "C"', most=-1))
    files = [classified(ruleset, name, DO__CATG="C") for name in ("t1", "t3", "t2")]
    assert names(got(ruleset, [*files, *calibs(ruleset, 1)])) == ["c1", "t3", "t2", "t1"]


@pytest.mark.parametrize(("there", "taken"), [(4, 4), (6, 6), (9, 6)])
def test_no_more_than_maxret(there: int, taken: int) -> None:
    ruleset = ready(one('DO.CATG == "C"', most=6))
    found = got(ruleset, calibs(ruleset, *(100 + number for number in range(1, there + 1))))
    assert names(found) == [f"c{100 + number}" for number in range(1, taken + 1)]


def test_the_time_of_the_group_is_the_middle_of_the_exposure() -> None:
    ruleset = ready(one('DO.CATG == "C"'))
    pool = calibs(ruleset, 99.9, 100.2)
    assert names(got(ruleset, pool)) == ["c99.9"]
    assert names(got(ruleset, pool, EXPTIME=0.2 * 86400)) == ["c100.2"]


@pytest.mark.parametrize("exposure", [float("nan"), float("inf"), 1e300, "1e999", "long", True, 10**400])
def test_an_exposure_time_that_is_none_counts_as_nothing(exposure: Any) -> None:
    ruleset = ready(one('DO.CATG == "C"', most=-1))
    assert names(got(ruleset, calibs(ruleset, 99.9, 100.2, float("nan"), 1e300), EXPTIME=exposure)) == [
        "c99.9",
        "c100.2",
        "cnan",
        "c1e+300",
    ]


def test_members_of_the_group_are_no_candidates() -> None:
    ruleset = ready(one('DO.CATG == "FLAT"', most=-1, source="inputFiles"))
    other = classified(ruleset, "flat2", DO__CATG="FLAT", MJD_OBS=100.1, TPL__START="t")
    night = classified(ruleset, "flat3", DO__CATG="FLAT", MJD_OBS=100.1, TPL__START="u")
    flat = classified(ruleset, "flat", DO__CATG="FLAT", MJD_OBS=100.0, TPL__START="t")
    groups = ruleset.organise([flat, other, night]).groups
    assert names(ruleset.associate(groups[0], Pools([], [flat, other, night]))) == ["flat3"]


def test_two_associations_of_one_tag_add_up_without_doubles() -> None:
    ruleset = ready(
        SELECT
        + """action A {
            maxRet = 2; select file as X from calibFiles where DO.CATG == "C";
            maxRet = 2; select file as X from calibFiles where K == 1;
            select file as Y from calibFiles where K == 1;
            recipe r; }"""
    )
    found = got(ruleset, [*calibs(ruleset, 101, 102), *calibs(ruleset, 100.5, K=1), *calibs(ruleset, 103, K=1)])
    assert [(hit.tag, hit.frame.name) for hit in found.hits] == [
        ("X", "c100.5"),
        ("X", "c101"),
        ("X", "c103"),
        ("Y", "c100.5"),
    ]


def test_a_condition_on_the_primary_alone_is_a_switch() -> None:
    ruleset = ready(one('DO.CATG == "C" and inputFile.MJD-OBS < 100.', least=0))
    assert names(got(ruleset, calibs(ruleset, 90))) == []
    assert names(got(ruleset, calibs(ruleset, 90), MJD_OBS=99.0)) == ["c90"]


def test_epochs_and_the_term_that_is_true_at_any_time() -> None:
    any_time = ready(one('DO.CATG == "C" and (MJD-OBS < inputFile.MJD-OBS or MJD-OBS >= inputFile.MJD-OBS)', most=-1))
    assert names(got(any_time, calibs(any_time, 90, 110, None))) == ["c90", "c110"]
    epochs = ready(
        one("(inputFile.MJD-OBS < 95 and MJD-OBS < 95) or (inputFile.MJD-OBS >= 95 and MJD-OBS >= 95)", most=-1)
    )
    assert names(got(epochs, calibs(epochs, 94, 96))) == ["c96"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("CLOSEST", ["c101", "c98", "c103", "c90", "cNone"]),
        ("PREVIOUS", ["c98", "c90", "cNone"]),
        ("NEXT", ["c101", "c103", "cNone"]),
        ("ATTACHED", ["c90"]),
    ],
)
def test_time_rules(rule: str, expected: list[str]) -> None:
    ruleset = ready(one('DO.CATG == "C"', most=-1), time_rules={"X": rule})
    pool = [*calibs(ruleset, 98, 101, 103, None), *calibs(ruleset, 90, OBS__ID=7)]
    assert names(got(ruleset, pool, OBS__ID=7)) == expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(plan=(-2, 2)), [("c99", True), ("c95", False), ("c107", False), ("cNone", False)]),
        (Window(extended=(-5, 5)), [("c99", True), ("c95", True)]),
        (Window(plan=(-2, 2), extended=(-7, 7)), [("c99", True), ("c95", False), ("c107", False)]),
        (Window(plan=(0, 7), extended=(-7, 7)), [("c107", True), ("c99", False), ("c95", False)]),
        (Window(), [("c99", True), ("c95", True), ("c107", True), ("cNone", True)]),
    ],
)
def test_validity_windows_have_two_levels(window: Window, expected: list[tuple[str, bool]]) -> None:
    ruleset = ready(one('DO.CATG == "C"', most=-1), windows={"X": window})
    found = got(ruleset, calibs(ruleset, 95, 99, 107, None))
    assert [(hit.frame.name, hit.ok) for hit in found.hits] == expected


def test_between_is_hard_and_trybetween_has_two_levels() -> None:
    text = one(
        'DO.CATG == "C" and W tryBetween inputFile.W - 1 and inputFile.W + 1'
        " and W between inputFile.W - 5 and inputFile.W + 5",
        most=-1,
    )
    ruleset = ready(text)
    pool = [frame for number, t in enumerate((10, 12, 14.5, 16, 8)) for frame in calibs(ruleset, 101 + number, W=t)]
    found = got(ruleset, [*pool, *calibs(ruleset, 100)], W=10)
    assert [(hit.frame.name, hit.ok) for hit in found.hits] == [
        ("c101", True),
        ("c102", False),
        ("c103", False),
        ("c105", False),
    ]
    assert names(got(ready(text.replace("maxRet = -1", "maxRet = 1")), pool, W=15.6)) == ["c104"]


def test_levels_go_through_or_and_not() -> None:
    ruleset = ready(one('(W tryBetween 1 and 2 or U == "x") and not V tryBetween 5 and 6', most=-1))
    pool = [
        classified(ruleset, name, **header)
        for name, header in (
            ("in", {"W": 1.5}),
            ("out", {"W": 3}),
            ("other", {"U": "x", "W": 9}),
            ("none", {}),
            ("never", {"W": 1.5, "V": 5}),
        )
    ]
    assert {hit.frame.name: hit.ok for hit in got(ruleset, pool).hits} == {"in": True, "other": True, "out": False}


def test_the_explanation_names_the_key_that_the_primary_lacks() -> None:
    ruleset = ready(one('DO.CATG == "C" and inputFile.K == K'))
    found = got(ruleset, calibs(ruleset, 1, K=1))
    assert found.shortages[0].why == "K missing in FLAT"


def test_without_condition_everything_fits() -> None:
    ruleset = ready(f"{SELECT} action A {{ maxRet = -1; select file as X from calibFiles; recipe r; }}")
    assert names(got(ruleset, calibs(ruleset, 101, 99.5))) == ["c99.5", "c101"]


def test_more_files_can_come_into_the_pools() -> None:
    ruleset = ready(one('DO.CATG == "C"'))
    flat = classified(ruleset, "flat", DO__CATG="FLAT", MJD_OBS=100.0, TPL__START="t")
    group = only(ruleset.organise([flat]).groups, "A")
    pools = Pools(calibs(ruleset, 90))
    assert names(ruleset.associate(group, pools)) == ["c90"]
    pools.add(calib=calibs(ruleset, 99))
    assert names(ruleset.associate(group, pools)) == ["c99"]


def test_the_order_of_the_pool_does_not_matter() -> None:
    ruleset = ready(one('DO.CATG == "C"', most=40))
    pool = [frame for number in range(200) for frame in calibs(ruleset, 90 + number % 23, S=number)]
    for number, frame in enumerate(pool):
        frame.path, frame.order = f"{number}", (*frame.order[:2], f"{number}")
    first = [hit.frame.path for hit in got(ruleset, pool).hits]
    for seed in range(3):
        random.Random(seed).shuffle(pool)
        assert [hit.frame.path for hit in got(ruleset, pool).hits] == first
