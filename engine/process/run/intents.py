"""What is about to be run, noted durably before it is: the journal's side of starting an AB.

Intents are noted a few ABs ahead, so that one commit serves them all. Those that never came to
a start are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.process.executors.local import new_token
from engine.process.plan.pool import Entry
from engine.process.run.job import Job, Task
from engine.stores.attempts import Attempts


class Intent(NamedTuple):
    """An attempt before its start: its id in the journal, its number, work directory and token."""

    id: int
    number: int
    workdir: str
    token: str


class Intents:
    """The attempts that are noted and not started."""

    def __init__(self, attempts: Attempts, job: Job, clock: Callable[[], float], boot: str) -> None:
        self._attempts = attempts
        self._job = job
        self._clock = clock
        self._boot = boot
        self._noted: dict[str, Intent] = {}
        self._uncommitted: set[int] = set()

    def __contains__(self, ab: str) -> bool:
        return ab in self._noted

    def note(self, abs_: Iterable[str]) -> None:
        """Note that these ABs are to run soon, durably with the next commit."""
        for ab in abs_:
            if ab not in self._noted:
                number = self._attempts.number(ab) + 1
                workdir, token = self._job.workdir(ab, number), new_token(ab, number)
                id_ = self._attempts.intend(ab, workdir, token, self._boot, self._clock(), number)
                self._noted[ab] = Intent(id_, number, workdir, token)
                self._uncommitted.add(id_)

    def take(self, ab: str) -> Intent:
        """The intent of an AB that starts now. It may not start before `commit`."""
        return self._noted.pop(ab)

    def give_back(self, task: Task) -> None:
        """It did not start after all; its intent stands."""
        self._noted[task.ab] = Intent(task.id, task.attempt, task.workdir, task.token)

    def commit(self, tasks: Sequence[Task], entries: Mapping[str, Entry]) -> None:
        """Make the intents of these tasks and the ends of all their parents durable; sqlite3.Error when that fails."""
        known = self._uncommitted.isdisjoint(task.id for task in tasks)
        if not known or not all(self._attempts.sealed(entries[task.ab].parents) for task in tasks):
            self._attempts.flush()
            self._uncommitted.clear()

    def withdraw(self) -> None:
        """Nothing starts any more: take back what is left."""
        for intent in self._noted.values():
            self._attempts.withdraw(intent.id)
        self._noted.clear()
