"""Where the stand-in runs the recipes every frame says so, at 80 columns too, and no frame does elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.screen import Screen

from screens.ask.prompt import Prompt
from screens.ask.questions import Questions
from screens.glyphs import UNICODE
from screens.keys import KeysScreen
from screens.monitor.ab_detail import AbDetail
from screens.monitor.ab_monitor import AbMonitor
from screens.monitor.log_view import LogView
from screens.queue.jobs import JobsScreen
from screens.queue.orders import OrdersScreen
from screens.release.recovery import RecoveryScreen
from screens.release.trash import TrashScreen
from screens.release.undo import UndoScreen
from screens.review.certify import Certify
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, certify_question, deep_run, run_started, screen_text

Made = Callable[[Any, Any], Screen[Any]]
MARK = "STAND-IN PIPELINE"
FRAMES: dict[str, Made] = {
    "monitor": AbMonitor,
    "certify": lambda link, library: Certify(link, library, comments=()),
    "questions": Questions,
    "one question": lambda link, library: Prompt(link, library, certify_question("a.ab")),
    "keys": lambda link, library: KeysScreen(AbMonitor(link, library), UNICODE),
    "an AB": lambda link, library: AbDetail(next(iter(link.board.rows)), link, library),
    "a log": lambda link, library: LogView(next(iter(link.board.rows)), link, library),
    "jobs": JobsScreen,
    "orders": OrdersScreen,
    "runs": RecoveryScreen,
    "trash": TrashScreen,
    "undo": lambda link, library: UndoScreen("CALIB", "2014-10-22", link, library),
}


@pytest.mark.parametrize("standin", [True, False])
@pytest.mark.parametrize("name", FRAMES)
async def test_the_frame_says_who_runs_the_recipes(name: str, standin: bool, library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(4), run_started(instance="MUSE_DEEP demo", standin=standin))
    app = Host(FRAMES[name](link, library), link)
    async with hand_on(app):
        lines = screen_text(app)  # type: ignore[arg-type]
    assert (MARK in "\n".join(lines)) is standin
    assert all(len(line) <= 80 for line in lines)
