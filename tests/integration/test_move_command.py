"""moveProducts as it is called: the plan on a page and on paper, what makes a plan void, exit codes, both profiles."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.legacy import read_move_products
from console.cli.move import parser
from console.hosting.operators import AnswersFile, Auto, PlainTerminal
from console.planning import plan_of
from engine.atomic import lock, trash
from engine.context import Context
from engine.core.product import MOVE
from engine.release.move.move_products import move
from engine.stores.abs import AbStore
from engine.stores.answers import Answers
from engine.stores.verdicts import Verdict, Verdicts
from tests.builders import PSEUDO, make_ab
from tests.moving import CLASSIC, account, asked, called, touched
from tests.released import MOVE as MOVE_SETTINGS
from tests.released import NIGHT, bias, biases, keen, picture, processed, release_context, target, write_product

POOL = ("-m", "CALIB", "-d", NIGHT)
A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name != "rn_files") if place.is_dir() else []


# --- what the help says --------------------------------------------------------------------


@pytest.mark.row(27)
def test_the_help_lists_the_four_facts_and_the_exit_codes() -> None:
    text = parser().format_help()
    for fact in (
        "databases: none",
        "dfos tools used: ingestProducts (queued), renameProducts, updateAB",
        "output used by: distributed files, updated ABs; the virtual calibrations (VCAL) managed",
        "upload/download: export of logs and plots to the QC web server (queued)",
        "exit codes: 0 clean",
    ):
        assert fact in text


# --- both profiles, no databases ------------------------------------------------------------


@pytest.mark.row(1, 3, 4, 6, 36, 38, 40, 82, 122)
@pytest.mark.parametrize("profile", ["dfos", "phoenix"])
def test_calib_in_both_profiles(profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path, update={"profile": profile})
    abs_ = biases(context)
    assert "databases" not in (context.tree.config / "dfos.yaml").read_text()
    assert called(context, *POOL) == 0
    tree = context.tree
    assert names(tree.cal / NIGHT) == [A, B, C] and names(tree.sci) == []
    assert all(name.endswith(".png") for name in names(tree.plt / NIGHT)) and len(names(tree.plt / NIGHT)) == 4
    logs = set(names(tree.log / NIGHT))
    for ab in abs_:
        assert {ab.name, f"{ab.root}.log", f"{ab.name.removesuffix('.ab')}.scores.json"} <= logs
    assert (tree.job / "JOBS_INGEST").read_text() == f"ingestProducts -m CALIB -d {NIGHT}\n"
    lines = (tree.mon / "DFO_STATUS").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["cal_Updated", "cal_Finished"]
    assert all(len(line.split()) == 4 for line in lines), "status, DATE, time, user"
    told = capsys.readouterr().err
    assert "3 products, 10 logs and plots in place, 1 product not saved, 1 virtual calibration became real" in told
    assert "updateAB: 3 ABs updated" in told


@pytest.mark.row(2, 36, 38, 122)
@pytest.mark.parametrize("profile", ["dfos", "phoenix"])
def test_science_in_both_profiles(profile: str, tmp_path: Path) -> None:
    context = account(tmp_path, update={"profile": profile})
    target(context)
    assert called(context, "-m", "SCIENCE", "-d", PSEUDO) == 0
    assert len(names(context.tree.sci / PSEUDO)) == 2 and names(context.tree.cal) == []
    lines = (context.tree.mon / "DFO_STATUS").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["sci_Updated", PSEUDO], ["sci_Finished", PSEUDO]]
    assert called(context, "-m", "SCIENCE", "-d", PSEUDO) == 0
    assert (context.tree.mon / "DFO_STATUS").read_text().splitlines() == lines, "not written twice"


def test_both_profiles_place_the_same_files(tmp_path: Path) -> None:
    pictures = []
    for profile in ("dfos", "phoenix"):
        context = account(tmp_path / profile, update={"profile": profile})
        biases(context)
        assert called(context, *POOL) == 0
        found = picture(context.tree.root)
        pictures.append(sorted(name for name in found if name.startswith(("cal/", "plt/", "log/", "product/"))))
    assert pictures[0] == pictures[1]


@pytest.mark.row(39, 45, 55, 72)
def test_the_log_of_a_run_tells_tool_by_tool_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    abs_ = biases(context)
    assert called(context, *POOL) == 0
    told = capsys.readouterr().err
    order = ["moveProducts: 1 of 1 BIAS (SELECT): 3 move, 1 not saved", "moveProducts: 3 products"]
    order += ["renameProducts: 3 names given", "updateAB: 3 ABs", "ingestProducts: queued"]
    places = [told.index(text) for text in order]
    assert places == sorted(places)
    assert told.count("renameProducts: ") == 1
    assert f"not saved {abs_[0].root}_0001.fits: in the trash until" in told


@pytest.mark.row(114)
def test_no_ingestion_is_queued_where_the_archive_takes_none(tmp_path: Path) -> None:
    context = account(tmp_path, archive={"ingest": {"CALIB": False, "SCIENCE": True}})
    biases(context)
    assert called(context, *POOL) == 0
    assert not (context.tree.job / "JOBS_INGEST").exists() and not (context.tree.job / "JOBS_EXPORT").exists()


# --- the plan -------------------------------------------------------------------------------


@pytest.mark.row(54, 64)
def test_the_dry_run_shows_raw_types_and_every_file_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    abs_ = biases(context)
    signed(context, abs_)
    context.db.close()
    before = touched(context.tree.root)
    assert called(context, *POOL, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Plan  CALIB {NIGHT}: 3 products") and lines[0].endswith("0 conflicts")
    assert "      1 of 1 BIAS (SELECT): 3 move, 1 not saved" in lines
    assert [line.split()[2] for line in lines if line.startswith("move ")] == [A, B, C]
    assert [line.split()[1] for line in lines if line.startswith("delete")] == [f"{abs_[0].root}_0001.fits"]
    assert touched(context.tree.root) == before
    assert called(context, *POOL, "--dry-run", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [fate["final"] for fate in data["fates"] if fate["fate"] == MOVE] == [A, B, C]
    assert touched(context.tree.root) == before


def signed(context: Context, abs_: list) -> None:  # type: ignore[type-arg]
    for ab in abs_:
        Verdicts(context.db).record(ab, Verdict("accepted", "fine", "rh", "2023-11-14T22:00:00"))


def test_the_plan_is_made_while_an_engine_is_at_work(tmp_path: Path) -> None:
    context = account(tmp_path)
    signed(context, biases(context))
    with lock.engine(context.tree, "serve", "muse_ph3"), lock.pool(context.tree, "CALIB", NIGHT, "move", "muse_ph3"):
        before = picture(context.tree.root)
        assert len(plan_of(context.tree, "CALIB", NIGHT).of(MOVE)) == 3
        assert picture(context.tree.root) == before


def test_what_has_no_verdict_and_what_was_not_processed_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path, mode="interactive")
    (first, *_) = biases(context)
    assert called(context, *POOL, "--dry-run") == 3
    assert f"not certified yet: {first.name} (dfos questions, or the console)" in capsys.readouterr().out
    AbStore(context.tree).write(bias(40))
    assert called(context, *POOL, "--dry-run") == 2
    told = capsys.readouterr().out
    assert f"not processed yet: {bias(40).name}; moveProducts wants --force REASON" in told
    assert called(context, *POOL) == 2
    assert "--force REASON" in capsys.readouterr().err


def test_forced_it_moves_what_is_processed_and_the_date_is_not_finished(tmp_path: Path) -> None:
    context = account(tmp_path)
    biases(context)
    AbStore(context.tree).write(bias(40))
    assert called(context, *POOL, "--force", "bias 40 is hopeless") == 1
    assert names(context.tree.cal / NIGHT) == [A, B, C]
    assert "cal_Finished" not in (context.tree.mon / "DFO_STATUS").read_text()


def test_a_conflict_has_its_own_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    abs_ = biases(context)
    signed(context, abs_)
    write_product(context, abs_[0], 0, "MASTER_BIAS", PIPEFILE="r.MUSE.other_0000.fits")
    assert called(context, *POOL, "--dry-run") == 15
    assert "CONFLICT" in capsys.readouterr().out
    assert called(context, *POOL) == 15
    assert names(context.tree.cal / NIGHT) == []


@pytest.mark.row(436)
def test_the_classic_file_gives_the_same_plan_as_yaml(tmp_path: Path) -> None:
    context = account(tmp_path)
    signed(context, biases(context))
    modern = plan_of(context.tree, "CALIB", NIGHT)
    account(tmp_path, classic=CLASSIC)
    classic = plan_of(context.tree, "CALIB", NIGHT)
    assert modern.of(MOVE) and classic.digest == modern.digest
    assert read_move_products(CLASSIC.encode(), "x").notices == ()


# --- a plan on paper ------------------------------------------------------------------------


@pytest.fixture
def paper(tmp_path: Path) -> tuple[Context, Path]:
    """An account with three certified biases, and the plan of their move."""
    context = account(tmp_path, mode="interactive")
    signed(context, biases(context))
    plan = tmp_path / "plan.json"
    assert called(context, *POOL, "--plan-out", str(plan)) == 0
    return context, plan


def test_a_saved_plan_is_carried_out_once(paper: tuple[Context, Path], capsys: pytest.CaptureFixture[str]) -> None:
    context, plan = paper
    assert called(context, "--plan", str(plan), "-m", "SCIENCE") == 2
    assert called(context, "--plan", str(plan), "--dry-run") == 2
    assert called(context, "--plan", str(plan)) == 0
    assert names(context.tree.cal / NIGHT) == [A, B, C]
    capsys.readouterr()
    assert called(context, "--plan", str(plan)) == 15
    assert "changed since the plan was made" in capsys.readouterr().err


def test_a_plan_never_overwrites_a_file(paper: tuple[Context, Path], capsys: pytest.CaptureFixture[str]) -> None:
    context, plan = paper
    before = plan.read_bytes()
    assert called(context, *POOL, "--plan-out", str(plan)) == 2
    assert "take another name" in capsys.readouterr().err and plan.read_bytes() == before
    assert called(context, *POOL, "--plan-out", str(plan.parent / "no" / "plan.json")) == 2
    assert "cannot be saved" in capsys.readouterr().err


def _touch(context: Context) -> None:
    path = next((context.tree.product / "BIAS" / NIGHT).glob("*_0000.fits"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _new_log(context: Context) -> None:
    (context.tree.dfs_log / f"{bias(0).root}.extra.log").write_text("late")


def _new_product(context: Context) -> None:
    ab = processed(context, bias(30))
    signed(context, [ab])


def _another_comment(context: Context) -> None:
    Verdicts(context.db).record(bias(0), Verdict("accepted", "on second thoughts", "rh", "2023-11-14T23:00:00"))


def _rejected(context: Context) -> None:
    Verdicts(context.db).record(bias(0), Verdict("rejected", "clouds", "rh", "2023-11-14T23:00:00"))


def _configured(context: Context) -> None:
    path = context.tree.config / "dfos.yaml"
    text = path.read_text()
    assert text.count("catg: BIAS_RESIDUALS") == 1
    path.write_text(text.replace("catg: BIAS_RESIDUALS", "catg: MASTER_BIAS"))


def _edited_ab(context: Context) -> None:
    AbStore(context.tree).write(AbStore(context.tree).load("CALIB", NIGHT)[0].with_value("NOTE", "x"))


@pytest.mark.parametrize(
    "change", [_touch, _new_log, _new_product, _another_comment, _rejected, _configured, _edited_ab]
)
def test_a_plan_is_void_when_anything_has_changed(
    change: Callable[[Context], None], paper: tuple[Context, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    context, plan = paper
    change(context)
    before = picture(context.tree.product)
    assert called(context, "--plan", str(plan)) == 15
    assert "changed since the plan was made" in capsys.readouterr().err
    assert picture(context.tree.product) == before and names(context.tree.cal / NIGHT) == []


def test_a_withdrawn_verdict_waits_for_a_person(paper: tuple[Context, Path]) -> None:
    context, plan = paper
    AbStore(context.tree).write(bias(0, "MASTER_BIAS", "BIAS_RESIDUALS").with_value("PROCESS_STATUS", "CREATED"))
    assert called(context, "--plan", str(plan)) == 2
    context.db.execute("DELETE FROM verdicts")
    processed(context, bias(0, "MASTER_BIAS", "BIAS_RESIDUALS"))
    assert called(context, "--plan", str(plan)) == 3
    assert names(context.tree.cal / NIGHT) == []


def test_an_edited_plan_is_refused(paper: tuple[Context, Path], capsys: pytest.CaptureFixture[str]) -> None:
    context, plan = paper
    plan.write_text(plan.read_text().replace(A, "MU_MINE.fits"))
    assert called(context, "--plan", str(plan)) == 2
    assert "edited after it was saved" in capsys.readouterr().err and names(context.tree.cal / NIGHT) == []
    plan.write_text('{"format": "something else"}')
    assert called(context, "--plan", str(plan)) == 2
    assert called(context, "--plan", str(plan) + "x") == 2


def test_a_plan_of_another_account_is_refused(
    paper: tuple[Context, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, plan = paper
    other = account(tmp_path / "other", mode="interactive")
    assert called(other, "--plan", str(plan)) == 15
    signed(other, biases(other))
    assert called(other, "--plan", str(plan)) == 15
    assert names(other.tree.cal / NIGHT) == []


def test_a_plan_without_verdicts_cannot_be_carried_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path, mode="interactive")
    abs_ = biases(context)
    plan = tmp_path / "plan.json"
    assert called(context, *POOL, "--plan-out", str(plan)) == 3
    signed(context, abs_)
    assert called(context, "--plan", str(plan)) == 2
    assert f"{abs_[0].name} was not certified" in capsys.readouterr().err


# --- a date directory that exists -------------------------------------------------------------


def _moved_before(context: Context) -> None:
    processed(context, bias(0))
    processed(context, bias(20))
    assert called(context, *POOL) == 0
    processed(context, bias(10))


@pytest.mark.row(60)
def test_auto_keeps_what_stands_there_unless_told_otherwise(tmp_path: Path) -> None:
    context = account(tmp_path)
    _moved_before(context)
    assert called(context, *POOL, "--auto") == 0
    assert names(context.tree.cal / NIGHT) == [A, B, C]
    processed(context, bias(30))
    assert called(context, *POOL, "--auto", "--recreate") == 0
    assert names(context.tree.cal / NIGHT) == [A]
    assert len([item for item in trash.listing(context.tree) if item.why == "recreate"]) == 3


@pytest.mark.row(60)
def test_a_saved_plan_says_itself_whether_it_recreates(tmp_path: Path) -> None:
    context = account(tmp_path, mode="interactive")
    signed(context, [bias(0), bias(10), bias(20)])
    _moved_before(context)
    plan = tmp_path / "plan.json"
    assert called(context, *POOL, "--recreate", "--plan-out", str(plan)) == 0
    assert called(context, "--plan", str(plan), "--recreate") == 2
    assert called(context, "--plan", str(plan)) == 0
    assert names(context.tree.cal / NIGHT) == [A]


@pytest.mark.row(41)
def test_tool_mode_auto_asks_nothing_even_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path, mode="interactive", move={**MOVE_SETTINGS.model_dump(mode="json"), "tool_mode": "AUTO"})
    biases(context)
    monkeypatch.setattr("console.cli.words.on_terminal", lambda *_: True)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    assert called(context, *POOL) == 3
    assert "parked" in capsys.readouterr().err


# --- the same question, however it is answered --------------------------------------------------


def _terminal(context: Context, lines: list[str]) -> PlainTerminal:
    spoken = iter(lines)
    return PlainTerminal(
        Answers(context.db),
        context.bus,
        "rh",
        read=lambda: next(spoken) + "\n",
        say=lambda *_: None,
        clock=context.clock,
    )


@pytest.mark.row(57, 58, 84)
@pytest.mark.parametrize("way", ["script", "terminal", "file"])
@pytest.mark.parametrize(
    ("first", "second", "left", "gone"),
    [("keep", "", [A, B, C], 0), ("stop", "", [A, B], 0), ("recreate", "no", [A, B], 0), ("recreate", "yes", [A], 2)],
)
async def test_an_answer_gives_the_same_result_from_a_terminal_and_from_a_file(
    way: str, first: str, second: str, left: list[str], gone: int, tmp_path: Path
) -> None:
    from dataclasses import replace

    answers = {"move__recreate": first, **({"move__recreate__sure": second} if second else {})}
    context = release_context(tmp_path, keen(**answers))
    processed(context, bias(0))
    processed(context, bias(20))
    await move(context, "CALIB", NIGHT)
    processed(context, bias(10))
    signed(context, [bias(10)])
    if way == "terminal":
        context = replace(context, operator=_terminal(context, [first, *([second] if second else [])]))
    elif way == "file":
        file = tmp_path / "answers.yaml"
        file.write_text(f"move.recreate: {first}\n" + (f"move.recreate.sure: {second!r}\n" if second else ""))
        auto = Auto(Answers(context.db), context.bus, "cron", context.clock)
        told = AnswersFile(file, auto, Answers(context.db), context.bus, "cron", context.clock)
        context = replace(context, operator=told)
    result = await move(context, "CALIB", NIGHT)
    assert result.stopped == (len(left) == 2)
    assert names(context.tree.cal / NIGHT) == left
    assert len([item for item in trash.listing(context.tree) if item.why == "recreate"]) == gone


@pytest.mark.row(58)
async def test_the_option_recreate_is_asked_once_more_unless_auto(tmp_path: Path) -> None:
    operator = keen(move__recreate__sure="no")
    context = release_context(tmp_path, operator)
    processed(context, bias(0))
    await move(context, "CALIB", NIGHT)
    processed(context, bias(10))
    assert (await move(context, "CALIB", NIGHT, recreate=True)).stopped
    question = operator.asked[-1]
    assert question.kind == "move.recreate.sure" and "1 file (" in question.text and question.safe == "no"
    assert "go to the trash" in question.choices[1].effect
    operator.answers["move.recreate.sure"] = "yes"
    await move(context, "CALIB", NIGHT, recreate=True)
    assert names(context.tree.cal / NIGHT) == [A]


# --- plugins that are configured ------------------------------------------------------------


@pytest.mark.row(8, 42)
def test_a_plugin_that_is_not_there_is_named_before_anything_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path, move={**MOVE_SETTINGS.model_dump(mode="json"), "special_plugin": "pgi_lost"})
    biases(context)
    before = picture(context.tree.product)
    for options in ((), ("--dry-run",)):
        assert called(context, *POOL, *options) == 17
        told = capsys.readouterr().err
        assert "pgi_lost" in told and "$DFO_BIN_DIR" in told and "NONE" in told
    assert picture(context.tree.product) == before and names(context.tree.cal / NIGHT) == []


@pytest.mark.row(8, 67)
def test_an_executable_of_the_account_takes_a_product_away(tmp_path: Path) -> None:
    context = account(tmp_path, move={**MOVE_SETTINGS.model_dump(mode="json"), "special_plugin": "pgi_own"})
    abs_ = biases(context)
    script = context.tree.bin / "pgi_own"
    script.write_text(
        '#!/bin/sh\nset -e\nwhile read f; do head -c 6 "$f" | grep -q SIMPLE; done < "$FILE_LIST"\n'
        f'rm "$DFS_PRODUCT/BIAS/$DATE/{abs_[1].root}_0000.fits"\n'
    )
    script.chmod(0o755)
    assert called(context, *POOL) == 0
    assert names(context.tree.cal / NIGHT) == [A, B]
    assert (context.tree.product / "BIAS" / NIGHT / f"{abs_[1].root}_0000.fits").is_file()


@pytest.mark.row(42)
def test_no_plugin_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    biases(context)
    assert called(context, *POOL) == 0
    assert "SPECIAL_PLUGIN is NONE: step 2.7 is skipped" in capsys.readouterr().err


def test_names_by_a_pre_plugin_are_in_the_plan_too(tmp_path: Path) -> None:
    """Otherwise no saved plan could ever be carried out."""
    context = account(
        tmp_path,
        mode="interactive",
        rename={**release_context(tmp_path).settings.rename.model_dump(mode="json"), "pre_plugin": "pgi_fast"},
    )
    script = context.tree.bin / "pgi_fast"
    script.write_text('#!/bin/sh\nsed -i "s/SCI1.0/FAST/" "$TMP_DIR/results"\n')
    script.chmod(0o755)
    signed(context, biases(context))
    plan = tmp_path / "plan.json"
    before = touched(context.tree.tmp)
    assert called(context, *POOL, "--plan-out", str(plan)) == 0
    assert touched(context.tree.tmp) == before
    assert called(context, "--plan", str(plan)) == 0
    assert names(context.tree.cal / NIGHT) == [name.replace("SCI1.0", "FAST") for name in (A, B, C)]


def test_events_as_json_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    biases(context)
    assert called(context, *POOL, "--json") == 0
    out = capsys.readouterr().out
    assert [event["final"] for event in asked(out, "ProductMoved")] == [A, B, C]
    assert len(asked(out, "ProductRetired")) == 1
    assert [event["status"] for event in asked(out, "StatusWritten")] == ["cal_Updated", "cal_Finished"]


def test_a_mode_and_a_date_must_be_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    assert called(context, "-m", "GEN", "-d", NIGHT, "--dry-run") == 2
    assert called(context, "-m", "CALIB", "-d", "2014-7-1") == 2
    assert called(context, "-m", "CALIB") == 2
    assert list(context.tree.lst.iterdir()) == []


def test_a_strange_ab_alone_moves_nothing(tmp_path: Path) -> None:
    context = account(tmp_path)
    processed(context, make_ab(kind="bias", mode="CALIB", date="2014-10-23", products=("MASTER_BIAS",)))
    assert called(context, *POOL) == 0 and names(context.tree.cal / NIGHT) == []


def test_a_date_nobody_knows_is_told_not_only_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    biases(context)
    for options in ((), ("--dry-run",)):
        assert called(context, "-m", "CALIB", "-d", "2014-13-22", *options) == 0
        told = capsys.readouterr()
        assert "no ABs and no products of this DATE are known here" in told.out + told.err
    assert called(context, *POOL) == 0
    capsys.readouterr()
    assert called(context, *POOL) == 0
    assert "known here" not in capsys.readouterr().err
