"""Recipes as jobs of Slurm, by its own commands (distributed-engines section 6).

One `squeue` for all jobs whatever their number; a job is ours when it carries our token as its comment, never
because of its number. Jobs with a stream that has a width run in lanes (`slurm_queue`).
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from engine import threads
from engine.errors import EngineAway, Unsupported
from engine.process.executors.protocol import Capability, Health, JobRef, JobSpec, JobState, Refused, Resources, Status
from engine.process.executors.records import WRAPPER, BadRecord, Claim, Ended, Records
from engine.process.executors.slurm_commands import Commands, last
from engine.process.executors.slurm_queue import ASK, Lanes, Listed, plain, queue_of

_MEMORY = re.compile(r"exceeded memory limit|oom[-_ ]kill|[Oo]ut [Oo]f [Mm]emory")
_NODES = re.compile(r"ReqNodeNotAvail|Nodes required for job")
_LATE_S = 5.0
_PROBED_S = 10.0


class Slurm:
    """An Executor for Slurm. `options` are further options of sbatch (partition, account).

    `command_s` limits every command, seconds.
    """

    name = "slurm"

    def __init__(
        self, records: Records, *, options: Sequence[str] = (), command_s: float = 5.0, python: str = sys.executable
    ) -> None:
        self.records = records
        self.capabilities = frozenset(
            {Capability.DETACH, Capability.NATIVE_DAG, Capability.HOLD_QUEUED, Capability.SUSPEND_RUNNING}
        )
        self._options = tuple(options)
        self._commands = Commands(command_s)
        self._python = python
        self._late: dict[str, float] = {}
        self._probed = -_PROBED_S
        self._nodes = ""

    # --- the Executor protocol --------------------------------------------------------------

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        """One sbatch for each job that is not known yet, parents first. Refused for one that can never run."""
        queue = await self._queue()
        numbers: dict[str, str] = {token: found.id for token, found in queue.items()}
        lanes = Lanes(self.records.place, queue.values())
        refs = []
        for job in jobs:
            if job.token not in numbers:
                claim = await asyncio.to_thread(self._known, job.token)
                numbers[job.token] = claim if claim is not None else await self._submit(job, numbers, lanes.of(job))
            refs.append(JobRef(job.token, self.name, numbers[job.token]))
        return refs

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        """One squeue for all, the records of those that have ended, scontrol for the few that left none."""
        if not tokens:
            return {}
        queue = await self._queue()
        states = await asyncio.to_thread(lambda: {token: self._state(token, queue.get(token)) for token in tokens})
        for token, state in states.items():
            if state.status is Status.PENDING and _NODES.search(state.reason):
                states[token] = replace(state, reason=await self._without_nodes())
            if state.status is Status.FAILED and state.exit_code is None:
                states[token] = await self._explained(state, queue[token])
        return states

    async def hold(self, refs: Sequence[JobRef], reason: str) -> None:
        """`scontrol hold` for what is queued; for a running job it would only mean its next start."""
        await self._scontrol("hold", refs, Status.PENDING)

    async def release(self, refs: Sequence[JobRef]) -> None:
        """`scontrol release`."""
        await self._scontrol("release", refs, Status.HELD)

    async def suspend(self, refs: Sequence[JobRef]) -> None:
        """`scontrol suspend`; Unsupported where only operators of Slurm may."""
        try:
            await self._scontrol("suspend", refs, Status.RUNNING)
        except Unsupported:
            self.capabilities -= {Capability.SUSPEND_RUNNING}
            raise

    async def resume(self, refs: Sequence[JobRef]) -> None:
        """`scontrol resume`."""
        await self._scontrol("resume", refs, Status.SUSPENDED)

    async def cancel(self, refs: Sequence[JobRef]) -> None:
        """`scancel`, whatever they do; Slurm kills what does not hear (KillWait)."""
        ids = await self._ids(refs, *(status for status in Status if not status.ended))
        if ids:
            await self._commands.told("scancel", *ids)

    async def probe(self) -> Health:
        """The nodes of the partition by sinfo."""
        partition = [option for option in self._options if option.startswith(("-p", "--partition"))]
        try:
            code, nodes, said = await self._commands.ran("sinfo", "-h", "-N", "-o", "%n|%T|%E", *partition)
            version = (await self._commands.ran("sinfo", "--version"))[1].split()[-1:]
        except EngineAway as trouble:
            return Health(False, reason=trouble.what)
        if code:
            return Health(False, reason=last(said))
        lines = [line.split("|", 2) for line in nodes.splitlines() if line.count("|") >= 2]
        out = [line for line in lines if re.match(r"drain|down|fail|maint|unknown", line[1])]
        draining = len(out) == len(lines)
        reason = "; ".join(f"{name} {state}: {why}" for name, state, why in out[:3]) if draining else ""
        return Health(True, "".join(version), draining, reason or ("no nodes" if draining else ""))

    async def close(self) -> None:
        """Nothing is kept open."""

    # --- submitting -------------------------------------------------------------------------

    def _known(self, token: str) -> str | None:
        """The number of a job that has begun and left the queue since; None when it never began."""
        if not self.records.known(token):
            return None
        try:
            found: Claim | Ended | None = self.records.claim(token) or self.records.ended(token)
        except BadRecord:
            found = None
        return found.job if found else ""

    async def _submit(self, job: JobSpec, numbers: dict[str, str], lane: str) -> str:
        parents = await asyncio.to_thread(self.records.parents, job, numbers)
        spec = await threads.to_end(self.records.write_spec, job)
        command = shlex.join([self._python, "-I", str(WRAPPER), str(spec)])
        script = f'#!/bin/sh\nexec {command} "$SLURM_JOB_ID"\n'
        arguments = self._arguments(job, [numbers[parent] for parent in parents], lane)
        code, out, said = await self._commands.ran("sbatch", *arguments, text=script)
        number = out.strip().partition(";")[0]
        if code or not number.isdigit():
            raise Refused(job.token, f"sbatch refused the job: {last(said) or out[:200]}")
        return number

    def _arguments(self, job: JobSpec, parents: Sequence[str], lane: str) -> list[str]:
        resources = job.resources
        place = str(self.records.output_path(job.token)).replace("%", "%%")
        after = [f"afterok:{':'.join(parents)}"] * bool(parents) + ["singleton"] * bool(lane)
        return [
            "--parsable",
            "--no-requeue",
            "--export=NIL",
            f"--comment={job.token}",
            f"--job-name={lane or plain(job.name or job.token)}",
            f"--output={place}",
            "--open-mode=append",
            f"--chdir={self.records.place}",
            f"--cpus-per-task={resources.cpus}",
            *_asked(resources),
            *(["--hold"] if job.held else []),
            *([f"--dependency={','.join(after)}", "--kill-on-invalid-dep=yes"] if after else []),
            *self._options,
        ]

    # --- states -----------------------------------------------------------------------------

    async def _queue(self) -> dict[str, Listed]:
        """Every job of this user that Slurm knows, by our token."""
        code, out, said = await self._commands.ran(*ASK)
        if code:
            raise EngineAway(f"slurm: {last(said)}")
        return queue_of(out)

    def _state(self, token: str, listed: Listed | None) -> JobState:
        """By the exit record first, then by the queue. Blocking."""
        ref = JobRef(token, self.name, listed.id if listed else "")
        if listed and not listed.status.ended:
            self._late.pop(token, None)
            return JobState(ref, listed.status, listed.words, None, listed.host)
        try:
            ended = self.records.ended(token)
        except BadRecord as trouble:
            return JobState(ref, Status.LOST, str(trouble))
        if ended:
            self._late.pop(token, None)
            return self._by_record(replace(ref, native_id=ref.native_id or ended.job), ended, listed)
        if listed and listed.status is Status.REMOVED and not self.records.claim(token):
            orphan = listed.reason == "DependencyNeverSatisfied"
            return JobState(ref, Status.REMOVED, listed.words, after_failure=orphan)
        if listed is None and not self.records.known(token):
            return JobState(ref, Status.LOST, "slurm does not know it")
        # A record may come late over a network file system.
        if time.monotonic() - self._late.setdefault(token, time.monotonic()) < _LATE_S:
            return JobState(
                ref, Status.RUNNING, "its exit record is not there yet", None, listed.host if listed else ""
            )
        if listed is None:
            return JobState(ref, Status.LOST, "slurm does not know it any more, and it left no exit record")
        if listed.status is Status.DONE:
            return JobState(ref, Status.LOST, "slurm says it is done, but it left no exit record")
        return JobState(ref, listed.status, f"{listed.state.lower()}: {listed.words}", None, listed.host)

    def _by_record(self, ref: JobRef, ended: Ended, listed: Listed | None) -> JobState:
        state = ended.state(ref)
        if state.status is Status.DONE or ended.skipped or listed is None:
            return state
        if listed.state == "OUT_OF_MEMORY" or _MEMORY.search(self.records.output(ref.token)):
            return replace(state, status=Status.FAILED, memory_killed=True, reason=f"out of memory: {state.reason}")
        if listed.state == "TIMEOUT":
            return replace(state, status=Status.FAILED, reason="time limit of slurm exceeded")
        return replace(state, status=Status.REMOVED, reason="cancelled") if listed.state == "CANCELLED" else state

    async def _without_nodes(self) -> str:
        """Why no node takes jobs, in the words of whoever drained it; asked for now and then only."""
        if time.monotonic() - self._probed >= _PROBED_S:
            self._nodes, self._probed = (await self.probe()).reason, time.monotonic()
        return self._nodes or "its nodes are down, drained or reserved"

    async def _explained(self, state: JobState, listed: Listed) -> JobState:
        """A job that failed and left no record: killed with its wrapper, or never begun."""
        token = state.ref.token
        _, out, _ = await self._commands.ran("scontrol", "show", "job", "-o", listed.id)
        ended = re.search(r"\bExitCode=(\d+):(\d+)", out) if f"Comment={token} " in f"{out} " else None
        code = None
        if ended and ended.groups() != ("0", "0"):
            code = -int(ended[2]) if ended[2] != "0" else int(ended[1])
        said = await asyncio.to_thread(self.records.output, token)
        memory = listed.state == "OUT_OF_MEMORY" or bool(_MEMORY.search(said))
        reason = "out of memory: ended by slurm" if memory else state.reason
        return replace(state, exit_code=code, memory_killed=memory, reason=reason)

    # --- commands ---------------------------------------------------------------------------

    async def _ids(self, refs: Sequence[JobRef], *statuses: Status) -> list[str]:
        """The numbers these jobs have now, of those in one of the states: what carries our token, nothing else."""
        if not refs:
            return []
        queue = await self._queue()
        found = [queue.get(ref.token) for ref in refs]
        return [listed.id for listed in found if listed and listed.status in statuses]

    async def _scontrol(self, verb: str, refs: Sequence[JobRef], status: Status) -> None:
        ids = await self._ids(refs, status)
        if ids:
            await self._commands.told("scontrol", verb, ",".join(ids))


def _asked(resources: Resources) -> list[str]:
    memory = [f"--mem={resources.memory_mb}M"] if resources.memory_mb else []
    return memory + ([f"--time={-(-resources.walltime_s // 60)}"] if resources.walltime_s else [])
