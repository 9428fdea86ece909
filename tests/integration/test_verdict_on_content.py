"""A verdict counts for the products it was given on: exchanged, added or delivered again, they are asked about anew."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.schema import Certification
from console.cli.main import run
from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.product import MOVE
from engine.errors import AnswerNeeded, MoveTrouble
from engine.release.certify import certify
from engine.release.move.move_products import execute, move, planned
from engine.release.move.room import too_full
from engine.stores.abs import AbStore, read
from engine.stores.answers import Answers
from engine.stores.contents import Contents
from engine.stores.verdicts import Verdict, Verdicts
from tests.builders import PSEUDO, make_ab, record
from tests.moving import account, called
from tests.released import (
    NIGHT,
    Scripted,
    bias,
    biases,
    dpc_of,
    keen,
    processed,
    release_context,
    target,
    write_product,
)

POOL = ("-m", "CALIB", "-d", NIGHT)


def _answered(context: Context, *options: str) -> int:
    return run("answer", ["--root", str(context.tree.root), *options])


def _place(context: Context) -> Path:
    return context.tree.product / "BIAS" / NIGHT


def _exchanged(context: Context, ab: AB, number: int = 0) -> Path:
    """Another valid product in the place of one of an AB."""
    return write_product(context, ab, number, "MASTER_BIAS", **{"HIERARCH ESO OBS ID": 7})


def _open(context: Context) -> dict[str, int]:
    return {question.id: question.number for question in Answers(context.db).open()}


@pytest.mark.row(356)
def test_products_copied_over_after_the_answer_are_asked_about_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path, mode="interactive")
    abs_ = biases(context)
    assert called(context, *POOL, "--auto") == 3
    first = _open(context)
    assert list(first) == [f"certify:{ab.name}:0" for ab in abs_]
    assert _answered(context, "1", "accept", "-c", "looked at it") == 3
    _exchanged(context, abs_[0])
    for number in ("2", "3"):
        _answered(context, number, "accept")
    told = capsys.readouterr().err
    assert list(_place(context).glob("*.fits")), "nothing moved"
    why = f"1 of its products changed, e.g. {abs_[0].root}_0000.fits, since it was accepted by "
    assert f"{abs_[0].name} is certified anew: {why}" in told
    ((anew, last),) = _open(context).items()
    assert anew.startswith(f"certify:{abs_[0].name}:0:") and last > 3
    assert why in " ".join(Answers(context.db).find(last).details)
    assert called(context, *POOL, "--dry-run") == 3
    assert f"not certified yet: {abs_[0].name}" in capsys.readouterr().out
    assert _answered(context, str(last), "accept", "-c", "new ones are fine") == 0
    ab = read(context.tree.log / NIGHT / abs_[0].name)
    assert ab.get("COMMENT") == "new ones are fine"
    (old,) = Answers(context.db).history(f"certify:{abs_[0].name}:0")
    assert old.comment == "looked at it"


async def test_a_touch_and_a_copy_of_the_same_content_keep_the_verdict(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await certify(context, abs_, {})
    path = _place(context) / f"{abs_[0].root}_0000.fits"
    copy = shutil.copyfile(path, path.with_suffix(".copy"))
    copy.replace(path)
    os.utime(path, (1, 1))
    silent = replace(context, operator=Scripted())
    assert not (await certify(silent, abs_, {})).parked
    assert (await move(silent, "CALIB", NIGHT)).moved == 3


async def test_a_product_that_came_later_was_not_certified(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await certify(context, abs_, {})
    write_product(context, abs_[0], 7, "MASTER_BIAS")
    silent = replace(context, operator=Scripted())
    (question,) = (await certify(silent, abs_, {})).parked
    assert question.subject == abs_[0].name
    assert f"1 more came, e.g. {abs_[0].root}_0007.fits" in question.details[-1]


async def test_the_same_ab_delivered_again_after_its_move_is_asked_anew(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    again = processed(context, bias(10), **{"HIERARCH ESO OBS ID": 7})
    silent = replace(context, operator=Scripted())
    plan = await planned(silent, "CALIB", NIGHT)
    assert plan.undecided == (again.name,) and not plan.of(MOVE)
    assert "since it was accepted by rh at 2023-11-14T22:00:00" in dict(plan.stay)[again.name]
    with pytest.raises(AnswerNeeded):
        await move(silent, "CALIB", NIGHT)
    operator = keen(**{again.name: "accept:second delivery"})
    assert (await move(replace(context, operator=operator), "CALIB", NIGHT, recreate=False)).moved == 1
    assert read(context.tree.log / NIGHT / again.name).get("COMMENT") == "second delivery"


def test_what_was_delivered_again_can_be_answered_and_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path, mode="interactive")
    abs_ = [processed(context, bias(10))]
    assert called(context, *POOL, "--auto") == 3
    assert _answered(context, "1", "accept", "-c", "looked at it") == 0
    processed(context, abs_[0], **{"HIERARCH ESO OBS ID": 7})
    assert called(context, *POOL, "--auto") == 3
    (number,) = _open(context).values()
    assert _answered(context, str(number), "accept", "-c", "again") == 0, capsys.readouterr().err
    assert read(context.tree.log / NIGHT / abs_[0].name).get("COMMENT") == "again"


async def test_a_question_nobody_answered_is_closed_when_its_products_are_others(tmp_path: Path) -> None:
    context = account(tmp_path, mode="interactive")
    abs_ = [processed(context, bias(10))]
    (question,) = (await certify(replace(context, operator=Scripted()), abs_, {})).parked
    Answers(context.db).ask(question)
    _exchanged(context, abs_[0])
    events = record(context)
    (anew,) = (await certify(replace(context, operator=Scripted()), abs_, {})).parked
    assert anew.text.endswith(" anew, its products are others now")
    assert anew.id != question.id and not Answers(context.db).open()
    assert [event.id for event in events if isinstance(event, ev.QuestionAnswered)] == [question.id]


async def test_verdicts_by_score_bind_too_and_are_given_anew(tmp_path: Path) -> None:
    rules = Certification(review=("bias",), mode="auto_all")
    context = release_context(tmp_path, Scripted(), certification=rules)
    abs_ = [processed(context, bias(10))]
    await certify(context, abs_, {})
    _exchanged(context, abs_[0])
    assert (await planned(context, "CALIB", NIGHT)).by_score == (abs_[0].name,)
    events = record(context)
    await certify(context, abs_, {})
    assert len([event for event in events if isinstance(event, ev.AbDecided)]) == 1
    await certify(context, abs_, {})
    assert len([event for event in events if isinstance(event, ev.AbDecided)]) == 1, "once"


async def test_same_size_and_time_do_not_deceive_the_move(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await certify(context, abs_, {})
    path = _place(context) / f"{abs_[0].root}_0000.fits"
    before = path.stat()
    _exchanged(context, abs_[0])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    silent = replace(context, operator=Scripted())
    events = record(context)
    with pytest.raises(AnswerNeeded, match="not certified yet"):
        await move(silent, "CALIB", NIGHT)
    assert path.is_file() and not (context.tree.cal / NIGHT).exists()
    said = [event.text for event in events if isinstance(event, ev.Notice)]
    assert any("it does not count" in text for text in said)
    assert (await move(context, "CALIB", NIGHT)).moved == 3, "the operator has accepted the new ones"


async def test_what_is_not_saved_is_bound_too(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await certify(context, abs_, {})
    plan = await planned(context, "CALIB", NIGHT)
    path = _place(context) / f"{abs_[0].root}_0001.fits"
    write_product(context, abs_[0], 1, "BIAS_RESIDUALS", **{"HIERARCH ESO OBS ID": 7})
    plan = replace(plan, stamps=(await planned(context, "CALIB", NIGHT)).stamps)
    with pytest.raises(MoveTrouble, match=f"changed after they were certified.*{path.name}"):
        await execute(context, plan)


async def test_saved_products_of_what_follows_are_part_of_the_verdict(tmp_path: Path) -> None:
    base = release_context(tmp_path / "x").settings.move
    rows = tuple(
        row.model_copy(update={"save": "ALL"}) if row.raw_type == "IMAGE_FOV" else row for row in base.raw_types
    )
    context = release_context(tmp_path, move=base.model_copy(update={"raw_types": rows}))
    abs_ = target(context)
    await certify(context, abs_, {})
    align = next(ab for ab in abs_ if ab.tag == "dal")
    write_product(context, align, 0, align.products[0].catg, **{"HIERARCH ESO OBS ID": 7})
    (question,) = (await certify(replace(context, operator=Scripted()), abs_, {})).parked
    assert question.subject == dpc_of(abs_).name and align.root in question.details[-1]


async def test_a_verdict_of_the_last_version_counts_until_it_is_contradicted(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted())
    abs_ = [processed(context, bias(10))]
    Verdicts(context.db).record(abs_[0], Verdict("accepted", "fine", "rh", "2023-11-14T22:00:00"))
    context.db.execute("DROP TABLE IF EXISTS contents")
    assert (await planned(context, "CALIB", NIGHT)).of(MOVE)
    assert (await move(context, "CALIB", NIGHT)).moved == 1
    processed(context, abs_[0], **{"HIERARCH ESO OBS ID": 7})
    assert (await planned(context, "CALIB", NIGHT)).undecided == (abs_[0].name,)


async def test_a_look_changes_no_note(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await certify(context, abs_, {})
    _exchanged(context, abs_[0])
    before = context.db.execute("SELECT * FROM contents").fetchall()
    await planned(replace(context, operator=Scripted()), "CALIB", NIGHT)
    assert context.db.execute("SELECT * FROM contents").fetchall() == before
    assert len(Contents(context.db).of(f"certify:{abs_[0].name}:0")) == 1


# --- the plan shows what would be decided by score -------------------------------------------


@pytest.mark.parametrize("waits_s", [0.0, 100.0])
async def test_the_plan_is_the_same_before_and_after_the_score_has_decided(waits_s: float, tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted(), certification=Certification(review=("combine",), mode="auto_all"))
    abs_ = target(context)
    plan = await planned(context, "SCIENCE", PSEUDO)
    assert plan.by_score == (dpc_of(abs_).name,) and plan.of(MOVE) and not plan.undecided
    later = replace(context, clock=lambda: context.clock() + waits_s)
    await certify(later, abs_, {})
    decided = await planned(replace(context, clock=lambda: context.clock() + 2 * waits_s), "SCIENCE", PSEUDO)
    assert not decided.by_score and decided.digest == plan.digest


async def test_red_and_missing_products_are_not_expected_to_be_accepted(tmp_path: Path) -> None:
    rules = Certification(review=("combine",), mode="auto_green")
    context = release_context(tmp_path, Scripted(), certification=rules)
    target(context)
    assert not (await planned(context, "SCIENCE", PSEUDO)).by_score, "not scored"
    rules = Certification(review=("combine",), mode="auto_all")
    bare = release_context(tmp_path / "b", Scripted(), certification=rules)
    AbStore(bare.tree).write(make_ab(kind="combine", status="SUCCESSFUL", products=("IMAGE_FOV",)))
    assert not (await planned(bare, "SCIENCE", PSEUDO)).by_score, "its products are gone"


@pytest.mark.row(54)
def test_a_dry_run_and_a_saved_plan_where_the_score_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    abs_ = biases(context)
    paper = tmp_path / "plan.json"
    assert called(context, *POOL, "--dry-run", "--plan-out", str(paper)) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Plan  CALIB {NIGHT}: 3 products")
    assert f"would be accepted by score: {abs_[0].name}" in out
    assert json.loads(paper.read_text())["plan"]["by_score"] == [ab.name for ab in abs_]
    assert called(context, "--plan", str(paper), "--auto") == 0, capsys.readouterr().err
    assert len(list((context.tree.cal / NIGHT).glob("*.fits"))) == 3


# --- room -----------------------------------------------------------------------------------


@pytest.fixture
def far() -> Iterator[Path]:
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    if not shared.is_dir() or shared.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.fail("this machine has one filesystem only: mount a memory disk at /dev/shm")
    root = Path(tempfile.mkdtemp(prefix="dfos-", dir=shared))
    yield root
    shutil.rmtree(root)


async def test_a_move_to_a_full_filesystem_is_refused_with_numbers(tmp_path: Path, far: Path) -> None:
    near = release_context(tmp_path)
    variables = {**near.tree.variables, "DFO_LOG_DIR": str(far)}
    context = release_context(tmp_path, tree=replace(near.tree, log=far, variables=variables))
    abs_ = biases(context)
    free = shutil.disk_usage(far).free
    log = context.tree.dfs_log / f"{abs_[0].root}.log"
    os.truncate(log, free + 3_000_000_000)  # a hole: takes no room here
    with pytest.raises(MoveTrouble, match=r"must be copied to the filesystem of .*, where .*GB are free: .*too little"):
        await move(context, "CALIB", NIGHT)
    assert not (context.tree.cal / NIGHT).exists()
    os.truncate(log, 10)
    assert (await move(context, "CALIB", NIGHT)).moved == 3


async def test_on_one_filesystem_no_room_is_needed(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    os.truncate(context.tree.dfs_log / f"{abs_[0].root}.log", shutil.disk_usage(tmp_path).free + 1)
    plan = await planned(replace(context), "CALIB", NIGHT)
    assert not too_full(plan, context.tree)
