"""Job files as a person sees them: the ABs of each, and how many are done, failed, to do. Changes nothing.

What the rows of a board say counts; of an AB that no board knows, its file is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from config.tree import DfoTree
from engine.board import Row
from engine.core.status import AT_WORK, ENDED_WELL, STATES, said
from engine.create.jobs import job_files
from engine.create.jobs.job_files import EXEC_QC, QUEUES, Call, Queued
from engine.errors import BadAb, UsageTrouble
from engine.stores.abs import read
from screens.queue.queued import Job, JobCall

FAILED, MISSING, RUNNING, TO_DO, DONE = "FAILED", "MISSING", "RUNNING", "TO DO", "DONE"
_ORDER = (FAILED, MISSING, RUNNING, TO_DO, DONE)
_IN_FILE = {"SUCCESSFUL": "DONE", "FAILED": "FAILED"}


def job_lines(tree: DfoTree, rows: Mapping[str, Row], first: int) -> list[Job]:
    """Every line of JOBS_NIGHT and JOBS_AUTO, numbered from `first`; lines nobody knows have no MODE. Blocking."""
    found: list[Job] = []
    for queue in QUEUES:
        try:
            entries = job_files.queue(tree.job / queue)
        except UsageTrouble as trouble:
            entries = [Queued(str(trouble), str(trouble))]
        found += [_job(tree, rows, first + len(found) + at, queue, entry) for at, entry in enumerate(entries)]
    return found


def calls(tree: DfoTree, job: Job, rows: Mapping[str, Row]) -> list[JobCall]:
    """The calls of a job with the states of their ABs, in their order. UsageTrouble when it cannot be read."""
    found = job_files.job_of(tree, job_files.entry_of(tree, job.queue, job.line))
    return [_seen(tree, call, rows) for call in found.calls]


def _job(tree: DfoTree, rows: Mapping[str, Row], number: int, queue: str, entry: Queued) -> Job:
    if entry.strange:
        return Job(number, queue, entry.line, why=entry.why)
    mode, date = job_files.pool_of(entry.name)
    try:
        found = job_files.job_of(tree, entry)
    except UsageTrouble as trouble:
        return Job(number, queue, entry.line, mode, date, ((MISSING, 1),), 0, str(trouble), entry.job)
    if not mode:
        mode, date = next((pool for call in found.calls if (pool := _pool(tree, call, rows))), ("", ""))
    if not mode:
        return Job(number, queue, entry.line, why="none of its ABs is in $DFO_AB_DIR")
    seen, odd = [_seen(tree, call, rows) for call in found.calls], found.strange
    counts = Counter(call.count for call in seen)
    states = tuple((state, counts[state]) for state in _ORDER if counts[state])
    why = next((f"{call.ab}: {call.why or call.state}" for call in seen if call.count in (FAILED, MISSING)), "")
    if odd and not why:
        why = f"{len(odd)} line{'' if len(odd) == 1 else 's'} not understood, first {odd[0].where}: {odd[0].text}"
    return Job(number, queue, entry.line, mode, date, states, 0, why, entry.job)


def _pool(tree: DfoTree, call: Call, rows: Mapping[str, Row]) -> tuple[str, str] | None:
    """MODE and DATE of the AB of a call; None of one that is not here."""
    if row := rows.get(call.ab):
        return row.mode, row.date
    try:
        ab = read(tree.ab / call.ab)
    except BadAb:
        return None
    return ab.mode, ab.date


def _seen(tree: DfoTree, call: Call, rows: Mapping[str, Row]) -> JobCall:
    row = rows.get(call.ab)
    if row is not None:
        name, why = row.state, row.reason
    else:
        name, why = _by_file(tree, call.ab)
    if name not in STATES:
        return JobCall(call.tool, call.ab, MISSING, "missing", why)
    if call.tool == EXEC_QC:
        return _checked(tree, call, row, name)
    return JobCall(call.tool, call.ab, _count(name), STATES[name].word, said("", why))


def _count(state: str) -> str:
    if state in ENDED_WELL:
        return DONE
    if state in AT_WORK:
        return RUNNING
    return FAILED if state in ("FAILED", "INTERRUPTED") else TO_DO


def _checked(tree: DfoTree, call: Call, row: Row | None, state: str) -> JobCall:
    """A QC is done when there are scores; without products there can be none."""
    stem = f"r.{call.ab.removesuffix('.ab')}.scores.json"
    if state in ENDED_WELL and ((row is not None and row.score) or _stands(tree, stem)):
        return JobCall(call.tool, call.ab, DONE, f"scored {row.score}" if row is not None and row.score else "scored")
    word = "" if state in ENDED_WELL else f"its AB is {STATES[state].word}"
    return JobCall(call.tool, call.ab, TO_DO, "no QC yet", word)


def _stands(tree: DfoTree, name: str) -> bool:
    return (tree.dfs_log / name).exists() or next(tree.log.glob(f"*/{name}"), None) is not None


def _by_file(tree: DfoTree, ab: str) -> tuple[str, str]:
    """State and reason of an AB that no board knows; ('', why) when it cannot be told."""
    place = tree.ab / ab
    if not place.exists():
        return ("MOVED", "") if next(tree.log.glob(f"*/{ab}"), None) else ("", "is not in $DFO_AB_DIR")
    try:
        return _IN_FILE.get(read(place).status, "CREATED"), ""
    except BadAb as trouble:
        return "", trouble.what
