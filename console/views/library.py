"""Look-ups for screens: logs, AB texts, evidence, pictures. Reads files of the account, changes nothing."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiofiles

from config.tree import DfoTree
from console.link.client import Link
from console.views import headers, pictures
from console.views import jobs as jobs_view
from console.views import journal as journal_view
from console.views import orders as orders_view
from console.views import trash as trash_view
from console.views import vcal as vcal_view
from console.views import work as work_view
from console.views.evidence import cover_of, review_of
from console.views.forecast import forecast_of
from console.views.plan import plan_from
from console.views.qc import panel_of
from engine.board import Row
from engine.core.status import AT_WORK
from engine.errors import DfosError
from engine.process.run.why import why_known
from screens.queue.queued import Job, JobCall, JobFile, Ordered, WorkPlace
from screens.release.released import Plan, Run, Thrown, Undo, Virtual
from screens.review.reviewed import Cover, Picture, Review
from screens.shown import Forecast, LogPart, MoreMemory, QcPanel, Slot, Width

_PIECE = 1 << 18  # bytes of a log read at once
T = TypeVar("T")


class AccountLibrary:
    """The library of one account, for a console on the same host as its files."""

    def __init__(self, tree: DfoTree, link: Link) -> None:
        self._tree = tree
        self._link = link

    async def log(self, ab: str, offset: int = 0) -> LogPart:
        """The recipe log of an AB from a byte offset on."""
        row = self._row(ab)
        return await _log(self.log_path(ab), offset, row.state in AT_WORK)

    async def ab_text(self, ab: str) -> str:
        """The AB file as it stands."""
        async with aiofiles.open(self.ab_path(ab), encoding="utf-8", errors="replace") as file:
            return await file.read()

    async def why(self, ab: str) -> list[str]:
        """Why this AB is not running."""
        if not self._link.alive:
            return [*why_known(self._link.board, ab), "The engine is gone; the console looks for it."]
        return [str(line) for line in await self._link.ask("why", ab=ab)]

    async def more_memory(self, ab: str) -> MoreMemory | None:
        """What an AB would be given whose last job was ended for its memory, by the engine."""
        found = await self._link.ask("memory", ab=ab)
        return MoreMemory(**found) if found else None

    async def widths(self) -> list[Width]:
        """How many ABs run at once, by the engine."""
        return [Width(**one) for one in await self._link.ask("widths")]

    async def review(self, ab: str) -> Review:
        """The evidence for certifying an AB."""
        return await _looked_up(review_of, self._tree, self._row(ab), self.ab_path(ab), self.log_path(ab))

    async def picture(self, ab: str, name: str, width: int, height: int) -> Picture | None:
        """A picture of the AB, shrunk to the space there is."""
        return await _looked_up(pictures.picture, self._tree, self.ab_path(ab), name, width, height)

    async def cover(self, ab: str) -> list[Cover]:
        """The coversheet of a reviewed AB."""
        history = str(await self._link.ask("history")) if self._link.alive else ""
        return await _looked_up(cover_of, history, self._link.board, ab)

    async def plugins(self) -> list[Slot]:
        """Every plugin slot of the instance."""
        return [Slot(*slot) for slot in await self._link.ask("slots")]

    async def comments(self) -> list[str]:
        """The standing comments of the instance."""
        return [str(comment) for comment in await self._link.ask("comments")]

    async def question_details(self, number: int) -> list[str]:
        """The plan or list behind a question."""
        question = self._link.board.questions.get(number)
        return list(question.details) if question else []

    async def plan(self, mode: str, date: str, recreate: bool = False) -> Plan:
        """What a move would do now, by the engine that would do it."""
        return plan_from(await self._link.ask("plan", mode=mode, date=date, recreate=int(recreate)))

    async def save_plan(self, plan: Plan, path: str) -> str:
        """Keep this plan in a new file, named from where the console was started."""
        known = {"mode": plan.mode, "date": plan.date, "recreate": int(plan.recreate), "digest": plan.digest}
        return str(await self._link.ask("save_plan", **known, path=_absolute(path)))

    async def header(self, path: str) -> list[str]:
        """The primary header of a product, a card a line."""
        return await _looked_up(headers.cards_of, self._tree, Path(path))

    async def jobs(self) -> list[Job]:
        """What waits in JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT and JOBS_AUTO."""
        return await _looked_up(jobs_view.jobs, self._tree, self._link.board.rows)

    async def job_calls(self, job: Job) -> list[JobCall]:
        """The calls of a job file."""
        return await _looked_up(jobs_view.calls, self._tree, job, self._link.board.rows)

    async def orders(self) -> list[Ordered]:
        """The engine's queue, by the journal."""
        return await _looked_up(orders_view.orders, self._tree)

    async def at_work(self) -> WorkPlace:
        """The recipes under way, by journal and batch system."""
        try:
            return await work_view.at_work(self._tree)
        except sqlite3.Error as trouble:
            raise _unread(trouble) from trouble

    async def job_log(self, job: Job) -> list[str]:
        """The log of an ingestion."""
        return await _looked_up(jobs_view.log_lines, self._tree, job)

    async def job_files(self, job: Job) -> list[JobFile]:
        """The products of a job."""
        return await _looked_up(jobs_view.files, self._tree, job)

    async def runs(self) -> list[Run]:
        """The runs of the journal."""
        return await _looked_up(journal_view.runs, self._tree)

    async def run_steps(self, number: int) -> list[str]:
        """The steps of a run."""
        return await _looked_up(journal_view.step_lines, self._tree, number)

    async def undo(self, mode: str, date: str, *, keep_created: bool = False) -> Undo:
        """What undoing the last run of a MODE and DATE would do; `keep_created`: createAB is passed over."""
        return await _looked_up(journal_view.undo, self._tree, mode, date, keep_created=keep_created)

    async def trash(self) -> list[Thrown]:
        """What is in the trash."""
        return await _looked_up(trash_view.thrown, self._tree)

    async def vcal(self) -> list[Virtual]:
        """The virtual calibrations of the account."""
        return await _looked_up(vcal_view.virtual, self._tree)

    async def forecast(self, mode: str, date: str) -> Forecast:
        """What processing a MODE and DATE will take."""
        return await _looked_up(forecast_of, self._tree, mode, date)

    async def qc(self, ab: str) -> QcPanel:
        """The QC of an AB."""
        return await _looked_up(panel_of, self._tree, self._row(ab), self.ab_path(ab))

    async def thrown_files(self, thrown: Thrown) -> list[str]:
        """The files of one transaction in the trash."""
        return await _looked_up(trash_view.file_lines, self._tree, thrown)

    def ab_path(self, ab: str) -> Path:
        """Where the AB file stands now: being worked on, or moved."""
        here = self._tree.ab / _plain_name(ab)
        return here if here.exists() else self._tree.log / self._row(ab).date / ab

    def log_path(self, ab: str) -> Path:
        """Where its recipe log stands now."""
        name = f"r.{_plain_name(ab).removesuffix('.ab')}.log"
        here = self._tree.dfs_log / name
        return here if here.exists() else self._tree.log / self._row(ab).date / name

    def _row(self, ab: str) -> Row:
        row = self._link.board.rows.get(ab)
        if row is None:
            raise DfosError(f"{ab} is not known here")
        return row


async def _looked_up(look: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Look something up beside the screens. DfosError when the journal cannot be read just now."""
    try:
        return await asyncio.to_thread(look, *arguments, **named)
    except sqlite3.Error as trouble:
        raise _unread(trouble) from trouble


def _unread(trouble: sqlite3.Error) -> DfosError:
    return DfosError(f"the engine's journal cannot be read: {trouble}", remedy="look again in a moment")


def _plain_name(ab: str) -> str:
    if "/" in ab or ab.startswith("."):
        raise DfosError(f"'{ab}' is not an AB name")
    return ab


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


async def _log(path: Path, offset: int, growing: bool) -> LogPart:
    try:
        async with aiofiles.open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < offset:  # a new attempt began a new log
                return LogPart("", 0, growing, path.name)
            await file.seek(offset)
            data = await file.read(_PIECE)
            more = len(data) == _PIECE
    except FileNotFoundError:
        return LogPart("", offset, growing, f"{path.name} (not written yet)")
    return LogPart(data.decode("utf-8", "replace"), offset + len(data), growing or more, path.name)
