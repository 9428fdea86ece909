"""One attempt at an AB, as scheduler and job see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from engine.core.cascade import Kind
from engine.process.executors.protocol import Running
from engine.stores.attempts import Attempt


class Watcher(Protocol):
    """Who is told how an attempt gets on."""

    def spawned(self, task: Task, recipe: Running) -> None:
        """The recipe runs."""
        ...

    def exited(self, task: Task, rc: int | None) -> None:
        """The recipe has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How an AB ended: DONE, FAILED or INTERRUPTED, the reason, and a line for the message column."""

    state: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An attempt of an earlier engine: still running (`recipe`), or over and to be judged."""

    attempt: Attempt
    recipe: Running | None = None


@dataclass(slots=True, eq=False)
class Task:
    """One attempt as its job sees it. `recipe` is set while a process runs; `aborted` when it shall end.

    `max_rss_mb` is the most memory it used, 0 when that was not measured.
    """

    ab: str
    kind: Kind
    stream: int
    id: int
    attempt: int
    workdir: str
    token: str
    started: float
    found: Found | None
    watcher: Watcher = field(repr=False)
    recipe: Running | None = None
    aborted: str = ""
    frozen_s: float = 0.0
    max_rss_mb: float = 0.0

    @property
    def timed(self) -> bool:
        """True when its end was seen, so that its duration is one."""
        return self.found is None or self.found.recipe is not None

    def spawned(self, recipe: Running) -> None:
        """Its recipe runs now."""
        self.recipe = recipe
        self.watcher.spawned(self, recipe)

    def exited(self, rc: int | None) -> None:
        """Its recipe has ended; the products are checked next."""
        if self.recipe:
            self.frozen_s, self.recipe = self.recipe.frozen_s, None
        self.watcher.exited(self, rc)


class Job(Protocol):
    """What one AB's run consists of."""

    def workdir(self, ab: str, attempt: int) -> str:
        """The work directory of an attempt."""
        ...

    async def run(self, task: Task) -> Result:
        """Process the AB to its end. A cancelled call leaves the recipe running."""
        ...

    def reset(self, names: Iterable[str]) -> None:
        """Write PROCESS_STATUS CREATED into ABs that are to run again. Blocking."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: AB names by state. `how` is ended, stopped or aborted; `standin`: no recipe of ESO ran."""

    how: str
    done: tuple[str, ...]
    failed: tuple[str, ...]
    blocked: tuple[str, ...]
    interrupted: tuple[str, ...]
    waiting: tuple[str, ...]
    standin: bool = False
