"""Jobs, recovery and trash: what an operator sees, and what follows from the keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.screen import Screen

from engine import events as ev
from screens.ask.ask_line import AskLine
from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.keys import keys_of
from screens.monitor.ab_monitor import AbMonitor
from screens.page import Page
from screens.queue.jobs import JobsScreen
from screens.queue.queued import Job, JobFile
from screens.release.recovery import RecoveryScreen
from screens.release.released import Run, Thrown, Undo, Virtual
from screens.release.trash import TrashScreen
from screens.release.undo import UndoScreen
from screens.release.vcal import VcalScreen
from screens.widgets.confirm import Confirm
from tests.hand import Hand, hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, deep_run, run_started, screen_text

INGEST = "ingestProducts -m SCIENCE -d 2094-01-16"
JOBS = [
    Job(
        1, "JOBS_INGEST", INGEST, "SCIENCE", "2094-01-16", (("FAILED", 1), ("INGESTED", 3)), 4_000_000_000, "disk full"
    ),
    Job(2, "JOBS_INGEST", "rm -rf / \x1b[2J"),
    Job(3, "JOBS_EXPORT", "exportProducts -m CALIB -d 2014-10-22", "CALIB", "2014-10-22"),
]
CUT = Run(
    12,
    "move",
    "SCIENCE",
    "2094-01-16",
    "mk",
    "2026-11-20T04:36:28",
    "",
    268,
    277,
    "move 4 products",
    ("move 4 products, begun 2026-11-20 by mk: 268 of 277 steps are done", "retire: 9 to do, next: r.MUSE_0003.fits"),
)
DONE = Run(
    11, "move", "CALIB", "2014-10-22", "mk", "2026-11-19T04:00:00", "2026-11-19T04:01:00", 90, 90, "move 11 biases"
)
BUSY = Run(13, "move", "CALIB", "2014-10-23", "mk", "2026-11-20T05:00:00", "", 1, 9, "move 3 biases", ("x", "y"), True)
THROWN = [
    Thrown(
        "move-000011", "CALIB", "2014-10-22", "2026-10-01", "mk", "(DELETE BIAS)", "2026-10-31", 46, 5_000_000, True
    ),
    Thrown(
        "move-000012", "SCIENCE", "2094-01-16", "2026-11-20", "mk", "recreate", "2026-12-20", 14, 41_200_000_000, False
    ),
]


@asynccontextmanager
async def shown(
    kind: type[Screen[Any]], link: FakeLink, library: FakeLibrary, alphabet: Glyphs = UNICODE
) -> AsyncIterator[tuple[Host, Any, Hand]]:
    screen = kind(link, library, alphabet, lambda: NOW)  # type: ignore[arg-type]
    app = Host(screen, link)
    async with hand_on(app) as pilot:
        yield app, screen, pilot


def text(app: Host) -> str:
    return "\n".join(screen_text(app))


@pytest.mark.row(18, 101)
async def test_jobs_say_how_far_and_why_not_and_strange_lines_are_shown(link: FakeLink, library: FakeLibrary) -> None:
    library.waiting = JOBS
    library.files = {
        INGEST: [JobFile("MU_A.fits", 10, "FAILED", 3, "disk full"), JobFile("MU_B.fits", 9, "INGESTED", 1, "")]
    }
    link.fold(run_started())
    async with shown(JobsScreen, link, library) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1] == " 2 jobs waiting · 1 with failures · 1 line not understood"
        assert lines[2].startswith(" 2094-01-16: disk full")
        assert "SCIENCE 2094-01-16" in lines[4] and "1 failed, 3 ingested  disk full" in lines[4]
        assert "not understood: rm -rf /" in lines[5] and "\x1b" not in text(app)
        assert "export CALIB" in lines[6] and "not begun" in lines[6]
        assert all(len(line) <= 80 for line in lines)
        await pilot.press("enter")
        assert isinstance(app.screen, Page) and "FAILED      3 tries      10 B  MU_A.fits  disk full" in text(app)
        assert "its log:" in text(app) and "MU_0.fits 10 - 2014-10-23T08:00:00 1 INGESTED 2094-01-16" in text(app)
        await pilot.press("escape", "down", "r")
        assert "nobody knows this line" in text(app) and not isinstance(app.screen, Confirm)
        await pilot.press("enter")
        assert "correct the file by hand" in text(app)


@pytest.mark.row(101)
async def test_a_job_is_run_or_taken_out_only_when_that_is_meant(link: FakeLink, library: FakeLibrary) -> None:
    library.waiting = JOBS
    async with shown(JobsScreen, link, library) as (app, screen, pilot):
        await pilot.press("D")
        assert "1 product of SCIENCE 2094-01-16 stay un-ingested" in text(
            app
        ) and "3 are in the archive already" in text(app)
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in text(app)
        known = {"queue": "JOBS_INGEST", "mode": "SCIENCE", "date": "2094-01-16"}
        await pilot.press("D", "down", "enter")
        library.waiting = JOBS[1:]
        await pilot.press("J")
        assert len(screen.shown) == 2
        await pilot.press("f")
        assert "nothing failed" in text(app)
        await pilot.press("G", "r")
        assert "Logs and plots of CALIB 2014-10-22 go to the web server." in text(app)
        await pilot.press("down", "enter")
        export = {"queue": "JOBS_EXPORT", "mode": "CALIB", "date": "2014-10-22"}
        assert link.commands == [("unqueue", known), ("job", export)]


async def test_jobs_are_read_again_when_a_run_has_ended(link: FakeLink, library: FakeLibrary) -> None:
    library.waiting = JOBS
    async with shown(JobsScreen, link, library) as (app, screen, pilot):
        app.play(run_started(), ev.PhaseStarted("ingest", "SCIENCE 2094-01-16"))
        app.play(ev.Progressed("ingest", 1, 4, "3 s left"), at=NOW)
        app.play(ev.Progressed("ingest", 2, 4, "3 s left"), at=NOW + 4)
        await pilot.pause()
        assert "2 of 4  0.25/s  00:08 left" in screen_text(app)[-2]
        assert "things have happened since" in screen_text(app)[2]
        library.waiting = []
        app.play(ev.RunEnded(0, "all in the archive"))
        await pilot.pause()
        assert "No job waits" in screen_text(app)[1] and screen.current is None
        await pilot.press("r")
        assert "no job is selected" in text(app)


async def test_what_was_cut_stands_first_and_finishing_it_is_said_in_words(
    link: FakeLink, library: FakeLibrary
) -> None:
    library.journal = [CUT, BUSY, DONE]
    library.steps = {11: ["place the products", "  move x.fits"]}
    async with shown(RecoveryScreen, link, library) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1].startswith(" 1 run cut half-way: enter shows it, r finishes it, esc leaves it")
        assert lines[4].split() == [
            "›",
            "move-000012",
            "SCIENCE",
            "2094-01-16",
            "268/277",
            "2026-11-20",
            "04:36",
            "CUT",
            "mk",
        ]
        assert "under way" in lines[5] and "done" in lines[6] and all(len(line) <= 80 for line in lines)
        await pilot.press("enter")
        assert isinstance(app.screen, Confirm)
        assert "268 of 277 steps are done" in text(app) and "9 to do, next: r.MUSE_0003.fits" in text(app)
        await pilot.press("escape")
        assert link.commands == [] and "nothing changed" in text(app)
        await pilot.press("r", "down", "enter")
        assert link.commands == [("recover", {"mode": "SCIENCE", "date": "2094-01-16"})]
        await pilot.press("down", "r")
        assert "under way right now" in text(app)
        await pilot.press("down", "r")
        assert "this run is whole" in text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, Page) and "move x.fits" in text(app) and "move 11 biases" in text(app)
        await pilot.press("escape")
        library.journal = [DONE]
        app.play(run_started())
        app.play(ev.RunEnded(0, "finished"))
        await pilot.pause()
        assert "Nothing was cut" in screen_text(app)[1]


async def test_undo_shows_what_goes_back_and_asks(link: FakeLink, library: FakeLibrary) -> None:
    library.journal = [CUT, DONE]
    plan = Undo(
        "CALIB", "2014-10-22", "move-000011", "move 11 biases", 11, 4, 5_000, 2, (), ("back  a (from b)",), "d9"
    )
    library.undos["CALIB", "2014-10-22"] = plan
    async with shown(RecoveryScreen, link, library) as (app, _, pilot):
        await pilot.press("u")
        assert "what was cut is finished first" in text(app)
        await pilot.press("down", "u")
        assert isinstance(app.screen, UndoScreen)
        assert "Undo move-000011 of CALIB 2014-10-22: 11 products and 4 other files, 5.0 kB" in screen_text(app)[1]
        assert "back  a (from b)" in text(app)
        await pilot.press("x")
        assert "2 files it wrote go to the trash." in text(app)
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in text(app)
        await pilot.press("x", "down", "enter")
        assert link.commands == [("undo", {"mode": "CALIB", "date": "2014-10-22", "digest": "d9", "keep_created": 0})]
        library.undos.clear()
        app.play(ev.RunEnded(0, "move-000011 undone: 11 products"))
        await pilot.pause()
        assert "nothing to undo" in screen_text(app)[1] and "move-000011 undone: 11 products" in text(app)


async def test_u_on_a_run_of_createab_takes_it_back_and_elsewhere_passes_over_it(
    link: FakeLink, library: FakeLibrary
) -> None:
    library.journal = [replace(DONE, number=12, kind="create"), DONE]
    library.undos["CALIB", "2014-10-22"] = Undo(
        "CALIB", "2014-10-22", "create-000012", "create 3 ABs", 0, 2, 900, 9, (), ("trash a",), "d1", 3
    )
    async with shown(RecoveryScreen, link, library) as (app, _, pilot):
        await pilot.press("u")
        assert "Undo create-000012 of CALIB 2014-10-22: 3 ABs taken back, 2 files as before" in screen_text(app)[1]
        await pilot.press("x", "down", "enter")
        assert link.commands == [("undo", {"mode": "CALIB", "date": "2014-10-22", "digest": "d1", "keep_created": 0})]
        await pilot.press("escape", "down", "u")
        assert [what for verb, what in library.asked if verb == "undo"] == [
            "CALIB 2014-10-22 createAB too",
            "CALIB 2014-10-22",
        ]


async def test_what_cannot_be_undone_says_why(link: FakeLink, library: FakeLibrary) -> None:
    library.journal = [DONE]
    library.undos["CALIB", "2014-10-22"] = Undo(
        "CALIB", "2014-10-22", "move-000011", "x", refusals=("3 products are in the archive",)
    )
    async with shown(RecoveryScreen, link, library) as (app, _, pilot):
        await pilot.press("u")
        assert "cannot be undone: 3 products are in the archive" in screen_text(app)[1]
        await pilot.press("x")
        assert isinstance(app.screen, UndoScreen) and link.commands == []


async def test_the_trash_by_transaction_with_its_sum_and_what_has_expired(link: FakeLink, library: FakeLibrary) -> None:
    library.thrown = THROWN
    library.thrown_names = {"move-000011": ["  3.0 MB  $DFS_PRODUCT/BIAS/2014-10-22/r.MUSE_0001.fits"]}
    async with shown(TrashScreen, link, library, ASCII) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1] == " Trash: 60 files, 41.2 GB * 46 expired, 5.0 MB"
        assert "2026-10-31 expired (DELETE BI" in lines[4] and "expired" not in lines[5] and "recreate" in lines[5]
        assert all(line.isascii() and len(line) <= 80 for line in lines)
        await pilot.press("enter")
        assert isinstance(app.screen, Page) and "r.MUSE_0001.fits" in text(app)


async def test_the_trash_gives_back_and_deletes_only_what_is_meant(link: FakeLink, library: FakeLibrary) -> None:
    library.thrown = THROWN
    async with shown(TrashScreen, link, library) as (app, screen, pilot):
        await pilot.press("u")
        assert "46 files, 5.0 MB, of CALIB 2014-10-22 go back" in text(app)
        await pilot.press("down", "enter")
        await pilot.press("D")
        assert "can never be undone" in text(app)
        await pilot.press("enter")
        assert len(link.commands) == 1 and "nothing changed" in text(app)
        await pilot.press("D", "down", "enter")
        first = {"mode": "CALIB", "date": "2014-10-22", "label": "move-000011"}
        assert link.commands == [("restore", first), ("expunge", first)]
        await pilot.press("down", "D")
        assert isinstance(app.screen, AskLine) and "kept until 2026-12-20" in text(app)
        await pilot.press(*"yes", "enter")
        assert "'yes' is not its name; nothing changed" in text(app) and len(link.commands) == 2
        await pilot.press("D", *"move-000012", "enter")
        assert isinstance(app.screen, Confirm) and "14 files, 41.2 GB, of SCIENCE" in text(app)
        await pilot.press("escape", "f")
        assert screen.lines.cursor == 0
        library.thrown = []
        app.play(ev.RunEnded(0, "46 files deleted"))
        await pilot.pause()
        assert "Trash: empty" in screen_text(app)[1] and "46 files deleted" in text(app)


@pytest.mark.parametrize(
    ("key", "kind"), [("J", JobsScreen), ("R", RecoveryScreen), ("T", TrashScreen), ("V", VcalScreen)]
)
async def test_the_monitor_opens_them_and_every_key_is_listed(
    key: str, kind: type[Screen[Any]], link: FakeLink, library: FakeLibrary
) -> None:
    link.fold(*deep_run(2))
    app = Host(AbMonitor(link, library, clock=lambda: NOW), link)
    async with hand_on(app) as pilot:
        await pilot.press(key)
        assert isinstance(app.screen, kind)
        for verb in keys_of(app.screen):
            name = verb.action.partition("(")[0]
            assert verb.verb and (name.startswith("app.") or hasattr(app.screen, f"action_{name}")), verb
        await pilot.press("question_mark", "escape", "escape")
        assert isinstance(app.screen, AbMonitor)


@pytest.mark.row(116)
async def test_virtual_calibrations_with_ab_and_age_orphans_first(link: FakeLink, library: FakeLibrary) -> None:
    library.virtual = [
        Virtual("r.MUSE.A_0000.fits", "MUSE.A.ab", "2014-10-22", 3 * 86400, "waits", "its AB is at work"),
        Virtual("r.MUSE.B_0000.fits", "", "", 90 * 60, "orphan", "nobody makes it"),
    ]
    async with shown(VcalScreen, link, library) as (app, _, pilot):
        lines = screen_text(app)
        assert lines[1] == " 2 virtual calibrations · 1 orphan, 1 waits"
        assert lines[4].split()[1:5] == ["r.MUSE.B_0000", "no", "AB", "-"] and "1h30m orphan" in lines[4]
        assert "MUSE.A.ab" in lines[5] and "72h00m waits" in lines[5] and all(len(line) <= 80 for line in lines)
        assert lines[2].startswith(" nobody makes it")
        await pilot.press("down", "enter")
        assert isinstance(app.screen, Page) and "its AB is at work" in text(app)
