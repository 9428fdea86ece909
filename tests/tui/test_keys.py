"""`?` lists every key of a screen, and only keys that exist."""

from __future__ import annotations

import pytest

from screens.glyphs import UNICODE
from screens.keys import KeysScreen, keys_of
from screens.monitor.ab_detail import AbDetail
from screens.monitor.ab_monitor import AbMonitor
from screens.monitor.log_view import LogView
from tests.hand import hand_on
from tests.tui.conftest import FakeLibrary, FakeLink, Host, screen_text

PROMISED = "enter l w c r / s F f p S X + - i o Q P ? : q j k g G pgdn pgup home end"


@pytest.mark.row(331)
def test_every_promised_key_is_listed(link: FakeLink, library: FakeLibrary) -> None:
    listed = {key for verb in keys_of(AbMonitor(link, library)) for key in verb.keys.split()}  # type: ignore[arg-type]
    assert set(PROMISED.split()) <= listed


@pytest.mark.parametrize("kind", [AbMonitor, AbDetail, LogView])
def test_every_listed_key_has_an_action(kind: type, link: FakeLink, library: FakeLibrary) -> None:
    screen = kind(link, library) if kind is AbMonitor else kind("x", link, library)
    for key in keys_of(screen):
        name = key.action.partition("(")[0]
        assert key.verb
        assert name.startswith("app.") or hasattr(screen, f"action_{name}"), key


async def test_the_list_is_searched_by_typing(link: FakeLink, library: FakeLibrary) -> None:
    app = Host(KeysScreen(AbMonitor(link, library), UNICODE), link)  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        assert any(line.split()[:2] == ["enter", "open"] for line in screen_text(app))  # type: ignore[arg-type]
        await pilot.press("slash", *"terminate")
        found = [line for line in screen_text(app)[1:-2] if line.strip()]  # type: ignore[arg-type]
        assert len(found) == 1 and found[0].split()[:2] == ["X", "abort"]
        await pilot.press("escape")
        assert any(line.split()[:2] == ["enter", "open"] for line in screen_text(app))  # type: ignore[arg-type]
        assert all(len(line) <= 80 for line in screen_text(app))  # type: ignore[arg-type]
