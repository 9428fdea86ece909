"""The app on a real engine: attach, certify by keys, leave, come back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from config.tree import DfoTree
from console.app import ConsoleApp
from console.link.engine_process import AccountLink, attach_or_start
from console.views.library import AccountLibrary
from screens.ask.questions import Questions
from screens.monitor.ab_monitor import AbMonitor
from screens.review.certify import Certify
from tests.tui.conftest import engine_pid, screen_text


@asynccontextmanager
async def console(tree: DfoTree, first: str = "monitor") -> AsyncIterator[tuple[ConsoleApp, AccountLink, Pilot[None]]]:
    link = AccountLink(tree)
    await attach_or_start(link, tree)
    await link.ready.wait()

    async def attach() -> None:
        await link.attach(tree.state)

    app = ConsoleApp(link, AccountLibrary(tree, link), attach=attach, first=first)
    link.heard, link.lost = app.heard, app.lost
    async with app.run_test(size=(80, 24)) as pilot:
        yield app, link, pilot
    await link.leave()


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    async with asyncio.timeout(180):
        while not true():
            await pilot.pause()
            await asyncio.sleep(0)


def seen(app: ConsoleApp) -> bool:
    """The evidence is on the screen: nothing is accepted unseen."""
    return any("sums verified" in line for line in screen_text(app))


@pytest.mark.row(339)
@pytest.mark.row(356)
async def test_certify_by_keys_leave_and_come_back(parked: DfoTree) -> None:
    async with console(parked) as (app, link, pilot):
        await until(pilot, lambda: isinstance(app.screen, AbMonitor) and link.board.counts["REVIEW"] == 1)
        pid = engine_pid(parked)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Certify))
        await pilot.press("escape", "q")
        await until(pilot, lambda: not app.is_running)
    async with console(parked) as (app, link, pilot):
        assert engine_pid(parked) == pid
        await until(pilot, lambda: link.board.counts["REVIEW"] == 1)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Certify))
        await pilot.press("c", *"sharp", "enter", "a")
        await until(pilot, lambda: link.board.ended is not None and link.board.ended.exit_code == 0)
        assert link.board.ingested == 2 and link.board.counts["INGESTED"] >= 1
    final = parked.sci / "2094-01-16"
    assert len(list(final.glob("*.fits"))) == 2
    text = next((parked.log / "2094-01-16").glob("*_dpc.ab")).read_text()
    assert "sharp" in text


async def test_the_last_verdict_can_be_taken_back_before_anything_moves(parked: DfoTree) -> None:
    async with console(parked, first="certify") as (app, link, pilot):
        await until(pilot, lambda: isinstance(app.screen, Certify) and seen(app))
        await pilot.press("a")
        await until(pilot, lambda: link.board.counts["REVIEW"] == 0)
        await pilot.press("u")
        await until(pilot, lambda: link.board.counts["REVIEW"] == 1 and seen(app))
        assert link.board.counts["MOVED"] == 0 and not list((parked.sci / "2094-01-16").glob("*"))
        await pilot.press("a")
        await until(pilot, lambda: link.board.ended is not None and link.board.ended.exit_code == 0)
    assert len(list((parked.sci / "2094-01-16").glob("*.fits"))) == 2


@pytest.mark.row(353)
async def test_certification_opens_stand_alone_and_questions_open(parked: DfoTree) -> None:
    async with console(parked, first="certify") as (app, _, pilot):
        await until(pilot, lambda: isinstance(app.screen, Certify))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AbMonitor))
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, Questions))


async def test_an_engine_that_is_killed_is_said_and_started_again(parked: DfoTree) -> None:
    async with console(parked) as (app, link, pilot):
        os.kill(engine_pid(parked), signal.SIGKILL)
        await until(pilot, lambda: not link.alive)
        await pilot.press("E")
        await until(pilot, lambda: link.alive and link.board.counts["REVIEW"] == 1)
        assert isinstance(app.screen, AbMonitor)
