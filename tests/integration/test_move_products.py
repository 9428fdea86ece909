"""moveProducts on a real tree: what stands where afterwards, and everything that keeps it from starting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from config.schema import Move
from console.hosting.operators import AnswersFile, Auto
from engine import events as ev
from engine.atomic import fs, lock, trash
from engine.atomic.journal import Journal
from engine.context import Context
from engine.core.product import MOVE
from engine.errors import AnswerNeeded, Busy, MoveTrouble, OpenJournal, PluginTrouble
from engine.headers.verify import verify
from engine.release.certify import certify
from engine.release.move.move_products import MovePlan, execute, move, move_plan, survey
from engine.stores.abs import AbStore, read
from engine.stores.answers import Answers
from tests.builders import PSEUDO, make_ab, record
from tests.released import (
    MOVE as MOVE_SETTINGS,
)
from tests.released import (
    NIGHT,
    Scripted,
    bias,
    biases,
    dpc_of,
    keen,
    picture,
    places,
    processed,
    release_context,
    target,
    write_product,
)

A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")


def _names(path: Path) -> list[str]:
    """Everything in a directory but the script that says its names."""
    return sorted(entry.name for entry in path.iterdir() if entry.name != "rn_files") if path.is_dir() else []


@pytest.mark.row(37, 68, 74, 76, 82)
async def test_calib_from_products_to_final_names(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    tree = context.tree
    before = {path.name: fs.sha256(path) for path in (tree.product / "BIAS" / NIGHT).glob("*.fits")}
    result = await move(context, "CALIB", NIGHT)
    assert (result.moved, result.retired, result.exit_code) == (3, 1, 0)
    assert _names(tree.cal / NIGHT) == [A, B, C]
    assert fs.sha256(tree.cal / NIGHT / A) == before[f"{abs_[0].root}_0000.fits"]
    assert not (tree.product / "BIAS" / NIGHT).exists()
    assert AbStore(tree).load("CALIB", NIGHT) == []
    assert {ab.name for ab in abs_} <= set(_names(tree.log / NIGHT))
    assert f"{abs_[0].root}.log" in _names(tree.log / NIGHT)
    assert _names(tree.dfs_log) == []
    assert len(_names(tree.plt / NIGHT)) == 4
    assert (tree.job / "JOBS_INGEST").read_text() == f"ingestProducts -m CALIB -d {NIGHT}\n"
    assert (tree.mon / "DFO_STATUS").read_text().splitlines() == [
        f"cal_Updated {NIGHT} 2023-11-14T22:13:20 operator",
        f"cal_Finished {NIGHT} 2023-11-14T22:13:20 operator",
    ]


@pytest.mark.row(73)
async def test_abs_hold_final_names_and_who_certified_them(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await move(context, "CALIB", NIGHT)
    ab = read(context.tree.log / NIGHT / abs_[0].name)
    assert ab.get("PROD_PATH") == f"$DFO_CAL_DIR/{NIGHT}"
    assert [product.columns() for product in ab.products] == [
        f"{A} MASTER_BIAS REAL",
        f"{abs_[0].root}_0001.fits BIAS_RESIDUALS VIRTUAL",
    ]
    assert ab.get("CERTIFIED") == "accepted by rh at 2023-11-14T22:00:00"
    assert ab.get("COMMENT") == "fine"


@pytest.mark.row(71)
async def test_virtual_calibrations_go_when_they_became_real(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await move(context, "CALIB", NIGHT)
    assert _names(context.tree.vcal) == [
        "r.MUSE.2014-10-21T22:00:00.000_tpl_0000.hdr",
        f"{abs_[0].root}_0001.hdr",
    ]


async def test_what_is_not_saved_waits_in_the_trash(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    events = record(context)
    await move(context, "CALIB", NIGHT)
    (retired,) = (event for event in events if isinstance(event, ev.ProductRetired))
    assert retired.until == "2023-12-14"
    listed = {item.origin.name: item for item in trash.listing(context.tree)}
    assert str(listed[f"{abs_[0].root}_0001.fits"].path) == retired.trash
    assert listed[f"{abs_[0].root}_0001.fits"].why == "DELETE BIAS BIAS_RESIDUALS"
    assert listed["core.1234"].why == "belongs to no AB"
    assert listed[abs_[0].name].path.read_bytes() == abs_[0].render(), "the AB as it was"


@pytest.mark.row(5)
async def test_science_only_the_combination_is_kept(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = target(context)
    events = record(context)
    result = await move(context, "SCIENCE", PSEUDO)
    assert (result.moved, result.retired, result.stay) == (2, 9, ())
    stamp = dpc_of(abs_).root.removeprefix("r.MUSE.").removesuffix("_dpc")
    assert _names(context.tree.sci / PSEUDO) == [
        f"MU_SCBD_200177_{stamp}_WFM-NOAO-N_OBJ.fits",
        f"MU_SIMD_200177_{stamp}_WFM-NOAO-N_OBJ.fits",
    ]
    assert all(not verify(path).problems for path in (context.tree.sci / PSEUDO).glob("*.fits"))
    assert places(picture(context.tree.product), ".") == []
    assert not list(context.tree.product.rglob("*.fits"))
    ab = read(context.tree.log / PSEUDO / dpc_of(abs_).name)
    assert [product.state for product in ab.products] == ["EXISTING", "EXISTING"]
    assert ab.get("PATTERN") == "DEEP2"
    follower = read(context.tree.log / PSEUDO / abs_[0].name)
    assert follower.get("CERTIFIED") == f"accepted by rh at 2023-11-14T22:00:00 with {dpc_of(abs_).name}"
    assert {event.ab for event in events if isinstance(event, ev.AbChanged) and event.state == "MOVED"} == {
        entry.name for entry in abs_
    }
    assert len([event for event in events if isinstance(event, ev.ProductMoved)]) == 2
    assert [event.status for event in events if isinstance(event, ev.StatusWritten)] == ["sci_Updated", "sci_Finished"]


# --- what must not move ---------------------------------------------------------------------


@pytest.mark.row(35, 362)
async def test_uncertified_products_never_move(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted(), auto=True)
    abs_ = target(context)
    before = picture(context.tree.root)
    with pytest.raises(AnswerNeeded, match="not certified yet") as trouble:
        await move(context, "SCIENCE", PSEUDO)
    assert dpc_of(abs_).name in str(trouble.value) and trouble.value.exit_code == 3
    plan = move_plan(await survey(context, "SCIENCE", PSEUDO), context.settings)
    assert plan.undecided == (dpc_of(abs_).name,) and not plan.of(MOVE)
    with pytest.raises(AnswerNeeded):
        await execute(context, plan)
    assert picture(context.tree.root) == before


async def test_rejected_products_stay_where_they_are(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator)
    good, bad = target(context), target(context, "M83")
    operator.answers[dpc_of(bad).name] = "reject:clouds"
    result = await move(context, "SCIENCE", PSEUDO)
    assert result.moved == 2 and {name for name, _ in result.stay} == {ab.name for ab in bad}
    assert len(list(context.tree.product.rglob("*.fits"))) == 11
    assert {ab.name for ab in AbStore(context.tree).load()} == {ab.name for ab in bad}
    assert dpc_of(good).name in _names(context.tree.log / PSEUDO)
    assert (context.tree.mon / "DFO_STATUS").read_text().count("sci_Finished") == 1


async def test_a_failed_target_stays_and_the_date_is_not_finished(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    target(context)
    failed = processed(context, make_ab("MUSE.2014-10-30T00:00:00.000", "scipost", target="X", products=("IMAGE_FOV",)))
    AbStore(context.tree).write(failed.with_value("PROCESS_STATUS", "FAILED"))
    events = record(context)
    result = await move(context, "SCIENCE", PSEUDO)
    assert result.moved == 2 and result.unfinished == (failed.name,) and result.exit_code == 1
    assert len(list(context.tree.product.rglob("*.fits"))) == 1
    assert "sci_Finished" not in (context.tree.mon / "DFO_STATUS").read_text()
    assert any(isinstance(event, ev.Notice) and "it is FAILED" in event.text for event in events)


async def test_one_target_of_two(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    wanted, other = target(context), target(context, "M83")
    result = await move(context, "SCIENCE", PSEUDO, only=dpc_of(wanted).name)
    assert result.moved == 2
    assert {ab.name for ab in AbStore(context.tree).load()} == {ab.name for ab in other}
    assert len(list(context.tree.product.rglob("*.fits"))) == 11
    assert f"{dpc_of(other).root}.log" in _names(context.tree.dfs_log)
    assert "sci_Finished" not in (context.tree.mon / "DFO_STATUS").read_text()


async def test_products_of_nobody_and_of_unknown_raw_types_stay(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    stranger = write_product(context, bias(50), 0, "MASTER_BIAS")
    dark = processed(
        context,
        make_ab(
            "MUSE.2014-10-22T20:00:00.000", "bias", mode="CALIB", date=NIGHT, RAW_TYPE="DARK", products=("MASTER_DARK",)
        ),
    )
    result = await move(context, "CALIB", NIGHT)
    assert stranger.is_file()
    assert (dark.name, "RAW_TYPE DARK of CALIB is not in config.moveProducts (move.raw_types)") in result.stay
    assert len(_names(context.tree.product / "DARK" / NIGHT)) == 2


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        ({"HIERARCH ESO DET READ CURNAME": None}, "DET.READ.CURNAME is missing"),
        ({"PIPEFILE": None}, "no PIPEFILE"),
        ({"PIPEFILE": "r.MUSE.other_0000.fits"}, "its header says PIPEFILE"),
        ({"HIERARCH ESO DET READ CURNAME": "x" * 55}, "68 are allowed"),
    ],
)
async def test_conflicts_stop_before_anything_moves(
    break_it: dict[str, str | None], words: str, tmp_path: Path
) -> None:
    context = release_context(tmp_path)
    biases(context)
    broken = bias(30)
    processed(context, broken)
    write_product(context, broken, 0, "MASTER_BIAS", **break_it)
    before = picture(context.tree.product)
    with pytest.raises(MoveTrouble, match=words) as trouble:
        await move(context, "CALIB", NIGHT)
    assert broken.root in str(trouble.value)
    assert picture(context.tree.product) == before and not (context.tree.cal / NIGHT).exists()
    assert Journal(context.db, context.tree).history() == []


async def test_a_truncated_product_is_named(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    path = context.tree.product / "BIAS" / NIGHT / f"{abs_[1].root}_0000.fits"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MoveTrouble, match=abs_[1].root):
        await move(context, "CALIB", NIGHT)


async def test_unknown_categories_keep_their_name_and_are_listed(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0, "MASTER_SOMETHING"))
    result = await move(context, "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [f"{ab.root}_0000.fits"]
    assert "no code for PRO.CATG MASTER_SOMETHING" in result.unknown[0]


async def test_without_renaming_products_keep_pipefile(tmp_path: Path) -> None:
    context = release_context(tmp_path, move=MOVE_SETTINGS.model_copy(update={"rename": {"CALIB": False}}))
    ab = processed(context, bias(0))
    await move(context, "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [f"{ab.root}_0000.fits"]


async def test_save_mode_none_still_moves_abs_logs_and_graphics(tmp_path: Path) -> None:
    rows = tuple(row.model_copy(update={"save": "NONE"}) for row in MOVE_SETTINGS.raw_types)
    context = release_context(tmp_path, move=MOVE_SETTINGS.model_copy(update={"raw_types": rows}))
    biases(context)
    result = await move(context, "CALIB", NIGHT)
    assert (result.moved, result.retired) == (0, 4)
    assert len(_names(context.tree.plt / NIGHT)) == 4 and len(_names(context.tree.log / NIGHT)) == 9
    assert not (context.tree.job / "JOBS_INGEST").exists()


async def test_the_placeholder_date_writes_no_status(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    processed(context, make_ab(kind="bias", mode="CALIB", date="2099-99-99", products=("MASTER_BIAS",)))
    assert (await move(context, "CALIB", "2099-99-99")).moved == 1
    assert not (context.tree.mon / "DFO_STATUS").exists()


async def test_nothing_to_move_changes_nothing_and_asks_nothing(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator)
    biases(context)
    await move(context, "CALIB", NIGHT)
    before = picture(context.tree.root)
    operator.asked.clear()
    assert (await move(context, "CALIB", NIGHT)).moved == 0
    assert picture(context.tree.root) == before and operator.asked == []


async def test_logs_of_another_ab_are_not_taken(tmp_path: Path) -> None:
    """`MUSE.x` must not take what belongs to `MUSE.x_pst`."""
    operator = keen()
    context = release_context(tmp_path, operator)
    abs_ = target(context)
    stranger = context.tree.dfs_log / f"{abs_[0].root}_sky.log"
    stranger.write_text("of an AB of another pool")
    other = context.tree.dfs_log / "r.MUSE.2014-10-23T00:00:00.0001.log"
    other.write_text("longer stem")
    await move(context, "SCIENCE", PSEUDO)
    assert stranger.is_file() and other.is_file()


# --- an existing date directory -------------------------------------------------------------


async def _moved_before(context: Context) -> None:
    processed(context, bias(0))
    processed(context, bias(20))
    await move(context, "CALIB", NIGHT)
    processed(context, bias(10))


@pytest.mark.row(72)
async def test_keep_gives_versions_anew_over_the_whole_pool(tmp_path: Path) -> None:
    operator = keen(move__recreate="keep")
    context = release_context(tmp_path, operator)
    await _moved_before(context)
    late = fs.sha256(context.tree.cal / NIGHT / B)
    await move(context, "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [A, B, C]
    assert fs.sha256(context.tree.cal / NIGHT / C) == late, "the one of 22:20 is now the third"
    ab = read(context.tree.log / NIGHT / bias(20).name)
    assert ab.products[0].name == C
    question = operator.asked[-1]
    assert question.kind == "move.recreate" and question.safe == "keep" and question.auto == "keep"
    assert "2 files" in question.text and "1 new" in question.choices[0].effect


async def test_auto_keeps_and_an_answers_file_decides_otherwise(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(), auto=True)
    await _moved_before(context)
    auto = Auto(Answers(context.db), context.bus, "cron", context.clock)
    (tmp_path / "answers.yaml").write_text("move.recreate: stop\n")
    told = AnswersFile(tmp_path / "answers.yaml", auto, Answers(context.db), context.bus, "cron", context.clock)
    assert (await certify(context, AbStore(context.tree).load("CALIB", NIGHT), {})).parked == ()
    assert (await move(replace(context, operator=told), "CALIB", NIGHT)).stopped
    assert _names(context.tree.cal / NIGHT) == [A, B]
    await move(replace(context, operator=auto), "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [A, B, C]


@pytest.mark.row(41)
async def test_tool_mode_auto_never_prompts(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator, move=MOVE_SETTINGS.model_copy(update={"tool_mode": "AUTO"}))
    await _moved_before(context)
    await move(context, "CALIB", NIGHT)
    assert "move.recreate" not in {question.kind for question in operator.asked}


async def test_recreate_retires_what_was_there(tmp_path: Path) -> None:
    operator = keen(move__recreate="recreate", move__recreate__sure="yes")
    context = release_context(tmp_path, operator)
    await _moved_before(context)
    await move(context, "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [A]
    retired = [item for item in trash.listing(context.tree) if item.why == "recreate"]
    assert sorted(item.origin.name for item in retired) == [A, B]
    assert all(item.path.is_file() for item in retired)
    assert read(context.tree.log / NIGHT / bias(20).name).products[0].state == "VIRTUAL"


@pytest.mark.parametrize(
    "answers", [{"move__recreate": "stop"}, {"move__recreate": "recreate", "move__recreate__sure": "no"}]
)
async def test_stop_and_an_unsure_recreate_change_nothing(answers: Mapping[str, str], tmp_path: Path) -> None:
    operator = keen(**answers)
    context = release_context(tmp_path, operator)
    await _moved_before(context)
    before = picture(context.tree.cal), picture(context.tree.product), picture(context.tree.ab)
    assert (await move(context, "CALIB", NIGHT)).stopped
    assert (picture(context.tree.cal), picture(context.tree.product), picture(context.tree.ab)) == before
    operator.answers["move.recreate"] = "keep"
    assert (await move(context, "CALIB", NIGHT)).moved == 1, "stopped is not for ever"


async def test_an_older_solution_of_the_same_pipefile_makes_way(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _moved_before(context)
    processed(context, bias(0), OBJECT="made anew")
    await move(context, "CALIB", NIGHT)
    assert _names(context.tree.cal / NIGHT) == [A, B, C]
    assert b"made anew" in (context.tree.cal / NIGHT / A).read_bytes()
    old = [item for item in trash.listing(context.tree) if "older solution" in item.why]
    assert len(old) == 1 and b"made anew" not in old[0].path.read_bytes()


async def test_a_pool_without_pipefile_stops_before_anything_is_touched(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    await _moved_before(context)
    (context.tree.cal / NIGHT / "MU_OTHER.fits").write_bytes(b"no FITS at all")
    before = picture(context.tree.cal)
    with pytest.raises(MoveTrouble, match=r"MU_OTHER.fits"):
        await move(context, "CALIB", NIGHT)
    assert picture(context.tree.cal) == before


# --- plugin, plans, locks -------------------------------------------------------------------


def _with_plugin(name: str = "pgi_moveProducts") -> Move:
    return MOVE_SETTINGS.model_copy(update={"special_plugin": name})


async def test_special_plugin_withholds_and_takes_away(tmp_path: Path) -> None:
    context = release_context(tmp_path, move=_with_plugin())
    abs_ = biases(context)
    gone = context.tree.product / "BIAS" / NIGHT / f"{abs_[1].root}_0000.fits"

    async def plugin(plan: MovePlan) -> Mapping[str, str]:
        assert len(plan.of(MOVE)) == 3
        gone.unlink()
        return {f"{abs_[2].root}_0000.fits": "no logs"}

    result = await move(context, "CALIB", NIGHT, plugin=plugin)
    assert result.moved == 1 and _names(context.tree.cal / NIGHT) == [A]
    assert (context.tree.product / "BIAS" / NIGHT / f"{abs_[2].root}_0000.fits").is_file()
    assert dict(result.stay)[abs_[2].name] == "its products stay: pgi_moveProducts: no logs"
    assert read(context.tree.log / NIGHT / abs_[1].name).products[0].state == "VIRTUAL"


async def test_a_plugin_that_fails_or_is_missing_stops_the_move(tmp_path: Path) -> None:
    context = release_context(tmp_path, move=_with_plugin())
    biases(context)
    before = picture(context.tree.product)

    async def broken(plan: MovePlan) -> Mapping[str, str]:
        raise ValueError("oops")

    async def strange(plan: MovePlan) -> Mapping[str, str]:
        return {"../../etc/passwd": "mine"}

    with pytest.raises(PluginTrouble, match="configured but was not found"):
        await move(context, "CALIB", NIGHT)
    for plugin in (broken, strange):
        with pytest.raises(PluginTrouble, match="pgi_moveProducts"):
            await move(context, "CALIB", NIGHT, plugin=plugin)
    assert picture(context.tree.product) == before


async def test_a_plan_is_refused_when_the_tree_has_changed(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    with pytest.raises(AnswerNeeded):
        await move(release_context(tmp_path, Scripted()), "CALIB", NIGHT)
    from engine.release.certify import certify

    await certify(context, abs_, {})
    plan = move_plan(await survey(context, "CALIB", NIGHT), context.settings, stamp="2025-01-01T00:00:00")
    assert json.dumps(plan.to_dict()) and len(plan.describe()) == 4
    AbStore(context.tree).write(abs_[0].with_value("MY_NOTE", "edited meanwhile"))
    with pytest.raises(MoveTrouble, match="changed since the plan was made"):
        await execute(context, plan)
    plan = move_plan(await survey(context, "CALIB", NIGHT), context.settings, stamp="2025-01-01T00:00:00")
    assert (await execute(context, plan)).moved == 3
    assert read(context.tree.log / NIGHT / abs_[0].name).get("MY_NOTE") == "edited meanwhile"


async def test_the_second_writer_is_told_who_is_first(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    with (
        lock.pool(context.tree, "CALIB", NIGHT, "moveProducts", "muse_ph3"),
        pytest.raises(Busy, match=rf"CALIB {NIGHT} is held by moveProducts of muse_ph3 .* since") as trouble,
    ):
        await move(context, "CALIB", NIGHT)
    assert trouble.value.exit_code == 4
    assert (await move(context, "CALIB", NIGHT)).moved == 3, "a lock file left behind locks nothing"


def test_one_engine_per_account(tmp_path: Path) -> None:
    tree = release_context(tmp_path).tree
    with (
        lock.engine(tree, "serve", "one"),
        pytest.raises(Busy, match="held by serve of one"),
        lock.engine(tree, "x", "y"),
    ):
        pass


async def test_an_unfinished_move_must_be_recovered_first(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    Journal(context.db, context.tree).begin(
        "move", "CALIB", NIGHT, "rh", lambda tx: [], begun="2025-01-01T00:00:00", summary="an old move"
    )
    with pytest.raises(OpenJournal, match="an old move") as trouble:
        await move(context, "CALIB", NIGHT)
    assert trouble.value.exit_code == 5


async def test_letters_of_the_second_hundred(tmp_path: Path) -> None:
    """Names that permute within one pool: every product gets the next one's old name."""
    context = release_context(tmp_path, keen(move__recreate="keep"))
    for minute in range(10, 40, 5):
        processed(context, bias(minute))
    await move(context, "CALIB", NIGHT)
    content = [fs.sha256(context.tree.cal / NIGHT / f"MU_MBIA_141022{letter}_SCI1.0.fits") for letter in "ABCDEF"]
    processed(context, bias(0))
    await move(context, "CALIB", NIGHT)
    after = [fs.sha256(context.tree.cal / NIGHT / f"MU_MBIA_141022{letter}_SCI1.0.fits") for letter in "BCDEFG"]
    assert after == content
