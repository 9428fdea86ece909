"""What occupies the streams: each attempt from the moment it has a stream to its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from engine.context import Context
from engine.errors import DfosError
from engine.process.executors.protocol import Running, Status
from engine.process.plan.pool import Entry
from engine.process.plan.ready import Ready
from engine.process.run.ab_states import AbStates
from engine.process.run.intents import Intent
from engine.process.run.job import Found, Job, Result, Task
from engine.stores.attempts import Attempts

_QUEUED = ("SLOT", "PAUSED")


class AtWork:
    """The tasks in the streams, by stream, between `begin` and `end`. Those that came to a result are in `ended`."""

    def __init__(self, context: Context, states: AbStates, ready: Ready, attempts: Attempts, job: Job) -> None:
        self.tasks: dict[int, Task] = {}
        self.ended: list[tuple[Task, Result]] = []
        self._clock = context.clock
        self._states = states
        self._ready = ready
        self._attempts = attempts
        self._job = job
        self._group: asyncio.TaskGroup | None = None
        self._news: Callable[[], object] = _nobody
        self._order = ("running", "")

    def __len__(self) -> int:
        return len(self.tasks)

    def begin(self, group: asyncio.TaskGroup, news: Callable[[], object]) -> None:
        """A run begins; `news` is called when a task has come to its result."""
        self._group, self._news = group, news

    def end(self) -> None:
        """Nobody follows any more; the recipes run on."""
        self._group, self._news = None, _nobody
        for task in self.tasks.values():
            if task.recipe:
                task.recipe.leave()

    def take(self, entry: Entry, intent: Intent, started: float, found: Found | None = None) -> Task:
        """Give an AB the first free stream. Nothing runs yet."""
        stream = 1
        while stream in self.tasks:
            stream += 1
        task = Task(entry.ab, entry.kind, stream, *intent, started, found, self)
        self.tasks[stream] = task
        self._ready.started(entry, started)
        entry.stream, entry.started = stream, started
        return task

    def release(self, task: Task) -> None:
        """The stream is free again."""
        del self.tasks[task.stream]
        entry = self._states.entries[task.ab]
        self._ready.ended(entry)
        entry.stream = 0

    def start(self, task: Task) -> None:
        """Let the job run an AB."""
        self._states.become(self._states.entries[task.ab], "RUNNING", stream=task.stream, started=task.started)
        self._spawn(task)

    def find(self, found: Found) -> None:
        """Follow what an earlier engine left running, whatever the stream width; judge what ended meanwhile."""
        old, recipe = found.attempt, found.recipe
        entry = self._states.entries[old.ab]
        task = self.take(entry, Intent(old.id, old.attempt, old.workdir, old.token), old.started, found)
        task.recipe = recipe
        if recipe and recipe.suspended:
            recipe.resume()
        state, why = ("RUNNING", "found again") if recipe else ("JUDGED", "")
        self._states.become(entry, state, why, stream=task.stream, started=old.started)
        if recipe:
            recipe.follow(partial(self._stands, task))
        self._spawn(task)

    def _spawn(self, task: Task) -> None:
        if self._group is None:
            raise DfosError("an AB was started outside a run", where=task.ab)
        self._group.create_task(self._follow(task))

    async def _follow(self, task: Task) -> None:
        try:
            result = await self._job.run(task)
        except DfosError as trouble:
            result = Result("FAILED", str(trouble))
        except Exception as trouble:  # noqa: BLE001 - one AB must never end the run
            result = Result("FAILED", f"internal error: {type(trouble).__name__}: {trouble}; please report it")
        self.ended.append((task, result))
        self._news()

    def spawned(self, task: Task, recipe: Running) -> None:
        """A recipe runs, or is queued: the pid goes into the journal with the next commit."""
        if recipe.pid:
            self._attempts.spawned(task.id, recipe.pid, recipe.start, task.started)
        recipe.follow(partial(self._stands, task))
        if self._order[0] != "running":  # ordered while it was prepared
            self._heeded(task)

    def _stands(self, task: Task) -> None:
        """Show where a job stands in its batch system."""
        recipe, entry = task.recipe, self._states.entries[task.ab]
        if recipe is None or recipe.over:
            return
        reason = f"{recipe.ident}: {recipe.reason}" if recipe.reason else recipe.ident
        if recipe.queued:
            state = "PAUSED" if recipe.status is Status.HELD else "SLOT"
        else:
            state = "SUSPENDED" if recipe.status is Status.SUSPENDED else "RUNNING"
            reason = reason if recipe.reason or state == "SUSPENDED" else ""
        if state == "SUSPENDED" and entry.state in _QUEUED:
            self._states.become(entry, "RUNNING", stream=task.stream)
        started = task.started + recipe.frozen_s
        self._states.become(entry, state, reason, stream=task.stream, started=started)

    def heed(self, mode: str, why: str) -> None:
        """What an order means for jobs that wait in a queue: held while paused, taken back by a stop."""
        self._order = mode, why
        for task in self.tasks.values():
            self._heeded(task)

    def _heeded(self, task: Task) -> None:
        mode, why = self._order
        if task.recipe is None or not task.recipe.queued:
            return
        if mode == "paused":
            task.recipe.suspend()
        elif mode == "running":
            task.recipe.resume()
        elif mode == "stopping" and self._group:
            task.aborted = why
            self._group.create_task(task.recipe.terminate())

    def exited(self, task: Task, rc: int | None) -> None:
        """A recipe ended; its products are being checked."""
        self._attempts.exited(task.id, self._clock(), rc)
        entry = self._states.entries[task.ab]
        if entry.state == "SUSPENDED" or entry.state in _QUEUED:
            self._states.become(entry, "RUNNING", stream=task.stream, started=task.started)
        if not task.aborted and entry.state != "JUDGED":
            self._states.become(entry, "JUDGED", stream=task.stream, started=task.started)

    def abort(self, why: str) -> None:
        """Terminate the recipes."""
        for task in self.tasks.values():
            task.aborted = why
            if task.recipe and self._group:
                self._group.create_task(task.recipe.terminate())


def _nobody() -> None:
    """Nobody wants to know."""
