"""Recipes as jobs of a batch system, attached: we keep the cascade, it runs the jobs.

One loop submits and asks for all jobs of a run. A batch system that cannot be reached is waited for; what was known
last stays, with the reason. Nothing is submitted twice, and nothing is done that has no exit record.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from config.batch import Batch as BatchSettings
from engine.core.ab import AB
from engine.core.cascade import Kind
from engine.errors import DfosError, EngineAway, Unsupported
from engine.process.executors.batch_job import BatchJob, Wish
from engine.process.executors.local import TOKEN, LocalExecutor
from engine.process.executors.protocol import (
    Capability,
    Executor,
    JobRef,
    JobSpec,
    Refused,
    Resources,
    Running,
    Status,
)
from engine.process.executors.records import Records
from engine.process.plan.pool import main_inputs
from engine.stores.attempts import Attempt
from engine.stores.batch_jobs import BatchJobs, Killed

_GATHER_S = 0.02  # jobs that start in one turn go in one submission
_LONGEST_S = 60.0
_LOSSES = 3


class Batch:
    """A Starter that has recipes run by an executor. `say(level, text)` tells the operator.

    `boot` marks attempts in the journal as jobs of this engine.
    """

    def __init__(
        self,
        executor: Executor,
        records: Records,
        jobs: BatchJobs,
        settings: BatchSettings,
        *,
        say: Callable[[str, str], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.boot = executor.name
        self.executor = executor
        self.records = records
        self._jobs = jobs
        self._settings = settings
        self._say = say
        self._clock = clock
        self._local = LocalExecutor()
        self._followed: dict[str, BatchJob] = {}
        self._losses: Counter[str] = Counter()
        self._away_since = 0.0
        self._failures = 0
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    # --- the Starter protocol ---------------------------------------------------------------

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        log: Path | str,
        env: Mapping[str, str],
        ab: AB | None = None,
        kind: Kind | None = None,
    ) -> BatchJob:
        """Have a recipe queued. What goes wrong from now on is told by the job."""
        token = env[TOKEN]
        name = ab.name.removesuffix(".ab") if ab else token
        attempt = token.rsplit(":", 2)[-2] if token.count(":") >= 2 else ""
        spec = JobSpec(
            token,
            tuple(argv),
            Path(cwd),
            dict(env),
            Path(log),
            self.asked(ab, kind),
            attempt=int(attempt) if attempt.isdigit() else 1,
            name=name,
        )
        return self._follow(BatchJob(self, token, ab.name if ab else token, spec))

    def find(self, workdir: Path | str, token: str = "") -> tuple[int, int] | None:
        """A recipe of ours that runs on this very host, as a job of a controller that lost it may."""
        return self._local.find(workdir, token)

    async def found(self, attempt: Attempt) -> Running | None:
        """Follow the job of an attempt; None when it was never about to be submitted."""
        if attempt.boot != self.boot:
            return await self._local.found(attempt)
        if not self.records.spec_path(attempt.token).exists():
            return None
        return self._follow(BatchJob(self, attempt.token, attempt.ab, None, self._jobs.native(attempt.token)))

    def asked(self, ab: AB | None, kind: Kind | None) -> Resources:
        """What a job for an AB asks for."""
        least = kind.memory_gb if kind else 0.0
        each = kind.memory_gb_per_input * main_inputs(ab) if kind and ab and kind.memory_gb_per_input else 0.0
        asked = max(least, each) * 1000 or float(self._settings.memory_mb)
        asked = self._jobs.asks(ab.name, asked) if ab else asked
        limit = kind.time_limit_s if kind else 0.0
        # Our own limit comes first: it says so in the AB.
        return Resources(round(asked), self._settings.cpus, round(limit * 1.1 + 300) if limit else 0)

    @property
    def may_suspend(self) -> bool:
        """Can what runs be frozen?"""
        return Capability.SUSPEND_RUNNING in self.executor.capabilities

    # --- the run ----------------------------------------------------------------------------

    def tidy(self, open_tokens: frozenset[str]) -> None:
        """Before a run: forget jobs whose attempts are closed, and cancel those that nobody wants any more.

        What jobs of a cascade that goes on without us come after is kept until they have ended, too.
        """
        known = self._jobs.known(self.boot)
        for token in [token for token, unwanted in known.items() if unwanted and token not in open_tokens]:
            self._follow(BatchJob(self, token, token, None)).unwanted()
        needed = open_tokens | self.records.awaited(open_tokens)
        done = [token for token, unwanted in known.items() if not unwanted and token not in needed]
        self.records.forget(done)
        self._jobs.forget(done)

    def given(self, refs: Sequence[JobRef]) -> None:
        """The system has these jobs: their numbers go into the journal."""
        self._jobs.note((ref.token, ref.engine, ref.native_id) for ref in refs)

    def left(self, job: BatchJob) -> None:
        """Nobody follows a job any more: it goes on, or has ended."""
        self._followed.pop(job.token, None)

    def lacked(self, job: BatchJob, used_mb: int) -> None:
        """A job was ended for its memory: noted, so that more is offered."""
        self._jobs.lacked(job.ab, Killed(job.token, self.records.asked_mb(job.token), used_mb))

    def wished(self) -> None:
        """A job is to be held, released, frozen or ended: look soon."""
        self._wake.set()

    async def close(self) -> None:
        """Stop following all."""
        if self._loop:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        await self.executor.close()

    def _follow(self, job: BatchJob) -> BatchJob:
        self._followed[job.token] = job
        self._wake.set()
        if self._loop is None or self._loop.done():
            self._loop = asyncio.get_running_loop().create_task(self._turns())
        return job

    async def _turns(self) -> None:
        looked = 0.0
        while self._followed:
            self._wake.clear()
            try:
                await self._submit()
                await self._wishes()
                if time.monotonic() - looked >= self._settings.poll_s:
                    await self._look()
                    looked = time.monotonic()
                self._reached()
                pause = max(0.0, looked + self._settings.poll_s - time.monotonic())
            except EngineAway as trouble:
                pause = self._unreached(trouble)
            except DfosError as trouble:
                pause = self._unreached(EngineAway(str(trouble)))
            except Exception as trouble:  # noqa: BLE001 - jobs must be followed whatever happens
                pause = self._unreached(EngineAway(f"{type(trouble).__name__}: {trouble}"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                await asyncio.sleep(_GATHER_S)

    async def _submit(self) -> None:
        """Give the system what it has not yet. One that it refuses for good fails, the others go on."""
        while new := [job for job in self._followed.values() if job.status is Status.SUBMITTING and job.spec]:
            for job in new:
                job.given = True
            specs = [replace(job.spec, held=job.wish is Wish.STAND) for job in new if job.spec]
            try:
                refs = await self.executor.submit(specs)
            except Refused as trouble:
                if refused := self._followed.get(trouble.token):
                    refused.refused(str(trouble))
                continue
            self.given(refs)
            for ref, spec in zip(refs, specs, strict=True):
                if given := self._followed.get(ref.token):
                    given.submitted(ref, held=spec.held)

    async def _wishes(self) -> None:
        """Carry out what jobs are to do."""
        for wish, statuses, verb in (
            (Wish.END, set(Status), self.executor.cancel),
            (Wish.STAND, {Status.PENDING}, self._hold),
            (Wish.STAND, {Status.RUNNING}, self._suspend),
            (Wish.GO, {Status.HELD}, self.executor.release),
            (Wish.GO, {Status.SUSPENDED}, self.executor.resume),
        ):
            jobs = [job for job in self._followed.values() if job.wish is wish and job.status in statuses]
            if wish is Wish.GO:
                jobs = [job for job in jobs if job.stood]
            if jobs:
                await verb([job.ref for job in jobs])
            for job in jobs:
                job.stood = wish is Wish.STAND

    async def _hold(self, refs: Sequence[JobRef]) -> None:
        await self.executor.hold(refs, "held by the console")

    async def _suspend(self, refs: Sequence[JobRef]) -> None:
        try:
            await self.executor.suspend(refs)
        except Unsupported as trouble:
            self._say("warning", f"recipes go on while they should stand aside: {trouble.what}")
            for job in [job for ref in refs if (job := self._followed.get(ref.token))]:
                job.goes_on(trouble.what)

    async def _look(self) -> None:
        tokens = [token for token, job in self._followed.items() if job.status is not Status.SUBMITTING]
        states = await self.executor.poll(tokens)
        for token, state in states.items():
            job = self._followed.get(token)
            if job is None:
                continue
            if state.status is Status.LOST:
                self._losses[job.ab] += 1
            job.heard(state, again=self._losses[job.ab] < _LOSSES)

    # --- reachable or not -------------------------------------------------------------------

    def _unreached(self, trouble: EngineAway) -> float:
        """What was known last stays, with the reason; how long to wait before the next look."""
        self._failures += 1
        if not self._away_since:
            self._away_since = self._clock()
            self._say(
                "warning", f"{self.boot} cannot be reached: {trouble.what}; its jobs are followed when it is back"
            )
        since = datetime.fromtimestamp(self._away_since, UTC).strftime("%H:%M")
        for job in list(self._followed.values()):
            with contextlib.suppress(sqlite3.Error):  # what could not be noted stays, for the next time
                job.unreached(f"not reachable since {since}: {trouble.what}", self._jobs.unwant)
        return min(_LONGEST_S, self._settings.poll_s * 2.0 ** min(self._failures, 8))

    def _reached(self) -> None:
        if self._away_since:
            self._say("info", f"{self.boot} is back")
        self._away_since, self._failures = 0.0, 0
