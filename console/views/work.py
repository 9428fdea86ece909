"""The recipes under way as a person sees them: processes of this host with what they use, or jobs of a batch system.

By the journal's open attempts, without an engine; nothing is changed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable

from config.tree import DfoTree
from console.account import open_settings
from engine.errors import DfosError
from engine.process.executors.choice import executor_of, records_of
from engine.process.executors.protocol import Executor, Health, JobState
from engine.process.executors.records import Claim, Records
from engine.processes import boot_id, start_of
from engine.stores.attempts import Attempt, Attempts
from engine.stores.database import connect
from screens.queue.queued import AtWork, WorkPlace

_STATES = {"stopped": "suspended", "tracing-stop": "suspended", "zombie": "ended"}


async def at_work(tree: DfoTree) -> WorkPlace:
    """Where recipes run, how that is, and what it has of ours. UsageTrouble when the configuration makes no sense."""
    settings = (await asyncio.to_thread(open_settings, tree, os.environ, ())).settings
    attempts = await asyncio.to_thread(open_attempts, tree)
    if settings.batch.executor == "local":
        return await asyncio.to_thread(here, attempts, settings.streams)
    records = records_of(settings, tree)
    return await in_batch(executor_of(settings, records), records, attempts)


def open_attempts(tree: DfoTree) -> list[Attempt]:
    """Attempts that have no verdict yet."""
    if not tree.journal.exists():
        return []
    db = connect(tree.journal, readonly=True)
    try:
        known = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'attempts'").fetchone()[0]
        return Attempts(db, readonly=True).open() if known else []
    finally:
        db.close()


def here(attempts: Iterable[Attempt], streams: int) -> WorkPlace:
    """The attempts that are processes of this host, and what they use. Blocking."""
    import psutil

    boot, host = boot_id(), socket.gethostname()
    jobs = []
    for attempt in attempts:
        pid = attempt.pid or 0
        if attempt.boot != boot or not pid or start_of(pid) != attempt.pid_start:
            continue
        state, cpu_s, memory = _used(pid)
        if state:
            jobs.append(AtWork(attempt.ab, f"pid {pid}", state, "", attempt.started, host, cpu_s, memory))
    cores, free = psutil.cpu_count() or 1, psutil.virtual_memory().available
    health = f"{cores} cores, load {os.getloadavg()[0]:.1f}, {free / 1e9:.1f} GB memory free, {streams} streams"
    return WorkPlace("this host", health, True, tuple(jobs))


async def in_batch(executor: Executor, records: Records, attempts: Iterable[Attempt]) -> WorkPlace:
    """The attempts that are jobs of a batch system, by its own word; how it is. One that is away says so.

    One call to the batch system whatever their number.
    """
    ours = [one for one in attempts if one.boot == executor.name and records.spec_path(one.token).exists()]
    try:
        health = await executor.probe()
        states = await executor.poll([one.token for one in ours]) if health.reachable else {}
    except DfosError as trouble:
        health, states = Health(False, reason=trouble.what), {}
    finally:
        await executor.close()
    claims = await asyncio.to_thread(lambda: {one.token: _claim(records, one.token) for one in ours})
    jobs = tuple(_job(one, states.get(one.token), claims[one.token], executor.name) for one in ours)
    return WorkPlace(
        executor.name, _health_words(executor.name, health), health.reachable and not health.draining, jobs
    )


def _job(attempt: Attempt, state: JobState | None, claim: Claim | None, engine: str) -> AtWork:
    """A job; since when it runs by its own claim, before that since it was given."""
    since = claim.started if claim else attempt.started
    host = (state.host if state else "") or (claim.host if claim else "")
    if state is None:
        return AtWork(attempt.ab, engine, "not known now", "the batch system does not answer", since, host)
    ident = f"{engine} {state.ref.native_id}".strip()
    return AtWork(attempt.ab, ident, state.status.value, state.reason, since, host)


def _claim(records: Records, token: str) -> Claim | None:
    try:
        return records.claim(token)
    except DfosError:
        return None


def _health_words(name: str, health: Health) -> str:
    known = f"{name} {health.version}".strip()
    if not health.reachable:
        return f"{known} cannot be reached: {health.reason}"
    if health.draining:
        return f"{known} takes no jobs now: {health.reason}"
    return f"{known}: {health.reason or 'takes jobs'}"


def _used(pid: int) -> tuple[str, float, int]:
    """State in a word, cpu seconds and bytes of a process and its children; ('', 0, 0) when it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        state = _STATES.get(process.status(), "running")
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return "", 0.0, 0
    cpu_s, memory = 0.0, 0
    for one in family:
        try:
            times = one.cpu_times()
            memory += one.memory_info().rss
        except psutil.Error:
            continue
        cpu_s += times.user + times.system
        cpu_s += times.children_user + times.children_system if one is process else 0.0
    return state, cpu_s, memory
