"""createAB with the rules that Debian's pipelines install and our tables of recipes: nights from headers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config.schema import Settings
from config.tree import DfoTree
from engine.core.ab import AB, parse
from engine.core.cascade import cascade
from engine.create.createab.plan import CreatePlan
from engine.create.createab.survey import looked
from tests.builders import make_tree
from tests.nights import NightOf, product

pytestmark = pytest.mark.real
DATE = "2014-07-12"
MJD = 56850.4


def site(root: Path, instrument: str) -> tuple[DfoTree, Settings]:
    tree = make_tree(root)
    tree = replace(tree, variables={**tree.variables, "DFO_HDR_DIR": str(root / "account" / "headers")})
    return tree, Settings(instance=instrument, instrument=instrument)


def plan_of(site_: tuple[DfoTree, Settings], mode: str) -> CreatePlan:
    return looked(*site_, mode, DATE).plan


def abs_of(plan: CreatePlan) -> dict[str, AB]:
    """The ABs by action (the last of each); every text is a legal AB."""
    return {one.made.action: parse(one.text.encode(), one.made.name) for one in plan.decisions}


def muse_night(tree: DfoTree) -> None:
    night = NightOf(
        Path(tree.variables["DFO_HDR_DIR"]) / DATE,
        "MUSE",
        DPR_TECH="IFU",
        DET_READ_CURID=1,
        INS_MODE="WFM-NOAO-N",
        INS_OPTI1_NAME="Clear",
        INS_OPTI2_NAME="WFM",
    )
    night.template(MJD, 5, DPR_CATG="CALIB", DPR_TYPE="BIAS", TPL_ID="MUSE_wfm_cal_bias")
    night.template(MJD + 0.1, 5, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP", TPL_ID="MUSE_wfm_cal_specflat")
    night.template(MJD + 0.2, 5, DPR_CATG="CALIB", DPR_TYPE="WAVE", TPL_ID="MUSE_wfm_cal_wave")
    night.template(MJD + 0.3, 3, DPR_CATG="CALIB", DPR_TYPE="FLAT,SKY", TPL_ID="MUSE_wfm_cal_skyflat")
    night.template(MJD + 0.4, 1, DPR_CATG="CALIB", DPR_TYPE="STD", TPL_ID="MUSE_wfm_cal_specphot")
    night.template(MJD + 0.5, 2, DPR_CATG="SCIENCE", DPR_TYPE="OBJECT", TPL_ID="MUSE_wfm_obs_genericoffset")
    for catg in ("LINE_CATALOG", "GEOMETRY_TABLE", "EXTINCT_TABLE", "STD_FLUX_TABLE", "FILTER_LIST", "SKY_LINES"):
        keys = {"INSTRUME": "MUSE", "PRO.CATG": catg, "INS.OPTI2.NAME": "WFM", "INS.MODE": "WFM-NOAO-N"}
        product(tree.cal / "gen" / f"MU_{catg}.hdr", keys)


def test_a_night_of_muse_from_bias_to_the_standard_star(tmp_path: Path) -> None:
    here = site(tmp_path, "MUSE")
    muse_night(here[0])
    plan = plan_of(here, "CALIB")
    assert plan.rules.endswith("/muse.oca") and not plan.questions and not plan.findings
    assert [one.made.action for one in plan.decisions] == [
        "muse_bias",
        "muse_flat",
        "muse_wave",
        "muse_twilight",
        "muse_scibasic",
        "muse_standard",
    ]
    abs_ = abs_of(plan)
    assert all(ab.get("COMPLETENESS") == "COMPLETE" for ab in abs_.values())
    assert abs_["muse_flat"].waitfor == (abs_["muse_bias"].name,)
    assert abs_["muse_wave"].waitfor == (abs_["muse_bias"].name, abs_["muse_flat"].name)
    standard, basic = abs_["muse_standard"], abs_["muse_scibasic"]
    assert basic.name in standard.waitfor
    assert standard.sof[0].tag == "PIXTABLE_STD"
    assert standard.sof[0].path.startswith(f"$DFS_PRODUCT/STD/{DATE}/{basic.root}_0000.fits")
    assert standard.raws == basic.raws, "an AB of the second step names the raw file its products come from"
    assert list(cascade(abs_.values(), {}).order) == [one.made.name for one in plan.decisions]
    assert len(plan.filtered.unclassified) == 0


def test_flats_of_another_filter_mode_are_not_taken(tmp_path: Path) -> None:
    here = site(tmp_path, "MUSE")
    muse_night(here[0])
    night = NightOf(
        Path(here[0].variables["DFO_HDR_DIR"]) / DATE,
        "MUSE",
        DPR_TECH="IFU",
        DET_READ_CURID=1,
        INS_MODE="WFM-NOAO-E",
        INS_OPTI1_NAME="Blue",
        INS_OPTI2_NAME="WFM",
    )
    night.template(MJD + 0.25, 5, DPR_CATG="CALIB", DPR_TYPE="WAVE", TPL_ID="MUSE_wfm_cal_wave")
    waves = [one for one in plan_of(here, "CALIB").decisions if one.made.action == "muse_wave"]
    assert [one.made.complete for one in waves] == [True, False]
    assert [short.rule.tag for short in waves[1].made.found.shortages] == ["TRACE_TABLE"]


def test_science_of_a_night_without_its_calibrations_is_incomplete(tmp_path: Path) -> None:
    here = site(tmp_path, "MUSE")
    muse_night(here[0])
    plan = plan_of(here, "SCIENCE")
    assert [one.made.action for one in plan.decisions] == [
        "muse_scibasic",
        "muse_scibasic",
        "muse_scipost",
        "muse_scipost",
    ]
    assert {entry.tag for entry in abs_of(plan)["muse_scipost"].sof} >= {"PIXTABLE_OBJECT", "EXTINCT_TABLE"}
    first = plan.decisions[0].made
    assert {short.rule.tag for short in first.found.shortages} == {
        "MASTER_BIAS",
        "MASTER_FLAT",
        "TRACE_TABLE",
        "WAVECAL_TABLE",
    }


def test_a_night_of_hawki(tmp_path: Path) -> None:
    here = site(tmp_path, "HAWKI")
    night = NightOf(
        Path(here[0].variables["DFO_HDR_DIR"]) / DATE,
        "HAWKI",
        DPR_TECH="IMAGE",
        DET_DIT=2.0,
        DET_NDIT=1,
        DET_NCORRS_NAME="Double",
        INS_FILT1_NAME="J",
        INS_FILT2_NAME="OPEN",
    )
    night.template(MJD, 5, DPR_CATG="CALIB", DPR_TYPE="DARK", TPL_ID="HAWKI_img_cal_Darks")
    night.template(MJD + 0.1, 5, DPR_CATG="CALIB", DPR_TYPE="FLAT", TPL_ID="HAWKI_img_cal_TwFlats")
    plan = plan_of(here, "CALIB")
    dark, flat = plan.decisions
    assert not plan.questions and dark.made.products[0].catg == "MASTER_DARK"
    assert flat.made.complete and [hit.frame.name for hit in flat.made.found.hits] == [f"{dark.made.root}_0000"]
    assert abs_of(plan)["SKY_FLATS"].waitfor == (dark.made.name,)


def test_a_night_of_uves(tmp_path: Path) -> None:
    here = site(tmp_path, "UVES")
    folder = Path(here[0].variables["DFO_HDR_DIR"]) / DATE
    chip = {f"DET.WIN1.{key}": number for key, number in dict(BINX=1, BINY=1, NX=2048, NY=4096, STRX=1, STRY=1).items()}
    blue, red = (NightOf(folder, "UVES", DET_CHIPS=chips, DET_OUTPUTS=chips) for chips in (1, 2))
    blue.template(MJD, 5, chip, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    blue.template(MJD + 0.1, 3, chip, DPR_CATG="CALIB", DPR_TYPE="DARK")
    red.template(MJD + 0.01, 5, chip, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    red.template(MJD + 0.11, 3, chip, DPR_CATG="CALIB", DPR_TYPE="DARK")
    plan = plan_of(here, "CALIB")
    assert plan.rules.endswith("/uves.oca") and not plan.questions
    assert [(one.made.action, [product.catg for product in one.made.products]) for one in plan.decisions] == [
        ("UVES_MASTER_BIAS_B", ["MASTER_BIAS_BLUE"]),
        ("UVES_MASTER_BIAS_R", ["MASTER_BIAS_REDL", "MASTER_BIAS_REDU"]),
        ("UVES_MASTER_DARK_B", ["MASTER_DARK_BLUE"]),
        ("UVES_MASTER_DARK_R", ["MASTER_DARK_REDL", "MASTER_DARK_REDU"]),
    ]
    assert all(one.made.complete for one in plan.decisions)
    bias = plan.decisions[1].made
    assert [one.path.rpartition("/")[2] for one in abs_of(plan)["UVES_MASTER_DARK_R"].calibs] == [
        f"{bias.root}_0000.fits",
        f"{bias.root}_0001.fits",
    ]


@pytest.mark.parametrize("instrument", ["MUSE", "HAWKI", "UVES"])
def test_what_a_pipeline_makes_of_nothing_is_told(instrument: str, tmp_path: Path) -> None:
    here = site(tmp_path, instrument)
    NightOf(Path(here[0].variables["DFO_HDR_DIR"]) / DATE, instrument).raw(
        MJD, DPR_CATG="CALIB", DPR_TYPE="NOBODY KNOWS"
    )
    plan = plan_of(here, "CALIB")
    assert not plan.decisions and len(plan.filtered.unclassified) == 1
