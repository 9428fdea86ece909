"""Certification: who is asked about what, what is decided by score, and who follows whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.schema import Certification
from engine import events as ev
from engine.core.ab import AB
from engine.errors import BadAb, MoveTrouble, UsageTrouble
from engine.questions import LATER
from engine.release.certify import certify
from engine.release.standing import READY, REJECTED, UNDECIDED, UNFINISHED, pattern, reviewed, scope_of, standings
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.verdicts import Verdict, Verdicts
from tests.builders import PSEUDO, make_ab, make_run, make_settings, record
from tests.released import NIGHT, Scripted, biases, dpc_of, keen, processed, release_context, target

DPC = make_settings(certification=Certification(review=("combine",)))
YES, NO = Verdict("accepted", "fine", "rh", "t"), Verdict("rejected", "clouds", "rh", "t")


def _done(abs_: list[AB]) -> list[AB]:
    return [ab.with_value("PROCESS_STATUS", "SUCCESSFUL") for ab in abs_]


ONE, TWO = _done(make_run("NGC300", 2, day=22)), _done(make_run("M83", 2, day=25))


@pytest.mark.row(354)
def test_only_combined_products_are_reviewed() -> None:
    assert [ab.tag for ab in reviewed([*ONE, *TWO], DPC)] == ["dpc", "dpc"]


def test_what_nothing_reviewed_is_made_from_is_reviewed_itself() -> None:
    bias = _done([make_ab(kind="bias", mode="CALIB", date=NIGHT, products=("MASTER_BIAS",))])
    assert reviewed(bias, DPC) == tuple(bias)


@pytest.mark.row(357)
def test_pattern_is_deep_and_the_number_of_combined_frames() -> None:
    sof = [(f"$DFS_PRODUCT/PIXTABLE_OBJECT/x/r.{n}_pst_0002.fits", "PIXTABLE_REDUCED") for n in range(40)]
    deep = make_ab(kind="combine", sof=[*sof, ("$DFS_PRODUCT/a/b/c.fits", "OFFSET_LIST")])
    assert pattern(deep, DPC) == "DEEP40"


def test_a_whole_target_follows_its_combination() -> None:
    where = standings([*ONE, *TWO], DPC, {dpc_of(ONE).name: YES, dpc_of(TWO).name: NO})
    assert {where[ab.name].standing for ab in ONE} == {READY}
    assert {where[ab.name].standing for ab in TWO} == {REJECTED}
    assert where[TWO[0].name].why == f"with {dpc_of(TWO).name}: rejected by rh: clouds"


def test_nothing_is_ready_without_a_verdict() -> None:
    where = standings(ONE, DPC, {})
    assert {standing.standing for standing in where.values()} == {UNDECIDED}


def test_a_failed_target_stays_while_the_other_goes() -> None:
    broken = [ab.with_value("PROCESS_STATUS", "FAILED") if ab.tag == "dal" else ab for ab in TWO]
    broken = [ab.with_value("PROCESS_STATUS", "CREATED") if ab.tag == "dpc" else ab for ab in broken]
    where = standings([*ONE, *broken], DPC, {dpc_of(ONE).name: YES})
    assert {where[ab.name].standing for ab in ONE} == {READY}
    assert {where[ab.name].standing for ab in broken} == {UNFINISHED}


def test_an_accepted_combination_waits_for_an_input_that_runs_again() -> None:
    again = [ab.with_value("PROCESS_STATUS", "CREATED") if ab.name == ONE[0].name else ab for ab in ONE]
    where = standings(again, DPC, {dpc_of(ONE).name: YES})
    assert where[dpc_of(ONE).name].standing == UNFINISHED
    assert ONE[0].name in where[dpc_of(ONE).name].why


def test_what_two_targets_share_stays_until_both_are_decided() -> None:
    shared = _done([make_ab("MUSE.2014-10-20T00:00:00.000", "scibasic", products=("PIXTABLE_OBJECT",))])[0]
    line = f"$DFS_PRODUCT/OBJECT/{PSEUDO}/{shared.root}_0000.fits PIXTABLE_OBJECT"
    pool = [
        shared,
        *(
            ab.with_values("SOF_CONTENT", [*ab.values("SOF_CONTENT"), line]) if ab.tag == "dpc" else ab
            for ab in [*ONE, *TWO]
        ),
    ]
    one, two = dpc_of(ONE).name, dpc_of(TWO).name
    assert standings(pool, DPC, {one: YES})[shared.name].standing == UNDECIDED
    assert standings(pool, DPC, {one: YES, two: NO})[shared.name].standing == READY
    assert standings(pool, DPC, {one: NO, two: NO})[shared.name].standing == REJECTED


def test_scope_of_one_target() -> None:
    assert scope_of([*ONE, *TWO], dpc_of(ONE).name) == {ab.name for ab in ONE}
    with pytest.raises(BadAb):
        scope_of(ONE, "MUSE.nowhere_dpc.ab")


# --- asking ---------------------------------------------------------------------------------


async def test_all_questions_are_open_at_once_and_each_verdict_is_published(tmp_path: Path) -> None:
    operator = Scripted(**{"certify__ab": "accept:fine"})
    context = release_context(tmp_path, operator)
    abs_ = [*target(context), *target(context, "M83")]
    second = dpc_of(abs_[6:]).name
    operator.answers[second] = "reject:clouds"
    events = record(context)
    result = await certify(context, abs_, {})
    assert [question.subject for question in operator.asked] == [dpc_of(abs_).name, second]
    assert result.accepted == (dpc_of(abs_).name,) and result.rejected == (second,) and not result.parked
    decided = [event for event in events if isinstance(event, ev.AbDecided)]
    assert [(event.verdict, event.comment, event.who) for event in decided] == [
        ("accepted", "fine", "rh"),
        ("rejected", "clouds", "rh"),
    ]
    states = {event.ab: event.state for event in events if isinstance(event, ev.AbChanged)}
    assert {states[ab.name] for ab in abs_[:6]} == {"ACCEPTED"}
    assert {states[ab.name] for ab in abs_[6:]} == {"REJECTED"}


async def test_parked_questions_are_returned_and_found_answered_later(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted())
    abs_ = target(context)
    result = await certify(context, abs_, {})
    (question,) = result.parked
    assert question.kind == "certify.ab" and question.auto is None and question.safe == LATER
    answers = Answers(context.db)
    answers.ask(question)
    with pytest.raises(UsageTrouble, match="needs a comment"):
        answers.answer(question.id, "reject", "", "rh", "2025-01-01T00:00:00")
    answers.answer(question.id, "accept", "fine", "rh", "2025-01-01T00:00:00")
    result = await certify(context, abs_, {})
    assert result.accepted == (dpc_of(abs_).name,) and not result.parked
    answers.answer(question.id, "reject", "second thoughts", "rh", "2025-01-02T00:00:00")
    assert (await certify(context, abs_, {})).rejected == (dpc_of(abs_).name,)


@pytest.mark.parametrize(
    ("mode", "score", "asked"),
    [
        ("auto_green", "..", False),
        ("auto_green", ".o", True),
        ("auto_green", "", True),
        ("auto_all", ".o", False),
        ("interactive", "..", True),
    ],
)
async def test_modes(mode: Any, score: str, asked: bool, tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator, certification=Certification(review=("combine",), mode=mode))
    abs_ = target(context)
    events = record(context)
    result = await certify(context, abs_, {dpc_of(abs_).name: score})
    assert bool(operator.asked) is asked
    assert result.accepted == (dpc_of(abs_).name,)
    (decided,) = (event for event in events if isinstance(event, ev.AbDecided))
    assert decided.who == ("rh" if asked else mode)


async def test_a_mode_of_its_own_per_raw_type(tmp_path: Path) -> None:
    rules = Certification(review=("bias",), mode="interactive", modes={"BIAS": "auto_all"})
    context = release_context(tmp_path, Scripted(), certification=rules)
    assert len((await certify(context, biases(context), {})).accepted) == 3


async def test_a_person_counts_before_the_score(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted(), certification=Certification(review=("combine",)))
    abs_ = target(context)
    (question,) = (await certify(context, abs_, {})).parked
    Answers(context.db).ask(question)
    Answers(context.db).answer(question.id, "reject", "satellite", "rh", "2025-01-01T00:00:00")
    auto = release_context(tmp_path, keen(), certification=Certification(review=("combine",), mode="auto_all"))
    assert (await certify(auto, abs_, {dpc_of(abs_).name: ".."})).rejected == (dpc_of(abs_).name,)


async def test_failed_abs_are_not_asked_about_and_without_products_none_is_accepted(tmp_path: Path) -> None:
    operator = keen()
    context = release_context(tmp_path, operator, certification=Certification(review=("combine",), mode="auto_all"))
    failed = make_ab("MUSE.2014-10-20T00:00:00.000", "combine", status="FAILED", products=("IMAGE_FOV",))
    empty = make_ab("MUSE.2014-10-21T00:00:00.000", "combine", status="SUCCESSFUL", products=("IMAGE_FOV",))
    with pytest.raises(MoveTrouble, match="products are gone"):
        await certify(context, [failed, empty], {empty.name: ".."})
    assert [question.subject for question in operator.asked] == [empty.name]
    assert [choice.key for choice in operator.asked[0].choices] == ["reject"]


async def test_a_new_attempt_asks_anew(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = target(context)
    attempts = Attempts(context.db)
    attempts.intend(dpc_of(abs_).name, "/w", "t", "boot", 1.0, 1)
    attempts.flush()
    assert (await certify(context, abs_, {})).accepted
    attempts.intend(dpc_of(abs_).name, "/w", "t", "boot", 2.0, 2)
    attempts.flush()
    verdicts = Verdicts(context.db)
    assert verdicts.question_id(dpc_of(abs_)) == f"certify:{dpc_of(abs_).name}:2"
    assert verdicts.of(dpc_of(abs_)) is None


@pytest.mark.row(356)
async def test_comments_are_kept_with_user_time_and_ab(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted(**{"certify__ab": "reject:High_background"}))
    abs_ = target(context)
    for _ in range(2):
        await certify(context, abs_, {})
    text = (context.tree.lst / "PRODCOM" / f"prod_comment_{PSEUDO}.txt").read_text()
    name = dpc_of(abs_).name
    assert text == f"{name} PIXTABLE_REDUCED DEEP2 rejected rh 2023-11-14T22:00:00 High_background\n"


async def test_leaving_it_for_later_decides_nothing(tmp_path: Path) -> None:
    context = release_context(tmp_path, Scripted(**{"certify__ab": LATER}))
    abs_ = [processed(context, make_ab(kind="combine", products=("IMAGE_FOV",)))]
    result = await certify(context, abs_, {})
    assert [question.subject for question in result.parked] == [abs_[0].name]
    assert result.parked[0].number > 0
