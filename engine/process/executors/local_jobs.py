"""Detached jobs on this host: each is a wrapper process of its own, found again by its token.

There is no queue: a held job, or one that comes after others, is a wrapper that waits. It goes on
without any of our processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine import threads
from engine.errors import RecipeTrouble
from engine.process.executors.protocol import Capability, Health, JobRef, JobSpec, JobState, Status
from engine.process.executors.records import WRAPPER, BadRecord, Records
from engine.processes import environ, start_of, state_of

_MARK = "DFOS_JOB"
_BEGINS_S = 2.0


class LocalJobs:
    """An Executor for this host. `records` is where its jobs leave what they have to say."""

    name = "local"
    capabilities = frozenset(
        {Capability.DETACH, Capability.NATIVE_DAG, Capability.HOLD_QUEUED, Capability.SUSPEND_RUNNING}
    )

    def __init__(self, records: Records, python: str = sys.executable) -> None:
        self.records = records
        self._python = python
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        """Start a wrapper for each job that is not known yet."""
        return await threads.to_end(self._submit, jobs)

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        """By the process table and the records."""
        return await asyncio.to_thread(self._poll, tokens)

    async def hold(self, refs: Sequence[JobRef], reason: str) -> None:
        """Those that wait go on waiting."""
        for ref in refs:
            self.records.hold_path(ref.token).touch()

    async def release(self, refs: Sequence[JobRef]) -> None:
        """Those that wait may start."""
        for ref in refs:
            self.records.hold_path(ref.token).unlink(missing_ok=True)

    async def suspend(self, refs: Sequence[JobRef]) -> None:
        """Freeze the recipe's group."""
        await threads.to_end(self._signal, refs, signal.SIGTSTP)

    async def resume(self, refs: Sequence[JobRef]) -> None:
        """Let the recipe's group go on."""
        await threads.to_end(self._signal, refs, signal.SIGCONT)

    async def cancel(self, refs: Sequence[JobRef]) -> None:
        """SIGTERM; the wrapper kills what does not hear within ten seconds."""
        await threads.to_end(self._cancel, refs)

    async def probe(self) -> Health:
        """Always there."""
        return Health(True, f"{platform.system()} {platform.release()}")

    async def close(self) -> None:
        """Stop following."""
        for child in self._children.values():
            if child.poll() is None:
                child.returncode = 0  # it runs on; nobody here waits for it
        self._children.clear()

    def _submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        alive = self._alive()
        refs = []
        for job in jobs:
            if job.token not in alive and not self.records.known(job.token) and not self._begins(job.token):
                self.records.parents(job, alive)
                alive[job.token] = self._start(job)
            refs.append(_ref(job.token, alive))
        return refs

    def _start(self, job: JobSpec) -> tuple[int, int]:
        spec = self.records.write_spec(job, waits=True)
        if job.held:
            self.records.hold_path(job.token).touch()
        try:
            with self.records.output_path(job.token).open("ab") as out:
                child = subprocess.Popen(
                    [self._python, "-I", str(WRAPPER), str(spec)],
                    cwd="/",
                    env={_MARK: job.token, "PATH": os.defpath},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
        except OSError as trouble:
            raise RecipeTrouble(f"no job can be started: {trouble.strerror}", where=self._python) from None
        self._children[job.token] = child
        return child.pid, start_of(child.pid)

    def _alive(self) -> dict[str, tuple[int, int]]:
        """(pid, start) of the wrappers on this host, by token."""
        self._children = {token: child for token, child in self._children.items() if child.poll() is None}
        return _seen() | {token: (child.pid, start_of(child.pid)) for token, child in self._children.items()}

    def _begins(self, token: str) -> bool:
        # A process that has just been started does not show its environment yet.
        try:
            return time.time() - self.records.spec_path(token).stat().st_mtime < _BEGINS_S
        except OSError:
            return False

    def _poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        alive = self._alive()  # before the records: what is in neither will not come any more
        return {token: self._state(token, alive) for token in tokens}

    def _state(self, token: str, alive: dict[str, tuple[int, int]]) -> JobState:
        ref = _ref(token, alive)
        try:
            ended = self.records.ended(token)
            if ended:
                return ended.state(ref)
            claim = self.records.claim(token)
        except BadRecord as trouble:
            return JobState(ref, Status.LOST, str(trouble))
        if token not in alive:
            if self._begins(token):
                return JobState(ref, Status.PENDING, "is being started")
            return JobState(ref, Status.LOST, "its process is gone, and it left no exit record")
        if claim:
            status = Status.SUSPENDED if _frozen(alive[token][0]) else Status.RUNNING
            return JobState(ref, status, "", None, claim.host)
        if os.path.lexists(self.records.hold_path(token)):
            return JobState(ref, Status.HELD, "held")
        return JobState(ref, Status.PENDING, "waits for other jobs")

    def _cancel(self, refs: Sequence[JobRef]) -> None:
        for ref in refs:
            if not self.records.ended(ref.token):
                self.records.remove(ref.token)
        self._signal(refs, signal.SIGTERM)

    def _signal(self, refs: Sequence[JobRef], number: signal.Signals) -> None:
        alive = self._alive()
        for ref in refs:
            if ref.token in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(alive[ref.token][0], number)


def _ref(token: str, alive: dict[str, tuple[int, int]]) -> JobRef:
    pid, start = alive.get(token, (0, 0))
    return JobRef(token, "local", f"{pid}.{start}" if pid else "")


def _seen() -> dict[str, tuple[int, int]]:
    found = {}
    mark = f"{_MARK}=".encode()
    for pid in (int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()):
        token = next((entry for entry in environ(pid) if entry.startswith(mark)), b"")
        if token and _leads(pid) and (start := start_of(pid)):
            found[token.removeprefix(mark).decode("utf-8", "replace")] = (pid, start)
    return found


def _leads(pid: int) -> bool:
    # A recipe between fork and exec still looks like its wrapper.
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def _frozen(wrapper: int) -> bool:
    try:
        children = Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text().split()
    except OSError:
        return False
    return bool(children) and state_of(int(children[0])) == "T"
