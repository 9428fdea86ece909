"""The live log: follows, searches, jumps to the first error; quick with a hundred thousand lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.errors import DfosError
from screens.glyphs import UNICODE
from screens.messages import OpenCertify
from screens.monitor.ab_detail import AbDetail
from screens.monitor.log_view import LogView, is_error
from tests.hand import Hand, hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, deep_run, screen_text


@asynccontextmanager
async def shown(screen: object, link: FakeLink) -> AsyncIterator[tuple[Host, Hand]]:
    app = Host(screen, link)  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        yield app, pilot


def log_of(link: FakeLink, library: FakeLibrary, text: str, *, growing: bool = False) -> LogView:
    link.fold(*deep_run(2), at=NOW)
    ab = next(iter(link.board.rows))
    library.logs[ab] = text
    if growing:
        library.growing.add(ab)
    return LogView(ab, link, library, UNICODE, lambda: NOW)  # type: ignore[arg-type]


def lines(count: int) -> str:
    return "".join(f"line {i}\n" for i in range(count))


async def test_the_end_is_shown_and_followed_while_the_log_grows(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(100), growing=True)
    async with shown(screen, link) as (app, _):
        assert "line 99" in "\n".join(screen_text(app))  # type: ignore[arg-type]
        assert "grows, following" in screen_text(app)[1]  # type: ignore[arg-type]
        library.logs[screen.ab] += "half a li"
        await screen.read()
        library.logs[screen.ab] += "ne\nlast\n"
        await screen.read()
        assert screen.view.lines[-2:] == ["half a line", "last"]
        assert screen.view.top + screen.view.page == 102


async def test_scrolling_up_ends_following_until_the_end_is_asked_for(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(100), growing=True)
    async with shown(screen, link) as (_, pilot):
        await pilot.press("g")
        library.logs[screen.ab] += "more\n"
        await screen.read()
        assert screen.view.top == 0
        await pilot.press("F")
        library.logs[screen.ab] += "more\n"
        await screen.read()
        assert screen.view.top + screen.view.page == 102


async def test_a_log_that_does_not_grow_is_not_asked_for_again(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(3))
    async with shown(screen, link) as (_, pilot):
        asked = len(library.asked)
        screen._poll()
        await pilot.pause()
        assert len(library.asked) == asked


async def test_a_new_attempt_begins_a_new_log(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(100), growing=True)
    async with shown(screen, link):
        library.logs[screen.ab] = "second attempt\n"
        await screen.read()
        assert screen.view.lines == ["second attempt"]


async def test_search_goes_round_with_n_and_back_with_capital_n(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(50) + "Needle one\n" + lines(50) + "needle two\n")
    async with shown(screen, link) as (app, pilot):
        await pilot.press("g", "slash", *"needle", "enter")
        assert "line 51, match 1 of 2" in "\n".join(screen_text(app))  # type: ignore[arg-type]
        hits = []
        for key in ("n", "n", "N"):
            await pilot.press(key)
            hits.append(screen.view._hit)
        assert hits == [101, 50, 101]
        await pilot.press("slash", *"absent", "enter")
        assert "is not in it" in "\n".join(screen_text(app))  # type: ignore[arg-type]


async def test_e_goes_to_the_first_error(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(60) + "[ ERROR ] muse: no flat\n" + lines(60) + "[ ERROR ] again\n")
    async with shown(screen, link) as (app, pilot):
        await pilot.press("e")
        assert any("no flat" in line for line in screen_text(app))  # type: ignore[arg-type]
        assert screen.view._hit == 60


async def test_no_log_and_an_unreadable_one_are_said(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, "")
    async with shown(screen, link) as (app, pilot):
        assert "no log yet" in "\n".join(screen_text(app))  # type: ignore[arg-type]
        await pilot.press("e")
        assert "no ERROR in this log" in "\n".join(screen_text(app))  # type: ignore[arg-type]
        library.trouble = DfosError("log directory is gone")
        await screen.read()
        await pilot.pause()
        assert "log directory is gone" in "\n".join(screen_text(app))  # type: ignore[arg-type]


async def test_a_hundred_thousand_lines_draw_only_a_page(link: FakeLink, library: FakeLibrary) -> None:
    screen = log_of(link, library, lines(100_000))
    async with shown(screen, link) as (_, pilot):
        drawn: list[int] = []
        draw = screen.view.draw_line
        screen.view.draw_line = lambda y, width: (drawn.append(y), draw(y, width))[1]  # type: ignore[method-assign]
        await pilot.press("g")
        assert screen.view.top == 0 and len(drawn) <= 3 * screen.view.page
        assert len(screen.view.lines) == 100_000


@pytest.mark.parametrize(
    ("line", "error"),
    [("[ ERROR ] x", True), ("[  INFO ] no errors", False), ("Segmentation fault", True), ("TERROR", False)],
)
def test_what_an_error_line_is(line: str, error: bool) -> None:
    assert is_error(line) is error


async def test_the_detail_shows_every_qualifier_relatives_and_products(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(*deep_run(2), at=NOW)
    names = list(link.board.rows)
    library.texts[names[2]] = (
        "AB_NAME x\nFANCY_KEY 1 # odd\nPRODUCTS r.x_0000.fits DATACUBE_FINAL VIRTUAL\n"
        "FURTHER r.x.png\nFURTHER r.x.log\n"
    )
    screen = AbDetail(names[2], link, library, UNICODE, lambda: NOW)  # type: ignore[arg-type]
    async with shown(screen, link) as (app, pilot):
        page = "\n".join(screen.view.lines)
        for part in (
            "Waits for 1\n  · MUSE.2014-10-23T00:00:00.000  scibasic  created",
            "Is waited for by 2",
            "Products 1\n  r.x_0000.fits DATACUBE_FINAL VIRTUAL",
            "Further files 2\n  r.x.png\n  r.x.log",
            "FANCY_KEY 1 # odd",
        ):
            assert part in page
        await pilot.press("c")
        assert [wish.ab for wish in app.wishes if isinstance(wish, OpenCertify)] == [names[2]]
        await pilot.press("l")
        assert isinstance(app.screen, LogView)
        await pilot.press("escape")
        assert app.screen is screen


async def test_the_detail_follows_the_ab(link: FakeLink, library: FakeLibrary) -> None:
    from engine import events as ev

    link.fold(*deep_run(2), at=NOW)
    name = next(iter(link.board.rows))
    screen = AbDetail(name, link, library, UNICODE, lambda: NOW)  # type: ignore[arg-type]
    async with shown(screen, link) as (app, pilot):
        app.play(ev.AbChanged(name, "FAILED", "no flat"))
        await pilot.pause()
        assert "FAILED: no flat" in "\n".join(screen.view.lines)
