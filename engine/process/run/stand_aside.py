"""What the gate does to a run: when it is looked at, who is held, who is frozen and goes on again.

Nobody looks while nothing could start and nothing could be frozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from engine.process.run.ab_states import AbStates
from engine.process.run.foreign_tasks import Gate
from engine.process.run.job import Task


class StandAside:
    """The gate of a run at work. `wanted`: would something start? `news(changed)` after each look."""

    def __init__(
        self,
        gate: Gate,
        states: AbStates,
        tasks: Mapping[int, Task],
        *,
        group: asyncio.TaskGroup,
        wanted: Callable[[], bool],
        news: Callable[[bool], object],
    ) -> None:
        self._gate = gate
        self._states = states
        self._tasks = tasks
        self._group = group
        self._wanted = wanted
        self._news = news
        self._watch: asyncio.Task[None] | None = None

    def open(self) -> bool:
        """May something start? When the last look is too old: not yet, a new look is under way."""
        gate = self._gate
        if gate.fresh:
            return not gate.closed
        idle = self._watch is None or self._watch.done()
        if self._watch and not idle and not gate.looking and not gate.closed:
            self._watch.cancel()  # it sleeps until its next look, but we want to start something now
            idle = True
        if idle:
            self._begin(look=True)
        return False

    def started(self, *, look: bool = False) -> None:
        """Recipes run that may have to be frozen; `look` at once, or after the interval."""
        if self._gate.suspends and (look or self._watch is None or self._watch.done()):
            self._begin(look=look)

    def end(self) -> None:
        """The run is over."""
        if self._watch:
            self._watch.cancel()

    def apply(self) -> None:
        """Freeze or let go on what runs, as the gate and its policy say."""
        gate = self._gate
        for task in self._tasks.values():
            entry, recipe = self._states.entries[task.ab], task.recipe
            if recipe is None:
                continue
            if recipe.queued:
                recipe.suspend() if gate.closed else recipe.resume()
            elif gate.closed and gate.suspends and entry.state == "RUNNING" and recipe.suspend():
                self._states.become(entry, "SUSPENDED", gate.reason, stream=task.stream, started=task.started)
            elif not gate.closed and entry.state == "SUSPENDED":
                recipe.resume()
                self._states.become(entry, "RUNNING", stream=task.stream, started=task.started)

    def _begin(self, *, look: bool) -> None:
        self._watch = self._group.create_task(self._look_on(look))

    async def _look_on(self, look: bool) -> None:
        """Look at once or after the interval; go on looking while somebody is held or could be suspended."""
        gate = self._gate
        while True:
            if look:
                was = gate.closed
                await gate.look()
                changed = gate.closed or was
                if changed:
                    self.apply()
                self._news(changed)
            if not self._matters():
                return
            await gate.pause()
            look = True

    def _matters(self) -> bool:
        if not self._gate.closed:
            return self._gate.suspends and bool(self._tasks)
        held = any(task.recipe and task.recipe.suspended for task in self._tasks.values())
        return held or self._wanted()
