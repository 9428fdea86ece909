"""Who answers: consoles at the desk, AUTO, a plain terminal, an answers file."""

from __future__ import annotations

import asyncio
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from console.hosting.operators import AnswersFile, Auto, Desk, PlainTerminal
from engine import events as ev
from engine.board import Board
from engine.bus import Bus
from engine.errors import AnswerNeeded, UsageTrouble
from engine.questions import LATER, Answer, Choice, Parked, Question
from engine.stores.answers import Answers
from engine.stores.database import connect

NOW = 1_795_254_190.0
WHEN = "2026-11-21T09:43:10"
RECREATE = Question(
    id="move.recreate:SCIENCE:2094-01-14",
    kind="move.recreate",
    subject="moveProducts SCIENCE 2094-01-14",
    text="14 products stand there.",
    choices=(Choice("keep", "Keep", "joined"), Choice("recreate", "Recreate", "to the trash", needs_comment=True)),
    safe="keep",
    auto="keep",
)
CERTIFY = Question(
    id="certify:A.ab:1",
    kind="certify.ab",
    subject="A.ab",
    text="accept?",
    choices=(
        Choice("accept", "Accept", "may move"),
        Choice("reject", "Reject", "stays", needs_comment=True),
        Choice(LATER, "Later", "stays open"),
    ),
    safe=LATER,
)


class Desktop:
    """A store, a bus with a board on it, and what the bus said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers = Answers(connect(path))
        self.bus = Bus("run", clock=lambda: NOW)
        self.board = Board()
        self.said: list[ev.Event] = []
        self.bus.subscribe(self.board.fold)
        self.bus.subscribe(lambda stamped: self.said.append(stamped.event))

    def desk(self) -> Desk:
        return Desk(self.answers, self.bus, lambda: NOW, "muse_ph3")

    def auto(self) -> Auto:
        return Auto(self.answers, self.bus, "cron", lambda: NOW)


@pytest.fixture
def top(tmp_path: Path) -> Desktop:
    return Desktop(tmp_path / "journal.sqlite")


async def waiting(top: Desktop, number: int = 1) -> None:
    """Let the asker run until it waits."""
    await asyncio.sleep(0)
    assert number in top.board.questions


# --- the desk -----------------------------------------------------------------------------


async def test_a_question_waits_on_the_board_until_a_console_answers(top: Desktop) -> None:
    desk = top.desk()
    asking = asyncio.create_task(desk.ask(RECREATE))
    await waiting(top)
    shown = top.board.questions[1]
    assert (shown.asked_by, shown.asked_at) == ("muse_ph3", WHEN)
    with pytest.raises(UsageTrouble, match="needs a comment"):
        desk.answered(1, "recreate", "", "rh")
    assert not asking.done()
    given = desk.answered(1, "recreate", "second delivery", "rh")
    assert given == await asking == Answer(RECREATE.id, "recreate", "second delivery", "rh", WHEN)
    assert top.board.questions == {}
    assert top.said[-1] == ev.QuestionAnswered(1, RECREATE.id, "recreate", "second delivery", "rh", WHEN)


async def test_an_answer_of_another_process_is_found(top: Desktop) -> None:
    desk = top.desk()
    asking = asyncio.create_task(desk.ask(RECREATE))
    await waiting(top)
    Answers(connect(top.path)).answer(1, "keep", "", "mk", WHEN)
    desk.poll()
    assert (await asking).who == "mk"
    before = len(top.said)
    desk.poll()
    assert len(top.said) == before, "an answer is announced once"


async def test_the_same_question_asked_twice_at_once_has_one_answer(top: Desktop) -> None:
    desk = top.desk()
    both = [asyncio.create_task(desk.ask(RECREATE)) for _ in range(2)]
    await waiting(top)
    await asyncio.sleep(0)
    desk.answered(1, "keep", "", "rh")
    first, second = await asyncio.gather(*both)
    assert first == second
    assert len(top.answers.history(RECREATE.id)) == 1


async def test_a_restarted_engine_takes_the_answer_given_meanwhile(top: Desktop) -> None:
    asking = asyncio.create_task(top.desk().ask(RECREATE))
    await waiting(top)
    asking.cancel()  # the engine goes down
    await asyncio.wait([asking])
    top.answers.answer(1, "keep", "", "mk", WHEN)
    assert (await top.desk().ask(RECREATE)).who == "mk"


async def test_a_starting_engine_announces_what_was_parked(top: Desktop) -> None:
    with pytest.raises(Parked):
        await top.auto().ask(CERTIFY)
    fresh = Desktop(top.path)
    fresh.desk().announce()
    assert list(fresh.board.questions) == [1]


async def test_a_decision_may_be_revised_and_withdrawn(top: Desktop) -> None:
    desk = top.desk()
    asking = asyncio.create_task(desk.ask(CERTIFY))
    await waiting(top)
    desk.answered(1, LATER, "", "rh")
    await asyncio.sleep(0)
    assert not asking.done(), "later decides nothing"
    desk.answered(1, "accept", "", "rh")
    assert (await asking).choice == "accept"
    desk.answered(1, "reject", "clouds", "rh")
    assert isinstance(top.said[-1], ev.QuestionAnswered)
    assert top.board.questions == {}
    desk.answered(1, LATER, "", "rh")
    assert list(top.board.questions) == [1], "withdrawn: it waits for an answer again"
    assert [answer.choice for answer in top.answers.history(CERTIFY.id)] == [LATER, "accept", "reject", LATER]


async def test_a_withdrawn_question_leaves_the_board_and_frees_who_waits(top: Desktop) -> None:
    desk = top.desk()
    asking = asyncio.create_task(desk.ask(CERTIFY))
    await waiting(top)
    desk.withdraw(CERTIFY.id, "its AB runs again")
    with pytest.raises(AnswerNeeded, match="its AB runs again"):
        await asking
    assert top.board.questions == {}
    with pytest.raises(UsageTrouble, match="closed"):
        desk.answered(1, "accept", "", "rh")


# --- AUTO ---------------------------------------------------------------------------------


class Untouchable(io.StringIO):
    """A stdin that must not be read."""

    def read(self, *_: object) -> str:
        raise AssertionError("AUTO read stdin")

    readline = read


@pytest.mark.row(433)
async def test_auto_gives_the_questions_own_answer_and_records_it(
    top: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Untouchable())
    given = await top.auto().ask(RECREATE)
    assert given == Answer(RECREATE.id, "keep", "", "auto", WHEN)
    assert top.answers.latest(RECREATE.id) == given
    assert top.answers.find(1).asked_by == "cron"


@pytest.mark.row(433)
async def test_auto_parks_what_only_a_person_may_answer(top: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Untouchable())
    with pytest.raises(Parked, match="question 1 is open") as parked:
        await top.auto().ask(CERTIFY)
    assert parked.value.exit_code == 3
    assert "dfos answer 1 accept|reject" in str(parked.value)
    assert top.said[-1] == ev.QuestionAsked(1, top.answers.find(1).to_dict(), True)
    top.answers.answer(1, "accept", "", "rh", WHEN)
    assert (await top.auto().ask(CERTIFY)).who == "rh", "the next run takes the answer given meanwhile"


# --- a plain terminal -----------------------------------------------------------------------


def terminal(top: Desktop, *typed: str) -> tuple[PlainTerminal, list[str]]:
    keys = iter([*(f"{line}\n" for line in typed), ""])
    shown: list[str] = []
    return (
        PlainTerminal(
            top.answers,
            top.bus,
            "rh",
            lambda: NOW,
            read=lambda: next(keys),
            say=lambda text, end: shown.append(text + end),
        ),
        shown,
    )


async def test_a_terminal_asks_until_it_has_an_answer(top: Desktop) -> None:
    operator, shown = terminal(top, "9", "2", "d", "2 second delivery")
    given = await operator.ask(replace(RECREATE, details=("the plan: 26 products",)))
    assert given == Answer(RECREATE.id, "recreate", "second delivery", "rh", WHEN)
    told = "".join(shown)
    assert "there is no choice 9" in told
    assert "needs a comment" in told
    assert "the plan: 26 products\n" in told
    assert told.count("1 Keep: joined") == 1
    assert top.board.questions == {}


@pytest.mark.parametrize("typed", [(), ("",), ("later",)])
async def test_a_terminal_that_ends_or_leaves_it_open_parks(top: Desktop, typed: tuple[str, ...]) -> None:
    operator, _ = terminal(top, *typed)
    with pytest.raises(Parked):
        await operator.ask(CERTIFY)
    assert [question.id for question in top.answers.open()] == [CERTIFY.id]


# --- an answers file ------------------------------------------------------------------------


def from_file(top: Desktop, text: str) -> AnswersFile:
    path = top.path.with_name("answers.yaml")
    path.write_text(text, encoding="utf-8")
    return AnswersFile(path, top.auto(), top.answers, top.bus, "rh", lambda: NOW)


@pytest.mark.parametrize(
    "text",
    [
        "move.recreate: {choice: recreate, comment: second delivery}",
        "questions:\n  move.recreate: {choice: recreate, comment: second delivery}",
        "move.recreate: keep\n'move.recreate:SCIENCE:2094-01-14': {choice: recreate, comment: second delivery}",
    ],
)
async def test_the_file_answers_by_kind_or_id(top: Desktop, text: str) -> None:
    given = await from_file(top, text).ask(RECREATE)
    assert given == Answer(RECREATE.id, "recreate", "second delivery", "rh", WHEN)
    assert top.board.questions == {}


async def test_what_the_file_does_not_say_falls_through(top: Desktop) -> None:
    assert (await from_file(top, "").ask(RECREATE)).who == "auto"
    with pytest.raises(Parked):
        await from_file(top, "move.recreate: keep").ask(CERTIFY)


async def test_a_bare_yes_or_no_means_the_word(top: Desktop) -> None:
    sure = replace(
        RECREATE, id="s", kind="monitor.total_refresh", choices=(Choice("no", "No", ""), Choice("yes", "Yes", ""))
    )
    assert (await from_file(top, "monitor.total_refresh: yes").ask(sure)).choice == "yes"


async def test_an_answer_given_before_beats_the_file(top: Desktop) -> None:
    top.answers.ask(RECREATE)
    top.answers.answer(1, "keep", "", "mk", WHEN)
    given = await from_file(top, "move.recreate: {choice: recreate, comment: x}").ask(RECREATE)
    assert given.who == "mk"


async def test_an_answer_the_question_does_not_know_names_the_file(top: Desktop) -> None:
    with pytest.raises(UsageTrouble, match=r"answers\.yaml.*'burn' is no answer"):
        await from_file(top, "move.recreate: burn").ask(RECREATE)
    with pytest.raises(UsageTrouble, match=r"answers\.yaml.*needs a comment"):
        await from_file(top, "move.recreate: recreate").ask(RECREATE)
    assert top.answers.latest(RECREATE.id) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", r"answers\.yaml:\d+: not YAML"),
        ("- keep", "a mapping is needed"),
        ("move.recreate: [keep]", "'move.recreate' makes no sense"),
        ("move.recreate: {comment: x}", "makes no sense"),
        ("move.recreate:", "makes no sense"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("certify.ab: accept", "would certify every AB unseen"),
        ("questions: {certify.ab: accept}", "would certify every AB unseen"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_before_anything_starts(top: Desktop, text: str, says: str) -> None:
    with pytest.raises(UsageTrouble, match=says):
        from_file(top, text)


def test_a_missing_file_is_a_usage_error(top: Desktop) -> None:
    with pytest.raises(UsageTrouble, match="cannot be read"):
        AnswersFile(top.path.with_name("none.yaml"), top.auto(), top.answers, top.bus, "rh")
