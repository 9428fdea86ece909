"""The run of a pool: what ended is finished, what may start is started, what waits is told why.

That is a turn; turns come when something has happened, never by the clock. Journal: intents are
committed before a recipe starts, ends before anything that depends on them starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.status import AT_WORK, ENDED_WELL
from engine.process.plan.admission import Admission
from engine.process.plan.history import History
from engine.process.plan.pool import pool_of
from engine.process.plan.ready import Ready
from engine.process.plan.simulate import best_plan
from engine.process.run.ab_states import ENDED, AbStates
from engine.process.run.at_work import AtWork
from engine.process.run.foreign_tasks import Gate
from engine.process.run.intents import Intents
from engine.process.run.job import Found, Job, Outcome, Result, Task
from engine.process.run.stand_aside import StandAside
from engine.stores.attempts import Attempts

_FLUSH_S = 0.05
_UNLIKE = " and without limits of memory (recipe, tag and raw_types must fit)"
_AHEAD = 16  # intents noted together


class Scheduler:
    """One pool in its streams. `prepare` shows the pool, `run` processes it."""

    def __init__(
        self,
        context: Context,
        abs_: Iterable[AB],
        job: Job,
        attempts: Attempts,
        *,
        gate: Gate | None = None,
        found: Mapping[str, Found] | None = None,
        outside: Callable[[str], str] = lambda name: f"waits for {name}, which is not in this pool",
        boot: str = "",
        history: History | None = None,
        admission: Admission | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        admission = admission or Admission()
        self.context = context
        self.job = job
        self.attempts = attempts
        self.gate = gate
        self.entries, self._unknown = pool_of(
            abs_, context.settings, history, memory_gb=admission.memory_gb, refused=refused
        )
        self.streams = context.settings.streams
        self.mode = "idle"
        self.mode_why = ""
        self._found = dict(found or {})
        self._ready = Ready(self.entries, admission=admission)
        self._states = AbStates(context.bus, self.entries, self._ready, outside)
        self._intents = Intents(attempts, job, context.clock, boot)
        self._work = AtWork(context, self._states, self._ready, attempts, job)
        self._kicked = False
        self._resetting = 0  # orders to run again whose AB files are being written
        self._flushing = False
        self._prepared = False
        self._over: asyncio.Future[str] | None = None
        self._aside: StandAside | None = None

    @property
    def over(self) -> bool:
        """True when the run has come to its end: it takes no orders any more."""
        return self._over is not None and self._over.done()

    @property
    def widths(self) -> dict[str, int]:
        """How many ABs may run at once: of a kind, or of the kinds that share a lane."""
        return self._ready.widths

    @property
    def admission(self) -> Admission:
        """Memory and disk, and who holds them."""
        return self._ready.admission

    @property
    def running(self) -> list[Task]:
        """What occupies the streams, by stream."""
        return [self._work.tasks[stream] for stream in sorted(self._work.tasks)]

    # --- the run ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Show every AB with its present state: from its file, the journal, and what recovery found."""
        if self._prepared:
            return
        self._prepared = True
        self._replan()
        rows = {row["ab"]: row for row in self.attempts.rows() if row["ab"] in self.entries}
        self._states.show(rows, self._found)
        for name in self._unknown:
            kind = self.entries[name].kind.name
            self._say("warning", f"{name}: no kind '{kind}' in the profile; it runs alone, after all others{_UNLIKE}")
        self.context.bus.publish(ev.StreamsChanged(self.streams))

    def _replan(self) -> None:
        """Find the best order for what is still to run, with the streams there are now."""
        plan = best_plan(
            self.entries,
            self.streams,
            barriers=self.context.settings.barriers,
            memory_gb=self.admission.memory_gb,
            widths=self.widths,
        )
        self._ready.replan(plan)

    async def run(self) -> Outcome:
        """Process the pool until nothing can start any more, or until stopped or aborted."""
        self._over = asyncio.get_running_loop().create_future()
        leave = self.attempts.follow(self.context.bus, self.context.board, self._flush_soon)
        try:
            self.prepare()
            if self.mode == "idle":
                self._change_mode("running", "")
            async with asyncio.TaskGroup() as group:
                self._work.begin(group, self._kick)
                self._aside = self._stand_aside(group)
                self._follow_found()
                self._kick()
                how = await self._over
                if self._aside:
                    self._aside.end()
        finally:
            self._work.end()
            self._aside = None
            self._intents.withdraw()
            with contextlib.suppress(sqlite3.Error):
                self.attempts.flush()
            leave()
            if self.gate:
                self.gate.close_books()
        self._change_mode("idle", "")
        return self._outcome(how)

    def _stand_aside(self, group: asyncio.TaskGroup) -> StandAside | None:
        if self.gate is None:
            return None
        return StandAside(
            self.gate,
            self._states,
            self._work.tasks,
            group=group,
            wanted=lambda: self.mode == "running" and bool(self._ready),
            news=lambda changed: self._look_again() if changed else self._kick(),
        )

    def _follow_found(self) -> None:
        for name, found in self._found.items():
            if name in self.entries:
                self._work.find(found)
        if self._aside and self._work.tasks:
            self._aside.started(look=True)

    def _outcome(self, how: str) -> Outcome:
        by: dict[str, list[str]] = {"done": [], "FAILED": [], "BLOCKED": [], "INTERRUPTED": [], "waiting": []}
        for entry in self.entries.values():
            key = "done" if entry.state in ENDED_WELL else entry.state
            by[key if key in by else "waiting"].append(entry.ab)
        names = {key: tuple(found) for key, found in by.items()}
        return Outcome(how, names["done"], names["FAILED"], names["BLOCKED"], names["INTERRUPTED"], names["waiting"])

    # --- a turn -----------------------------------------------------------------------------

    def _kick(self) -> None:
        if not self._kicked and self._over is not None:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._kicked = False
        if self._over is None or self._over.done():
            return
        try:
            while self._work.ended:
                self._finish(*self._work.ended.pop())
            if self.mode == "running":
                self._start()
            self._show_waiting()
            if self._idle():
                how = {"stopping": "stopped", "aborting": "aborted"}.get(self.mode, "ended")
                self._over.set_result(how)
        except Exception as trouble:  # noqa: BLE001 - handed to run(), which raises it
            self._over.set_exception(trouble)

    def _idle(self) -> bool:
        if self._work.tasks or self._work.ended or self._resetting:
            return False
        if self.mode in ("stopping", "aborting") or not self._ready:
            return True
        return self.mode == "running" and self._ready.best(self.context.clock()) is None

    def hold(self) -> str:
        """Why nothing new starts; '' when it may."""
        if self.mode in ("paused", "stopping", "aborting"):
            return self.mode_why
        return f"paused: {self.gate.reason}" if self.gate and self.gate.closed else ""

    def _show_waiting(self) -> None:
        """Say of ABs that became ready and did not start what they wait for."""
        first = self.entries.get(self.admission.first)
        if first is not None and first.state == "SLOT":
            self._ready.fresh.append(first)  # its numbers may have changed
        if not self._ready.fresh:
            return
        fresh, self._ready.fresh = self._ready.fresh, []
        held = self.hold()
        for entry in fresh:
            ended = entry.state in ENDED and entry.state != "INTERRUPTED"
            if ended or entry.state in AT_WORK or entry.missing:
                continue
            if held:
                self._states.become(entry, "PAUSED", held)
            elif self._ready.barred(entry):
                self._states.become(entry, "SLOT", f"waits until all before rank {entry.rank} have ended")
            else:
                self._states.become(entry, "SLOT", self.admission.lacks(entry) or "waits for a stream")

    # --- starting ---------------------------------------------------------------------------

    def _start(self) -> None:
        """Start whatever may start: intents first, durably, then the recipes."""
        if len(self._work) >= self.streams or not self._ready or self._resetting:
            return
        if self._aside and not self._aside.open():
            return
        chosen: list[Task] = []
        now = self.context.clock()
        while len(self._work) < self.streams and (heap := self._ready.best(now)):
            if heap[0][-1] not in self._intents:
                self._intents.note(self._ready.first(heap, _AHEAD))
            entry = self._ready.take(heap)
            chosen.append(self._work.take(entry, self._intents.take(entry.ab), now))
        if not chosen or not self._durable(chosen):
            return
        for task in chosen:
            self._work.start(task)
        if self._aside:
            self._aside.started()

    def _durable(self, chosen: list[Task]) -> bool:
        """Make durable what must be before these start; when that fails they do not, and the run pauses."""
        try:
            self._intents.commit(chosen, self.entries)
        except sqlite3.Error as trouble:
            for task in chosen:
                self._work.release(task)
                self._intents.give_back(task)
                self._ready.add(self.entries[task.ab])
            self._switch("paused", _unwritable(trouble))
            return False
        return True

    # --- ending -----------------------------------------------------------------------------

    def _finish(self, task: Task, result: Result) -> None:
        entry, now = self.entries[task.ab], self.context.clock()
        self._work.release(task)
        duration = max(0.0, now - task.started - task.frozen_s)
        # What ended while nobody looked was not measured, and what runs no recipe says nothing of those that do.
        measured = entry.kind.name if task.timed and entry.recipe.lower() != "none" else ""
        self.attempts.ended(
            task.id,
            now,
            result.state.lower(),
            entry.ab,
            kind=measured,
            inputs=entry.inputs,
            busy_s=duration,
            rss_mb=task.max_rss_mb,
        )
        if result.message:
            self.context.bus.publish(ev.AbMessage(entry.ab, result.message))
        row = self.context.board.rows.get(entry.ab)
        if result.state == "DONE" and row is not None and row.score:
            self.context.bus.publish(ev.AbScored(entry.ab, ""))  # the scores of earlier products are not those of these
        if entry.state == "SUSPENDED" and result.state == "DONE":
            self._states.become(entry, "RUNNING", stream=task.stream)
        self._states.become(entry, result.state, result.reason, started=task.started, duration=duration)
        if result.state == "DONE":
            self._states.done(entry)
        elif result.state == "FAILED":
            self._states.failed(entry)
        elif self.mode != "aborting":
            # Interrupted without being told to: it runs again by itself.
            self._states.again([entry])

    # --- mode and journal -------------------------------------------------------------------

    def _change_mode(self, mode: str, why: str) -> None:
        if mode != self.mode or why != self.mode_why:
            self.mode, self.mode_why = mode, why
            self.context.bus.publish(ev.ModeChanged(mode, why))

    def _switch(self, mode: str, why: str) -> None:
        """Change the mode of the run and tell those that wait."""
        self._change_mode(mode, why)
        self._look_again()

    def _look_again(self) -> None:
        self._ready.look_again()
        self._kick()

    def _say(self, level: str, text: str) -> None:
        self.context.bus.publish(ev.Notice(level, text))

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        try:
            self.attempts.flush()
        except sqlite3.Error as trouble:
            if self.mode == "running":
                self._switch("paused", _unwritable(trouble))


def _unwritable(trouble: sqlite3.Error) -> str:
    return f"the journal cannot be written: {trouble}; free space, then resume"
