"""Where recipes run, behind one protocol: this machine, HTCondor, Slurm (distributed-engines sections 5 and 6).

A job is known by our own token; the native id of an engine is never trusted alone. The job's wrapper
leaves an exit record, which outranks the engine's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol


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
    The wrapper leaves `records/<token as file name>.json` beside the work directory; see `exit_record`.
    """

    token: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    resources: Resources = Resources()
    after: tuple[str, ...] = ()
    held: bool = False


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
    """

    ref: JobRef
    status: Status
    reason: str = ""
    exit_code: int | None = None
    host: str = ""
    memory_killed: bool = False
    max_rss_mb: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """Can the engine be reached, and what does it say? `draining`: it takes nothing new; `reason` is its own text."""

    reachable: bool
    version: str = ""
    draining: bool = False
    reason: str = ""


class Executor(Protocol):
    """What every engine does. EngineAway when it cannot be reached: a state with a reason, never a failed AB."""

    name: str
    capabilities: frozenset[Capability]

    async def submit(self, jobs: Sequence[JobSpec]) -> list[JobRef]:
        """Submit jobs; those whose token the engine knows already are not submitted again."""
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
