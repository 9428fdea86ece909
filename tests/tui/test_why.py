"""Why is this AB not running: the whole chain, wrapped, and the way on from it."""

from __future__ import annotations

import pytest

from engine.errors import DfosError
from screens.glyphs import ASCII, UNICODE
from screens.monitor.why import WhyScreen
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, screen_text

AB = "MUSE.2014-10-23T00:57:32.118_dpc.ab"
CHAIN = [
    f"{AB} waits for its alignment MUSE.2014-10-23T00:57:32.118_dal.ab;",
    "that waits for T01:22:10.331_pst, which FAILED at 09:40:51: no space in work area (needs 3.1 GB, 0.4 GB free).",
    "Free space or change WORK_AREA, then r runs it again with what depends on it.",
]


@pytest.mark.row(331)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
async def test_the_chain_is_whole_at_80_columns(link: FakeLink, library: FakeLibrary, glyphs: object) -> None:
    library.whys[AB] = CHAIN
    app = Host(WhyScreen(AB, library, glyphs), link)  # type: ignore[arg-type]
    async with hand_on(app):
        said = " ".join(" ".join(screen_text(app)).replace("│", "").replace("|", "").split())  # type: ignore[arg-type]
        assert "0.4 GB free). Free space or change WORK_AREA" in said
        assert said.count("waits for") == 2
        assert all(len(line) <= 80 for line in screen_text(app))  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "wish"), [("r", "retry"), ("l", "log"), ("w", ""), ("escape", "")])
async def test_what_is_wanted_next(link: FakeLink, library: FakeLibrary, key: str, wish: str) -> None:
    app = Host(WhyScreen("other", library, UNICODE), link)  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        got: list[object] = []
        app.push_screen(WhyScreen(AB, library, UNICODE), got.append)  # type: ignore[arg-type]
        await pilot.pause()
        await pilot.press(key)
        assert got == [wish]


async def test_an_engine_that_cannot_tell(link: FakeLink, library: FakeLibrary) -> None:
    library.trouble = DfosError("the engine does not answer")
    app = Host(WhyScreen(AB, library, UNICODE), link)  # type: ignore[arg-type]
    async with hand_on(app):
        assert "cannot tell: the engine does not answer" in "\n".join(screen_text(app))  # type: ignore[arg-type]


async def test_what_cannot_run_again_is_not_offered_to(link: FakeLink, library: FakeLibrary) -> None:
    app = Host(WhyScreen("a.ab", library, UNICODE, again=False), link)
    async with hand_on(app) as pilot:
        await pilot.press("r")
        assert isinstance(app.screen, WhyScreen)
        said = "\n".join(screen_text(app))
        assert "run again" not in said and "l log" in said
