"""The list of open questions."""

from __future__ import annotations

import pytest

from engine import events as ev
from screens.ask.prompt import Prompt
from screens.ask.questions import Questions
from screens.messages import OpenCertify
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, certify_question, run_started, screen_text
from tests.tui.test_prompt import RECREATE

AB = "MUSE.2014-10-22T23:57:32.118_dpc.ab"


@pytest.mark.row(432)
async def test_a_question_opens_its_dialog_and_a_verdict_certification(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(
        run_started(),
        ev.QuestionAsked(3, certify_question(AB, 3).to_dict(), True),
        ev.QuestionAsked(17, RECREATE.to_dict(), False),
    )
    app = Host(Questions(link, library), link)
    async with hand_on(app) as pilot:
        lines = screen_text(app)
        assert lines[0].startswith(" MUSE_DEEP  2 open questions") and lines[0].endswith("1 to certify")
        assert "17  moveProducts SCIENCE 2094-01-14" in lines[2], "what holds up work comes first"
        assert f"3  certify {AB}" in lines[3]
        await pilot.press("down", "enter")
        (wish,) = app.wishes
        assert isinstance(wish, OpenCertify) and wish.ab == AB
        await pilot.press("up", "enter")
        assert isinstance(app.screen, Prompt)
        await pilot.press("enter")
        assert link.answers == [(17, "keep", "")]
        assert any("saved: keep" in line for line in screen_text(app))


async def test_the_cursor_stays_on_its_question_when_others_come_and_go(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(run_started(), *(ev.QuestionAsked(n, certify_question(f"A{n}.ab", n).to_dict(), True) for n in (2, 5)))
    app = Host(Questions(link, library), link)
    async with hand_on(app) as pilot:
        await pilot.press("down")
        app.play(ev.QuestionAsked(3, certify_question("A3.ab", 3).to_dict(), True))
        app.play(ev.QuestionAnswered(2, "certify:A2.ab:1", "accept", "", "mk", ""))
        await pilot.pause()
        lines = screen_text(app)
        assert "›" in lines[3] and "A5.ab" in lines[3]
        app.play(
            ev.QuestionAnswered(3, "certify:A3.ab:1", "accept", "", "mk", ""),
            ev.QuestionAnswered(5, "certify:A5.ab:1", "accept", "", "mk", ""),
        )
        await pilot.pause()
        assert "no open questions" in screen_text(app)[0]
        await pilot.press("enter", "down")
        await pilot.press("escape")
        assert not isinstance(app.screen, Questions)
