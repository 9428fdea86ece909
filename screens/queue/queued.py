"""What waits to be done and what is at work, as plain values: a library makes them, screens draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A line of JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT or JOBS_AUTO. `number` counts all from 1.

    `mode` is '' for a line nobody knows. `states` are (state, count) of its products, or of the ABs of the job file
    `name`; `size` is the products' bytes; `why` the first thing that went wrong.
    """

    number: int
    queue: str
    line: str
    mode: str = ""
    date: str = ""
    states: tuple[tuple[str, int], ...] = ()
    size: int = 0
    why: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class JobFile:
    """One product of a job: bytes, state, tries so far, result in words."""

    name: str
    size: int
    state: str
    tries: int
    result: str


@dataclass(frozen=True, slots=True)
class JobCall:
    """One call of a job file: processAB or processQC of an AB, its state in a word, and why.

    `count` is what it counts as: FAILED, MISSING, RUNNING, TO DO or DONE.
    """

    tool: str
    ab: str
    count: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order of the engine's queue: queued, running, parked or ended. Times are UTC, ISO; '' for not yet.

    `what` says what it does, `code` is its exit code (None: it has not ended), `text` how it ended. `questions` are
    those it waits for, in words with their numbers.
    """

    number: int
    state: str
    what: str
    who: str = ""
    given: str = ""
    begun: str = ""
    ended: str = ""
    code: int | None = None
    text: str = ""
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtWork:
    """A recipe under way: its AB, who runs it (`pid 4711`, `slurm 17`), its state there in a word, and why.

    `since` is in seconds since 1970, `cpu_s` in seconds, memory in bytes with its children; 0 where it is not known.
    """

    ab: str
    ident: str
    state: str
    reason: str = ""
    since: float = 0.0
    host: str = ""
    cpu_s: float = 0.0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Where recipes run: the engine's name, how it is in one line, and what it has of ours. `well`: it takes work."""

    engine: str
    health: str
    well: bool
    jobs: tuple[AtWork, ...] = ()
