"""The same question gives the same answer, whoever puts it: dialog, plain terminal, answers file, store."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from textual.screen import Screen

from console.hosting.operators import AnswersFile, Auto, Desk, PlainTerminal
from engine.board import Board
from engine.bus import Bus
from engine.errors import UsageTrouble
from engine.questions import LATER, Answer, Choice, Question
from engine.stores.answers import Answers
from screens.ask import plain
from screens.ask.prompt import Prompt
from screens.review.comment import CommentField
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host

NOW = 1_795_254_190.0
WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8).filter(lambda word: word != LATER)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)
COMMENT = TEXT.map(lambda text: " ".join(text.replace("#", " ").split()))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Any question with two to five choices; some need a comment."""
    keys = draw(st.lists(WORD, min_size=2, max_size=5, unique=True))
    choices = tuple(Choice(key, key.title(), draw(TEXT), draw(st.booleans())) for key in keys)
    safe = draw(st.sampled_from([*keys, LATER]))
    return Question(f"kind:{draw(WORD)}", "kind", draw(TEXT), draw(TEXT), choices, safe)


@dataclass
class Asking:
    """One account: a store, a bus, a fixed clock."""

    answers: Answers = field(default_factory=lambda: Answers(sqlite3.connect(":memory:", check_same_thread=False)))
    bus: Bus = field(default_factory=lambda: Bus("run", clock=lambda: NOW))

    def desk(self) -> Desk:
        return Desk(self.answers, self.bus, lambda: NOW, "rh")


async def by_dialog(question: Question, key: str, comment: str) -> Answer:
    account = Asking()
    desk = account.desk()
    link = FakeLink(Board())
    account.bus.subscribe(link.board.fold)
    asking = asyncio.ensure_future(desk.ask(question))
    await asyncio.sleep(0)
    (stored,) = link.board.questions.values()

    async def answer(number: int, choice: str, said: str = "") -> str:
        desk.answered(number, choice, said, "rh")
        return "saved"

    link.answer = answer  # type: ignore[method-assign]
    app = Host(Screen(), link)
    async with hand_on(app) as pilot:
        prompt = Prompt(link, FakeLibrary(), stored)
        app.push_screen(prompt)
        await pilot.pause()
        prompt.query_one(CommentField).insert(comment, 0)
        await pilot.press(str([choice.key for choice in plain.offered(stored)].index(key) + 1), "enter")
        return await asyncio.wait_for(asking, 180)


async def by_terminal(question: Question, key: str, comment: str) -> Answer:
    account = Asking()
    typed = iter([f"{key} {comment}\n", ""])
    return await PlainTerminal(
        account.answers, account.bus, "rh", lambda: NOW, read=lambda: next(typed), say=lambda text, end: None
    ).ask(question)


async def by_file(question: Question, key: str, comment: str) -> Answer:
    account = Asking()
    with TemporaryDirectory() as place:
        path = Path(place) / "answers.yaml"
        path.write_text(yaml.safe_dump({question.id: {"choice": key, "comment": comment}}), encoding="utf-8")
        then = Auto(account.answers, account.bus, "rh", lambda: NOW)
        return await AnswersFile(path, then, account.answers, account.bus, "rh", lambda: NOW).ask(question)


async def by_store(question: Question, key: str, comment: str) -> Answer:
    account = Asking()
    account.answers.ask(question)
    account.answers.answer(question.id, key, comment, "rh", "2026-11-21T09:43:10")
    return await Auto(account.answers, account.bus, "cron", lambda: NOW).ask(question)


@pytest.mark.row(84)
@settings(max_examples=60)
@given(questions(), st.data())
def test_the_same_question_gives_the_same_answer_on_paper(question: Question, data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from(question.choices))
    comment = data.draw(COMMENT)
    bodies = (by_terminal, by_file, by_store)
    if choice.needs_comment and not comment:
        for body in bodies[1:]:
            try:
                asyncio.run(body(question, choice.key, comment))
            except UsageTrouble as trouble:
                assert "needs a comment" in str(trouble)
            else:
                raise AssertionError("answered without its comment")
        return
    given = [asyncio.run(body(question, choice.key, comment)) for body in bodies]
    assert given[0] == given[1] == given[2] == Answer(question.id, choice.key, comment, "rh", "2026-11-21T09:43:10")


@settings(max_examples=6, phases=(Phase.generate,))
@given(questions(), st.data())
def test_and_in_the_dialog(question: Question, data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from(question.choices))
    comment = data.draw(COMMENT.filter(bool))
    assert asyncio.run(by_dialog(question, choice.key, comment)) == asyncio.run(by_store(question, choice.key, comment))


@settings(max_examples=200)
@given(questions(), st.text(max_size=40))
def test_whatever_is_typed_is_an_answer_or_says_why_not(question: Question, typed: str) -> None:
    try:
        found = plain.read(question, typed)
    except UsageTrouble as trouble:
        assert trouble.remedy
    else:
        assert found is None or question.checked(*found)
