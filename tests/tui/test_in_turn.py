"""Keys that come in one burst, as a slow line delivers them: each is for the screen that the one before it made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from console.app import ConsoleApp
from screens import in_turn
from screens.monitor.ab_monitor import AbMonitor
from screens.review.certify import Certify
from screens.review.comment import CommentField
from tests.hand import Hand, hand_on, key_event
from tests.tui.conftest import FakeLibrary, FakeLink, Host, ab_seen
from tests.tui.test_certify import certifying, sitting


async def burst(hand: Hand, *keys: str | events.Event) -> None:
    """All of them before the app looks at the first."""
    assert hand.app._driver is not None
    for key in keys:
        hand.app._driver.send_message(key_event(key) if isinstance(key, str) else key)
    await hand.pause()


async def test_a_comment_typed_ahead_is_the_comment_of_its_ab(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 3)
    async with certifying(link, library) as (hand, _):
        await burst(hand, "c", *"bad ar", "enter", "a", "r", *"aurora", "enter", "a")
    assert link.answers == [(1, "accept", "bad ar"), (2, "reject", "aurora"), (3, "accept", "")]


async def test_pasted_text_keeps_its_place(link: FakeLink, library: FakeLibrary) -> None:
    sitting(link, library, 2)
    async with certifying(link, library) as (hand, _):
        await burst(hand, "r", events.Paste("thin sky"), "!", "enter", "a")
    assert link.answers == [(1, "reject", "thin sky!"), (2, "accept", "")]


async def test_keys_go_on_below_a_screen_that_came_and_went(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(*(ab_seen(f"ab{number}.ab") for number in range(6)))
    app = Host(AbMonitor(link, library), link)
    async with hand_on(app) as hand:
        await burst(hand, "j", "enter", "escape", "j", "question_mark", "escape", "j", "enter")
    assert [ab for what, ab in library.asked if what == "ab_text"] == ["ab1.ab", "ab3.ab"]


async def test_keys_wait_for_the_screen_that_is_looked_up(link: FakeLink, library: FakeLibrary) -> None:
    told = asyncio.Event()

    class Slow(FakeLibrary):
        async def comments(self) -> list[str]:
            await told.wait()
            return ["High_background"]

    slow = Slow()
    sitting(link, slow, 2)
    app = ConsoleApp(link, slow)  # type: ignore[arg-type]
    async with hand_on(app) as hand:
        for key in ("C", "c", *"dark", "enter"):
            assert app._driver is not None
            app._driver.send_message(key_event(key))
        while not any(work.group == "certify" and work.is_running for work in app.workers):  # noqa: ASYNC110 - turns
            await asyncio.sleep(0)
        told.set()
        await hand.until(lambda: isinstance(app.screen, Certify))
        assert app.screen.query_one(CommentField).value == "dark"


class Stuck(Screen[None]):
    """`x` is never done."""

    BINDINGS = [("x", "hang", ""), ("y", "note", "")]  # noqa: RUF012 - as Textual wants it

    def __init__(self) -> None:
        super().__init__()
        self.noted, self.go = 0, asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Static("stuck")

    async def on_key(self, event: events.Key) -> None:
        if event.key == "x":
            await self.go.wait()

    def action_note(self) -> None:
        self.noted += 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(in_turn, "LONGEST", 0.0)
    yield


@pytest.mark.usefixtures("impatient")
async def test_a_screen_that_hangs_does_not_take_the_console_along(link: FakeLink) -> None:
    screen = Stuck()
    app = Host(screen, link)
    async with hand_on(app) as hand:
        assert app._driver is not None
        for key in ("x", "y", "ctrl+q"):
            app._driver.send_message(key_event(key))
        while app._typed or app.typing:  # noqa: ASYNC110 - turns of the event loop
            await asyncio.sleep(0)
        screen.go.set()
        await hand.until(lambda: screen.noted == 1)


async def test_a_key_that_ends_the_console_is_the_last(link: FakeLink, library: FakeLibrary) -> None:
    app = ConsoleApp(link, library)  # type: ignore[arg-type]
    async with hand_on(app) as hand:
        await burst(hand, "j", "q", "j", "q")
        assert not app.is_running
