"""The rule files that the observatory's pipelines install, on headers as their instruments write them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.create.oca.associate import Associated, Pools
from engine.create.oca.explain import association
from engine.create.oca.frame import Frame
from engine.create.oca.reading import Reading
from engine.create.oca.ruleset import RuleSet
from tests.oca_rules import classified, installed, names, only

pytestmark = pytest.mark.real("oca")
SPECFLAT, ILLUM = "MUSE_wfm_cal_specflat", "MUSE_wfm_cal_illum"


def muse(ruleset: RuleSet, name: str, kind: str, catg: str = "CALIB", tpl: str = "", **more: Any) -> Frame:
    """A raw file of MUSE."""
    header = {"INSTRUME": "MUSE", "DPR__CATG": catg, "DPR__TYPE": kind, "DPR__TECH": "IFU", "TPL__ID": tpl}
    return classified(ruleset, name, **{**header, "MJD_OBS": 56952.0, "TPL__START": name, **more})


@pytest.mark.row(116)
@pytest.mark.parametrize(
    ("kind", "tpl", "category"),
    [
        ("FLAT,LAMP", SPECFLAT, "FLAT"),
        ("FLAT,LAMP", "MUSE_nfm_cal_specflat", "FLAT"),
        ("FLAT,LAMP,ILLUM", ILLUM, "ILLUMFLAT"),
        ("FLAT,LAMP", "MUSE_wfm_cal_other", None),
        ("FLAT,SKY", "", "SKYFLAT"),
        ("WAVE", "", "ARC"),
        ("WAVE,MASK", "", "MASK"),
        ("BIAS", "", "BIAS"),
        ("BIAS,DETCHECK", "", "DETMON_LAMP_OFF"),
    ],
)
def test_muse_categories(kind: str, tpl: str, category: str | None) -> None:
    ruleset = installed("muse")
    assert muse(ruleset, "m", kind, tpl=tpl).get("DO.CATG") == category


@pytest.mark.row(118)
def test_muse_shares_calibrations_between_modes_through_a_key_that_rules_invent() -> None:
    ruleset = installed("muse")
    common = {"INS__OPTI1__NAME": "Blue", "INS__OPTI2__NAME": "WFM", "DET__READ__CURID": 1}
    science = muse(ruleset, "obj", "OBJECT", "SCIENCE", INS__MODE="WFM-AO-E", **common)
    pool = [
        classified(ruleset, catg, INSTRUME="MUSE", PRO__CATG=catg, INS__MODE="WFM-NOAO-E", MJD_OBS=56951.5, **common)
        for catg in ("TRACE_TABLE", "MASTER_FLAT", "MASTER_BIAS")
    ]
    assert science.get("INS.OPTI1.FILTER") is True
    group = only(ruleset.organise([science]).groups, "muse_scibasic")
    assert {hit.tag for hit in ruleset.associate(group, Pools(pool)).hits} == {"TRACE_TABLE", "MASTER_BIAS"}
    choice = next(one for one in association(ruleset, group, Pools(pool)) if one.seeker.rule.tag == "MASTER_FLAT")
    assert [refused.kind for refused in choice.refused] == ["term"]
    assert "INS.MODE 'WFM-NOAO-E'" in choice.refused[0].why


@pytest.mark.row(118)
def test_muse_ampl_can_never_be_complete_and_says_why() -> None:
    ruleset = installed("muse")
    ampl = muse(ruleset, "ampl", "FLAT,LAMP,THRUPUT", "TECHNICAL", INS__OPTI2__NAME="WFM", DET__READ__CURID=1)
    trace = classified(
        ruleset, "t", INSTRUME="MUSE", PRO__CATG="TRACE_TABLE", INS__OPTI2__NAME="WFM", DET__READ__CURID=1
    )
    found = ruleset.associate(only(ruleset.organise([ampl]).groups, "muse_ampl"), Pools([trace]))
    why = {shortage.rule.tag: shortage.why for shortage in found.shortages}
    assert why["TRACE_TABLE"] == why["WAVECAL_TABLE"] == "INS.OPTI1.FILTER missing in AMPL"


@pytest.mark.row(118)
def test_an_association_that_is_off_for_new_data() -> None:
    ruleset = installed("muse")
    mask = classified(ruleset, "mask", INSTRUME="MUSE", PRO__CATG="VIGNETTING_MASK")
    for mjd, there in ((57822.9, True), (57823.1, False)):
        flat = muse(ruleset, "sky", "FLAT,SKY", MJD_OBS=mjd)
        hits = ruleset.associate(only(ruleset.organise([flat]).groups, "muse_twilight"), Pools([mask])).hits
        assert bool(hits) is there


def uves(ruleset: RuleSet, name: str, kind: str, number: int, tech: str = "IMAGE") -> Frame:
    """A raw file of the blue arm of UVES."""
    return classified(
        ruleset,
        name,
        **{"INSTRUME": "UVES", "DPR__CATG": "CALIB", "DPR__TYPE": kind, "DPR__TECH": tech, "DET__CHIPS": 1},
        **{"TPL__START": "t", "TPL__EXPNO": number, "MJD_OBS": 56000.0 + number},
    )


@pytest.mark.row(117)
@pytest.mark.parametrize("kinds", [("off", "off", "on"), ("on", "off", "off")])
def test_uves_linearity_is_one_ab_of_two_tags(kinds: tuple[str, ...]) -> None:
    ruleset = installed("uves")
    types = {"off": "BIAS,DETCHAR", "on": "LAMP,FLAT,DETCHAR"}
    files = [uves(ruleset, f"u{number}", types[kind], number) for number, kind in enumerate(kinds)]
    assert {file.get("RAW.TYPE") for file in files} == {"LINEARITY_BLUE_DETCHAR"}
    groups = [group for group in ruleset.organise(files).groups if group.rule.action == "DETMON_OPT_LG_BLUE"]
    assert names(groups) == [["u0", "u1", "u2"]]
    assert {ruleset.tag(file) for file in groups[0].members} == {"OFF_RAW", "ON_RAW"}


@pytest.mark.row(118)
@pytest.mark.parametrize(("there", "taken"), [(4, 4), (9, 6)])
def test_uves_takes_six_slit_flats_at_most(there: int, taken: int) -> None:
    ruleset = installed("uves")
    action = next(one for one in ruleset.rules.actions if any(rule.max_ret == 6 for rule in one.associations))
    rule = next(one for one in action.associations if one.max_ret == 6)
    same = {"INS__GRAT2__WLEN": 520.0, "DET__OUTPUTS": 1, "DET__CHIPS": 2, "INS__GRAT2__ID": "CD3"}
    raw = Frame("raw.fits", {"DO.CATG": "FIB_FF_ANY_RED", "MJD-OBS": 56000.0, "TPL.START": "t"} | _keys(same))
    group = only(ruleset.organise([raw]).groups, action.name)
    pool = [
        Frame(f"s{number}.fits", {"DO.CATG": rule.tag, "MJD-OBS": 56000.0 + number} | _keys(same))
        for number in range(1, there + 1)
    ]
    hits = [hit for hit in ruleset.associate(group, Pools(pool)).hits if hit.rule is rule]
    assert [hit.frame.name for hit in hits] == [f"s{number}" for number in range(1, taken + 1)]


def _keys(header: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in header.items()}


@pytest.mark.row(118)
@pytest.mark.parametrize(
    ("primary", "candidate", "matches"),
    [
        ({"INS.FILT3.ID": "V"}, {"INS.FILT2.ID": "R"}, True),
        ({"INS.FILT2.ID": "V"}, {"INS.FILT2.ID": "R"}, False),
        ({"INS.FILT2.ID": "R"}, {"INS.FILT2.ID": "R"}, True),
    ],
)
def test_vimos_quadrants_know_their_own_filter_only(
    primary: dict[str, str], candidate: dict[str, str], matches: bool
) -> None:
    ruleset = installed("vimos")
    read = {"DET.READ.SPEED": "s", "DET.CHIP1.ID": "c", "DET.WIN1.NY": 2048, "DET.READ.CLOCK": "k", "DET.READ.MODE": 1}
    read |= {"OCS.CON.QUAD": 2, "DET.WIN1.BINX": 1, "DET.WIN1.BINY": 1, "INSTRUME": "VIMOS", "MJD-OBS": 56000.0}
    raw = Frame("raw.fits", {**read, **primary, "DO.CATG": "IMG_SCIENCE"})
    flat = Frame("flat.fits", {**read, **candidate, "DO.CATG": "IMG_MASTER_SKY_FLAT", "PRO.CATG": "x"})
    group = only(ruleset.organise([raw]).groups, "vmImObsStare")
    tags = {hit.tag for hit in ruleset.associate(group, Pools([flat])).hits}
    assert ("IMG_MASTER_SKY_FLAT" in tags) is matches


@pytest.mark.row(117)
def test_vimos_science_per_file_and_per_template() -> None:
    ruleset = installed("vimos")
    files = [
        Frame(f"v{number}.fits", {"DO.CATG": "MOS_SCIENCE", "TPL.START": "t", "MJD-OBS": 56000.0 + number})
        for number in (1, 2)
    ]
    found = [(group.tag, len(group.members)) for group in ruleset.organise(files).groups]
    assert sorted(found) == [("", 1), ("", 1), ("tpl", 2)]


@pytest.mark.row(117)
def test_giraffe_detector_check_of_two_categories() -> None:
    ruleset = installed("giraf")
    for last in ("DETMON_LAMP_OFF", "DETMON_LAMP_ON"):
        first = "DETMON_LAMP_ON" if last.endswith("OFF") else "DETMON_LAMP_OFF"
        files = [
            Frame(f"g{number}.fits", {"TPL.START": "t", "TPL.EXPNO": number, "MJD-OBS": 56000.0 + number})
            for number in (1, 2)
        ]
        for file, category in zip(files, (first, last), strict=True):
            file.assign("DO.CATG", category)
        assert names(ruleset.organise(files).groups) == [["g1", "g2"]]


@pytest.mark.row(117)
def test_hawki_darks_group_by_value_and_science_by_observation() -> None:
    ruleset = installed("hawki")
    common = {"INSTRUME": "HAWKI", "DPR__CATG": "CALIB", "DPR__TECH": "IMAGE", "DPR__TYPE": "DARK", "TPL__START": "t"}
    common |= {"DET__NCORRS__NAME": "NonDest", "DET__NDIT": 1}
    darks = [
        classified(ruleset, f"d{number}", DET__DIT=dit, MJD_OBS=56000.0 + number, **common)
        for number, dit in enumerate((2, 2.0, 10.0))
    ]
    assert names(ruleset.organise(darks).groups, "DARKS") == [["d0", "d1"], ["d2"]]
    science = {**common, "DPR__CATG": "SCIENCE", "OBS__START": "o", "INS__FILT1__NAME": "J", "INS__FILT2__NAME": "OPEN"}
    files = [
        classified(ruleset, f"s{number}", **{**science, "DPR__TYPE": kind, "MJD_OBS": 56001.0 + number, "DET__DIT": 2})
        for number, kind in enumerate(("OBJECT", "SKY", "OBJECT", "SKY"))
    ]
    assert [file.get("DO.CATG") for file in files] == ["OBJECT", "SKY"] * 2  # not JITTER_OBS: the later rule wins
    for night in (files, files[:3]):
        group = only(ruleset.organise(night).groups, "SCIENCE_FRAMES")
        assert (len(group.members), group.event, group.tag) == (len(night), "TPL_A", "tpl")


@pytest.mark.row(117)
@pytest.mark.parametrize(("mjd", "action"), [(56099.99, "visir_old_spc_obs"), (56100.0, "visir_spc_reduce")])
def test_visir_has_one_recipe_before_and_another_after(mjd: float, action: str) -> None:
    ruleset = installed("visir")
    raw = Frame("v.fits", {"DO.CATG": "SPEC_OBS_LMR", "MJD-OBS": mjd, "TPL.START": "t"})
    assert [group.rule.action for group in ruleset.organise([raw]).groups] == [action]


@pytest.mark.row(116)
def test_naco_and_visir_take_the_category_of_products() -> None:
    for name in ("naco", "visir"):
        ruleset = installed(name)
        assert classified(ruleset, "p", PRO__CATG="ANY_PRODUCT", DPR__CATG="CALIB").get("DO.CATG") == "ANY_PRODUCT"


@pytest.mark.parametrize("name", ["amber", "giraf", "hawki", "muse", "naco", "uves", "vimos", "visir"])
def test_every_rule_of_every_pipeline_can_be_carried_out(name: str) -> None:
    assert not installed(name).partial


def test_no_order_of_headers_shows() -> None:
    from benchmarks.oca import calibrations, raw_headers

    ruleset = installed("muse", Reading())
    raws, pool = raw_headers(5000), calibrations(1000, 50)
    first = _abs(ruleset, raws, pool)
    random.Random(7).shuffle(raws)
    random.Random(8).shuffle(pool)
    assert _abs(ruleset, raws, pool) == first


def _abs(ruleset: RuleSet, raws: list[dict[str, object]], pool: list[dict[str, object]]) -> list[tuple[object, ...]]:
    frames = [Frame(f"raw/{header['ARCFILE']}", header) for header in raws]
    known = [
        Frame(f"cal/{header['PRO.CATG']}_{header['MJD-OBS']}_{header['INS.MODE']}.fits", header) for header in pool
    ]
    for frame in (*frames, *known):
        ruleset.classify(frame)
    pools = Pools(known, frames)
    return [
        (*group.identity, [file.path for file in group.members], _hits(ruleset.associate(group, pools)))
        for group in ruleset.organise(frames).groups
    ]


def _hits(found: Associated) -> list[tuple[object, ...]]:
    return [(hit.tag, hit.frame.path, hit.delta_days) for hit in found.hits]
