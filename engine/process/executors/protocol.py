"""Where recipes run, behind one protocol: this machine, HTCondor, Slurm (distributed-engines sections 5 and 6).

A job is known by our own token; the native id of an engine is never trusted alone. The job's wrapper
leaves an exit record, which outranks the engine's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from engine.core.ab import AB
from engine.core.cascade import Kind
from engine.errors import RecipeTrouble
from engine.stores.attempts import Attempt


class Capability(Enum):
    """What an engine can do beyond running jobs."""

    DETACH = "goes on without us"
    NATIVE_DAG = "takes a whole cascade"
    HOLD_QUEUED = "holds what has not begun"
    SUSPEND_RUNNING = "freezes what runs"
    MEM_ENFORCED = "ends what uses more memory than it asked for"


class Status(Enum):
    """Where a job stands. LOST: neither engine nor exit record knows it; never DONE, never FAILED by itself."""

    SUBMITTING = "being submitted"
    PENDING = "waits in the queue"
    HELD = "held"
    RUNNING = "running"
    SUSPENDED = "suspended"
    DONE = "done"
    FAILED = "failed"
    REMOVED = "removed"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """True when it will not change any more."""
        return self in (Status.DONE, Status.FAILED, Status.REMOVED, Status.LOST)


@dataclass(frozen=True, slots=True)
class Resources:
    """What one job asks for: memory in MB (0: not told), processors, wall time in seconds (0: no limit)."""

    memory_mb: int = 0
    cpus: int = 1
    walltime_s: int = 0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job. `token` is unique for ever; `after` are tokens of jobs that must end well first; `held`: not yet.

    `cwd` must be seen under the same path by this process and by the host that runs it; `log` is appended to.
    `name` is what the engine's own listing shows. Where an engine has the whole cascade, `width` jobs of a `stream` run
    at once (0: no limit). Spec, claim and exit record are in the executor's records directory (`executors.records`),
    under the token.
    """

    token: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    resources: Resources = Resources()
    after: tuple[str, ...] = ()
    held: bool = False
    attempt: int = 1
    name: str = ""
    stream: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job as an engine knows it."""

    token: str
    engine: str
    native_id: str


@dataclass(frozen=True, slots=True)
class JobState:
    """A job's state with the engine's reason in words. `exit_code` follows subprocess: negative is a signal.

    `memory_killed`: it ended because it used more memory than it asked for. `max_rss_mb` is 0 when not measured.
    `after_failure`: it never ran, because what it comes after did not end well.
    """

    ref: JobRef
    status: Status
    reason: str = ""
    exit_code: int | None = None
    host: str = ""
    memory_killed: bool = False
    max_rss_mb: int = 0
    after_failure: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """Can the engine be reached, and what does it say? `draining`: it takes nothing new; `reason` is its own text."""

    reachable: bool
    version: str = ""
    draining: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a recipe ended: exit code, or the negative signal number; None when nobody can know.

    `trouble`: why it did not end by itself, where an engine says so (lost, refused, out of memory); `lost`: nobody
    knows how it ended, it may run again.
    """

    rc: int | None
    trouble: str = ""
    lost: bool = False
    memory_killed: bool = False
    max_rss_mb: int = 0


class Running(Protocol):
    """A recipe under way, whatever runs it: a process of this host, or a job of a batch system.

    A job that waits in a queue is under way too: `status` and `reason` say where it stands. `pid` and `start` (clock
    ticks since boot) are 0 for what is no process of this host. A cancelled `wait` leaves it running.
    """

    pid: int
    start: int

    @property
    def suspended(self) -> bool:
        """Frozen, or held in a queue, or about to be."""
        ...

    @property
    def ident(self) -> str:
        """What an operator would look for: "pid 4711", "slurm 17"."""
        ...

    @property
    def status(self) -> Status:
        """PENDING, HELD, RUNNING, SUSPENDED ... as last heard."""
        ...

    @property
    def reason(self) -> str:
        """Why it stands there, in the engine's words."""
        ...

    @property
    def queued(self) -> bool:
        """True while it waits in a queue."""
        ...

    @property
    def over(self) -> bool:
        """True when it has ended."""
        ...

    async def wait(self) -> Exit:
        """Wait for its end."""
        ...

    def follow(self, told: Callable[[], object]) -> None:
        """Call `told` now, and whenever status or reason have changed; never for a process of this host."""
        ...

    def suspend(self) -> bool:
        """Freeze it, or hold it where it still waits in a queue; False where that cannot be done: it goes on."""
        ...

    def resume(self) -> None:
        """Let it go on, or start."""
        ...

    @property
    def frozen_s(self) -> float:
        """Seconds it stood still so far (frozen, or in a queue); they do not count against a time limit."""
        ...

    async def terminate(self, grace_s: float = 10.0) -> None:
        """End it, hard after `grace_s` seconds."""
        ...

    def leave(self) -> None:
        """Stop following it; it runs on."""
        ...


class Starter(Protocol):
    """Starts recipes for ProcessAb: directly on this host, or as jobs of a batch system."""

    boot: str

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str,
        log: Path | str,
        env: Mapping[str, str],
        ab: AB | None = None,
        kind: Kind | None = None,
    ) -> Running:
        """Start the recipe of an AB, or have it queued; RecipeTrouble when it cannot be started."""
        ...

    async def found(self, attempt: Attempt) -> Running | None:
        """The recipe of an earlier engine's attempt, to be followed; None when nothing of it is under way."""
        ...

    async def close(self) -> None:
        """Stop following; recipes go on."""
        ...

    def find(self, workdir: Path | str, token: str = "") -> tuple[int, int] | None:
        """(pid, start) of a recipe of ours at work in `workdir` on this host; None when there is none."""
        ...


class Refused(RecipeTrouble):
    """A job that the engine will never take as it is; `token` says which."""

    def __init__(self, token: str, what: str) -> None:
        self.token = token
        super().__init__(what, where=token, remedy="change batch or what its kind asks for, then r")


class Executor(Protocol):
    """What every engine does. EngineAway when it cannot be reached: a state with a reason, never a failed AB."""

    name: str
    capabilities: frozenset[Capability]

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        """Submit jobs; those whose token the engine knows already are not submitted again. Refused for a bad one."""
        ...

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        """The states of these jobs by token, in one call to the engine whatever their number."""
        ...

    async def hold(self, refs: Sequence[JobRef], reason: str) -> None:
        """Queued jobs do not start; running ones go on."""
        ...

    async def release(self, refs: Sequence[JobRef]) -> None:
        """Held jobs may start."""
        ...

    async def suspend(self, refs: Sequence[JobRef]) -> None:
        """Freeze running jobs; Unsupported where the engine does not allow it."""
        ...

    async def resume(self, refs: Sequence[JobRef]) -> None:
        """Let frozen jobs go on."""
        ...

    async def cancel(self, refs: Sequence[JobRef]) -> None:
        """End jobs, whatever they do."""
        ...

    async def probe(self) -> Health:
        """How the engine is."""
        ...

    async def close(self) -> None:
        """Stop following; jobs go on."""
        ...
