"""createAB with rules of our own: a night from headers to ABs, again and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from config.create import Create
from config.schema import Settings
from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.create.createab.order import create
from engine.create.createab.plan import AGAIN, KEPT, MOVED, NEW, REFUSED, CreatePlan
from engine.create.createab.survey import looked
from engine.errors import DfosError, UsageTrouble
from engine.questions import Parked
from engine.stores import dfos_status
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts
from tests.builders import make_context, make_tree
from tests.nights import NightOf, fits_bytes, header_text, product, stamp
from tests.released import Scripted

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
    file = tree.config / "OCA" / "muse.RLS"
    if not file.exists():
        file.write_text(rules)
    return replace(
        make_context(root, tree=tree, clock=lambda: 1_700_000_000.0),
        settings=Settings(instance="MUSE", instrument="MUSE"),
    )


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


@pytest.mark.row(99, 100, 116)
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


def whats(plan: CreatePlan) -> list[str]:
    return [one.what for one in plan.decisions]


def contents(context: Context) -> dict[str, bytes]:
    """All files that createAB writes."""
    tree = context.tree
    places = (tree.ab, tree.vcal, tree.mon)
    files = (path for place in places for path in place.rglob("*") if path.is_file() and tree.state not in path.parents)
    return {str(path): path.read_bytes() for path in files if tree.trash not in path.parents}


def test_a_second_call_writes_nothing(context: Context) -> None:
    simple(context)
    make(context)
    before = contents(context)
    plan = make(context)
    assert plan.empty and whats(plan) == [KEPT, KEPT]
    assert contents(context) == before


def test_only_what_is_new_is_made_when_more_files_come(context: Context) -> None:
    made = simple(context)
    make(context)
    bias, flat = abs_of(context)
    AbStore(context.tree).write(bias.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    made.template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    plan = make(context)
    assert whats(plan) == [KEPT, KEPT, NEW]
    assert [ab.name for ab in abs_of(context)][:2] == [bias.name, flat.name]
    assert abs_of(context)[2].waitfor == (bias.name,)


@pytest.mark.parametrize("minutes", [7, -1])
@pytest.mark.parametrize("moved", [False, True])
def test_a_frame_that_came_too_late_for_a_successful_ab_is_a_finding(
    context: Context, minutes: int, moved: bool
) -> None:
    made = simple(context)
    make(context)
    bias, flat = abs_of(context)
    store = AbStore(context.tree)
    store.write(bias.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    if moved:
        (context.tree.log / DATE).mkdir(parents=True)
        store.path(bias.name).rename(context.tree.log / DATE / bias.name)
    make(context)
    before = contents(context)
    keys = {"TPL.START": stamp(MJD)[:19], "TPL.EXPNO": 3, "TPL.NEXP": 3}
    late = made.raw(MJD + minutes / 1440, keys, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    plan = make(context)
    assert whats(plan) == [MOVED if moved else KEPT, KEPT]
    assert [one.made.name for one in plan.decisions] == [bias.name, flat.name]
    (finding,) = plan.findings
    state = "moved" if moved else "SUCCESSFUL"
    assert finding.startswith(f"{bias.name}: {state} with 3 files, 4 now: {late} is not in it (")
    assert not plan.strangers and contents(context) == before


def test_what_an_operator_took_out_of_an_ab_is_no_finding(context: Context) -> None:
    simple(context)
    make(context)
    bias = abs_of(context)[0]
    fewer = bias.with_values("RAWFILE", [f"{raw.path} {raw.tag}" for raw in bias.raws[:2]])
    AbStore(context.tree).write(fewer.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    plan = make(context)
    assert whats(plan) == [KEPT, KEPT] and plan.findings == []
    assert plan.warnings == [f"{bias.name}: SUCCESSFUL, without {Path(bias.raws[2].path).stem}"]


def test_an_ab_whose_raw_files_are_gone_keeps_its_place_in_the_list(context: Context) -> None:
    made = simple(context)
    make(context)
    bias, flat = abs_of(context)
    AbStore(context.tree).write(bias.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    for raw in bias.raws:
        (made.folder / f"{Path(raw.path).stem}.hdr").unlink()
    plan = make(context)
    assert plan.strangers == (bias.name,)
    assert [line.split()[0] for line in plan.listing] == [bias.name, flat.name]


def test_a_damaged_ab_keeps_its_line_until_it_is_put_back(context: Context) -> None:
    simple(context)
    make(context)
    bias, flat = abs_of(context)
    store = AbStore(context.tree)
    store.path(bias.name).write_bytes(b"\0 no AB")
    plan = make(context)
    assert whats(plan)[0] == REFUSED
    assert [line.split()[0] for line in plan.listing] == [bias.name, flat.name]


def test_what_becomes_of_an_ab_depends_on_its_state(context: Context) -> None:
    made = night(context)
    names = [made.template(MJD + 0.01 * n, 2, DPR_CATG="CALIB", DPR_TYPE="BIAS")[0] + "_tpl.ab" for n in range(6)]
    make(context)
    store = AbStore(context.tree)
    successful, failed, edited, moved, damaged, fresh = (read(store.path(name)) for name in names)
    store.write(successful.with_value("PROCESS_STATUS", "SUCCESSFUL").with_value("RECIPE", "other"))
    store.write(failed.with_value("PROCESS_STATUS", "FAILED").with_value("LOG_NAME", "x.log"))
    store.write(edited.with_values("RECIPE_PARAM", ["--mine=1"]))
    (context.tree.log / DATE).mkdir(parents=True)
    store.path(moved.name).rename(context.tree.log / DATE / moved.name)
    store.path(damaged.name).write_bytes(b"\0 no AB")
    plan = make(context)
    assert whats(plan) == [KEPT, AGAIN, KEPT, MOVED, REFUSED, KEPT]
    assert [one.why for one in plan.decisions][2] == "CREATED, edited by hand or made by another tool"
    assert read(store.path(successful.name)).recipe == "other"
    assert read(store.path(failed.name)).render() == failed.render()
    assert read(store.path(edited.name)).params == ("--mine=1",)
    assert store.path(damaged.name).read_bytes() == b"\0 no AB"
    assert any(path.name == failed.name for path in context.tree.trash.rglob("*.ab")), (
        "the FAILED one is kept in the trash"
    )
    assert len(plan.findings) == 1
    assert fresh.name in {line.split()[0] for line in plan.listing}


def test_an_ab_whose_calibrations_became_real_is_made_again(context: Context) -> None:
    simple(context)
    make(context)
    bias, flat = abs_of(context)
    keys = {"MJD-OBS": MJD, "INSTRUME": "MUSE", "PRO.CATG": "MASTER_BIAS"}
    product(context.tree.cal / DATE / f"{bias.root}_0000.hdr", keys).rename(
        context.tree.cal / DATE / "MU_MBIA_140712A.hdr"
    )
    AbStore(context.tree).path(bias.name).unlink()
    (context.tree.log / DATE).mkdir(parents=True)
    (context.tree.log / DATE / bias.name).write_bytes(bias.render())
    plan = make(context)
    assert whats(plan) == [MOVED, AGAIN]
    again = read(AbStore(context.tree).path(flat.name))
    assert again.calibs[0].columns().startswith(f"REAL $DFO_CAL_DIR/{DATE}/MU_MBIA_140712A.fits MASTER_BIAS")
    assert again.waitfor == ()


def test_the_dry_run_says_what_the_real_one_does(context: Context) -> None:
    simple(context)
    seen = looked(context.tree, context.settings, "CALIB", DATE).plan
    before = contents(context)
    done = make(context)
    assert before == {}
    assert seen.to_dict() == done.to_dict() and seen.describe() == done.describe()
    for entry in seen.to_dict()["abs"]:
        assert (context.tree.ab / entry["name"]).read_text() == entry["text"]


@pytest.mark.row(138)
@pytest.mark.parametrize("date", ["2099-99-99", "2095-09-34", "2094-01-16"])
def test_any_label_is_a_date_and_the_pool_is_found_by_mjd(context: Context, date: str) -> None:
    simple(context, date)
    product(
        context.tree.cal / "2014-07-10" / "r.MUSE.2014-07-10T20:00:00.000_tpl_0000.hdr",
        {"MJD-OBS": MJD - 2, "INSTRUME": "MUSE", "PRO.CATG": "MASTER_BIAS"},
    )
    plan = make(context, date=date)
    assert whats(plan) == [NEW, NEW]
    assert "1 real, 0 virtual" in plan.notes[0]
    words = dfos_status.current(context.tree, date)["CALIB"]
    assert words == ("" if date == "2099-99-99" else "cal_AB")


def test_calibrations_of_far_nights_are_not_in_the_pool(context: Context) -> None:
    night(context).template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    for label, mjd in (("2014-06-01", 56809.9), ("2014-07-17", 56855.9)):
        product(
            context.tree.cal / label / f"MU_{label}.hdr",
            {"MJD-OBS": mjd, "INSTRUME": "MUSE", "PRO.CATG": "MASTER_BIAS"},
        )
    product(
        context.tree.cal / "gen" / "MU_GBPX.hdr", {"MJD-OBS": 50000.0, "INSTRUME": "MUSE", "PRO.CATG": "BADPIX_TABLE"}
    )
    make(context)
    (flat,) = abs_of(context)
    assert [calib.path for calib in flat.calibs] == [
        "$DFO_CAL_DIR/2014-07-17/MU_2014-07-17.fits",
        "$DFO_CAL_DIR/gen/MU_GBPX.fits",
    ]
    assert flat.get("COMPLETENESS") == "COMPLETE"


def test_the_same_product_in_three_forms_is_one(context: Context) -> None:
    night(context).template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    keys = {"MJD-OBS": MJD - 1, "INSTRUME": "MUSE", "PRO.CATG": "MASTER_BIAS", "PIPEFILE": "r.x.fits"}
    place = context.tree.cal / "2014-07-11"
    product(place / "MU_MBIA.hdr", keys)
    (place / "MU_MBIA.fits").write_bytes(fits_bytes(keys))
    (place / "MU_MBIA.fits.fz").write_bytes(fits_bytes(keys))
    assert "1 real" in make(context).notes[0]


def test_an_incomplete_ab_says_what_is_missing(context: Context) -> None:
    night(context).template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    make(context)
    (flat,) = abs_of(context)
    assert flat.get("COMPLETENESS") == "INCOMPLETE"
    log = (context.tree.ab / f"{flat.name.removesuffix('.ab')}.alog").read_text().splitlines()
    assert log[0] == f"{flat.name} FLAT INS_MODE=WFM,TPL_START={stamp(MJD)[:19]} INCOMPLETE"
    assert log[1].startswith("# missing MASTER_BIAS, 0 of 1: ") and "muse.RLS:11" in log[1]


def test_the_association_log_and_the_ab_agree(context: Context) -> None:
    simple(context)
    make(context)
    bias, flat = abs_of(context)
    log = (context.tree.ab / f"{flat.name.removesuffix('.ab')}.alog").read_text().splitlines()
    assert log[0].endswith(" COMPLETE")
    assert log[1:] == [f"OK MCALIB VIRTUAL {bias.root}_0000.fits MASTER_BIAS -0.100"]
    table = (context.tree.ab / f"{flat.name.removesuffix('.ab')}.atab").read_text().splitlines()
    assert table[1].split("\t") == ["MASTER_BIAS", "calibFiles", "1", "1", "1", f"{bias.root}_0000.fits"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_directory_changes_nothing(tmp_path: Path, order: int) -> None:
    found = []
    for turn in ("one", "two"):
        context = account(tmp_path / turn)
        made = simple(context)
        files = sorted(made.folder.iterdir(), reverse=(turn == "two") ^ (order < 0))
        texts = {path.name: path.read_bytes() for path in files}
        for path in files:
            path.unlink()
        for name, text in texts.items():
            (made.folder / name).write_bytes(text)
        make(context)
        found.append(
            {Path(path).name: data for path, data in contents(context).items() if path.endswith(("ab", "log"))}
        )
    assert found[0] == found[1] and len(found[0]) == 6


def test_raw_files_without_headers_will_do(tmp_path: Path) -> None:
    context = account(tmp_path)
    context = replace(
        context,
        tree=replace(context.tree, variables={k: v for k, v in context.tree.variables.items() if k != "DFO_HDR_DIR"}),
    )
    raw = context.tree.raw / DATE
    raw.mkdir()
    for n in range(3):
        keys = {
            "MJD-OBS": MJD + n / 1440,
            "INSTRUME": "MUSE",
            "DPR.CATG": "CALIB",
            "DPR.TYPE": "BIAS",
            "TPL.START": "x",
        }
        (raw / f"MUSE.{stamp(MJD + n / 1440)}.fits").write_bytes(fits_bytes(keys))
    assert whats(make(context)) == [NEW]
    (bias,) = abs_of(context)
    assert [context.tree.expand(entry.path).is_file() for entry in bias.raws] == [True] * 3


def test_headers_that_cannot_be_used_are_reported_and_the_others_go_on(context: Context) -> None:
    made = simple(context)
    good = {"INSTRUME": "MUSE", "DPR.CATG": "CALIB", "DPR.TYPE": "BIAS"}
    hostile = {
        "MUSE.2014-07-12T01:00:00.000.hdr": b"\x00\xff\xfe binary",
        "MUSE.2014-07-12T01:00:01.000.hdr": b"",
        "MUSE.2014-07-12T01:00:02.000.hdr": header_text(good).encode(),  # no MJD-OBS
        "MUSE.2014-07-12T01:00:03.000.hdr": header_text({**good, "MJD-OBS": "soon"}).encode(),
        "MUSE.2014-07-12T01:00:04.000.hdr": header_text({"MJD-OBS": MJD, "DPR.CATG": " "}).encode(),
        "MUSE.2014-07-12T01:00:05.000.hdr": b"SIMPLE  = T\n" + b"x" * 200 + b"\n",
        "new\nline.hdr": header_text({**good, "MJD-OBS": MJD}).encode(),
        "with blank.hdr": header_text({**good, "MJD-OBS": MJD}).encode(),
        "odd.hdr": header_text({**good, "MJD-OBS": MJD}).encode(),
        "--x.hdr": header_text({**good, "MJD-OBS": MJD, "ARCFILE": "MUSE.2014-07-12T01:00:08.000.fits"}).encode(),
    }
    for name, data in hostile.items():
        (made.folder / name).write_bytes(data)
    (made.folder / "MUSE.2014-07-12T01:00:09.000.hdr").mkdir()
    plan = make(context)
    assert whats(plan) == [NEW, NEW]
    assert sorted(one.kind for one in plan.troubles) == ["empty"] * 3 + ["name"] * 4 + ["unreadable"] * 3
    assert len(plan.findings) == 10
    assert all(ab.render().count(b"\n") == len(ab.lines) for ab in abs_of(context))


@pytest.mark.parametrize("suffix", [".hdr", ".fits", ".fits.fz"])
def test_links_that_lead_nowhere_are_reported_and_the_others_go_on(context: Context, suffix: str) -> None:
    made = simple(context)
    folder = made.folder if suffix == ".hdr" else context.tree.raw / DATE
    folder.mkdir(exist_ok=True)
    loop, dangling = (folder / f"MUSE.2014-07-12T01:00:0{n}.000{suffix}" for n in (0, 1))
    loop.symlink_to(loop)
    dangling.symlink_to("not-there")
    plan = make(context)
    assert whats(plan) == [NEW, NEW]
    assert [one.why for one in plan.troubles] == [
        "cannot be read: Too many levels of symbolic links",
        "cannot be read: No such file or directory",
    ]


def test_an_exposure_that_is_there_twice_counts_once(context: Context) -> None:
    made = simple(context)
    name = f"MUSE.{stamp(MJD)}"
    copy = made.folder / f"{name}.copy.hdr"
    copy.write_bytes((made.folder / f"{name}.hdr").read_bytes())
    plan = make(context)
    (finding,) = plan.findings
    assert finding == f"{name}.copy.fits: twice: the same exposure as {name} (ARCFILE, MJD-OBS)"
    raws = abs_of(context)[0].raws
    assert Path(raws[0].path).stem == name and len(raws) == 3
    assert "0 unreadable, 1 twice" in plan.filtered.text and "twice: 1 of 7 raw files" in plan.filtered.describe()


def test_an_unfinished_template_is_a_warning_and_stands_in_the_log(context: Context) -> None:
    made = night(context)
    last = made.template(MJD, 3, DPR_CATG="CALIB", DPR_TYPE="BIAS")[-1]
    (made.folder / f"{last}.hdr").unlink()
    plan = make(context)
    (bias,) = abs_of(context)
    words = "the template was not finished, 2 of 3 exposures"
    assert plan.warnings == [f"{bias.name}: {words}"] and plan.findings == []
    log = (context.tree.ab / f"{bias.name.removesuffix('.ab')}.alog").read_text().splitlines()
    assert log[0].endswith(" COMPLETE") and log[1] == f"# {words}"


@pytest.mark.parametrize("place", ["ab", "vcal"])
def test_a_directory_that_takes_no_files_is_found_before_anything_begins(context: Context, place: str) -> None:
    simple(context)
    folder = getattr(context.tree, place)
    if folder.is_dir():
        folder.rmdir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file")
    with pytest.raises(DfosError, match="a directory is needed here"):
        make(context)
    folder.unlink()
    folder.mkdir()
    assert whats(make(context)) == [NEW, NEW]  # no --recover


def test_a_key_that_stands_twice_is_told_and_the_first_counts(context: Context) -> None:
    made = night(context)
    name = made.template(MJD, 1, DPR_CATG="CALIB", DPR_TYPE="BIAS")[0]
    path = made.folder / f"{name}.hdr"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], "HIERARCH ESO DPR TYPE = 'FLAT,LAMP'", lines[-1]]))
    plan = make(context)
    assert any("DPR.TYPE stands twice" in note for note in plan.notes)
    assert abs_of(context)[0].raw_type == "BIAS"


@pytest.mark.row(138)
def test_rules_with_errors_are_asked_for_and_parked_in_auto(tmp_path: Path) -> None:
    context = account(tmp_path, RULES + '\nif DPR.CATG and and DPR.TYPE == 1 then { DO.CATG = "X"; }\n')
    simple(context)
    with pytest.raises(Parked) as parked:
        make(context)
    assert parked.value.exit_code == 3 and parked.value.question.safe == "no"
    assert contents(context) == {}
    context = replace(context, operator=Scripted(create__rules="yes"))
    assert whats(make(context)) == [NEW, NEW]


def test_the_operator_may_refuse_rules_with_errors(tmp_path: Path) -> None:
    context = account(tmp_path, RULES + '\nif DPR.CATG and and DPR.TYPE == 1 then { DO.CATG = "X"; }\n')
    simple(context)
    with pytest.raises(UsageTrouble, match="dfos oca check"):
        make(replace(context, operator=Scripted(create__rules="no")))
    assert contents(context) == {}


def test_two_actions_of_one_name_are_two_abs_and_fail_apart(tmp_path: Path) -> None:
    more = """
    select execute(A_CHECK) from inputFiles where RAW.TYPE == "BIAS" group by TPL.START as (TPL_A,tpl);
    action A_CHECK { recipe own_check; }
    """
    context = account(tmp_path, RULES + more)
    night(context).template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    make(context)
    first, second = sorted(abs_of(context), key=lambda ab: ab.name.replace(".ab", ""))
    assert (first.tag, second.tag) == ("tpl", "tpl2")
    store = AbStore(context.tree)
    store.write(first.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    store.write(second.with_value("PROCESS_STATUS", "FAILED"))
    plan = make(context)
    assert {one.made.name: one.what for one in plan.decisions} == {first.name: KEPT, second.name: AGAIN}


def test_abs_of_another_date_are_never_written_over(context: Context) -> None:
    simple(context)
    make(context)
    simple(context, "2094-01-16")
    plan = make(context, date="2094-01-16")
    assert whats(plan) == [REFUSED, REFUSED]
    assert {ab.date for ab in abs_of(context, date="")} == {DATE}


def test_there_must_be_headers(context: Context) -> None:
    with pytest.raises(UsageTrouble, match="there are no headers of 2001-01-01"):
        make(context, date="2001-01-01")


def test_a_virtual_calibration_of_a_failed_ab_is_not_used(context: Context) -> None:
    simple(context)
    make(context)
    bias, flat = abs_of(context)
    store = AbStore(context.tree)
    store.write(flat.with_value("PROCESS_STATUS", "FAILED"))
    make(context, "SCIENCE")
    (science,) = abs_of(context, "SCIENCE")
    assert science.calibs == () and science.get("COMPLETENESS") == "INCOMPLETE"
    again = make(context)  # its products are expected anew, and what stands in VCAL is its own: no news
    assert not [note for note in again.notes if "no AB at work" in note]
    assert whats(make(context, "SCIENCE")) == [AGAIN]
    assert abs_of(context, "SCIENCE")[0].waitfor == (flat.name,)
    assert bias.status == "CREATED"


def test_what_failed_and_is_made_again_is_said_to_be_created(context: Context) -> None:
    simple(context)
    make(context)
    bias, flat = abs_of(context)
    for order, (ab, state, reason, parents) in enumerate(
        [
            (bias, "FAILED", "missing input", ()),
            (flat, "BLOCKED", f"{bias.name} FAILED", (bias.name,)),
            (flat.with_value("AB_NAME", "X.ab"), "BLOCKED", "Y.ab FAILED", ()),
        ]
    ):
        fields = (ab.name, ab.mode, ab.date, "", ab.recipe, ab.raw_type, "", order, parents, 1.0, state, reason)
        context.bus.publish(ev.AbSeen(*fields))
    AbStore(context.tree).write(bias.with_value("PROCESS_STATUS", "FAILED"))
    make(context)
    rows = context.board.rows
    assert (rows[bias.name].state, rows[bias.name].reason) == ("CREATED", "made again")
    assert (rows[flat.name].state, rows[flat.name].reason) == ("PARENT", f"waits for {bias.name}")
    assert (rows["X.ab"].state, rows["X.ab"].reason) == ("BLOCKED", "Y.ab FAILED")


def test_an_ab_whose_recipe_may_run_is_left_alone(context: Context) -> None:
    simple(context)
    make(context)
    bias = abs_of(context)[0]
    attempts = Attempts(context.db)
    attempts.intend(bias.name, "/work", "token", "boot", 1.0, 1)
    attempts.flush()
    product(context.tree.cal / DATE / "x.hdr", {"MJD-OBS": MJD, "PRO.CATG": "OTHER"})
    plan = make(context)
    assert plan.decisions[0].why == "CREATED, its recipe may be running"


def test_time_rules_and_windows_of_the_configuration_count(context: Context) -> None:
    night(context).template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    for label, mjd in (("2014-07-09", MJD - 3), ("2014-07-13", MJD + 1)):
        keys = {"MJD-OBS": mjd, "INSTRUME": "MUSE", "PRO.CATG": "MASTER_BIAS"}
        product(context.tree.cal / label / f"MU_{label}.hdr", keys)

    def chosen(**validity: object) -> list[tuple[str, str]]:
        made = Create.model_validate({"validity": {"MASTER_BIAS": validity}})
        settings = context.settings.model_copy(update={"create": made})
        (one,) = looked(context.tree, settings, "CALIB", DATE).plan.decisions
        return [(hit.frame.name, "OK" if hit.ok else "NOK") for hit in one.made.found.hits]

    assert chosen() == [("MU_2014-07-13", "OK")]
    assert chosen(rule="PREVIOUS") == [("MU_2014-07-09", "OK")]
    assert chosen(plan=(-0.5, 0.5)) == [("MU_2014-07-13", "NOK")]
    assert chosen(extended=(-0.5, 0.5)) == []


def test_arms_of_the_configuration_are_templates_of_their_own(tmp_path: Path) -> None:
    rules = RULES.replace("group by INS.MODE, TPL.START as", 'and SIG.TEMPLATE == 1 and LF.INS.PATH == "BLUE" as')
    context = account(tmp_path, rules)
    made = night(context)
    for number, path in enumerate(("BLUE", "RED", "BLUE", "RED")):
        keys = {"TPL.START": "2014-07-12T22:00:00", "INS.PATH": path}
        made.raw(MJD + number / 1440, keys, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")

    def sizes(**given: object) -> list[int]:
        settings = context.settings.model_copy(update={"create": Create.model_validate(given)})
        return [len(one.made.raws) for one in looked(context.tree, settings, "CALIB", DATE).plan.decisions]

    assert sizes() == []  # the last file of the template is a red one
    assert sizes(arms=["INS.PATH"]) == [2]


def test_a_night_that_is_still_open_waits_for_its_templates(context: Context) -> None:
    made = night(context)
    made.template(MJD, 2, DPR_CATG="CALIB", DPR_TYPE="BIAS")
    last = made.template(MJD + 0.1, 3, DPR_CATG="CALIB", DPR_TYPE="BIAS")[-1]
    (made.folder / f"{last}.hdr").unlink()
    open_ = context.settings.model_copy(update={"create": Create(not_yet=True)})
    assert whats(make(replace(context, settings=open_))) == [NEW]
    assert whats(make(context)) == [KEPT, NEW]
