"""Plugin slots: configured or not, found or missing, in words."""

from __future__ import annotations

from engine.errors import DfosError
from screens.glyphs import UNICODE
from screens.monitor.plugins import PluginsScreen
from screens.shown import Slot
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, screen_text


async def test_slots_and_what_is_missing(link: FakeLink, library: FakeLibrary) -> None:
    library.slots = [
        Slot("CERTIF_PGI", "pgi_phoenix_MUSE_certif", True, "built in"),
        Slot("FINAL_PLUGIN", "pgi_phoenix_MUSE_moveP", False, "not an executable\x1b[2J"),
        Slot("HDR_PGI", "", False, ""),
    ]
    app = Host(PluginsScreen(link, library, UNICODE), link)  # type: ignore[arg-type]
    async with hand_on(app):
        lines = screen_text(app)  # type: ignore[arg-type]
        assert lines[1] == " Plugins: 3 slots, 2 configured, 1 MISSING"
        assert lines[2].split() == ["CERTIF_PGI", "pgi_phoenix_MUSE_certif", "found", "built", "in"]
        assert "MISSING" in lines[3] and "\x1b" not in lines[3]
        assert lines[4].split() == ["HDR_PGI", "none", "-"]


async def test_none_and_no_answer(link: FakeLink, library: FakeLibrary) -> None:
    screen = PluginsScreen(link, library, UNICODE)  # type: ignore[arg-type]
    app = Host(screen, link)  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        assert "this instance has no plugin slots" in "\n".join(screen_text(app))  # type: ignore[arg-type]
        library.trouble = DfosError("no engine")
        await screen._read()
        await pilot.pause()
        assert "cannot be listed: no engine" in "\n".join(screen_text(app))  # type: ignore[arg-type]
