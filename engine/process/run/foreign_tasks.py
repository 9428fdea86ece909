"""The gate: hold while someone more urgent is running (pgi_preTPL, decision 14).

Time-critical tasks of other accounts on this host come first. The process table is looked at
before an AB starts and, while somebody is held, every `interval_s` seconds. Clock, sleep and
table are given, so that a night passes in a test in no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from config.schema import Gate as GateSettings
from engine.bus import Bus
from engine.context import Context
from engine.events import GateClosed, GateOpened, Notice
from engine.stores.nights import Nights, night_of

_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table; `started` in seconds since 1970."""

    pid: int
    ppid: int
    user: str
    command: str
    started: float


class ProcessTable(Protocol):
    """Who runs on this host."""

    def processes(self) -> Iterable[Process]:
        """All processes that can be seen; may raise anything. Called in a thread."""
        ...


class HostTable:
    """The real process table (psutil)."""

    def processes(self) -> Iterable[Process]:
        """Every process of the host with its full command line."""
        import psutil

        for found in psutil.process_iter(["pid", "ppid", "username", "cmdline", "name", "create_time"]):
            info = found.info
            command = " ".join(info["cmdline"] or [info["name"] or ""])
            yield Process(info["pid"], info["ppid"] or 0, info["username"] or "", command, info["create_time"] or 0.0)


class Gate:
    """Open, or closed by named tasks since a named time. `reason` is the sentence on the banner.

    `total_s` are the seconds it was closed this night; `nights` remembers them beyond this engine.
    """

    def __init__(
        self,
        settings: GateSettings,
        bus: Bus,
        table: ProcessTable | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        ours: Callable[[], set[int]] = set,
        nights: Nights | None = None,
        pardoned: set[tuple[int, float]] | None = None,
    ) -> None:
        self.closed = False
        self.looking = False
        self.reason = ""
        self.total_s = 0.0
        self.suspends = settings.policy == "suspend"
        self._settings = settings
        self._watched = [(entry, re.compile(entry.pattern)) for entry in settings.watch]
        self._bus = bus
        self._table = table or HostTable()
        self._clock = clock
        self._sleep = sleep
        self._ours = ours
        self._nights = nights
        self._since = 0.0
        self._checks = 0
        self._looked = float("-inf")
        self._night = ""
        self._pardoned = set[tuple[int, float]]() if pardoned is None else pardoned
        self._there: set[tuple[int, float]] = set()
        self._trouble = ""

    @property
    def fresh(self) -> bool:
        """True when the last look is recent enough to start something on it."""
        age = self._clock() - self._looked
        return 0 <= age <= (self._settings.interval_s if self.closed else min(_FRESH_S, self._settings.interval_s))

    async def look(self) -> bool:
        """Look at the process table once; True when the gate is open afterwards."""
        self.looking = True
        try:
            found = await asyncio.to_thread(self._foreign)
            self._trouble = ""
        except Exception as trouble:  # noqa: BLE001 - whatever the probe raises: nothing there, and a warning
            found = []
            if str(trouble) != self._trouble:
                self._trouble = str(trouble)
                self._bus.publish(
                    Notice("warning", f"the process table cannot be read ({trouble}); taken as: no foreign task")
                )
        finally:
            self.looking = False
        self._judge(found)
        return not self.closed

    async def pause(self) -> None:
        """Wait until the next look is due."""
        await self._sleep(self._settings.interval_s)

    def override(self, who: str) -> None:
        """Open in spite of the tasks that are there now; others close it again."""
        self._pardoned |= self._there
        self._account(self._clock())
        self._open(f"run anyway, ordered by {who}, in spite of {self.reason}")

    def close_books(self) -> None:
        """Nobody is held any more: the run is over."""
        if self.closed:
            self._account(self._clock())
            self._open("nothing waits any more")

    def _foreign(self) -> list[tuple[str, Process]]:
        everybody = list(self._table.processes())
        parents = {process.pid: process.ppid for process in everybody}
        ours = self._ours() | {os.getpid()}
        found = []
        for process in everybody:
            for entry, pattern in self._watched:
                if entry.user in ("*", process.user) and pattern.search(process.command):
                    if not _belongs(process.pid, parents, ours):
                        found.append((entry.name, process))
                    break
        return found

    def _judge(self, found: list[tuple[str, Process]]) -> None:
        now = self._clock()
        self._account(now)
        self._looked = now
        self._there = {(process.pid, process.started) for _, process in found}
        self._pardoned &= self._there
        found = [(name, process) for name, process in found if (process.pid, process.started) not in self._pardoned]
        if not found:
            if self.closed:
                self._open("the foreign tasks are gone")
            return
        if not self.closed:
            self.closed, self._since, self._checks = True, now, 0
        self._checks += 1
        name, process = min(found, key=lambda item: item[1].started)
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        since = datetime.fromtimestamp(self._since, UTC).strftime("%H:%M")
        self.reason = f"{name} (pid {process.pid}){more} since {since}"
        self._bus.publish(GateClosed(self.reason, self._since, self._checks, self.total_s, self._settings.policy))

    def _account(self, now: float) -> None:
        night = night_of(now)
        if night != self._night:
            self._night = night
            self.total_s = self._nights.aside_s(night) if self._nights else 0.0
        if self.closed:
            self.total_s += max(0.0, now - max(self._looked, self._since))
            self._looked = now
            if self._nights:
                with contextlib.suppress(sqlite3.Error):  # on a full disk the next look notes the sum
                    self._nights.note(night, self.total_s)

    def _open(self, why: str) -> None:
        self.closed, self.reason = False, ""
        self._bus.publish(GateOpened(why, self.total_s))


def gate_of(context: Context, table: ProcessTable | None = None, ours: Callable[[], set[int]] = set) -> Gate | None:
    """The gate of an instance on this host; None when the profile watches nobody.

    `ours` gives the pids of recipes we did not start ourselves (found again after a restart).
    """
    if not context.settings.gate.watch:
        return None
    nights = Nights(context.db)
    known_s = nights.aside_s(night_of(context.clock()))
    if known_s != context.board.gate.total_s:
        context.bus.publish(GateOpened("", known_s))  # the board is younger than the night, or of the night before
    return Gate(
        context.settings.gate,
        context.bus,
        table,
        clock=context.clock,
        ours=ours,
        nights=nights,
        pardoned=context.pardoned,
    )


def _belongs(pid: int, parents: dict[int, int], ours: set[int]) -> bool:
    seen: set[int] = set()
    while pid and pid not in seen:
        if pid in ours:
            return True
        seen.add(pid)
        pid = parents.get(pid, 0)
    return False
