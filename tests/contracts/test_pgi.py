"""Conformance of the shipped plugins, and what the engine refuses to carry out."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from engine.core.ab import AB, parse
from engine.core.cascade import Kind
from engine.errors import PluginTrouble
from engine.pgi import (
    PROTOCOLS,
    checked_abs,
    checked_catgs,
    checked_plan,
    checked_prepared,
    checked_withheld,
)
from engine.pgis import pgi_phoenix_MUSE_postAB, pgi_phoenix_MUSE_stream, pgi_preTPL
from tests.builders import make_ab

SHIPPED = {
    "AB_PGI": "pgi_phoenix_MUSE_AB_deep",
    "HDR_PGI": "pgi_phoenix_GEN_MCAL",
    "JOB_PGI": "pgi_phoenix_MUSE_stream",
    "PRE_PLUGIN": "pgi_preTPL",
    "FINAL_PLUGIN": "pgi_phoenix_MUSE_postAB",
    "PGI_COVER": "pgi_phoenix_MUSE_postQC",
    "QC_FINAL_PLUGIN": "pgi_phoenix_MUSE_postQC",
    "RENAME_SPECIAL_PLUGIN": "pgi_phoenix_MUSE_renameP",
}
DPC = """\
AB_NAME MUSE.2014-10-22T23:57:32.118_dpc.ab
RAW_TYPE PIXTABLE_REDUCED
RECIPE muse_exp_combine
DATE 2094-01-16
PROD_ROOT_NAME r.MUSE.2014-10-22T23:57:32.118_dpc
PROCESS_STATUS CREATED
MCALIB REAL $DFO_CAL_DIR/gen/filters.fits FILTER_LIST
MCALIB REAL $DFO_CAL_DIR/x/r.MUSE.2014-10-24T10:00:00.000_0000.fits LSF_PROFILE
MCALIB REAL $DFO_CAL_DIR/y/r.MUSE.2014-10-22T10:00:00.000_0000.fits LSF_PROFILE
SOF_CONTENT $DFS_PRODUCT/I/d/r.MUSE.2014-10-22T23:57:32.118_dal_0000.fits OFFSET_LIST
# late one first
SOF_CONTENT $DFS_PRODUCT/P/d/r.MUSE.2014-10-23T01:00:00.000_pst_0002.fits PIXTABLE_REDUCED
SOF_CONTENT $DFS_PRODUCT/P/d/r.MUSE.2014-10-22T23:57:32.118_pst_0002.fits PIXTABLE_REDUCED
SOF_CONTENT $DFS_PRODUCT/P/d/r.MUSE.2014-10-23T00:30:00.000_pst_0002.fits PIXTABLE_REDUCED
PRODUCTS r.MUSE.2014-10-22T23:57:32.118_dpc_0000.fits DATACUBE_FINAL VIRTUAL
"""


@pytest.fixture
def dpc() -> AB:
    return parse(DPC.encode(), "dpc.ab")


@pytest.mark.parametrize(("slot", "name"), SHIPPED.items())
def test_shipped_plugins_fulfil_the_protocol_of_their_slot(slot: str, name: str) -> None:
    assert isinstance(importlib.import_module(f"engine.pgis.{name}"), PROTOCOLS[slot])


def test_the_profile_names_only_plugins_that_are_shipped(tmp_path: Path) -> None:
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    settings = load(tmp_path).settings
    own = {"RENAME_SPECIAL_PLUGIN": settings.rename.special_plugin}
    assert {slot: own.get(slot) or getattr(settings.plugins, slot) for slot in SHIPPED} == SHIPPED


@pytest.mark.row(345)
def test_the_inputs_of_a_dpc_ab_come_in_time_order(dpc: AB) -> None:
    sorted_ab = checked_prepared("pgi_preTPL", dpc, pgi_preTPL.prepare(dpc))
    stamps = [entry.path.split("r.MUSE.")[1][:19] for entry in sorted_ab.sof]
    assert stamps == ["2014-10-22T23:57:32", "2014-10-23T00:30:00", "2014-10-23T01:00:00", "2014-10-22T23:57:32"]
    assert [entry.tag for entry in sorted_ab.sof] == ["PIXTABLE_REDUCED"] * 3 + ["OFFSET_LIST"]
    assert [calib.path.split("/")[1] for calib in sorted_ab.calibs] == ["gen", "y", "x"]
    assert pgi_preTPL.prepare(sorted_ab) == sorted_ab


@pytest.mark.row(345)
def test_other_abs_are_left_as_they_are(dpc: AB) -> None:
    pst = parse(DPC.replace("_dpc.ab", "_pst.ab").encode(), "pst.ab")
    assert pgi_preTPL.prepare(pst) is pst


def test_odd_stamps_are_labels(dpc: AB) -> None:
    odd = parse(DPC.replace("23:57:32.118_pst", "23:57:321_pst").encode(), "dpc.ab")
    assert pgi_preTPL.prepare(odd).sof[0].path.endswith("23:57:321_pst_0002.fits")


def test_new_categories_follow_the_table(dpc: AB) -> None:
    products = (("a.fits", "DATACUBE_FINAL"), ("b.fits", "IMAGE_FOV"))
    options = {"dpc.DATACUBE_FINAL": "DATACUBE_DEEP", "pst.IMAGE_FOV": "X"}
    assert pgi_phoenix_MUSE_postAB.finish(dpc, products, options) == {"a.fits": "DATACUBE_DEEP"}
    assert pgi_phoenix_MUSE_postAB.finish(dpc, products, {}) == {}


@pytest.mark.row(325)
def test_the_job_plan_shows_ranks_and_streams() -> None:
    kinds = (
        Kind("sky_basic", "muse_scibasic", "", ("SKY",), 1, 1),
        Kind("scibasic", "muse_scibasic", "", ("OBJECT",), 3, 3),
    )
    objects = [make_ab(f"MUSE.2014-10-23T0{hour}:00:00.000", "scibasic") for hour in range(4)]
    sky = make_ab("MUSE.2014-10-23T09:00:00.000", "sky_basic")
    strange = make_ab("MUSE.2014-10-23T08:00:00.000", "combine")
    lines = pgi_phoenix_MUSE_stream.plan((*objects, strange, sky), kinds, 2)
    assert lines == (
        "rank 1: sky_basic, 1 ABs in 1 stream",
        f"  stream 1: {sky.name}",
        "rank 3: scibasic, 4 ABs in 2 streams",
        f"  stream 1: {objects[0].name} {objects[2].name}",
        f"  stream 2: {objects[1].name} {objects[3].name}",
        "last: unknown kind (muse_exp_combine), 1 ABs in 1 stream",
        f"  stream 1: {strange.name}",
    )
    assert checked_plan("p", [*objects, strange, sky], lines) == lines
    assert pgi_phoenix_MUSE_stream.plan((), kinds, 2) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda ab: None, "answers with NoneType"),
        (lambda ab: ab.with_value("RECIPE", "muse_bias"), "changes RECIPE"),
        (lambda ab: ab.with_value("PROCESS_STATUS", "SUCCESSFUL"), "changes PROCESS_STATUS"),
        (lambda ab: ab.with_values("SOF_CONTENT", ab.values("SOF_CONTENT")[1:]), "which SOF_CONTENT lines"),
        (lambda ab: ab.with_values("MCALIB", [*ab.values("MCALIB"), "REAL x Y"]), "which MCALIB lines"),
        (lambda ab: ab.with_value("NEW", "1"), "changes NEW"),
    ],
)
def test_before_the_recipe_only_order_and_parameters_may_change(dpc: AB, change: Any, word: str) -> None:
    with pytest.raises(PluginTrouble, match=word):
        checked_prepared("p", dpc, change(dpc))


def test_parameters_may_change(dpc: AB) -> None:
    changed = dpc.with_values("RECIPE_PARAM", ["--step=5."])
    assert checked_prepared("p", dpc, changed).params == ("--step=5.",)


@pytest.mark.parametrize(
    ("proposed", "word"),
    [
        ([1], "answers with list"),
        ((), "left none"),
        (("x",), "expected a tuple of AB"),
        ("twice", "2 times"),
        ("unreadable", "cannot be read"),
    ],
)
def test_abs_that_make_no_sense_are_refused(dpc: AB, proposed: Any, word: str) -> None:
    if proposed == "twice":
        proposed = (dpc, dpc)
    if proposed == "unreadable":
        proposed = (dpc.with_value("RAW_TYPE", "../evil"),)
    with pytest.raises(PluginTrouble, match=word):
        checked_abs("p", [dpc], proposed)


@pytest.mark.parametrize("proposed", [None, {"c.fits": "X"}, {"a.fits": "NO GOOD"}, {"a.fits": ""}, {"a.fits": 5}])
def test_categories_that_make_no_sense_are_refused(dpc: AB, proposed: Any) -> None:
    with pytest.raises(PluginTrouble):
        checked_catgs("p", dpc, (("a.fits", "CUBE"),), proposed)


def test_only_files_that_were_shown_are_withheld() -> None:
    assert checked_withheld("p", ["a", "b", "c"], ("c", "a")) == ("a", "c")
    for proposed in (("d",), ["a"], None):
        with pytest.raises(PluginTrouble):
            checked_withheld("p", ["a"], proposed)


def test_a_job_plan_holds_every_ab_once(dpc: AB) -> None:
    other = make_ab()
    with pytest.raises(PluginTrouble, match="does not stand"):
        checked_plan("p", [dpc, other], (dpc.name,))
    with pytest.raises(PluginTrouble, match="stands 2 times"):
        checked_plan("p", [dpc], (f"{dpc.name} {dpc.name}",))
    with pytest.raises(PluginTrouble, match="not of this pool"):
        checked_plan("p", [dpc], (dpc.name, other.name))
