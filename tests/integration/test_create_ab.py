"""createAB with rules of our own: a night from headers to ABs, again and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from config.schema import Settings
from engine.context import Context
from engine.core.ab import AB
from engine.create.createab.order import create
from engine.create.createab.plan import NEW, CreatePlan
from engine.stores import dfos_status
from engine.stores.abs import AbStore
from tests.builders import make_context, make_tree
from tests.nights import NightOf

DATE = "2014-07-12"
MJD = 56850.9
RULES = """
if DPR.CATG == "CALIB" and DPR.TYPE == "BIAS" then { RAW.TYPE = "BIAS"; DO.CATG = "BIAS"; }
if DPR.CATG == "CALIB" and DPR.TYPE like "%FLAT%" then { RAW.TYPE = "FLAT"; DO.CATG = "FLAT"; }
if DPR.CATG == "SCIENCE" then { RAW.TYPE = "OBJECT"; DO.CATG = "OBJECT"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; RAW.TYPE = PRO.CATG; }
select execute(A_FLAT) from inputFiles where RAW.TYPE == "FLAT" group by INS.MODE, TPL.START as (TPL_A,tpl);
select execute(A_BIAS) from inputFiles where RAW.TYPE == "BIAS" group by TPL.START as (TPL_A,tpl);
select execute(A_OBJECT) from inputFiles where RAW.TYPE == "OBJECT" and SIG.FRAME == 1;
action A_FLAT
{
  select file as MASTER_BIAS from calibFiles where DO.CATG == "MASTER_BIAS" and inputFile.INSTRUME == INSTRUME;
  minRet = 0; maxRet = 1;
  select file as BADPIX_TABLE from calibFiles where DO.CATG == "BADPIX_TABLE";
  recipe own_flat { "--nifu=-1 --merge"; }
  product MASTER_FLAT { PRO.CATG = "MASTER_FLAT"; PRO.EXT = "tpl_0000.fits"; }
  product TRACE_TABLE { PRO.CATG = "TRACE_TABLE"; PRO.EXT = "tpl_0001.fits"; }
}
action A_BIAS
{
  recipe own_bias;
  product MASTER_BIAS { PRO.CATG = "MASTER_BIAS"; PRO.EXT = "tpl_0000.fits"; }
}
action A_OBJECT
{
  select file as MASTER_FLAT from calibFiles where DO.CATG == "MASTER_FLAT" and inputFile.INS.MODE == INS.MODE;
  select file as TRACE_TABLE from calibFiles where DO.CATG == "TRACE_TABLE" and inputFile.INS.MODE == INS.MODE;
  recipe own_object;
  product REDUCED { PRO.CATG = "REDUCED"; }
}
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """An account with the rules above and a directory for headers."""
    return account(tmp_path)


def account(root: Path, rules: str = RULES) -> Context:
    tree = make_tree(root)
    tree = replace(tree, variables={**tree.variables, "DFO_HDR_DIR": str(root / "account" / "headers")})
    (tree.config / "OCA").mkdir(parents=True, exist_ok=True)
    (tree.config / "OCA" / "muse.RLS").write_text(rules)
    return replace(make_context(root, tree=tree), settings=Settings(instance="MUSE", instrument="MUSE"))


def night(context: Context, date: str = DATE) -> NightOf:
    return NightOf(Path(context.tree.variables["DFO_HDR_DIR"]) / date, "MUSE", INS_MODE="WFM")


def simple(context: Context, date: str = DATE) -> NightOf:
    """Three bias, two flats, one science frame."""
    made = night(context, date)
    made.template(MJD, 3, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    made.template(MJD + 0.1, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    made.raw(MJD + 0.2, DPR_CATG="SCIENCE", DPR_TYPE="OBJECT")
    return made


def make(context: Context, mode: str = "CALIB", date: str = DATE) -> CreatePlan:
    return asyncio.run(create(context, mode, date))


def abs_of(context: Context, mode: str = "CALIB", date: str = DATE) -> list[AB]:
    return AbStore(context.tree).load(mode, date)


def test_a_simple_night(context: Context) -> None:
    simple(context)
    plan = make(context)
    assert [one.what for one in plan.decisions] == [NEW, NEW]
    bias, flat = abs_of(context)
    assert (bias.raw_type, flat.raw_type) == ("BIAS", "FLAT")
    assert [len(ab.raws) for ab in (bias, flat)] == [3, 2]
    assert flat.get("COMPLETENESS") == "COMPLETE"
    assert flat.waitfor == (bias.name,)
    assert [calib.columns() for calib in flat.calibs] == [
        f"VIRTUAL $DFS_PRODUCT/BIAS/{DATE}/{bias.root}_0000.fits MASTER_BIAS -0.100 OK"
    ]
    virtual = context.tree.vcal / DATE / f"{flat.root}_0001.hdr"
    assert b"TRACE_TABLE" in virtual.read_bytes() and b"INS MODE" in virtual.read_bytes()
    make(context, "SCIENCE")
    (science,) = abs_of(context, "SCIENCE")
    assert science.waitfor == (flat.name,)
    assert [entry.tag for entry in science.sof] == ["OBJECT", "MASTER_FLAT", "TRACE_TABLE"]
    assert dfos_status.current(context.tree, DATE) == {"CALIB": "cal_AB", "SCIENCE": "sci_AB"}
