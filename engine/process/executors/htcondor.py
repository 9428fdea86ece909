"""Recipes in an HTCondor pool, the original's CONDOR: single jobs, or a whole cascade through DAGMan.

Jobs are known by our token, an attribute of their own; HTCondor's numbers are only shown. Whatever is done
to jobs is one call with a condition on that attribute, so a number given out twice can do no harm.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from engine.atomic import fs
from engine.errors import EngineAway, UsageTrouble
from engine.process.executors import htcondor_ads as ads
from engine.process.executors import htcondor_judge as judge
from engine.process.executors.dagman import Dag, Dags
from engine.process.executors.htcondor_ads import Seen, Site
from engine.process.executors.htcondor_queue import Away, Contact, Queue
from engine.process.executors.one_thread import OneThread
from engine.process.executors.protocol import Capability, Health, JobRef, JobSpec, JobState, Refused, Status
from engine.process.executors.records import WRAPPER, BadRecord, Records

P = ParamSpec("P")
T = TypeVar("T")

ANSWER_S = 20.0
_MISSES = 3  # polls that an exit record may be late
_EACH_S = 0.1  # more that a submission may take for each job
_AT_ONCE = 500
DAGMAN = "/usr/bin/condor_dagman"


class HTCondor:
    """An Executor for one access point of a pool. `records` is where its jobs leave what they have to say.

    `dagman`: that program on the access point; `answer_s`: seconds after which a call that has no answer counts as
    EngineAway.
    """

    name = "htcondor"
    capabilities = frozenset(
        {Capability.DETACH, Capability.NATIVE_DAG, Capability.HOLD_QUEUED, Capability.SUSPEND_RUNNING}
    )

    def __init__(
        self,
        records: Records,
        contact: Contact,
        site: Site,
        *,
        dagman: str = DAGMAN,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.records = records
        self._contact = contact
        self._site = site
        self._answer_s = answer_s
        self._thread = OneThread("htcondor")
        self._queue: Queue | None = None
        self._dags = Dags(records, dagman)
        self._since = 0.0
        self._ids: dict[str, str] = {}  # of jobs that we have seen in the queue
        self._ended: dict[str, JobState] = {}
        self._missed: dict[str, int] = {}

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        """Submit jobs; those whose token HTCondor knows already, or that have begun, are not submitted again.

        Jobs that come after others, or whose streams have widths, are sent as one DAG, in one call; after jobs of an
        earlier call they wait in their slots. Refused for one that HTCondor does not take as it is.
        """
        return await self._within(self._answer_s + _EACH_S * len(jobs), self._submit, jobs)

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        """The states of these jobs: one query, and one of the history when some have left the queue."""
        asked = [token for token in dict.fromkeys(tokens) if token not in self._ended]
        fresh = await self._do(self._poll, asked) if asked else {}
        self._ended |= {token: state for token, state in fresh.items() if state.status.ended}
        return {token: self._ended.get(token) or fresh[token] for token in tokens}

    async def hold(self, refs: Sequence[JobRef], reason: str) -> None:
        """Queued jobs do not start; HTCondor would throw away what running ones did, they are not touched.

        Where DAGMan has one of them still to send, it sends nothing more of that DAG.
        """
        await self._do(self._hold, [ref.token for ref in refs], reason)

    async def release(self, refs: Sequence[JobRef]) -> None:
        """Held jobs may start."""
        await self._do(self._release, [ref.token for ref in refs])

    async def suspend(self, refs: Sequence[JobRef]) -> None:
        """Freeze running jobs where they are; they keep their slot and their memory."""
        await self._do(self._act, "Suspend", [ref.token for ref in refs], "JobStatus == 2")

    async def resume(self, refs: Sequence[JobRef]) -> None:
        """Let frozen jobs go on."""
        await self._do(self._act, "Continue", [ref.token for ref in refs], "JobStatus == 7")

    async def cancel(self, refs: Sequence[JobRef]) -> None:
        """End jobs, whatever they do; those that DAGMan has still to send will end as they begin."""
        await self._do(self._cancel, [ref.token for ref in refs])

    async def probe(self) -> Health:
        """Whether the access point answers, and whether the pool takes jobs."""
        try:
            version, (slots, drained) = await self._do(self._health)
        except EngineAway as trouble:
            return Health(False, reason=trouble.what)
        if slots > drained:
            return Health(True, version)
        return Health(True, version, True, "all its slots are drained" if slots else "the pool has no slots at present")

    async def close(self) -> None:
        """Stop asking; jobs go on."""
        self._thread.close()

    async def _do(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._within(self._answer_s, act, *args, **kwargs)

    async def _within(self, limit_s: float, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call in the thread. EngineAway, and since when, if there is no answer."""
        try:
            result = await self._thread.call(limit_s, act, *args, **kwargs)
        except (Away, TimeoutError) as trouble:
            self._since = self._since or time.time()
            since = time.strftime("%H:%M:%S", time.gmtime(self._since))
            why = str(trouble) or f"no answer within {limit_s:.0f} s"
            remedy = "its jobs go on and are found again when it answers"
            raise EngineAway(f"no answer from HTCondor since {since} UTC: {why}", remedy=remedy) from None
        self._since = 0.0
        return result

    # From here on: in the thread.

    def _at(self) -> Queue:
        if self._queue is None:
            self._queue = Queue(self._contact)
        return self._queue

    def _look(self, tokens: Sequence[str]) -> _Look:
        found = self._at().where(f"{ads.perhaps(tokens)} || {ads.DAG} isnt undefined")
        jobs = {seen.token: seen for seen in found if seen.token}
        self._ids |= {token: seen.native_id for token, seen in jobs.items()}
        managers = {seen.dag: seen for seen in found if seen.dag}
        return _Look(jobs, [(dag, managers[str(dag.place)]) for dag in self._dags.all() if str(dag.place) in managers])

    def _submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        look = self._look([token for job in jobs for token in (job.token, *job.after)])
        there = look.tokens
        fresh = [job for job in jobs if not (job.token in there or self.records.known(job.token))]
        edges, wait = self._dags.edges(fresh, there)
        described = {job.token: self._described(job, waits=job.token in wait) for job in fresh}
        if edges or any(job.width for job in fresh):
            self._dags.tidy(str(dag.place) for dag, _ in look.dags)
            self._sent(fresh[0].token, self._dags.write(fresh, edges, described, self._at().version()))
        else:
            for job in fresh:
                self._ids[job.token] = self._sent(job.token, described[job.token])
        return [self._ref(job.token) for job in jobs]

    def _described(self, job: JobSpec, *, waits: bool) -> dict[str, str]:
        # DAGMan knows only the jobs of its own DAG: after others a job waits by itself, in its slot, without a limit.
        spec = self.records.write_spec(job, waits=waits)
        if waits:
            job = replace(job, resources=replace(job.resources, walltime_s=0))
        argv = [self._site.python, "-I", str(self._wrapper()), str(spec)]
        try:
            return ads.description(job, argv, str(self.records.output_path(job.token)), self._site)
        except UsageTrouble as trouble:
            raise Refused(job.token, str(trouble)) from None

    def _sent(self, token: str, description: Mapping[str, str]) -> str:
        try:
            return self._at().submit(description)
        except UsageTrouble as trouble:
            raise Refused(token, str(trouble)) from None

    def _wrapper(self) -> Path:
        """The wrapper beside the records, where the hosts of the pool see it whatever they see of this installation."""
        text = WRAPPER.read_bytes()
        path = self.records.place / f"wrapper-{hashlib.sha256(text).hexdigest()[:8]}.py"
        if not path.exists():
            fs.replace(path, text)
        return path

    def _poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        look = self._look(tokens)
        gone = [token for token in tokens if token not in look.jobs and not self._to_send(token, look)]
        left = self._at().ended(gone) if gone else {}
        self._ids |= {token: seen.native_id for token, seen in left.items()}
        states = {token: self._state(token, look, left) for token in tokens}
        for token, state in states.items():
            if state.status.ended and self._held(token, look):  # it had begun: nobody shall release it
                self._act("Remove", [token], "true", state.reason)
        return states

    def _state(self, token: str, look: _Look, left: Mapping[str, Seen]) -> JobState:
        ref, seen, queued = self._ref(token), look.jobs.get(token) or left.get(token), token in look.jobs
        try:
            ended = self.records.ended(token)
        except BadRecord as trouble:
            return JobState(ref, Status.LOST, str(trouble))
        if ended:
            if ended.skipped:
                return ended.state(ref)
            return judge.with_record(ref, ended, seen, queued=queued)
        if manager := self._to_send(token, look):
            return self._dags.state(ref, manager)
        begun = os.path.lexists(self.records.claim_path(token))
        if seen is None and not begun and any(token in dag.tokens for dag in self._dags.all()):
            why = "never sent: DAGMan ended before its turn came"
            return JobState(ref, Status.REMOVED, why, after_failure=True)
        doubt = judge.doubtful(seen, queued=queued, begun=begun)
        self._missed[token] = self._missed.get(token, 0) + 1 if doubt else 0
        return judge.without_record(ref, seen, queued=queued, begun=begun, patient=self._missed[token] < _MISSES)

    def _to_send(self, token: str, look: _Look) -> Seen | None:
        """The DAGMan that has a job still to send."""
        return None if token in self._ids or self.records.known(token) else look.manager(token)

    def _hold(self, tokens: Sequence[str], reason: str) -> None:
        look = self._look(tokens)
        for dag, _ in look.dags:
            if any(self._to_send(token, look) for token in dag.tokens.intersection(tokens)):
                self._at().act("Hold", dag.condition, reason)
        self._act("Hold", tokens, "JobStatus == 1", reason)

    def _release(self, tokens: Sequence[str]) -> None:
        for dag, _ in self._look(tokens).dags:
            if dag.tokens.intersection(tokens):
                self._at().act("Release", f"{dag.condition} && JobStatus == 5")
        self._act("Release", tokens, "JobStatus == 5")

    def _cancel(self, tokens: Sequence[str]) -> None:
        look = self._look(tokens)
        for dag, _ in look.dags:
            if {token for token in dag.tokens if not self._has_ended(token)} <= set(tokens):
                self._at().act("Remove", dag.condition)
        for token in tokens:
            if self._to_send(token, look):
                self.records.remove(token)
        self._act("Remove", tokens, "true")

    def _has_ended(self, token: str) -> bool:
        return os.path.lexists(self.records.record_path(token))

    @staticmethod
    def _held(token: str, look: _Look) -> bool:
        return token in look.jobs and look.jobs[token].status is Status.HELD

    def _act(self, action: str, tokens: Sequence[str], condition: str, reason: str = "") -> None:
        for begin in range(0, len(tokens), _AT_ONCE):
            self._at().act(action, f"{ads.any_of(tokens[begin : begin + _AT_ONCE])} && {condition}", reason)

    def _health(self) -> tuple[str, tuple[int, int]]:
        version = self._at().version().split()
        return (version[1] if len(version) > 1 else ""), self._at().slots()

    def _ref(self, token: str) -> JobRef:
        return JobRef(token, self.name, self._ids.get(token, ""))


@dataclass(frozen=True, slots=True)
class _Look:
    """What is in the queue: jobs by token, and the DAGs whose DAGMan is there."""

    jobs: Mapping[str, Seen]
    dags: Sequence[tuple[Dag, Seen]]

    @property
    def tokens(self) -> frozenset[str]:
        return frozenset(self.jobs).union(*(dag.tokens for dag, _ in self.dags))

    def manager(self, token: str) -> Seen | None:
        return next((manager for dag, manager in self.dags if token in dag.tokens), None)
