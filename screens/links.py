"""What a screen is given: a link to the engine, and a library it may look things up in.

A screen knows neither sockets nor files. The same protocols are met by an engine in this
process (tests) and by one at the other end of a Unix socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.board import Board
from screens.shown import Forecast, QcPanel


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a log from a byte offset; `next_offset` is where to go on, `growing` while the recipe runs."""

    text: str
    next_offset: int
    growing: bool
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence: what, its value, and a word (ok, RED, not scored) — readable without colour."""

    name: str
    value: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to draw: 8-bit grey or RGB rows, top row first. `caption` says what it shows."""

    caption: str
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """An earlier decision: ISO time, who, accepted or rejected, comment."""

    when: str
    who: str
    verdict: str
    comment: str


@dataclass(frozen=True, slots=True)
class Review:
    """All a person needs to judge one AB. `pattern` e.g. DEEP40; `question` is the number to answer (0: none open)."""

    ab: str
    target: str
    pattern: str
    run_id: str
    findings: tuple[Finding, ...]
    log_flags: tuple[str, ...]
    history: tuple[Verdict, ...]
    pictures: tuple[str, ...]  # names to ask `Library.picture` for
    question: int
    may_accept: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """One line of the coversheet: an AB that went into the reviewed one (group `this run`), or a historical one."""

    group: str
    ab: str
    kind: str
    state: str
    score: str
    remark: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One plugin slot: which plugin is configured, and whether it was found (where, or why not)."""

    slot: str
    plugin: str
    found: bool
    where: str


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of a plan: the fate in a word, the file, where it goes or (in brackets) why; size in bytes.

    `group` is the raw type, `path` the file whose header can be shown ('' for none).
    """

    fate: str
    name: str
    to: str = ""
    size: int = 0
    group: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move of one MODE and DATE will do. `digest` names it: only this very plan is carried out.

    `held` files of `held_size` bytes stand at `place` already; `recreate` says that they go to the trash.
    `made` is when the engine began it (s since 1970). `raw_types` are those of the configuration, with their SAVE_MODE.
    """

    mode: str
    date: str
    place: str
    digest: str
    recreate: bool
    lines: tuple[PlanLine, ...]
    made: float
    size: int = 0
    held: int = 0
    held_size: int = 0
    undecided: tuple[str, ...] = ()
    raw_types: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A line of JOBS_INGEST or JOBS_EXPORT. `number` counts all jobs from 1; `mode` is '' for a line nobody knows.

    `states` are (state, files) of the products; `size` is their bytes; `why` the first thing that went wrong.
    """

    number: int
    queue: str
    line: str
    mode: str = ""
    date: str = ""
    states: tuple[tuple[str, int], ...] = ()
    size: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class JobFile:
    """One product of a job: bytes, state, tries so far, result in words."""

    name: str
    size: int
    state: str
    tries: int
    result: str


@dataclass(frozen=True, slots=True)
class Run:
    """One transaction of the journal: `done` of `of` steps; `sealed` is '' while open. Times are UTC, ISO.

    `words` say of an open one what is left to do; `busy` that a process is at it right now.
    """

    number: int
    kind: str
    mode: str
    date: str
    who: str
    begun: str
    sealed: str
    done: int
    of: int
    summary: str
    words: tuple[str, ...] = ()
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoing the last run of a MODE and DATE would do; `label` is that run, '' when there is none.

    `products` and `others` are files that go back, `size` their bytes, `away` files it wrote, which go to the trash.
    With `refusals` it may not be done. `digest` names this very plan.
    """

    mode: str
    date: str
    label: str = ""
    summary: str = ""
    products: int = 0
    others: int = 0
    size: int = 0
    away: int = 0
    refusals: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Thrown:
    """What one transaction put into the trash: files and bytes, why, kept until which UTC day (ISO)."""

    label: str
    mode: str
    date: str
    day: str
    who: str
    why: str
    until: str
    files: int
    size: int
    expired: bool


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual calibration: its name, the AB that makes the real one, DATE, age in seconds, what became of it.

    `state` is real, waits or orphan; `meaning` says that in words, with the real file where there is one.
    """

    name: str
    ab: str
    date: str
    age_s: float
    state: str
    meaning: str


class EngineLink(Protocol):
    """The engine as a screen sees it."""

    board: Board

    @property
    def alive(self) -> bool:
        """False when the engine does not answer any more."""
        ...

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Order something; the reply is one line to show. Verbs: pause, resume, stop, abort, streams (n),
        retry (ab), process, release, ingest, override (run in spite of the gate), engine (start it again),
        move (mode, date, digest, recreate: the plan that was looked at), job (queue, mode, date),
        unqueue (the same: take the job out of its file), recover (mode, date), undo (mode, date, digest),
        restore and expunge (mode, date, label: what a transaction put into the trash comes back, is deleted)."""
        ...

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        """Answer a question; saved before this returns. UsageTrouble when it may not be given."""
        ...


class Library(Protocol):
    """Look-ups; all may take a moment, none changes anything."""

    async def log(self, ab: str, offset: int = 0) -> LogPart:
        """The recipe log of an AB from a byte offset on."""
        ...

    async def ab_text(self, ab: str) -> str:
        """The AB file as it stands."""
        ...

    async def why(self, ab: str) -> list[str]:
        """Why this AB is not running: the whole chain, one sentence a line, ending with what to do."""
        ...

    async def review(self, ab: str) -> Review:
        """The evidence for certifying an AB."""
        ...

    async def picture(self, ab: str, name: str, width: int, height: int) -> Picture | None:
        """A picture of the AB, shrunk to at most width x height pixels; None when it cannot be had."""
        ...

    async def cover(self, ab: str) -> list[Cover]:
        """The coversheet of a reviewed AB."""
        ...

    async def plugins(self) -> list[Slot]:
        """Every plugin slot of the instance."""
        ...

    async def question_details(self, number: int) -> list[str]:
        """The plan or list behind a question (`d` in its dialog)."""
        ...

    async def plan(self, mode: str, date: str, recreate: bool = False) -> Plan:
        """What a move would do now; DfosError when it cannot be made."""
        ...

    async def save_plan(self, plan: Plan, path: str) -> str:
        """Keep this plan in a new file; one line to show. DfosError when the file is there or the tree has changed."""
        ...

    async def header(self, path: str) -> list[str]:
        """The primary header of a product of the account, a card a line."""
        ...

    async def jobs(self) -> list[Job]:
        """What waits in JOBS_INGEST and JOBS_EXPORT, in their order."""
        ...

    async def job_log(self, job: Job) -> list[str]:
        """What its log in $DFO_LST_DIR says, oldest line first; [] where there is none."""
        ...

    async def job_files(self, job: Job) -> list[JobFile]:
        """The products of a job, what failed first."""
        ...

    async def runs(self) -> list[Run]:
        """What was moved, renamed, undone: open ones first, then the newest first."""
        ...

    async def run_steps(self, number: int) -> list[str]:
        """The steps of a run in words, what is done marked."""
        ...

    async def undo(self, mode: str, date: str) -> Undo:
        """What undoing the last run of a MODE and DATE would do. Sizes are compared, contents not yet."""
        ...

    async def trash(self) -> list[Thrown]:
        """What is in the trash, by transaction, oldest first."""
        ...

    async def thrown_files(self, thrown: Thrown) -> list[str]:
        """The files of one transaction in the trash: bytes and where each came from."""
        ...

    async def forecast(self, mode: str, date: str) -> Forecast:
        """What processing a MODE and DATE will take, as things are now."""
        ...

    async def qc(self, ab: str) -> QcPanel:
        """Scores, limits, history and QCFLAG of an AB; without QC yet, a panel that says so."""
        ...

    async def vcal(self) -> list[Virtual]:
        """The virtual calibrations of the account."""
        ...
