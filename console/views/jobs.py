"""JOBS_INGEST, JOBS_EXPORT, JOBS_NIGHT and JOBS_AUTO as a person sees them: a job a line, and what became of it.

Reads the files and the journal, without an engine; only `unqueue` changes anything.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from config.tree import DfoTree
from console.hosting.board_of import board_of
from console.views import job_files as exec_view
from engine.board import Row
from engine.core.dates import date_label, mode_label
from engine.create.jobs import job_files
from engine.errors import UsageTrouble
from engine.stores.database import connect
from engine.transfer.export import queue as export_queue
from engine.transfer.ingest import jobs_ingest
from engine.transfer.ingest.log import ingest_log
from engine.transfer.ingest.states import FAILED, INGESTED, QUEUED, results, stages
from screens.queue.queued import Job, JobCall, JobFile

QUEUES = {"JOBS_INGEST": "ingestProducts", "JOBS_EXPORT": "exportProducts"}
_CALL = re.compile(r"(\w+)\s+-m\s+(CALIB|SCIENCE)\s+-d\s+(\d{4}-\d{2}-\d{2})")


def jobs(tree: DfoTree, rows: Mapping[str, Row] | None = None) -> list[Job]:
    """Every line of the files, numbered from 1; lines nobody knows are among them, without a MODE. Blocking.

    `rows` are those of a board; None: what journal and AB files say.
    """
    found = _transfers(tree)
    if any((tree.job / queue).exists() for queue in job_files.QUEUES):
        found += exec_view.job_lines(tree, board_of(tree).rows if rows is None else rows, len(found) + 1)
    return found


def calls(tree: DfoTree, job: Job, rows: Mapping[str, Row] | None = None) -> list[JobCall]:
    """The calls of a job file with the states of their ABs; [] of a job that has none. Blocking."""
    return exec_view.calls(tree, job, board_of(tree).rows if rows is None else rows) if job.name else []


def _transfers(tree: DfoTree) -> list[Job]:
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        found: list[Job] = []
        for queue, tool in QUEUES.items():
            for line in _lines(tree.job / queue):
                found.append(_job(tree, db, len(found) + 1, queue, tool, line))
        return found
    finally:
        if db is not None:
            db.close()


def files(tree: DfoTree, job: Job) -> list[JobFile]:
    """The products of an ingestion: what failed first, what is confirmed last. An export has none of its own."""
    if job.queue != "JOBS_INGEST" or not tree.journal.exists():
        return []
    db = connect(tree.journal, readonly=True)
    try:
        items = results(db, job.mode, job.date)
    finally:
        db.close()
    order = {FAILED: 0, INGESTED: 2}
    items.sort(key=lambda item: (order.get(item.state, 1), item.name))
    return [JobFile(item.name, item.size, item.state, item.tries, item.result) for item in items]


def log_lines(tree: DfoTree, job: Job) -> list[str]:
    """The log of an ingestion in $DFO_LST_DIR, older layouts too, oldest line first. An export has none."""
    if job.queue != "JOBS_INGEST" or not job.mode:
        return []
    return [line.text for line in ingest_log(tree, job.mode, job.date)]


def unqueue(tree: DfoTree, queue: str, mode: str, date: str, line: str = "") -> str:
    """Take a job out of its file, durably; the line that was taken. UsageTrouble when it is not there (any more).

    Of JOBS_NIGHT and JOBS_AUTO it is exactly `line`.
    """
    mode_label(mode), date_label(date)
    if queue in job_files.QUEUES:
        taken = bool(line) and job_files.done(tree, tree.job / queue, line)
    elif queue == "JOBS_EXPORT":
        export = export_queue.Call(mode, date)
        taken, line = export_queue.remove(tree, export), export.line
    else:
        ingest = jobs_ingest.Call(mode, date)
        taken, line = jobs_ingest.remove(tree, ingest), ingest.line
    if not taken:
        raise UsageTrouble(f"{line} does not stand in {queue}", remedy="dfos jobs lists what does")
    return line


def _job(tree: DfoTree, db: sqlite3.Connection | None, number: int, queue: str, tool: str, line: str) -> Job:
    match = _CALL.fullmatch(line)
    if match is None or match[1] != tool:
        return Job(number, queue, line)
    mode, date = match[2], match[3]
    if queue != "JOBS_INGEST":
        waits = export_queue.Waiting(db, readonly=True).of(export_queue.Call(mode, date)) if db is not None else None
        why = f"{waits.why}, {waits.tries} tries in vain" if waits is not None and waits.tries else ""
        return Job(number, queue, line, mode, date, (("FAILED", 1),) if why else (), 0, why)
    items = results(db, mode, date) if db is not None else []
    if not items:
        count, size = _standing(tree.final(mode) / date)
        return Job(number, queue, line, mode, date, ((QUEUED, count),) if count else (), size)
    states = Counter(item.state for item in items)
    why = next((item.result for item in items if item.state == FAILED), "")
    if db is not None:
        why = next((stage.text for stage in stages(db, mode, date) if stage.state in ("parked", "failed")), why)
    ordered = tuple(sorted(states.items(), key=lambda pair: (pair[0] != FAILED, pair[0])))
    return Job(number, queue, line, mode, date, ordered, sum(item.size for item in items), why)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _standing(place: Path) -> tuple[int, int]:
    """Products that stand there, and their bytes: an ingestion that has not begun."""
    try:
        with os.scandir(place) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.name.endswith(".fits") and entry.is_file()]
    except OSError:
        return 0, 0
    return len(sizes), sum(sizes)
