"""A question as a dialog: effects and counts, the safe answer under the cursor, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.screen import Screen

from engine import events as ev
from engine.errors import UsageTrouble
from engine.questions import LATER, Choice, Question
from screens.ask.prompt import Prompt
from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.review.comment import CommentField
from screens.review.cover import Reading
from tests.hand import Hand, hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, run_started, screen_text

RECREATE = Question(
    id="move.recreate:SCIENCE:2094-01-14",
    kind="move.recreate",
    subject="moveProducts SCIENCE 2094-01-14",
    text="The science directory of this date already holds 14 products (41.2 GB).",
    choices=(
        Choice("keep", "Keep", "their names go back to PIPEFILE, 12 new ones join, versions anew"),
        Choice("recreate", "Recreate", "the 14 go to the trash until 2026-12-21; can be undone", needs_comment=True),
        Choice("stop", "Stop", "nothing is changed"),
    ),
    safe="keep",
    auto="keep",
    asked_by="cron",
    asked_at="2026-11-21T09:51:07",
    number=17,
)
OPEN = object()


class Asked:
    """A prompt on a screen, and what it was dismissed with."""

    def __init__(
        self, link: FakeLink, library: FakeLibrary, question: Question = RECREATE, alphabet: Glyphs = UNICODE
    ) -> None:
        link.fold(run_started(), ev.QuestionAsked(question.number, question.to_dict(), False))
        self.result: object = OPEN
        self.prompt = Prompt(link, library, question, alphabet)
        self.app = Host(Screen(), link)

    async def begin(self, pilot: Hand) -> list[str]:
        def done(result: tuple[str, str] | None) -> None:
            self.result = result

        self.app.push_screen(self.prompt, done)
        await pilot.pause()
        return screen_text(self.app)

    async def press(self, pilot: Hand, *keys: str) -> list[str]:
        await pilot.press(*keys)
        return screen_text(self.app)


@pytest.mark.row(432)
@pytest.mark.parametrize("alphabet", [UNICODE, ASCII])
async def test_the_dialog_says_what_each_answer_would_do(
    link: FakeLink, library: FakeLibrary, alphabet: Glyphs
) -> None:
    asked = Asked(link, library, alphabet=alphabet)
    async with hand_on(asked.app) as pilot:
        lines = await asked.begin(pilot)
    text = " ".join(line.strip().strip("│|").strip() for line in lines)
    assert "MUSE_DEEP question 17" in text
    assert "asked 2026-11-21 09:51 by cron" in text
    assert "14 products (41.2 GB)" in text
    assert f"{alphabet.cursor} Keep      their names go back to PIPEFILE, 12 new ones join" in text
    assert "Recreate  the 14 go to the trash until 2026-12-21; can be undone" in text
    assert text.count("(needs a comment)") == 1
    assert "Stop      nothing is changed" in text
    if alphabet is ASCII:
        assert text.isascii()


async def test_enter_gives_the_safe_answer_esc_decides_nothing(link: FakeLink, library: FakeLibrary) -> None:
    asked = Asked(link, library)
    async with hand_on(asked.app) as pilot:
        await asked.begin(pilot)
        await asked.press(pilot, "enter")
    assert asked.result == ("keep", "")
    assert link.answers == [(17, "keep", "")]
    left = Asked(link, library)
    async with hand_on(left.app) as pilot:
        await left.begin(pilot)
        await left.press(pilot, "escape")
    assert left.result is None
    assert len(link.answers) == 1


async def test_a_choice_that_needs_a_comment_gets_it_first(link: FakeLink, library: FakeLibrary) -> None:
    asked = Asked(link, library)
    async with hand_on(asked.app) as pilot:
        await asked.begin(pilot)
        lines = await asked.press(pilot, "2", "enter")
        assert any("'Recreate' needs a comment" in line for line in lines)
        assert isinstance(asked.prompt.focused, CommentField)
        await asked.press(pilot, "escape", "up", "down")
        assert asked.result is OPEN
        await asked.press(pilot, "enter", *"2nd", "enter")
    assert asked.result == ("recreate", "2nd")


async def test_a_refused_answer_is_said_and_the_comment_stays(link: FakeLink, library: FakeLibrary) -> None:
    asked = Asked(link, library)
    link.replies["answer"] = UsageTrouble("question 17 is closed")
    async with hand_on(asked.app) as pilot:
        await asked.begin(pilot)
        lines = await asked.press(pilot, "c", *"why", "escape", "enter")
        assert any("question 17 is closed" in line for line in lines)
        assert any("why" in line for line in lines)
        assert asked.result is OPEN
        del link.replies["answer"]
        await asked.press(pilot, "enter")
    assert asked.result == ("keep", "why")


async def test_leaving_open_is_offered_where_it_is_safe(link: FakeLink, library: FakeLibrary) -> None:
    asked = Asked(link, library, replace(RECREATE, safe=LATER))
    async with hand_on(asked.app) as pilot:
        lines = await asked.begin(pilot)
        assert any("› Later" in line for line in lines)
        await asked.press(pilot, "enter")
    assert asked.result is None
    assert link.answers == []


async def test_details_show_the_plan(link: FakeLink, library: FakeLibrary) -> None:
    library.details[17] = [f"move r.MUSE.{n}_dpc_0000.fits" for n in range(40)]
    asked = Asked(link, library)
    async with hand_on(asked.app) as pilot:
        await asked.begin(pilot)
        lines = await asked.press(pilot, "d")
        assert isinstance(asked.app.screen, Reading)
        assert any("move r.MUSE.0_dpc_0000.fits" in line for line in lines)
        assert any("↓ " in line and "more lines" in line for line in lines)
        lines = await asked.press(pilot, "end")
        assert any("move r.MUSE.39_dpc_0000.fits" in line for line in lines)
        await asked.press(pilot, "escape", "enter")
    assert asked.result == ("keep", "")


async def test_a_question_answered_elsewhere_says_so(link: FakeLink, library: FakeLibrary) -> None:
    asked = Asked(link, library)
    async with hand_on(asked.app) as pilot:
        await asked.begin(pilot)
        asked.app.play(ev.QuestionAnswered(17, RECREATE.id, "stop", "", "mk", ""))
        await pilot.pause()
        assert any("answered meanwhile" in line for line in screen_text(asked.app))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 60)])
async def test_long_and_hostile_questions_fit(link: FakeLink, library: FakeLibrary, size: tuple[int, int]) -> None:
    evil = replace(
        RECREATE,
        subject="[bold]\x1b[2J" + "y" * 200,
        text="word " * 120,
        choices=tuple(Choice(f"c{n}", f"[red]Choice {n}\x07", "effect " * 30) for n in range(9)),
        safe="c8",
    )
    asked = Asked(link, library, evil)
    async with hand_on(asked.app, size) as pilot:
        lines = await asked.begin(pilot)
        assert all(len(line) <= size[0] for line in lines)
        assert all(char.isprintable() for line in lines for char in line)
        await asked.press(pilot, "enter")
    assert asked.result == ("c8", "")
