"""What moveProducts decides, table by table of its configuration, and what it says about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.archive import Archive
from config.schema import Dropped, Move, Saved
from engine import events as ev
from engine.atomic import fs
from engine.atomic.journal import Journal
from engine.atomic.trash import listing
from engine.context import Context
from engine.core.ab import AB
from engine.core.product import DELETE, MOVE, WITHHELD
from engine.errors import MoveTrouble
from engine.release.move.move_products import MovePlan, move, move_plan, planned, survey
from engine.stores.abs import AbStore, read
from engine.stores.verdicts import Verdict, Verdicts
from engine.transfer.ingest.ingest_products import ingest
from tests.builders import PSEUDO, make_ab, record
from tests.released import MOVE as MOVE_SETTINGS
from tests.released import NIGHT, bias, biases, keen, picture, processed, release_context, target, write_product

A, B, C, D = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABCD")


def _names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.name != "rn_files") if path.is_dir() else []


def _bias_saved(save: str, *dropped: str, **changes: Any) -> Move:
    raw_types = (Saved(raw_type="BIAS", mode="CALIB", save=save), *MOVE_SETTINGS.raw_types[1:])  # type: ignore[arg-type]
    delete = tuple(Dropped(raw_type="BIAS", catg=catg) for catg in dropped)
    return MOVE_SETTINGS.model_copy(update={"raw_types": raw_types, "delete": delete, **changes})


def _signed(context: Context, abs_: list[AB]) -> None:
    for ab in abs_:
        Verdicts(context.db).record(ab, Verdict("accepted", "fine", "rh", "2023-11-14T22:00:00"))


async def _plan(context: Context, abs_: list[AB], mode: str = "CALIB", date: str = NIGHT) -> MovePlan:
    _signed(context, abs_)
    return await planned(context, mode, date)


def _fates(plan: MovePlan) -> dict[str, list[str]]:
    return {fate: sorted(entry.product.catg for entry in plan.of(fate)) for fate in (MOVE, DELETE, WITHHELD)}


# --- SAVE_MODE and DELETE -------------------------------------------------------------------


@pytest.mark.row(43, 44, 45, 46, 48, 49)
@pytest.mark.parametrize(
    ("save", "dropped", "saved", "gone"),
    [
        ("ALL", (), ["BIAS_RESIDUALS", "MASTER_BIAS"], []),
        ("ALL", ("MASTER_BIAS",), ["BIAS_RESIDUALS", "MASTER_BIAS"], []),
        ("NONE", (), [], ["BIAS_RESIDUALS", "MASTER_BIAS"]),
        ("NONE", ("MASTER_BIAS",), [], ["BIAS_RESIDUALS", "MASTER_BIAS"]),
        ("SELECT", ("BIAS_RESIDUALS",), ["MASTER_BIAS"], ["BIAS_RESIDUALS"]),
        ("SELECT", ("ALL",), [], ["BIAS_RESIDUALS", "MASTER_BIAS"]),
        ("SELECT", (), ["BIAS_RESIDUALS", "MASTER_BIAS"], []),
    ],
)
async def test_what_is_saved(
    save: str, dropped: tuple[str, ...], saved: list[str], gone: list[str], tmp_path: Path
) -> None:
    context = release_context(tmp_path, move=_bias_saved(save, *dropped))
    ab = processed(context, bias(0, "MASTER_BIAS", "BIAS_RESIDUALS"))
    science = target(context)
    plan = await _plan(context, [ab])
    assert _fates(plan) == {MOVE: saved, DELETE: gone, WITHHELD: []}
    events = record(context)
    before = {path.name: fs.sha256(path) for path in (context.tree.product / "BIAS" / NIGHT).glob("*.fits")}
    result = await move(context, "CALIB", NIGHT)
    assert (result.moved, result.retired) == (len(saved), len(gone))
    place = context.tree.cal / NIGHT
    after = sorted(fs.sha256(path) for path in place.glob("*.fits")) if place.is_dir() else []
    retired = [event.pipefile for event in events if isinstance(event, ev.ProductRetired)]
    assert after == sorted(sha for name, sha in before.items() if name not in retired), "bytes as they were"
    assert len(retired) == len(gone), "each deletion has its own line"
    assert all(AbStore(context.tree).load("SCIENCE", PSEUDO)) and len(science) == 6, "another MODE is not touched"
    assert not (context.tree.product / "BIAS" / NIGHT).exists()


@pytest.mark.row(47)
@pytest.mark.parametrize(("save", "dropped"), [("SELECT", "MASTER_BIAS"), ("SELECT", "ALL"), ("NONE", "")])
async def test_a_category_that_another_ab_needs_is_warned_of(save: str, dropped: str, tmp_path: Path) -> None:
    context = release_context(tmp_path, move=_bias_saved(save, *([dropped] if dropped else [])))
    ab = processed(context, bias(0))
    calib = ("VIRTUAL", f"$DFS_PRODUCT/BIAS/{NIGHT}/{ab.root}_0000.fits", "MASTER_BIAS")
    needs = make_ab("MUSE.2014-10-22T23:10:00.000", "scibasic", calibs=[calib])
    AbStore(context.tree).write(needs)
    (text,) = (await _plan(context, [ab])).warnings
    assert f"{needs.name} needs a file of category MASTER_BIAS" in text
    assert text.startswith("SAVE_MODE of BIAS is NONE" if save == "NONE" else "DELETE BIAS MASTER_BIAS")
    AbStore(context.tree).write(needs.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    assert (await planned(context, "CALIB", NIGHT)).warnings == ()


@pytest.mark.row(47)
async def test_delete_lines_without_effect_are_not_warned_of(tmp_path: Path) -> None:
    context = release_context(tmp_path, move=_bias_saved("ALL", "MASTER_BIAS"))
    ab = processed(context, bias(0))
    AbStore(context.tree).write(make_ab(calibs=[("VIRTUAL", f"$DFO_CAL_DIR/{NIGHT}/{A}", "MASTER_BIAS")]))
    assert (await _plan(context, [ab])).warnings == ()


# --- what is said of every raw type -----------------------------------------------------------


@pytest.mark.row(54, 55, 56, 63, 66)
async def test_every_raw_type_is_accounted_for_skips_included(tmp_path: Path) -> None:
    rows = (
        Saved(raw_type="BIAS", mode="CALIB", save="SELECT"),
        Saved(raw_type="FLAT", mode="CALIB", save="ALL"),
        Saved(raw_type="ARC", mode="CALIB", save="ALL"),
        *MOVE_SETTINGS.raw_types[1:],
    )
    context = release_context(tmp_path, move=MOVE_SETTINGS.model_copy(update={"raw_types": rows}))
    abs_ = biases(context)
    for plot in (context.tree.product / "BIAS" / NIGHT).glob("*.[pg][ni][gf]"):
        plot.unlink()
    (context.tree.product / "FLAT" / NIGHT).mkdir(parents=True)
    notes = (await _plan(context, abs_)).notes
    assert notes == (
        "SPECIAL_PLUGIN is NONE: step 2.7 is skipped",
        "1 of 3 BIAS (SELECT): 3 move, 1 not saved, no graphics",
        "2 of 3 FLAT (ALL): no products of this date, skipped",
        "3 of 3 ARC (ALL): no product directory of this date, skipped",
    )
    result = await move(context, "CALIB", NIGHT)
    assert result.exit_code == 0 and result.moved == 3


@pytest.mark.row(42, 53)
async def test_what_is_switched_off_is_said(tmp_path: Path) -> None:
    settings = MOVE_SETTINGS.model_copy(update={"rename": {"CALIB": False, "SCIENCE": True}, "special_plugin": "pgi_x"})
    context = release_context(tmp_path, move=settings)
    abs_ = biases(context)
    notes = (await _plan(context, abs_)).notes
    assert notes[0] == "SPECIAL_PLUGIN pgi_x is called before anything moves; what it takes away stays (step 2.7)"
    assert notes[1] == "RENAME CALIB is NO: products keep their PIPEFILE names"
    context = release_context(tmp_path, move=settings.model_copy(update={"special_plugin": "NONE"}))
    await move(context, "CALIB", NIGHT)
    ab = read(context.tree.log / NIGHT / abs_[0].name)
    assert ab.products[0].columns() == f"{abs_[0].root}_0000.fits MASTER_BIAS REAL", "the AB names what stands there"
    assert not (context.tree.cal / NIGHT / "rn_files").exists()


@pytest.mark.row(63)
async def test_a_raw_type_that_is_not_configured_stays_and_is_told(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    dark = processed(
        context,
        make_ab("MUSE.2014-10-22T20:00:00.000", "bias", mode="CALIB", date=NIGHT, RAW_TYPE="DARK", products=("D",)),
    )
    events = record(context)
    biases(context)
    await move(context, "CALIB", NIGHT)
    told = [event.text for event in events if isinstance(event, ev.Notice)]
    stays = f"{dark.name} stays: RAW_TYPE DARK of CALIB is not in config.moveProducts (move.raw_types)"
    assert stays in told
    events.clear()
    await move(context, "CALIB", NIGHT)
    told = [event.text for event in events if isinstance(event, ev.Notice)]
    assert f"moveProducts CALIB {NIGHT}: nothing to move" in told and stays in told


@pytest.mark.row(65)
async def test_every_product_belongs_to_exactly_one_ab(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = target(context, exposures=3)
    _signed(context, [ab for ab in abs_ if ab.tag == "dpc"])
    plan = await planned(context, "SCIENCE", PSEUDO)
    owners = {fate.product.pipefile: fate.product.ab for fate in plan.fates}
    assert len(owners) == len(plan.fates) and set(owners.values()) == {ab.name for ab in abs_ if ab.products}
    assert all(pipefile.startswith(f"r.{ab.removesuffix('.ab')}_") for pipefile, ab in owners.items())


# --- what must not be lost --------------------------------------------------------------------


@pytest.mark.row(70)
async def test_the_product_tree_stays_while_anything_in_it_is_not_at_its_place(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    folder = context.tree.product / "BIAS" / NIGHT
    damaged = folder / f"{abs_[1].root}_0000.fits"
    content = damaged.read_bytes()
    _signed(context, abs_)
    damaged.write_bytes(content[:2882] + b"\xff\xff" + content[2884:])
    before = picture(context.tree.product)
    with pytest.raises(MoveTrouble, match=abs_[1].root):
        await move(context, "CALIB", NIGHT)
    assert picture(context.tree.product) == before and _names(context.tree.cal / NIGHT) == []
    damaged.write_bytes(content)
    stranger = write_product(context, bias(50), 0, "MASTER_BIAS")
    await move(context, "CALIB", NIGHT)
    assert _names(folder) == [stranger.name], "what belongs to nobody is nobody's to delete"


async def test_an_ab_that_cannot_be_read_keeps_the_date_open(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    path = context.tree.ab / abs_[1].name
    path.write_bytes(b"\0\0\0")
    events = record(context)
    result = await move(context, "CALIB", NIGHT)
    assert result.moved == 2 and result.exit_code == 1
    assert (context.tree.product / "BIAS" / NIGHT / f"{abs_[1].root}_0000.fits").is_file()
    assert "cal_Finished" not in (context.tree.mon / "DFO_STATUS").read_text()
    told = [event.text for event in events if isinstance(event, ev.Notice) and event.level == "warning"]
    assert any(abs_[1].name in text and "products that belong to no AB stay" in text for text in told)


async def test_recreate_without_new_products_touches_no_old_one(tmp_path: Path) -> None:
    """Only the AB of a raw type that saves nothing joins: what stands there stays, and ABs keep their REAL."""
    context = release_context(tmp_path)
    processed(context, bias(0))
    await move(context, "CALIB", NIGHT)
    context = release_context(tmp_path, keen(move__recreate__sure="yes"), move=_bias_saved("NONE"))
    processed(context, bias(10))
    await move(context, "CALIB", NIGHT, recreate=True)
    assert _names(context.tree.cal / NIGHT) == [A]
    assert read(context.tree.log / NIGHT / bias(0).name).products[0].state == "REAL"


# --- names over the whole pool ------------------------------------------------------------------


async def _stands(context: Context, *minutes: int) -> None:
    for minute in minutes:
        processed(context, bias(minute))
    await move(context, "CALIB", NIGHT)


@pytest.mark.row(59, 62)
async def test_two_files_of_one_pipefile_are_named_and_stop_it(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _stands(context, 0, 20)
    twin = context.tree.cal / NIGHT / "MU_MBIA_141022Z_SCI1.0.fits"
    twin.write_bytes((context.tree.cal / NIGHT / A).read_bytes())
    processed(context, bias(10))
    before = picture(context.tree.cal), picture(context.tree.product)
    with pytest.raises(MoveTrouble, match=f"PIPEFILE {bias(0).root}_0000.fits twice") as trouble:
        await move(context, "CALIB", NIGHT)
    assert A in str(trouble.value) and twin.name in str(trouble.value)
    assert (picture(context.tree.cal), picture(context.tree.product)) == before


@pytest.mark.row(59, 61)
async def test_names_of_earlier_products_are_made_from_their_headers(tmp_path: Path) -> None:
    """Whatever somebody called them: back to PIPEFILE, then versions anew."""
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _stands(context, 0, 20)
    place = context.tree.cal / NIGHT
    late = fs.sha256(place / B)
    (place / B).rename(place / "MU_MBIA_called_by_hand.fits")
    processed(context, bias(10))
    plan = await _plan(context, [bias(10)])
    assert [(Path(one.source).name, Path(one.target).name) for one in plan.pool] == [("MU_MBIA_called_by_hand.fits", C)]
    await move(context, "CALIB", NIGHT)
    assert _names(place) == [A, B, C] and fs.sha256(place / C) == late


@pytest.mark.row(62)
async def test_slimmed_products_take_part_in_the_versions(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _stands(context, 0)
    place = context.tree.cal / NIGHT
    (place / A.replace(".fits", ".hdr")).write_bytes((place / A).read_bytes()[:2880])
    (place / A).unlink()
    processed(context, bias(10))
    await move(context, "CALIB", NIGHT)
    assert _names(place) == [A.replace(".fits", ".hdr"), B]
    assert read(context.tree.log / NIGHT / bias(0).name).products[0].columns() == f"{A} MASTER_BIAS REAL"


@pytest.mark.row(61)
@pytest.mark.parametrize("updates", [False, True])
async def test_what_is_archived_changes_its_name_only_where_that_is_allowed(updates: bool, tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"), archive=Archive(enable_updates=updates))
    await _stands(context, 20)
    place = context.tree.cal / NIGHT
    (place / A.replace(".fits", ".hdr")).write_bytes((place / A).read_bytes()[:2880])
    (place / A).unlink()
    processed(context, bias(10))
    before = picture(context.tree.cal)
    if not updates:
        with pytest.raises(MoveTrouble, match="is in the archive under this name"):
            await move(context, "CALIB", NIGHT)
        assert picture(context.tree.cal) == before
        return
    await move(context, "CALIB", NIGHT)
    assert _names(place) == [A, B.replace(".fits", ".hdr")]


@pytest.mark.parametrize("updates", [False, True])
async def test_recreate_of_what_is_archived_is_warned_of_and_refused_in_auto(updates: bool, tmp_path: Path) -> None:
    context = release_context(tmp_path, archive=Archive(enable_updates=updates))
    await _stands(context, 0, 10)
    await ingest(context, "CALIB", NIGHT)
    _signed(context, [processed(context, bias(20))])
    plan = await planned(context, "CALIB", NIGHT, recreate=True)
    assert f"2 products to the trash, in the archive already: {A}, {B}" in plan.warnings
    assert not any("archive" in text for text in (await planned(context, "CALIB", NIGHT)).warnings)
    auto, before = replace(context, auto=True), [picture(context.tree.cal), picture(context.tree.product)]
    if updates:
        assert (await move(auto, "CALIB", NIGHT, recreate=True)).moved == 1
        return
    with pytest.raises(MoveTrouble, match=f"in the archive already, 2: {A}, {B}") as caught:
        await move(auto, "CALIB", NIGHT, recreate=True)
    assert "archive.enable_updates" in caught.value.remedy
    assert [picture(context.tree.cal), picture(context.tree.product)] == before
    asked = keen(move__recreate__sure="yes")
    assert (await move(replace(context, operator=asked), "CALIB", NIGHT, recreate=True)).moved == 1
    assert "2 of them in the archive" in asked.asked[-1].text


# --- virtual calibrations -------------------------------------------------------------------------


@pytest.mark.row(71, 117, 119)
async def test_only_virtual_calibrations_with_a_real_counterpart_go(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator)
    abs_ = biases(context)
    operator.answers[abs_[1].name] = "reject:saturated"
    vcal = context.tree.vcal
    wanted = {
        f"{abs_[0].root}_0000.hdr": False,  # real now
        f"{abs_[0].root}_0001.hdr": True,  # not saved: nothing took its place
        f"{abs_[1].root}_0000.fits": True,  # rejected
        f"{abs_[2].root}_0000.fits": False,  # real now, in another form
        "r.MUSE.2014-10-21T22:00:00.000_tpl_0000.hdr": True,  # of another date
    }
    (vcal / NIGHT).mkdir()
    for name in wanted:
        (vcal / name).write_text("header")
        (vcal / NIGHT / name).write_text("header")
    await move(context, "CALIB", NIGHT)
    kept = sorted(name for name, stays in wanted.items() if stays)
    assert sorted(path.name for path in vcal.iterdir() if path.is_file()) == kept
    assert sorted(path.name for path in (vcal / NIGHT).iterdir()) == kept
    assert len([item for item in listing(context.tree) if item.why == "this virtual calibration is real now"]) == 4


@pytest.mark.row(119)
async def test_a_science_move_leaves_the_container_alone(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    target(context)
    before = picture(context.tree.vcal)
    await move(context, "SCIENCE", PSEUDO)
    assert picture(context.tree.vcal) == before


# --- lines that are written once --------------------------------------------------------------------


@pytest.mark.row(76, 82, 122)
async def test_statuses_and_the_call_stand_once_however_often_it_moves(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _stands(context, 0)
    await _stands(context, 10)
    await move(context, "CALIB", NIGHT)
    assert (context.tree.job / "JOBS_INGEST").read_text() == f"ingestProducts -m CALIB -d {NIGHT}\n"
    lines = [line.split() for line in (context.tree.mon / "DFO_STATUS").read_text().splitlines()]
    assert [line[0] for line in lines] == ["cal_Updated", "cal_Finished"] * (len(lines) // 2)
    assert all(line[1:] == [NIGHT, "2023-11-14T22:13:20", "operator"] for line in lines)


@pytest.mark.row(40, 77)
async def test_there_is_no_hidden_step(tmp_path: Path) -> None:
    """Step 2.17 does not exist: all that a move does stands in its journal, in phases that are told."""
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    journal = Journal(context.db, context.tree)
    (run,) = journal.history()
    assert list(dict.fromkeys(step.phase for step in journal.steps(run))) == [
        "make directories",
        "make the products durable",
        "note what goes to the trash",
        "note what goes to the trash: index",
        "place products under their final names",
        "place logs and plots",
        "update ABs",
        "retire the sources",
        "clear the product tree",
        "write the manifest",
        "queue the ingestion",
        "write the status",
    ]


async def test_a_plan_has_the_same_digest_a_second_later(tmp_path: Path) -> None:
    """Even when it was made in the second of a verdict, whose time stands in the AB."""
    context = release_context(tmp_path)
    abs_ = biases(context)
    for ab in abs_:
        Verdicts(context.db).record(ab, Verdict("accepted", "fine", "rh", context.utc()))
    snapshot = await survey(context, "CALIB", NIGHT)
    now, then = (move_plan(snapshot, context.settings, stamp=stamp) for stamp in (context.utc(), "2023-11-14T22:13:21"))
    assert f"UPDATED          {now.stamp}" in now.abs[0].text and now.script != then.script
    assert now.digest == then.digest
    Verdicts(context.db).record(abs_[0], Verdict("accepted", "fine", "rh", "2023-11-14T22:13:21"))
    later = move_plan(await survey(context, "CALIB", NIGHT), context.settings, stamp=then.stamp)
    assert later.digest != now.digest


async def test_what_stays_is_told_ab_by_ab(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    processed(context, bias(0, "MASTER_BIAS", "BIAS_RESIDUALS"))
    processed(context, bias(10))
    lines = [line for line in (await planned(context, "CALIB", NIGHT)).describe() if line.startswith("withheld")]
    assert len(lines) == 2
    assert "and 1 more of its AB" in lines[0] and "not certified yet" in lines[0]
