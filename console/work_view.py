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
from engine.process.executors.local import boot_id, start_of
from engine.stores.attempts import Attempt, Attempts
from engine.stores.database import connect
from screens.queued import AtWork, WorkPlace

_STATES = {"stopped": "suspended", "tracing-stop": "suspended", "zombie": "ended"}


async def at_work(tree: DfoTree) -> WorkPlace:
    """Where recipes run, how that is, and what it has of ours. UsageTrouble when the configuration makes no sense."""
    settings = (await asyncio.to_thread(open_settings, tree, os.environ, ())).settings
    return await asyncio.to_thread(here, await asyncio.to_thread(open_attempts, tree), settings.streams)


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
