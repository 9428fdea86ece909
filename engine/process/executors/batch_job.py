"""One recipe as a job of a batch system, as the engine sees it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

from engine.process.executors.protocol import Exit, JobRef, JobSpec, JobState, Status

_QUEUED = frozenset({Status.SUBMITTING, Status.PENDING, Status.HELD})


class Wish(Enum):
    """What a job is to do, as far as we are concerned."""

    GO = "run"
    STAND = "not start, or stand still"
    END = "end"


class Followers(Protocol):
    """Who looks after jobs: `Batch`."""

    boot: str

    @property
    def may_suspend(self) -> bool:
        """Can what runs be frozen?"""
        ...

    def left(self, job: BatchJob) -> None:
        """Nobody follows it any more."""
        ...

    def wished(self) -> None:
        """Something is to be done."""
        ...

    def lacked(self, job: BatchJob, used_mb: int) -> None:
        """It was ended for its memory."""
        ...


class BatchJob:
    """A recipe under way in a batch system; meets `Running`. Without `spec` it was submitted by an earlier engine."""

    pid = 0
    start = 0

    def __init__(self, batch: Followers, token: str, ab: str, spec: JobSpec | None, native: str = "") -> None:
        self.token = token
        self.ab = ab
        self.spec = spec
        self.status = Status.SUBMITTING if spec else Status.PENDING
        self.reason = "being submitted" if spec else "looked for"
        self.wish = Wish.GO
        self.ref = JobRef(token, batch.boot, native)
        self.given = spec is None
        self.stood = spec is None  # we made it stand, or an engine before us may have: nobody else's hold is released
        self._batch = batch
        self._told: Callable[[], object] = _nobody
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Exit] = self._loop.create_future()
        self._stood_s = 0.0
        self._stands_since = self._loop.time()

    # --- the Running protocol ---------------------------------------------------------------

    @property
    def ident(self) -> str:
        """`slurm 17`."""
        return f"{self._batch.boot} {self.ref.native_id}".strip()

    @property
    def suspended(self) -> bool:
        """Frozen, or held in the queue, or about to be."""
        return self.wish is Wish.STAND or self.status in (Status.HELD, Status.SUSPENDED)

    @property
    def queued(self) -> bool:
        """It has not begun."""
        return self.status in _QUEUED

    @property
    def over(self) -> bool:
        """True when it has ended."""
        return self._over.done()

    async def wait(self) -> Exit:
        """Wait for its end, also while the batch system is away."""
        return await asyncio.shield(self._over)

    def follow(self, told: Callable[[], object]) -> None:
        """Call `told` whenever something has changed, and once now."""
        self._told = told
        told()

    def suspend(self) -> bool:
        """Hold it in the queue, or freeze it; True when it ran and is asked to stand still."""
        if self.wish is Wish.GO and (self.queued or self._batch.may_suspend):
            self._wants(Wish.STAND)
        return self.wish is Wish.STAND and not self.queued

    def resume(self) -> None:
        """Let it start, or go on."""
        if self.wish is Wish.STAND or self.status in (Status.HELD, Status.SUSPENDED):
            self.stood = True
            self._wants(Wish.GO)

    @property
    def frozen_s(self) -> float:
        """Seconds it waited in the queue or stood still so far."""
        running = self.status is Status.RUNNING or self.over
        return self._stood_s + (0.0 if running else self._loop.time() - self._stands_since)

    async def terminate(self, grace_s: float = 10.0) -> None:
        """Cancel it. When its system cannot be reached in that time it is cancelled as soon as it is back."""
        self.unwanted()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(grace_s, 60.0)):
                await self.wait()

    def leave(self) -> None:
        """Stop following it; it goes on."""
        self._batch.left(self)
        self._told = _nobody

    # --- what the batch hears ---------------------------------------------------------------

    def unwanted(self) -> None:
        """It is to end."""
        if not self.given:
            self._ends(Exit(None, "withdrawn before it was submitted"))
            return
        if self.status is Status.SUBMITTING:
            self.status = Status.PENDING  # it may have arrived
        self._wants(Wish.END)

    def submitted(self, ref: JobRef, *, held: bool) -> None:
        """It has a number now."""
        self.ref, self.stood = ref, held
        self._stands(Status.HELD if held else Status.PENDING, "")

    def refused(self, why: str) -> None:
        """It can never run as it is."""
        self._ends(Exit(None, why))

    def goes_on(self, why: str) -> None:
        """It cannot be frozen after all."""
        self.wish, self.reason = Wish.GO, why
        self._told()

    def heard(self, state: JobState, *, again: bool) -> None:
        """How it stands by its system; `again`: when it is lost, it may run again by itself."""
        if state.ref.native_id:
            self.ref = state.ref
        if not state.status.ended:
            self._stands(state.status, state.reason)
            return
        rss, where = state.max_rss_mb, self.ident
        if state.status is Status.DONE:
            self._ends(Exit(0, max_rss_mb=rss))
        elif state.status is Status.LOST:
            self._ends(Exit(None, f"{where} is lost: {state.reason}", lost=again or self.wish is Wish.END))
        elif state.status is Status.REMOVED and state.after_failure:
            self._ends(Exit(None, state.reason, lost=True))
        elif state.status is Status.REMOVED:
            self._ends(Exit(state.exit_code, f"{where} was removed from outside: {state.reason}", max_rss_mb=rss))
        elif state.memory_killed:
            self._batch.lacked(self, rss)
            offer = f"; m (dfos retry {self.ab} --memory 2) runs it again with more"
            self._ends(Exit(state.exit_code, state.reason + offer, memory_killed=True, max_rss_mb=rss))
        else:
            told = "" if state.exit_code is not None else f"{where}: {state.reason}"
            self._ends(Exit(state.exit_code, told, max_rss_mb=rss))

    def unreached(self, why: str, unwant: Callable[[Iterable[str]], object]) -> None:
        """Its system is away: what was known stays."""
        if self.wish is Wish.END:
            unwant([self.token])
            self._ends(Exit(None, "its system is away; it is cancelled as soon as that is back"))
        else:
            self._stands(self.status, why)

    def _stands(self, status: Status, reason: str) -> None:
        if status is self.status and reason == self.reason:
            return
        now = self._loop.time()
        if status is Status.RUNNING and self.status is not Status.RUNNING:
            self._stood_s += now - self._stands_since
        elif self.status is Status.RUNNING and status is not Status.RUNNING:
            self._stands_since = now
        self.status, self.reason = status, reason
        self._told()

    def _ends(self, ended: Exit) -> None:
        if self.status is not Status.RUNNING:
            self._stood_s += self._loop.time() - self._stands_since
        if not self.over:
            self._over.set_result(ended)
        self._batch.left(self)

    def _wants(self, wish: Wish) -> None:
        self.wish = wish
        self._batch.wished()


def _nobody() -> None:
    """Nobody wants to know."""
