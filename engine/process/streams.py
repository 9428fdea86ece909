"""Which AB may start now, and why the others may not (decision 12, architecture section 6).

An AB starts when its parents are done, its kind has room, a stream is free, the gate is open
and nobody has paused. The work per finished AB does not depend on the size of the pool.
Journal: intents are committed before a recipe starts, ends before anything depending on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.status import AT_WORK, ENDED_BADLY, ENDED_WELL, may_become
from engine.errors import DfosError, UsageTrouble
from engine.process.executors.local import Recipe, new_token
from engine.process.foreign_tasks import Gate
from engine.process.job import Found, Job, Outcome, Result, Task
from engine.process.pool import Entry, below, pool_of
from engine.stores.attempts import Attempts

_FLUSH_S = 0.05
_AHEAD = 16  # intents noted together
_ENDED = ENDED_WELL | ENDED_BADLY
_RELEASED = frozenset({"MOVED", "INGESTED"})
_BLOCKING = frozenset({"FAILED", "BLOCKED", "STALE"})


class Streams:
    """The scheduler of one pool. `prepare` shows the pool, `run` processes it; everything else is an order."""

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
    ) -> None:
        self.context = context
        self.job = job
        self.attempts = attempts
        self.gate = gate
        self.entries, self._unknown = pool_of(abs_, context.settings)
        self.streams = context.settings.streams
        self.widths = {entry.kind.name: entry.kind.streams for entry in self.entries.values()}
        self.mode = "idle"
        self.mode_why = ""
        self._found = dict(found or {})
        self._outside = outside
        self._boot = boot
        self._groups: dict[tuple[str, str, str], list[tuple[int, int, str]]] = {}
        self._busy: Counter[str] = Counter()
        self._unfinished: dict[tuple[str, str], Counter[int]] = {}
        self._tasks: dict[int, Task] = {}
        self._fresh: list[Entry] = []
        self._intents: dict[str, tuple[int, int, str, str]] = {}
        self._uncommitted: set[int] = set()
        self._ended: list[tuple[Task, Result]] = []
        self._kicked = False
        self._flushing = False
        self._prepared = False
        self._over: asyncio.Future[str] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._watch: asyncio.Task[None] | None = None

    # --- the pool ---------------------------------------------------------------------------

    def prepare(self) -> None:
        """Show every AB with its present state: from its file, the journal, and what recovery found."""
        if self._prepared:
            return
        self._prepared = True
        rows = {row["ab"]: row for row in self.attempts.rows() if row["ab"] in self.entries}
        for entry in self.entries.values():
            pool = self._unfinished.setdefault((entry.mode, entry.date), Counter())
            known = rows.get(entry.ab, {})
            self._first_state(entry, known.get("state", ""), known.get("reason", ""))
            if entry.state not in _ENDED:
                pool[entry.rank] += 1
            self._publish_seen(entry, known)
        for name in self._unknown:
            kind = self.entries[name].kind.name
            self._say("warning", f"{name}: no kind '{kind}' in the profile; it runs alone, after all others")
        self.context.bus.publish(ev.StreamsChanged(self.streams))

    def _first_state(self, entry: Entry, known: str, reason: str) -> None:
        for parent in entry.parents:
            if parent not in self.entries:
                entry.outside = entry.outside or self._outside(parent)
            elif self.entries[parent].state not in ENDED_WELL:
                entry.missing += 1
                entry.awaited = parent
        found = self._found.get(entry.ab)
        if found:
            entry.state, entry.started = "INTERRUPTED", found.attempt.started
            entry.reason = "its recipe still runs" if found.recipe else "ended while no engine was there"
        elif entry.status == "SUCCESSFUL":
            entry.state = known if known in ENDED_WELL or known == "STALE" else "DONE"
        elif entry.status == "FAILED":
            entry.state, entry.reason = "FAILED", (reason if known == "FAILED" else "failed in an earlier run")
        else:
            entry.state, entry.reason = self._waiting_state(entry)
            if entry.state == "CREATED":
                self._ready(entry)

    def _waiting_state(self, entry: Entry) -> tuple[str, str]:
        """PARENT, BLOCKED, or CREATED when it may start, with the reason: from what its parents are."""
        blocker = next((p for p in entry.parents if p in self.entries and self.entries[p].state in _BLOCKING), "")
        if blocker:
            return "BLOCKED", self._blocked_by(self.entries[blocker])
        if entry.missing:
            return "PARENT", f"waits for {entry.awaited}"
        return ("PARENT", entry.outside) if entry.outside else ("CREATED", "")

    @staticmethod
    def _blocked_by(entry: Entry) -> str:
        if entry.state == "BLOCKED":
            return entry.reason
        return f"blocked: {entry.ab} {'FAILED' if entry.state == 'FAILED' else 'is stale'}"

    def _publish_seen(self, entry: Entry, known: Mapping[str, object]) -> None:
        text = {name: str(known.get(name) or "") for name in ("score", "message", "verdict", "comment")}
        self.context.bus.publish(
            ev.AbSeen(
                entry.ab,
                entry.mode,
                entry.date,
                entry.kind.name,
                entry.recipe,
                entry.raw_type,
                entry.target,
                entry.order,
                entry.parents,
                entry.kind.forecast_s,
                entry.state,
                entry.reason,
                started=entry.started or float(str(known.get("started") or 0.0)),
                duration_s=float(str(known.get("duration_s") or 0.0)),
                score=text["score"],
                message=text["message"],
                verdict=text["verdict"],
                comment=text["comment"],
            )
        )

    # --- the run ----------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Process the pool until nothing can start any more, or until stopped or aborted."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        leave = self.attempts.follow(self.context.bus, self.context.board, self._flush_soon)
        try:
            self.prepare()
            if self.mode == "idle":
                self._change_mode("running", "")
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._start_found()
                self._kick()
                how = await self._over
                if self._watch:
                    self._watch.cancel()
        finally:
            self._group = None
            for id_, *_ in self._intents.values():
                self.attempts.withdraw(id_)
            with contextlib.suppress(sqlite3.Error):
                self.attempts.flush()
            leave()
            for task in self._tasks.values():
                if task.recipe:
                    task.recipe.leave()
            if self.gate:
                self.gate.close_books()
        self._change_mode("idle", "")
        return self._outcome(how)

    def _outcome(self, how: str) -> Outcome:
        by: dict[str, list[str]] = {"done": [], "FAILED": [], "BLOCKED": [], "INTERRUPTED": [], "waiting": []}
        for entry in self.entries.values():
            key = "done" if entry.state in ENDED_WELL else entry.state
            by[key if key in by else "waiting"].append(entry.ab)
        names = {key: tuple(found) for key, found in by.items()}
        return Outcome(how, names["done"], names["FAILED"], names["BLOCKED"], names["INTERRUPTED"], names["waiting"])

    def _kick(self) -> None:
        if not self._kicked and self._over is not None:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._kicked = False
        if self._over is None or self._over.done():
            return
        try:
            while self._ended:
                self._finish(*self._ended.pop())
            if self.mode == "running":
                self._start()
            self._show_waiting()
            if self._idle():
                how = {"stopping": "stopped", "aborting": "aborted"}.get(self.mode, "ended")
                self._over.set_result(how)
        except Exception as trouble:  # noqa: BLE001 - handed to run(), which raises it
            self._over.set_exception(trouble)

    def _idle(self) -> bool:
        if self._tasks or self._ended:
            return False
        if self.mode in ("stopping", "aborting") or not any(self._groups.values()):
            return True
        return self.mode == "running" and self._best() is None

    # --- starting ---------------------------------------------------------------------------

    def _ready(self, entry: Entry) -> None:
        heap = self._groups.setdefault((entry.kind.name, entry.mode, entry.date), [])
        heapq.heappush(heap, (entry.rank, entry.order, entry.ab))
        self._fresh.append(entry)

    def _best(self) -> list[tuple[int, int, str]] | None:
        """The heap whose head may start next, as far as kinds and barriers are concerned."""
        best: list[tuple[int, int, str]] | None = None
        for (kind, mode, date), heap in self._groups.items():
            if not heap or self._busy[kind] >= self.widths[kind] or self._barred(heap[0][0], mode, date):
                continue
            if best is None or heap[0] < best[0]:
                best = heap
        return best

    def _barred(self, rank: int, mode: str, date: str) -> bool:
        """With barriers: does a lower rank of the pool still have ABs that have not ended?"""
        if not self.context.settings.barriers:
            return False
        return any(count > 0 and lower < rank for lower, count in self._unfinished[(mode, date)].items())

    def _start(self) -> None:
        """Start whatever may start: intents first, durably, then the recipes."""
        if len(self._tasks) >= self.streams or not any(self._groups.values()):
            return
        if self.gate and not self._gate_open(self.gate):
            return
        chosen: list[Task] = []
        while len(self._tasks) < self.streams and (heap := self._best()):
            chosen.append(self._begin(heap))
        if not chosen or not self._durable(chosen):
            return
        for task in chosen:
            self._set(self.entries[task.ab], "RUNNING", stream=task.stream, started=task.started)
            self._spawn(task)
        if self.gate and self.gate.suspends and (self._watch is None or self._watch.done()):
            self._watch_from_now(self.gate, look=False)

    def _begin(self, heap: list[tuple[int, int, str]]) -> Task:
        """A task for the head of a heap. Intents are noted a few ABs ahead, so that one commit serves them all."""
        if heap[0][2] not in self._intents:
            for item in [heapq.heappop(heap) for _ in range(min(_AHEAD, len(heap)))]:
                self._intend(item[2])
                heapq.heappush(heap, item)
        entry = self.entries[heapq.heappop(heap)[2]]
        id_, number, workdir, token = self._intents.pop(entry.ab)
        return self._task(entry, id_, number, workdir, token, self.context.clock(), None)

    def _intend(self, ab: str) -> None:
        if ab not in self._intents:
            number = self.attempts.number(ab) + 1
            workdir, token = self.job.workdir(ab, number), new_token(ab, number)
            id_ = self.attempts.intend(ab, workdir, token, self._boot, self.context.clock(), number)
            self._intents[ab] = (id_, number, workdir, token)
            self._uncommitted.add(id_)

    def _durable(self, chosen: list[Task]) -> bool:
        """Commit, unless the intents and the ends of all parents are durable already; False when that fails."""
        known = self._uncommitted.isdisjoint(task.id for task in chosen)
        if known and all(self.attempts.sealed(self.entries[task.ab].parents) for task in chosen):
            return True
        try:
            self.attempts.flush()
        except sqlite3.Error as trouble:
            for task in chosen:
                self._release(task)
                self._intents[task.ab] = (task.id, task.attempt, task.workdir, task.token)
                self._ready(self.entries[task.ab])
            self._change_mode("paused", f"the journal cannot be written: {trouble}; free space, then resume")
            return False
        self._uncommitted.clear()
        return True

    def _task(
        self, entry: Entry, id_: int, number: int, workdir: str, token: str, started: float, found: Found | None
    ) -> Task:
        stream = 1
        while stream in self._tasks:
            stream += 1
        task = Task(entry.ab, entry.kind, stream, id_, number, workdir, token, started, found, self)
        self._tasks[stream] = task
        self._busy[entry.kind.name] += 1
        entry.stream, entry.started = stream, started
        return task

    def _start_found(self) -> None:
        """Follow what an earlier engine left running, whatever the stream width; judge what ended meanwhile."""
        for name, found in self._found.items():
            if name not in self.entries:
                continue
            old, entry = found.attempt, self.entries[name]
            task = self._task(entry, old.id, old.attempt, old.workdir, old.token, old.started, found)
            task.recipe = found.recipe
            if found.recipe and found.recipe.suspended:
                found.recipe.resume()
            state = "RUNNING" if found.recipe else "JUDGED"
            self._set(entry, state, "found again" if found.recipe else "", stream=task.stream, started=old.started)
            self._spawn(task)
        if self.gate and self.gate.suspends and self._tasks:
            self._watch_from_now(self.gate, look=True)

    def _spawn(self, task: Task) -> None:
        if self._group is None:
            raise DfosError("an AB was started outside a run", where=task.ab)
        self._group.create_task(self._follow(task))

    async def _follow(self, task: Task) -> None:
        try:
            result = await self.job.run(task)
        except DfosError as trouble:
            result = Result("FAILED", str(trouble))
        except Exception as trouble:  # noqa: BLE001 - one AB must never end the run
            result = Result("FAILED", f"internal error: {type(trouble).__name__}: {trouble}; please report it")
        self._ended.append((task, result))
        self._kick()

    def spawned(self, task: Task, recipe: Recipe) -> None:
        """A recipe runs: its pid goes into the journal with the next commit."""
        self.attempts.spawned(task.id, recipe.pid, recipe.start, task.started)

    def exited(self, task: Task, rc: int | None) -> None:
        """A recipe ended; its products are being checked."""
        self.attempts.exited(task.id, self.context.clock(), rc)
        entry = self.entries[task.ab]
        if entry.state == "SUSPENDED":
            self._set(entry, "RUNNING", stream=task.stream, started=task.started)
        if not task.aborted and entry.state != "JUDGED":
            self._set(entry, "JUDGED", stream=task.stream, started=task.started)

    # --- ending -----------------------------------------------------------------------------

    def _release(self, task: Task) -> None:
        del self._tasks[task.stream]
        self._busy[task.kind.name] -= 1
        self.entries[task.ab].stream = 0

    def _finish(self, task: Task, result: Result) -> None:
        entry, now = self.entries[task.ab], self.context.clock()
        self._release(task)
        self.attempts.ended(task.id, now, result.state.lower(), entry.ab)
        if result.message:
            self.context.bus.publish(ev.AbMessage(entry.ab, result.message))
        if result.score:
            self.context.bus.publish(ev.AbScored(entry.ab, result.score))
        duration = max(0.0, now - task.started - task.frozen_s)
        if entry.state == "SUSPENDED" and result.state == "DONE":
            self._set(entry, "RUNNING", stream=task.stream)
        self._set(entry, result.state, result.reason, started=task.started, duration=duration)
        if result.state == "DONE":
            entry.status = "SUCCESSFUL"
            self._free_children(entry)
        elif result.state == "FAILED":
            entry.status = "FAILED"
            self._block_children(entry)
        elif self.mode != "aborting":
            # Interrupted without being told to: it runs again by itself.
            self._set(entry, "CREATED")
            self._ready(entry)

    def _free_children(self, entry: Entry) -> None:
        for name in entry.children:
            child = self.entries[name]
            child.missing -= 1
            if child.state != "PARENT":
                continue
            if child.missing:
                if child.awaited == entry.ab:
                    child.awaited = self._unfinished_parent(child)
                    self._set(child, "PARENT", f"waits for {child.awaited}")
            elif child.outside:
                self._set(child, "PARENT", child.outside)
            else:
                self._ready(child)

    def _unfinished_parent(self, entry: Entry) -> str:
        return next(
            (p for p in reversed(entry.parents) if p in self.entries and self.entries[p].state not in ENDED_WELL), ""
        )

    def _block_children(self, entry: Entry) -> None:
        for child in below(self.entries, entry.ab):
            if child.state not in _ENDED and child.state not in AT_WORK:
                self._set(child, "BLOCKED", self._blocked_by(entry))

    # --- orders -----------------------------------------------------------------------------

    def pause(self, who: str) -> None:
        """Start nothing new; what runs goes on."""
        self._order("paused", f"paused by {who}")

    def resume(self, who: str = "") -> None:
        """Go on after a pause, or after a stop that has not ended yet."""
        self._order("running", f"resumed by {who}" if who else "")

    def stop(self, who: str) -> None:
        """Finish what runs, start nothing new, then end cleanly."""
        self._order("stopping", f"stopped by {who}")

    def abort(self, who: str) -> None:
        """Terminate the recipes; their ABs are interrupted and run again at the next start."""
        self._order("aborting", f"aborted by {who}")
        for task in self._tasks.values():
            task.aborted = f"aborted by {who}"
            if task.recipe and self._group:
                self._group.create_task(task.recipe.terminate())

    def override(self, who: str) -> None:
        """Run in spite of the foreign tasks that are there now; recorded. UsageTrouble in AUTO."""
        if self.context.auto:
            raise UsageTrouble("the gate may only be overridden by an operator", remedy="use the console")
        if self.gate is None or not self.gate.closed:
            raise UsageTrouble("the gate is open", remedy="nothing to override")
        self.gate.override(who)
        self._gate_changed(self.gate)
        self._kick()

    def set_streams(self, count: int, kind: str = "") -> None:
        """Change the number of streams, in all or of one kind; what runs beyond a lower number finishes."""
        if count < 1:
            raise UsageTrouble(f"{count} streams", remedy="at least 1; use pause to start nothing new")
        if not kind:
            self.streams = count
            self.context.bus.publish(ev.StreamsChanged(count))
        elif kind not in self.widths:
            raise UsageTrouble(f"no kind '{kind}' in this pool", remedy="use " + ", ".join(sorted(self.widths)))
        else:
            self.widths[kind] = count
            self._say("info", f"{kind}: {count} at once")
        self._kick()

    async def retry(self, ab: str) -> list[str]:
        """Run an AB again, and everything that depends on it; their names.

        UsageTrouble when one of them runs or its products have left.
        """
        if ab not in self.entries:
            raise UsageTrouble(f"{ab} is not in this pool", remedy="check the name")
        again = [self.entries[ab], *below(self.entries, ab)]
        for entry in again:
            if entry.state in AT_WORK:
                raise UsageTrouble(f"{entry.ab} is {entry.state.lower()}", remedy="wait for it, or abort")
            if entry.state in _RELEASED:
                raise UsageTrouble(f"the products of {entry.ab} have moved", remedy="undo the move first")
        await asyncio.to_thread(self.job.reset, [entry.ab for entry in again])
        names = {entry.ab for entry in again}
        for key, heap in self._groups.items():
            kept = [item for item in heap if item[2] not in names]
            heapq.heapify(kept)
            self._groups[key] = kept
        for entry in again:
            entry.status = "CREATED"
            if entry.state != "CREATED":
                self._set(entry, "CREATED")
        for entry in sorted(again, key=lambda entry: entry.order):
            unmet = [p for p in entry.parents if p in self.entries and self.entries[p].state not in ENDED_WELL]
            entry.missing, entry.awaited = len(unmet), unmet[-1] if unmet else ""
            state, reason = self._waiting_state(entry)
            if state == "CREATED":
                self._ready(entry)
            else:
                self._set(entry, state, reason)
        self._kick()
        return [entry.ab for entry in again]

    @property
    def running(self) -> list[Task]:
        """What occupies the streams, by stream."""
        return [self._tasks[stream] for stream in sorted(self._tasks)]

    def why(self, ab: str) -> list[str]:
        """Why an AB is not running: the chain, one sentence a line, ending with what to do."""
        from engine.process.why import why

        return why(self, ab)

    def _order(self, mode: str, text: str) -> None:
        if self.mode == "aborting":
            raise UsageTrouble("the run is being aborted", remedy="start it again afterwards")
        if self._over is not None and self._over.done():
            raise UsageTrouble("the run is over", remedy="start it again")
        self._change_mode(mode, text)
        for heap in self._groups.values():
            self._fresh += [self.entries[item[2]] for item in heap]
        self._kick()

    # --- the gate ---------------------------------------------------------------------------

    def _gate_open(self, gate: Gate) -> bool:
        if gate.fresh:
            return not gate.closed
        idle = self._watch is None or self._watch.done()
        if not idle and not gate.looking and not gate.closed and self._watch:
            self._watch.cancel()  # it sleeps until its next look, but we want to start something now
            idle = True
        if idle:
            self._watch_from_now(gate, look=True)
        return False

    def _watch_from_now(self, gate: Gate, *, look: bool) -> None:
        if self._group:
            self._watch = self._group.create_task(self._watch_gate(gate, look))

    async def _watch_gate(self, gate: Gate, look: bool) -> None:
        """Look at once or after the interval; go on looking while somebody is held or could be suspended."""
        while True:
            if look:
                was = gate.closed
                await gate.look()
                if gate.closed or was:
                    self._gate_changed(gate)
                self._kick()
            if not self._gate_matters(gate):
                return
            await gate.pause()
            look = True

    def _gate_matters(self, gate: Gate) -> bool:
        held = any(task.recipe and task.recipe.suspended for task in self._tasks.values())
        if gate.closed:
            return held or (self.mode == "running" and any(self._groups.values()))
        return gate.suspends and bool(self._tasks)

    def _gate_changed(self, gate: Gate) -> None:
        for task in self._tasks.values():
            entry, recipe = self.entries[task.ab], task.recipe
            if recipe is None:
                continue
            if gate.closed and gate.suspends and entry.state == "RUNNING":
                recipe.suspend()
                self._set(entry, "SUSPENDED", gate.reason, stream=task.stream, started=task.started)
            elif not gate.closed and entry.state == "SUSPENDED":
                recipe.resume()
                self._set(entry, "RUNNING", stream=task.stream, started=task.started)
        for heap in self._groups.values():
            self._fresh += [self.entries[item[2]] for item in heap]
        self._show_waiting()

    # --- speaking ---------------------------------------------------------------------------

    def hold(self) -> str:
        """Why nothing new starts; '' when it may."""
        if self.mode in ("paused", "stopping", "aborting"):
            return self.mode_why
        return f"paused: {self.gate.reason}" if self.gate and self.gate.closed else ""

    def _show_waiting(self) -> None:
        """Say of ABs that became ready and did not start what they wait for."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        held = self.hold()
        for entry in fresh:
            ended = entry.state in _ENDED and entry.state != "INTERRUPTED"
            if ended or entry.state in AT_WORK or entry.missing:
                continue
            if held:
                self._set(entry, "PAUSED", held)
            elif self._barred(entry.rank, entry.mode, entry.date):
                self._set(entry, "SLOT", f"waits until all before rank {entry.rank} have ended")
            else:
                self._set(entry, "SLOT", "waits for a stream")

    def _set(
        self,
        entry: Entry,
        state: str,
        reason: str = "",
        *,
        stream: int = 0,
        started: float = 0.0,
        duration: float = 0.0,
    ) -> None:
        old = entry.state
        if not may_become(old, state):
            raise DfosError(f"{old} may not become {state}", where=entry.ab)
        if old == state and entry.reason == reason and not stream:
            return
        if (old in _ENDED) != (state in _ENDED):
            self._unfinished[(entry.mode, entry.date)][entry.rank] += 1 if old in _ENDED else -1
            if self.context.settings.barriers and state in _ENDED:
                self._unbar(entry)
        entry.state, entry.reason = state, reason
        self.context.bus.publish(ev.AbChanged(entry.ab, state, reason, stream, started, duration))

    def _unbar(self, entry: Entry) -> None:
        if not self._unfinished[(entry.mode, entry.date)][entry.rank]:
            for heap in self._groups.values():
                self._fresh += [self.entries[item[2]] for item in heap]

    def _change_mode(self, mode: str, why: str) -> None:
        if mode != self.mode or why != self.mode_why:
            self.mode, self.mode_why = mode, why
            self.context.bus.publish(ev.ModeChanged(mode, why))

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
                self._order("paused", f"the journal cannot be written: {trouble}; free space, then resume")
