"""Job files among the jobs, the engine's queue, and what is at work: what an operator sees, what follows from keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.screen import Screen

from engine import events as ev
from engine.errors import EngineAway, UsageTrouble
from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.messages import OpenQuestions
from screens.page import Page
from screens.queue.at_work import AtWorkScreen
from screens.queue.jobs import JobsScreen
from screens.queue.orders import OrdersScreen
from screens.queue.queued import AtWork, Job, JobCall, Ordered, WorkPlace
from screens.widgets.confirm import Confirm
from tests.hand import Hand, hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, run_started, screen_text

NAME = "execAB_SCIENCE_2094-01-16"
STEM = "MUSE.2014-10-22T23:57:32.243"
FILE = Job(
    1,
    "JOBS_NIGHT",
    f"{NAME} > {NAME}.log 2>&1",
    "SCIENCE",
    "2094-01-16",
    (("FAILED", 2), ("TO DO", 16), ("DONE", 30)),
    0,
    f"{STEM}_pst.ab: exit code 1",
    NAME,
)
JOBS = [FILE, Job(2, "JOBS_AUTO", "reboot \x1b[2J")]
ORDERS = [
    Ordered(
        9, "running", f"processAB of 46 ABs, first {STEM}.ab: SCIENCE 2094-01-16", "rh", begun="2014-10-23T10:20:00"
    ),
    Ordered(10, "queued", "ingest: CALIB 2014-10-22", "mk", given="2014-10-23T10:21:00"),
    Ordered(
        8,
        "parked",
        "certify and move: 094.D-0114B = 2094-01-14",
        "cron",
        ended="2014-10-23T09:00:00",
        code=3,
        text="waits for verdicts",
        questions=(f"17: Certify {STEM}_dpc.ab of HUDF",),
    ),
    Ordered(
        7, "ended", "renameProducts SCIENCE 2094-01-12", "mk", ended="2014-10-22T08:00:00", code=15, text="a conflict"
    ),
    Ordered(6, "ended", "ingest: CALIB 2014-10-21", "mk", ended="2014-10-22T07:00:00", code=0, text="all there"),
]
HELD = "node n1 drained: disk \x1b[31mfails"


@asynccontextmanager
async def shown(
    kind: type[Screen[Any]], link: FakeLink, library: FakeLibrary, alphabet: Glyphs = UNICODE
) -> AsyncIterator[tuple[Host, Any, Hand]]:
    screen = kind(link, library, alphabet, lambda: NOW)  # type: ignore[call-arg]
    app = Host(screen, link)
    async with hand_on(app) as pilot:
        yield app, screen, pilot


def text(app: Host) -> str:
    return "\n".join(screen_text(app))


@pytest.mark.row(325)
@pytest.mark.parametrize("alphabet", [UNICODE, ASCII])
async def test_a_job_file_says_how_many_of_its_abs_are_done_and_shows_them(
    alphabet: Glyphs, link: FakeLink, library: FakeLibrary
) -> None:
    library.waiting = JOBS
    library.calls = {NAME: [JobCall("processAB", f"{STEM}_pst.ab", "FAILED", "FAILED", "exit code 1")]}
    async with shown(JobsScreen, link, library, alphabet) as (app, _, pilot):
        lines = screen_text(app)
        dot = alphabet.dot
        assert lines[1] == f" 1 job waiting {dot} 1 with failures {dot} 1 line not understood"
        assert NAME.replace("_", " ") in lines[4] and " 48 " in lines[4] and "2 failed, 16 to do, 30 done" in lines[4]
        assert "JOBS_AUTO: not understood: reboot" in lines[5] and "\x1b" not in text(app)
        assert all(len(line) <= 80 for line in lines)
        if alphabet is ASCII:
            assert text(app).isascii()
        await pilot.press("down")
        assert screen_text(app)[2].startswith(" 48 ABs in job files")
        await pilot.press("up", "enter")
        assert isinstance(app.screen, Page) and f"FAILED   processAB  {STEM}_pst.ab  FAILED: exit code 1" in text(app)


@pytest.mark.row(325)
async def test_a_job_file_is_run_or_taken_out_only_when_that_is_meant(link: FakeLink, library: FakeLibrary) -> None:
    library.waiting = JOBS
    async with shown(JobsScreen, link, library) as (app, _, pilot):
        await pilot.press("r")
        assert "16 ABs to do, 2 failed ones again; 30 done already are passed over." in text(app)
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in text(app)
        await pilot.press("r", "down", "enter")
        await pilot.press("D")
        assert "18 calls will not be carried out by JOBS_NIGHT." in text(app)
        await pilot.press("down", "enter")
        known = {"queue": "JOBS_NIGHT", "mode": "SCIENCE", "date": "2094-01-16", "line": FILE.line}
        assert link.commands == [("job", known), ("unqueue", known)]


@pytest.mark.parametrize("alphabet", [UNICODE, ASCII])
async def test_the_queue_says_what_runs_what_waits_and_for_which_question(
    alphabet: Glyphs, link: FakeLink, library: FakeLibrary
) -> None:
    library.ordered = ORDERS
    async with shown(OrdersScreen, link, library, alphabet) as (app, screen, pilot):
        lines, dot = screen_text(app), alphabet.dot
        assert lines[1] == f" Orders: 1 running {dot} 1 waiting {dot} 1 parked {dot} 1 of the last 2 orders ended badly"
        assert "9 processAB of 46 ABs" in lines[4] and "10-23 10:20" in lines[4] and lines[4].endswith("runs")
        assert lines[5].endswith("waits") and "parked, question 17" in lines[6]
        assert lines[7].endswith("ended 15") and lines[8].endswith("done")
        assert all(len(line) <= 80 for line in lines)
        if alphabet is ASCII:
            assert text(app).isascii()
        await pilot.press("down", "down")
        assert screen_text(app)[2].startswith(f" waits for question 17: Certify {STEM}_dp")
        await pilot.press("Q")
        assert isinstance(app.wishes[0], OpenQuestions)
        await pilot.press("f")
        assert screen.current.number == 7 and screen_text(app)[2].startswith(" a conflict")
        await pilot.press("enter")
        assert "ended  2014-10-22 08:00:00 UT" in text(app) and "(exit 15)" in text(app)


async def test_only_what_has_not_begun_is_taken_back(link: FakeLink, library: FakeLibrary) -> None:
    library.ordered = ORDERS
    link.replies["take_back"] = UsageTrouble("order 10 runs already")
    async with shown(OrdersScreen, link, library) as (app, _, pilot):
        await pilot.press("D")
        assert "only what has not begun can be taken back" in text(app) and not isinstance(app.screen, Confirm)
        await pilot.press("down", "D")
        assert "It has not begun, nothing of it was done." in text(app)
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in text(app)
        await pilot.press("D", "down", "enter")
        assert link.commands == [("take_back", {"number": 10})] and "order 10 runs already" in text(app)


async def test_the_queue_follows_the_engine(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(OrdersScreen, link, library) as (app, screen, pilot):
        assert "nothing was ordered yet" in text(app)
        library.ordered = ORDERS[:2]
        app.play(run_started())
        await pilot.pause()
        assert [row.number for row in screen.rows] == [9, 10]
        library.ordered = ORDERS[3:]
        app.play(ev.RunEnded(0, "done"), run_started())
        await pilot.pause()
        assert [row.number for row in screen.rows] == [7, 6]


@pytest.mark.parametrize("alphabet", [UNICODE, ASCII])
async def test_what_is_at_work_with_what_it_uses(alphabet: Glyphs, link: FakeLink, library: FakeLibrary) -> None:
    library.place = WorkPlace(
        "this host",
        "8 cores",
        True,
        (AtWork(f"{STEM}_pst.ab", "pid 4711", "running", "", NOW - 754, "muc", 1804.0, 9_300_000_000),),
    )
    async with shown(AtWorkScreen, link, library, alphabet) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1] == " 1 recipe at work on this host" and lines[2].startswith(" 8 cores")
        assert lines[4].split()[2:] == ["pid", "4711", "12:34", "30:04", "9.3", "GB", "running"]
        assert "_pst" in lines[4] and all(len(line) <= 80 for line in lines)
        if alphabet is ASCII:
            assert text(app).isascii()
        await pilot.press("l")
        assert ("log", f"{STEM}_pst.ab") in library.asked


async def test_a_batch_system_with_its_reasons(link: FakeLink, library: FakeLibrary) -> None:
    library.place = WorkPlace(
        "slurm",
        f"slurm 22.05: {HELD}",
        False,
        (AtWork(f"{STEM}.ab", "slurm 17", "waits in the queue", "waits for a free node", NOW - 60),),
    )
    async with shown(AtWorkScreen, link, library) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1] == " 1 recipe at work on slurm" and lines[2].startswith(" slurm 22.05: node n1 drained: disk")
        assert "slurm 17" in lines[4] and "waits in" in lines[4] and "\x1b" not in text(app)
        await pilot.press("enter")
        assert "slurm 17: waits for a free node for 01:00" in text(app)
        await pilot.press("escape")
        library.trouble = EngineAway("slurmctld does not answer")
        await pilot.press("b")
        assert "what is at work cannot be read: slurmctld does not answer" in text(app)


async def test_both_pages_are_reached_from_the_jobs(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(JobsScreen, link, library) as (app, screen, pilot):
        for key, kind in (("o", OrdersScreen), ("b", AtWorkScreen)):
            await pilot.press(key)
            assert isinstance(app.screen, kind)
            await pilot.press("question_mark", "escape", "escape")
            assert app.screen is screen
