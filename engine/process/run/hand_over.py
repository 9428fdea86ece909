"""A whole cascade given to a batch system at once, so that it goes on without us (detached).

Every AB becomes a job that comes after those of its parents, and finishes the AB itself (`engine.process.run.node`).
From then on the jobs are followed like those of an engine that died: this engine may leave at any time.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import engine
from config.schema import Settings
from engine import threads
from engine.context import Context
from engine.core.ab import AB
from engine.core.sizes import counted
from engine.errors import UsageTrouble
from engine.events import Notice
from engine.process.ab.process_ab import ProcessAb
from engine.process.executors.batch import Batch
from engine.process.executors.local import new_token
from engine.process.executors.protocol import Capability, JobSpec
from engine.process.plan.history import History
from engine.process.plan.pool import Entry, pool_of
from engine.process.plan.ready import Ready
from engine.process.plan.simulate import best_plan, simulate, waiting
from engine.process.run.job import Found
from engine.process.run.node import ENTRY, Account
from engine.process.run.outside import outside
from engine.stores.attempts import Attempts

_OURS_MB = 256  # what judging and delivering needs beside the recipe
_PACKAGES = Path(engine.__file__).parents[1]


async def hand_over(
    context: Context,
    pool: Sequence[AB],
    job: ProcessAb,
    attempts: Attempts,
    batch: Batch,
    found: Mapping[str, Found],
    refused: Mapping[str, str],
) -> dict[str, Found]:
    """Give every AB that is still to run to the batch system; the attempts, to be followed.

    `found` are under way already. UsageTrouble names the ABs that nobody can hand over: what they wait for is not known
    yet. EngineAway when the system cannot be reached: nothing is lost, the next run goes on from there.
    """
    if Capability.NATIVE_DAG not in batch.executor.capabilities:
        raise UsageTrouble(f"{batch.boot} takes no cascades", remedy="set batch.mode to attached")
    entries, _ = pool_of(pool, context.settings, History.of(context.db))
    chosen = _in_turn(entries, _chosen(context, entries, found, refused), context.settings)
    if not chosen:
        return {}
    by_name = {ab.name: ab for ab in pool}
    known = Account(context.settings, context.tree, job.pipeline, context.who)
    account = await threads.to_end(known.write, batch.records.place)
    tokens = {name: item.attempt.token for name, item in found.items()}
    widths = Ready(entries).widths
    specs = []
    for entry in chosen:
        number = attempts.number(entry.ab) + 1
        workdir, token = job.workdir(entry.ab, number), new_token(entry.ab, number)
        tokens[entry.ab] = token
        attempts.intend(entry.ab, workdir, token, batch.boot, context.clock(), number)
        parents = tuple(tokens[name] for name in entry.parents if name in tokens)
        spec = _spec(context, batch, account, by_name[entry.ab], entry, number, workdir, token, parents)
        specs.append(replace(spec, stream=entry.lane, width=min(widths[entry.lane], context.settings.streams)))
    attempts.flush()
    refs = await batch.executor.submit(specs)
    batch.given(refs)
    words = f"{counted(len(specs), 'AB')} handed over to {batch.boot}; this goes on without this console"
    context.bus.publish(Notice("info", words))
    names = {entry.ab for entry in chosen}
    handed = [attempt for attempt in attempts.open() if attempt.ab in names]
    return {attempt.ab: Found(attempt, await batch.found(attempt)) for attempt in handed}


def _chosen(
    context: Context, entries: Mapping[str, Entry], found: Mapping[str, Found], refused: Mapping[str, str]
) -> list[Entry]:
    """Those that run, parents first: not what is done or under way, nor what waits for something that failed."""
    chosen: dict[str, Entry] = {}
    unknown: list[str] = []
    for entry in entries.values():
        if entry.ab in found or entry.status != "CREATED" or entry.ab in refused:
            continue
        inside = [entries[name] for name in entry.parents if name in entries]
        waits = [outside(context.tree, name) for name in entry.parents if name not in entries]
        if why := next(filter(None, waits), ""):
            unknown.append(f"{entry.ab} {why}")
        if all(parent.status == "SUCCESSFUL" or parent.ab in found or parent.ab in chosen for parent in inside):
            chosen[entry.ab] = entry
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UsageTrouble(
            f"cannot be handed over: {'; '.join(unknown[:3])}{more}",
            remedy="process what they wait for first, or set batch.mode to attached",
        )
    return list(chosen.values())


def _in_turn(entries: dict[str, Entry], chosen: list[Entry], settings: Settings) -> list[Entry]:
    """As they would begin here, by their forecasts: parents first still. Streams of a batch system keep this order."""
    plan = best_plan(entries, settings.streams, barriers=settings.barriers)
    spans = simulate(waiting(entries), plan, settings.streams).spans
    return sorted(chosen, key=lambda entry: (spans[entry.ab].begin if entry.ab in spans else math.inf, entry.order))


def _spec(
    context: Context,
    batch: Batch,
    account: Path,
    ab: AB,
    entry: Entry,
    number: int,
    workdir: str,
    token: str,
    parents: tuple[str, ...],
) -> JobSpec:
    python = context.settings.batch.python or sys.executable
    asked = batch.asked(ab, entry.kind)
    return JobSpec(
        token,
        (python, "-P", "-m", ENTRY, str(account), ab.name, str(number), workdir, token),
        batch.records.place,
        {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(context.tree.tmp), "PYTHONPATH": str(_PACKAGES)},
        batch.records.log_path(token),
        replace(asked, memory_mb=asked.memory_mb + _OURS_MB if asked.memory_mb else 0),
        parents,
        attempt=number,
        name=ab.name.removesuffix(".ab"),
    )
