"""The forecast before the start: time, memory, disk, what is refused; and starting from it."""

from __future__ import annotations

import pytest

from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.monitor.forecast import ForecastScreen
from screens.shown import Forecast, KindForecast, TargetForecast
from tests.hand import hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, screen_text

POOL = ("SCIENCE", "2094-01-16")
DEEP = Forecast(
    *POOL,
    abs=242,
    todo=202,
    seconds=86_000,
    ranks_s=99_000,
    memory_gb=1600,
    host_gb=1000,
    disk_bytes=3_000_000_000_000,
    free_bytes=1_000_000_000_000,
    kinds=(KindForecast("scipost", 100, 3, 1200, 120_000, 40, 12), KindForecast("combine", 1, 1, 79_000, 79_000, 1600)),
    targets=(TargetForecast("NGC300-P1", 202, 100, 0, 86_000, 1600),),
    notes=("combine of NGC300-P1 needs 1600 GB, this host has 1000: it will not be started",),
)


@pytest.mark.row(208, 210, 336)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
async def test_time_memory_and_disk_before_the_start(link: FakeLink, library: FakeLibrary, glyphs: Glyphs) -> None:
    library.forecasts[POOL] = DEEP
    app = Host(ForecastScreen(*POOL, link, library, glyphs, lambda: NOW), link)
    async with hand_on(app):
        said = screen_text(app)
        assert all(len(line) <= 80 for line in said)
        assert "202 of 242 ABs, 23 h 53 min" in said[1]
        assert "memory 1600 of 1000 GB" in said[2]
        assert "will not be started" in " ".join(" ".join(said[4:6]).split())
        assert any("scipost" in line and "12 runs here" in line for line in said)
        assert any("combine" in line and "the profile" in line for line in said)
        assert any("NGC300-P1" in line and "100 inputs" in line for line in said)


async def test_starting_asks_and_says_what_it_takes(link: FakeLink, library: FakeLibrary) -> None:
    library.forecasts[POOL] = DEEP
    app = Host(ForecastScreen(*POOL, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        await pilot.press("x")
        assert "will not be started" in " ".join(" ".join(screen_text(app)).split())
        await pilot.press("escape")
        assert not link.commands
        await pilot.pause()
        await pilot.press("x")
        await pilot.press("down", "enter")
        assert link.commands == [("process", {})]


async def test_nothing_to_do(link: FakeLink, library: FakeLibrary) -> None:
    library.forecasts[POOL] = Forecast(*POOL, 5, 0, 0, 0, 0, 0, 0, 0)
    app = Host(ForecastScreen(*POOL, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        await pilot.press("x")
        assert "all 5 ABs are done" in screen_text(app)[1]
        assert not link.commands


async def test_what_is_held_is_not_called_done(link: FakeLink, library: FakeLibrary) -> None:
    library.forecasts[POOL] = Forecast(*POOL, 3, 0, 0, 0, 0, 0, 0, 0, notes=("a.ab: a circle",), never=2)
    app = Host(ForecastScreen(*POOL, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app):
        assert "nothing can start: 2 of 3 ABs are held, 1 done" in screen_text(app)[1]


async def test_the_question_repeats_a_few_notes_only(link: FakeLink, library: FakeLibrary) -> None:
    notes = tuple(f"{number}.ab: FAILED" for number in range(30))
    library.forecasts[POOL] = Forecast(*POOL, 31, 1, 60, 60, 0, 0, 0, 0, notes=notes, never=30)
    app = Host(ForecastScreen(*POOL, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        assert "1 of 31 ABs (30 cannot)" in screen_text(app)[1]
        await pilot.press("x")
        said = screen_text(app)
        assert any("26 more" in line for line in said) and any("Not now" in line for line in said)
