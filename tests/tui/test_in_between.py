"""What comes in between: a screen that goes while something is looked up, an engine that goes while a screen comes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from console.app import ConsoleApp
from console.link.client import Gone
from screens.monitor.ab_monitor import AbMonitor
from screens.review.certify import Certify
from screens.review.comment import CommentField
from screens.start import start
from tests.hand import hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host
from tests.tui.test_certify import sitting


class Slow(Static):
    """Takes its time to go; meanwhile the line beside it has gone."""

    def __init__(self, beside: Callable[[], bool], gone: asyncio.Event, told: asyncio.Event) -> None:
        super().__init__()
        self.beside, self.gone, self.told = beside, gone, told

    async def on_unmount(self) -> None:
        while self.beside():  # noqa: ASYNC110 - turns of the event loop
            await asyncio.sleep(0)
        self.gone.set()
        await self.told.wait()


class Looking(Screen[None]):
    """Draws what it has looked up when its line is gone already."""

    def __init__(self) -> None:
        super().__init__()
        self.gone, self.told = asyncio.Event(), asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="line")
        yield Slow(lambda: bool(self.query("#line")), self.gone, self.told)

    def on_mount(self) -> None:
        start(self, self.look)

    async def look(self) -> None:
        await self.gone.wait()
        try:
            self.query_one("#line", Static).update("found")
        finally:
            self.told.set()


async def test_what_is_found_when_its_screen_goes_is_nobodys_trouble(link: FakeLink) -> None:
    screen = Looking()
    app = Host(Screen(), link)
    async with hand_on(app) as pilot:
        await app.push_screen(screen)
        screen.dismiss()
        await pilot.until(screen.told.is_set)
        assert app.is_running


async def test_a_line_that_never_was_is_a_fault_of_ours(link: FakeLink) -> None:
    class Wrong(Screen[None]):
        def on_mount(self) -> None:
            start(self, self.look)

        async def look(self) -> None:
            self.query_one("#nothing")

    with pytest.raises(Exception, match="nothing"):
        async with hand_on(Host(Wrong(), link)):
            pass


async def test_an_order_whose_screen_goes_before_it_is_given_leaves_nothing_behind(
    link: FakeLink, library: FakeLibrary
) -> None:
    screen = AbMonitor(link, library, clock=lambda: NOW)
    async with hand_on(Host(screen, link)) as pilot:
        screen.action_pause()
        screen.workers.cancel_node(screen)
        await pilot.pause()
        gc.collect()  # an order that was made and never given would be told now
    assert link.commands == []


async def test_a_comment_begun_at_once_is_not_taken_away(
    link: FakeLink, library: FakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Callable[[], object]] = []

    def held(callback: Callable[[], object]) -> bool:
        late.append(callback)
        return True

    sitting(link, library)
    screen = Certify(link, library, now=lambda: NOW)
    monkeypatch.setattr(screen, "call_after_refresh", held)
    async with hand_on(Host(screen, link)) as pilot:
        await pilot.press("c", *"thin")
        late[0]()  # the first drawing took that long
        await pilot.press(*"ner")
        field = screen.query_one(CommentField)
        assert field.has_focus and field.value == "thinner"


class Account(FakeLibrary):
    """A library whose engine goes away, or hangs, when it is asked for the comments."""

    def __init__(self, comments: Callable[[], Any]) -> None:
        super().__init__()
        self._comments = comments

    async def comments(self) -> list[str]:
        return list(await self._comments())


async def gone() -> list[str]:
    raise Gone("the engine went away before it replied")


async def never() -> list[str]:
    await asyncio.Event().wait()
    return []


async def test_certification_opens_also_when_the_engine_goes_at_that_moment(link: FakeLink) -> None:
    app = ConsoleApp(link, Account(gone), first="certify")  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        await pilot.until(lambda: isinstance(app.screen, Certify))


async def test_an_engine_that_hangs_does_not_hold_the_keys(link: FakeLink) -> None:
    app = ConsoleApp(link, Account(never), first="certify")  # type: ignore[arg-type]
    async with hand_on(app) as pilot:
        await pilot.press("q")
        assert not app.is_running


async def test_an_engine_that_goes_before_the_first_screen_is_looked_for(
    link: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.app.RETRY", 0.0)

    async def attach() -> None:
        link.alive = True

    app = ConsoleApp(link, Account(gone), attach=attach)  # type: ignore[arg-type]
    link.alive = False
    app.lost()
    async with hand_on(app) as pilot:
        await pilot.until(lambda: link.alive)
