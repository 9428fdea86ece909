"""What a screen is given: a link to the engine, and a library it may look things up in.

A screen knows neither sockets nor files. The same protocols are met by an engine in this
process (tests) and by one at the other end of a Unix socket.
"""

from __future__ import annotations

from typing import Protocol

from engine.board import Board
from screens.queue.queued import Job, JobCall, JobFile, Ordered, WorkPlace
from screens.release.released import Plan, Run, Thrown, Undo, Virtual
from screens.review.reviewed import Cover, Picture, Review
from screens.shown import Forecast, LogPart, MoreMemory, QcPanel, Slot, Width


class EngineLink(Protocol):
    """The engine as a screen sees it."""

    board: Board

    @property
    def alive(self) -> bool:
        """False when the engine does not answer any more."""
        ...

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Order something; the reply is one line to show. Verbs: pause, resume, stop, abort, streams (n,
        kind; 0: as configured), retry (ab; memory: an amount or a factor), process, release, ingest, override (run
        in spite of the gate), engine (start it again), move (mode, date, digest, recreate: the plan that was looked
        at), job (queue, mode, date; of a job file its line), unqueue (the same: take the job out of its file),
        take_back (number: of an order that has not begun), recover (mode, date), undo (mode, date, digest,
        keep_created: 0 or 1), restore and expunge (mode, date, label: what a transaction put into the trash comes back,
        is deleted)."""
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

    async def more_memory(self, ab: str) -> MoreMemory | None:
        """What an AB would be given whose last job was ended for its memory; None when that was not so."""
        ...

    async def widths(self) -> list[Width]:
        """How many ABs run at once: of all together first, then of each kind."""
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
        """What waits in JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT and JOBS_AUTO, in their order."""
        ...

    async def job_calls(self, job: Job) -> list[JobCall]:
        """The calls of a job file, in their order, with the states of their ABs; [] of a job that has none."""
        ...

    async def orders(self) -> list[Ordered]:
        """The engine's queue: what runs, what waits, what is parked; then the last that have ended."""
        ...

    async def at_work(self) -> WorkPlace:
        """Where recipes run, how that is, and what it has of ours."""
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

    async def undo(self, mode: str, date: str, *, keep_created: bool = False) -> Undo:
        """What undoing the last run of a MODE and DATE would do. Sizes are compared, contents not yet.

        `keep_created`: runs of createAB are passed over.
        """
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
