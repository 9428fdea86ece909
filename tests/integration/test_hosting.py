"""What an engine's host does beside its orders: it writes down before it tells, and goes on looking."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from console.hosting.host import Host
from console.views.library import AccountLibrary
from engine import events as ev
from engine.errors import DfosError
from engine.stores.orders import ENDED, Order
from tests.fakes import until
from tests.moving import account
from tests.tui.conftest import ab_seen, run_started


async def test_who_hears_that_an_order_has_ended_finds_it_so_in_the_queue(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    found: list[str] = []
    async with Host(context.tree, {}, who="anna") as host:
        order = host.give(Order("SCIENCE", "2094-01-16", "I", auto=True))

        def look(stamped: ev.Stamped) -> None:
            if isinstance(stamped.event, ev.RunEnded):
                found.append(host.orders.numbered(order.number)["state"])

        host.bus.subscribe(look)
        await host.work_off()
    assert found == [ENDED]


async def test_a_journal_that_another_holds_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = account(tmp_path)
    context.db.close()
    monkeypatch.setattr("console.hosting.host.POLL", 0.001)
    looks: list[str] = []

    def poll() -> None:
        looks.append("look")
        if len(looks) == 1:
            raise sqlite3.OperationalError("database is locked")

    async with Host(context.tree, {}, who="anna") as host:
        monkeypatch.setattr(host.desk, "poll", poll)
        await until(lambda: len(looks) > 2)


class Here:
    """A link to no engine, with one AB on its board."""

    def __init__(self) -> None:
        from tests.tui.conftest import FakeLink

        link = FakeLink()
        link.fold(run_started(), ab_seen("A.ab", state="RUNNING"))
        self.board, self.alive = link.board, False


async def test_a_look_up_that_finds_the_journal_held_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    context = account(tmp_path)
    context.db.close()
    monkeypatch.setattr("console.views.library.journal_view.runs", runs)
    with pytest.raises(DfosError, match="database is locked"):
        await AccountLibrary(context.tree, Here()).runs()  # type: ignore[arg-type]


async def test_the_log_of_another_attempt_is_read_from_its_beginning(tmp_path: Path) -> None:
    context = account(tmp_path)
    context.db.close()
    library = AccountLibrary(context.tree, Here())  # type: ignore[arg-type]
    log = library.log_path("A.ab")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("the first attempt\n")
    part = await library.log("A.ab")
    log.write_text("again\n")
    after = await library.log("A.ab", part.next_offset)
    assert after.text == "" and after.next_offset == 0
    assert (await library.log("A.ab", after.next_offset)).text == "again\n"
