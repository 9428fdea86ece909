"""The store of questions and answers: durable, append-only, shared by processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import DfosError, UsageTrouble
from engine.questions import LATER, Answer, Choice, Question
from engine.stores.answers import Answers
from engine.stores.database import connect

QUESTION = Question(
    id="certify:MUSE.2014-10-22T23:57:32.118_dpc.ab:1",
    kind="certify.ab",
    subject="MUSE.2014-10-22T23:57:32.118_dpc.ab",
    text="Certify?",
    choices=(
        Choice("accept", "Accept", "may move"),
        Choice("reject", "Reject", "stays where it is", needs_comment=True),
        Choice(LATER, "Later", "stays open"),
    ),
    safe=LATER,
    asked_by="rh",
    asked_at="2026-11-21T09:40:00",
)
WHEN = "2026-11-21T09:43:10"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "ENGINE" / "journal.sqlite"


@pytest.fixture
def answers(journal: Path) -> Answers:
    return Answers(connect(journal))


@pytest.mark.row(356)
def test_a_question_gets_its_number_once(answers: Answers) -> None:
    other = answers.ask(replace(QUESTION, id="move.recreate:SCIENCE:2094-01-16"))
    first = answers.ask(QUESTION)
    again = answers.ask(replace(QUESTION, text="Certify, 2 products?", asked_by="cron", asked_at="later"))
    assert (other.number, first.number, again.number) == (1, 2, 2)
    assert again.text == "Certify, 2 products?"
    assert (again.asked_by, again.asked_at) == ("rh", "2026-11-21T09:40:00")
    assert answers.find(2) == answers.find("2") == answers.find(QUESTION.id) == again
    assert answers.open() == (answers.find(1), again)


def test_an_answer_is_on_disk_for_every_other_process_when_it_returns(answers: Answers, journal: Path) -> None:
    answers.ask(QUESTION)
    given = answers.answer(1, "accept", "  fine ", "rh", WHEN)
    assert given == Answer(QUESTION.id, "accept", "fine", "rh", WHEN)
    reader = Answers(connect(journal, readonly=True))
    assert reader.latest(QUESTION.id) == given
    assert reader.open() == ()


def test_a_revised_decision_keeps_its_history(answers: Answers) -> None:
    answers.ask(QUESTION)
    answers.answer(1, "accept", "", "rh", WHEN)
    answers.answer(QUESTION.id, "reject", "thin clouds", "mk", "2026-11-21T10:00:00")
    now = answers.latest(QUESTION.id)
    assert now is not None
    assert (now.choice, now.comment, now.who) == ("reject", "thin clouds", "mk")
    assert [answer.choice for answer in answers.history(QUESTION.id)] == ["accept", "reject"]


@pytest.mark.parametrize("choices", [QUESTION.choices, QUESTION.choices[:2]])
def test_later_withdraws_and_the_question_is_open_again(answers: Answers, choices: tuple[Choice, ...]) -> None:
    stored = answers.ask(replace(QUESTION, choices=choices))
    answers.answer(1, "accept", "", "rh", WHEN)
    answers.answer(1, LATER, "", "rh", WHEN)
    assert answers.latest(QUESTION.id) is None
    assert answers.open() == (stored,)
    assert len(answers.history(QUESTION.id)) == 2


@pytest.mark.parametrize(
    ("number", "choice", "comment", "says"),
    [
        (1, "reject", "", "needs a comment"),
        (1, "reject", "   ", "needs a comment"),
        (1, "reject", "bad # sky", "one line without '#'"),
        (1, "reject", "bad\nsky", "one line"),
        (1, "accept", "tab\there", "one line"),
        (1, "maybe", "", "use accept, reject, later"),
        (7, "accept", "", "no question 7"),
        ("certify:nothing", "accept", "", "no question certify:nothing"),
        ("²", "accept", "", "no question"),
        ("9" * 40, "accept", "", "no question"),
    ],
)
def test_what_may_not_be_answered_is_refused_and_nothing_is_kept(
    answers: Answers, number: int | str, choice: str, comment: str, says: str
) -> None:
    answers.ask(QUESTION)
    with pytest.raises(UsageTrouble, match=says):
        answers.answer(number, choice, comment, "rh", WHEN)
    assert answers.history(QUESTION.id) == ()
    assert len(answers.open()) == 1


def test_a_closed_question_takes_no_answer_and_asks_anew_when_it_matters_again(answers: Answers) -> None:
    answers.ask(QUESTION)
    answers.answer(1, "accept", "", "rh", WHEN)
    answers.close(QUESTION.id)
    assert answers.latest(QUESTION.id) is None
    assert answers.open() == ()
    with pytest.raises(UsageTrouble, match="is closed"):
        answers.answer(1, "accept", "", "rh", WHEN)
    again = answers.ask(replace(QUESTION, asked_by="mk"))
    assert (again.number, again.asked_by) == (1, "mk")
    assert answers.latest(QUESTION.id) is None, "an answer to the old situation must not count"
    assert len(answers.history(QUESTION.id)) == 1
    answers.answer(1, "accept", "", "rh", WHEN)
    assert answers.latest(QUESTION.id) is not None


def test_answers_of_another_process_are_found(answers: Answers, journal: Path) -> None:
    answers.ask(QUESTION)
    seen = answers.last_seq()
    assert answers.changed_since(seen) == ()
    Answers(connect(journal)).answer(1, "accept", "fine", "mk", WHEN)
    (given,) = answers.changed_since(seen)
    assert (given.number, given.answer.choice, given.answer.who) == (1, "accept", "mk")
    assert answers.changed_since(given.seq) == ()


def test_reading_an_account_where_nothing_was_ever_asked(journal: Path) -> None:
    connect(journal).close()
    reader = Answers(connect(journal, readonly=True))
    assert reader.open() == ()
    with pytest.raises(UsageTrouble, match="no question 1"):
        reader.find(1)


def test_an_answer_that_cannot_be_saved_says_so(answers: Answers, journal: Path) -> None:
    answers.ask(QUESTION)
    reader = Answers(connect(journal, readonly=True))
    with pytest.raises(DfosError, match="cannot be saved"):
        reader.answer(1, "accept", "", "rh", WHEN)
    assert answers.latest(QUESTION.id) is None


def test_sql_in_names_and_comments_is_only_text(answers: Answers) -> None:
    evil = "x'); DROP TABLE answers; --"
    answers.ask(replace(QUESTION, id=evil, subject=evil))
    answers.answer(evil, "reject", evil, evil, WHEN)
    now = answers.latest(evil)
    assert now is not None
    assert now.comment == evil


def test_plain_connections_will_do() -> None:
    answers = Answers(sqlite3.connect(":memory:"))
    answers.ask(QUESTION)
    assert answers.answer(1, "accept", "", "rh", WHEN) == answers.latest(QUESTION.id)


def test_the_store_is_quick_to_import() -> None:
    heavy = "{'asyncio', 'textual', 'yaml', 'pydantic', 'numpy', 'astropy'}"
    code = f"import sys, engine.stores.answers; print({heavy} & set(sys.modules) or 'light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "light"
