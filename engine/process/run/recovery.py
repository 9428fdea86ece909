"""What an earlier engine was at: which recipes still run, which ended meanwhile, which never will.

From the journal, the AB files, the process table and the work directories. A recipe is the same
one when pid and start time agree, on the same boot of the machine; one whose pid was not journalled
yet is found by its work directory.
"""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from engine.context import Context
from engine.errors import BadAb
from engine.events import Notice
from engine.process.executors.protocol import Running, Starter
from engine.process.run.job import Found
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempt, Attempts


async def recover(context: Context, attempts: Attempts, starter: Starter, names: Container[str]) -> dict[str, Found]:
    """The open attempts of the named ABs that are to be followed or judged, by AB.

    Attempts that left nothing are closed: their ABs simply run again. The caller holds the
    account's lock.
    """
    found: dict[str, Found] = {}
    store = AbStore(context.tree)
    for attempt in attempts.open():
        if attempt.ab not in names:
            continue
        recipe = await starter.found(attempt)
        if recipe and not recipe.pid:
            _say(context, f"{attempt.ab}: is with the batch system ({recipe.ident}); followed")
            found[attempt.ab] = Found(attempt, recipe)
        elif recipe:
            if not attempt.pid:
                attempt = replace(attempt, pid=recipe.pid, pid_start=recipe.start, started=_since(recipe))
            attempts.spawned(attempt.id, recipe.pid, recipe.start, attempt.started)
            _say(context, f"{attempt.ab}: its recipe still runs (pid {recipe.pid}); followed")
            found[attempt.ab] = Found(attempt, recipe)
        elif _has_result(attempt, store):
            _say(context, f"{attempt.ab}: its recipe ended while no engine was there; judged by what it left")
            found[attempt.ab] = Found(attempt)
        elif not _begun(attempt):
            attempts.withdraw(attempt.id)  # noted ahead, never begun
        else:
            _say(context, f"{attempt.ab}: was interrupted; runs again")
            attempts.ended(attempt.id, context.clock(), "interrupted")
    attempts.flush()
    return found


def _since(recipe: Running) -> float:
    """When a process started, in seconds since 1970."""
    import psutil

    try:
        return float(psutil.Process(recipe.pid).create_time())
    except psutil.Error:
        return time.time()


def _begun(attempt: Attempt) -> bool:
    return bool(attempt.pid) or Path(attempt.workdir).exists()


def _has_result(attempt: Attempt, store: AbStore) -> bool:
    """True when there is something to judge: a written AB, an exit code, or files the recipe left."""
    try:
        ab = read(store.path(attempt.ab))
    except BadAb:
        return False
    if ab.status != "CREATED" or attempt.rc is not None:
        return True
    try:
        return any(path.name != "input.sof" for path in Path(attempt.workdir).iterdir())
    except OSError:  # not there, gone just now, or not to be read
        return False


def _say(context: Context, text: str) -> None:
    context.bus.publish(Notice("info", text))
