"""The app on a real engine: attach, certify by keys, leave, come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from config.tree import DfoTree
from console.app import ConsoleApp
from console.link.engine_process import AccountLink, attach_or_start
from console.views.library import AccountLibrary
from screens.ask.questions import Questions
from screens.messages import OpenCertify
from screens.monitor.ab_monitor import AbMonitor
from screens.review.certify import Certify
from tests.engines import attached, end_engine, engine_pid
from tests.hand import Hand, hand_on
from tests.tui.conftest import screen_text


@asynccontextmanager
async def console(tree: DfoTree, first: str = "monitor") -> AsyncIterator[tuple[ConsoleApp, AccountLink, Hand]]:
    link = AccountLink(tree)
    await attach_or_start(link, tree)

    async def attach() -> None:
        await link.attach(tree.state)

    app = ConsoleApp(link, AccountLibrary(tree, link), attach=attach, first=first)
    link.heard, link.lost = app.heard, app.lost
    try:
        async with hand_on(app) as pilot:
            yield app, link, pilot
    finally:
        await link.leave()


def seen(app: ConsoleApp) -> bool:
    """The evidence is on the screen: nothing is accepted unseen."""
    return any("sums verified" in line for line in screen_text(app))


@pytest.mark.row(339)
@pytest.mark.row(356)
async def test_certify_by_keys_leave_and_come_back(parked: DfoTree) -> None:
    with ExitStack() as kept:
        async with console(parked) as (app, link, pilot):
            await pilot.until(lambda: isinstance(app.screen, AbMonitor) and link.board.counts["REVIEW"] == 1)
            pid = engine_pid(parked)
            kept.enter_context(attached(parked))  # an engine that nobody listens to ends after a while
            await pilot.press("C")
            await pilot.until(lambda: isinstance(app.screen, Certify))
            await pilot.press("escape", "q")
            await pilot.until(lambda: not app.is_running)
        async with console(parked) as (app, link, pilot):
            assert engine_pid(parked) == pid
            await pilot.until(lambda: link.board.counts["REVIEW"] == 1)
            await pilot.press("C")
            await pilot.until(lambda: isinstance(app.screen, Certify) and seen(app))
            await pilot.press("c", *"sharp", "enter", "a")
            await pilot.until(lambda: link.board.ended is not None and link.board.ended.exit_code == 0)
            assert link.board.ingested == 2 and link.board.counts["INGESTED"] >= 1
    final = parked.sci / "2094-01-16"
    assert len(list(final.glob("*.fits"))) == 2
    text = next((parked.log / "2094-01-16").glob("*_dpc.ab")).read_text()
    assert "sharp" in text


async def test_the_last_verdict_can_be_taken_back_before_anything_moves(
    parked: DfoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFOS_CERTIFICATION__UNDO_S", "86400")  # of the engine that this console starts
    async with console(parked, first="certify") as (app, link, pilot):
        await pilot.until(lambda: isinstance(app.screen, Certify) and seen(app))
        await pilot.press("a")
        await pilot.until(lambda: link.board.counts["REVIEW"] == 0)
        await pilot.press("u")
        await pilot.until(lambda: link.board.counts["REVIEW"] == 1 and seen(app))
        assert link.board.counts["MOVED"] == 0 and not list((parked.sci / "2094-01-16").glob("*"))
    end_engine(parked)
    monkeypatch.delenv("DFOS_CERTIFICATION__UNDO_S")
    async with console(parked, first="certify") as (app, link, pilot):
        await pilot.until(lambda: isinstance(app.screen, Certify) and seen(app))
        await pilot.press("a")
        await pilot.until(lambda: link.board.ended is not None and link.board.ended.exit_code == 0)
    assert len(list((parked.sci / "2094-01-16").glob("*.fits"))) == 2


@pytest.mark.row(353)
async def test_certification_opens_stand_alone_and_questions_open(parked: DfoTree) -> None:
    async with console(parked, first="certify") as (app, _, pilot):
        await pilot.until(lambda: isinstance(app.screen, Certify))
        await pilot.press("escape")
        await pilot.until(lambda: isinstance(app.screen, AbMonitor))
        await pilot.press("Q")
        await pilot.until(lambda: isinstance(app.screen, Questions))


@pytest.mark.parametrize("first_there", [True, False])
async def test_certify_opens_once_however_often_it_is_asked_for(
    first_there: bool, parked: DfoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wish comes while the first looks up the comments, or when its screen is there already."""
    async with console(parked) as (app, link, pilot):
        await pilot.until(lambda: isinstance(app.screen, AbMonitor) and link.board.counts["REVIEW"] == 1)
        go, asked = asyncio.Event(), list[str]()
        comments = app.library.comments

        async def slow() -> list[str]:
            asked.append("comments")
            await go.wait()
            return await comments()

        monkeypatch.setattr(app.library, "comments", slow)
        if first_there:
            go.set()
        app.post_message(OpenCertify())
        await pilot.until(lambda: isinstance(app.screen, Certify) if first_there else asked)
        app.post_message(OpenCertify())
        await pilot.until(lambda: len(asked) == 2)
        go.set()
        await pilot.until(
            lambda: not [work for work in app.workers if work.group == "certify" and not work.is_finished]
        )
        assert [type(screen) for screen in app.screen_stack].count(Certify) == 1
        await pilot.press("escape")
        await pilot.until(lambda: isinstance(app.screen, AbMonitor))
        await pilot.press("C")
        await pilot.until(lambda: isinstance(app.screen, Certify))


async def test_an_engine_that_is_killed_is_said_and_started_again(parked: DfoTree) -> None:
    async with console(parked) as (app, link, pilot):
        os.kill(engine_pid(parked), signal.SIGKILL)
        await pilot.until(lambda: not link.alive)
        await pilot.press("E")
        await pilot.until(lambda: link.alive and link.board.counts["REVIEW"] == 1)
        assert isinstance(app.screen, AbMonitor)
