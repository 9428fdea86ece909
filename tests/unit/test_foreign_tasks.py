from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from config.schema import Gate as GateSettings
from config.schema import Watched
from engine.board import Board
from engine.bus import Bus
from engine.events import Event, GateClosed, GateOpened, Notice
from engine.process.run.foreign_tasks import Gate, HostTable, Process
from tests.builders import folded
from tests.fakes import AUTODAILY, PaperClock, PaperTable

WATCH = Watched(user="espresso", pattern=r"\bautoDaily\b", name="espresso autoDaily")


class Night:
    """A gate over paper."""

    def __init__(self, policy: Literal["start-only", "suspend"] = "start-only", now: float = 1_000_000.0) -> None:
        self.clock = PaperClock(now)
        self.table = PaperTable()
        self.events: list[Event] = []
        self.board = Board()
        bus = Bus("run", self.clock)
        bus.subscribe(folded(self.board))
        bus.subscribe(lambda stamped: self.events.append(stamped.event))
        settings = GateSettings(watch=(WATCH,), policy=policy)
        self.gate = Gate(settings, bus, self.table, clock=self.clock, sleep=self.clock.sleep)


@pytest.mark.row(340)
@pytest.mark.parametrize(
    ("process", "foreign"),
    [
        (AUTODAILY, True),
        (Process(5, 1, "espresso", "vi autoDaily.log", 0.0), True),
        (Process(5, 1, "uves", "/home/uves/bin/autoDaily", 0.0), False),
        (Process(5, 1, "espresso", "/bin/autoDailyReport", 0.0), False),
        (Process(os.getpid(), 1, "espresso", "autoDaily", 0.0), False),
        (Process(5, os.getpid(), "espresso", "autoDaily", 0.0), False),
    ],
)
async def test_who_is_foreign(process: Process, foreign: bool) -> None:
    night = Night()
    night.table.there = [process]
    assert await night.gate.look() is not foreign


@pytest.mark.row(341)
@pytest.mark.row(342)
@pytest.mark.row(343)
async def test_closed_says_who_since_when_how_often_and_how_long_in_all() -> None:
    night = Night(now=34_680.0 + 3 * 86_400)
    night.table.there = [AUTODAILY]
    await night.gate.look()
    for _ in range(2):
        await night.gate.pause()
        await night.gate.look()
    assert night.clock.slept == [60.0, 60.0]
    closed = night.events[-1]
    assert isinstance(closed, GateClosed)
    assert closed.reason == "espresso autoDaily (pid 123) since 09:38"
    assert (closed.checks, closed.total_s, closed.policy) == (3, 120.0, "start-only")
    assert night.board.gate.closed and night.board.gate.total_s == 120.0
    night.table.there = []
    await night.gate.pause()
    assert await night.gate.look()
    assert night.events[-1] == GateOpened("the foreign tasks are gone", 180.0)
    night.clock.now += 3600
    night.table.there = [AUTODAILY]
    await night.gate.look()
    await night.gate.pause()
    await night.gate.look()
    assert night.gate.total_s == 240.0, "the night's total goes on"
    assert night.gate.reason.endswith("since 10:41")


async def test_a_new_night_begins_at_noon() -> None:
    night = Night(now=43_200.0 + 86_400 - 30)
    night.table.there = [AUTODAILY]
    await night.gate.look()
    night.clock.now += 20
    await night.gate.look()
    assert night.gate.total_s == 20.0
    night.table.there = []
    await night.gate.look()
    night.clock.now += 20
    await night.gate.look()
    assert night.gate.total_s == 0.0


async def test_a_probe_that_fails_counts_as_nothing_there_and_warns_once() -> None:
    night = Night()
    night.table.trouble = PermissionError("no /proc")
    assert await night.gate.look()
    assert await night.gate.look()
    warnings = [event for event in night.events if isinstance(event, Notice)]
    assert len(warnings) == 1 and warnings[0].level == "warning" and "no /proc" in warnings[0].text


async def test_override_lets_these_tasks_run_and_is_recorded() -> None:
    night = Night()
    night.table.there = [AUTODAILY]
    await night.gate.look()
    night.gate.override("rh")
    assert isinstance(night.events[-1], GateOpened) and "ordered by rh" in night.events[-1].why
    assert "espresso autoDaily (pid 123)" in night.events[-1].why
    assert await night.gate.look(), "the same task stays pardoned"
    night.table.there.append(Process(456, 1, "espresso", "autoDaily", 2000.0))
    assert not await night.gate.look(), "another one does not"
    night.table.there = []
    await night.gate.look()
    night.table.there = [AUTODAILY]
    assert not await night.gate.look(), "a pardon ends with the task"


async def test_several_tasks_are_counted_and_books_are_closed_at_the_end() -> None:
    night = Night()
    night.table.there = [AUTODAILY, Process(9, 1, "espresso", "autoDaily -x", 2000.0)]
    await night.gate.look()
    assert "(pid 123) and 1 more" in night.gate.reason
    night.clock.now += 30
    night.gate.close_books()
    assert night.events[-1] == GateOpened("nothing waits any more", 30.0)
    night.gate.close_books()
    assert len([event for event in night.events if isinstance(event, GateOpened)]) == 1


def test_the_real_table_knows_this_process(tmp_path: Path) -> None:
    ours = [process for process in HostTable().processes() if process.pid == os.getpid()]
    assert len(ours) == 1 and "python" in ours[0].command and ours[0].started > 0 and ours[0].user
