"""Process a pool of ABs: recovery, gate, streams and recipes put together."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from config.schema import Settings
from config.tree import DfoTree
from engine.context import Context
from engine.core.ab import AB
from engine.errors import RecipeTrouble, UsageTrouble
from engine.process.ab.pipeline import Pipeline, none_of, pipeline_of
from engine.process.ab.process_ab import ProcessAb
from engine.process.ab.work_area import WorkArea
from engine.process.executors.batch import Batch
from engine.process.executors.choice import starter_of
from engine.process.plan.admission import admission_of
from engine.process.plan.history import History
from engine.process.plan.pool import below, pool_of
from engine.process.run.foreign_tasks import ProcessTable, gate_of
from engine.process.run.hand_over import hand_over
from engine.process.run.job import Outcome
from engine.process.run.outside import outside
from engine.process.run.recovery import recover
from engine.process.run.streams import Streams
from engine.stores.abs import AbStore, read
from engine.stores.attempts import Attempts

__all__ = ["Outcome", "Streams", "process_pool", "reset"]


async def process_pool(
    context: Context,
    abs_: Iterable[AB],
    *,
    plugins: Mapping[str, Any] | None = None,
    at_work: Callable[[Streams], None] | None = None,
    attempts: Attempts | None = None,
    pipeline: Pipeline | None = None,
    table: ProcessTable | None = None,
    refused: Mapping[str, str] | None = None,
) -> Outcome:
    """Process ABs until nothing more can be done; how it ended.

    `plugins` are the configured ones by slot (`engine.process.ab.hooks`). `at_work` gets the streams as soon as they
    take orders. `refused` are ABs that shall not start, and why. The caller holds the account's lock. Busy when
    another account has the work area, RecipeTrouble when the pipeline is not there.
    """
    with WorkArea(context.tree, context.settings).held(context.who):
        return await _processed(context, abs_, plugins or {}, at_work, attempts, pipeline, table, refused or {})


async def _processed(
    context: Context,
    abs_: Iterable[AB],
    plugins: Mapping[str, Any],
    at_work: Callable[[Streams], None] | None,
    attempts: Attempts | None,
    pipeline: Pipeline | None,
    table: ProcessTable | None,
    refused: Mapping[str, str],
) -> Outcome:
    attempts = attempts or Attempts.following(context.bus) or Attempts(context.db)
    starter = starter_of(context, attempts)
    pool = list(abs_)
    pipeline = pipeline or _pipeline(context.settings, pool)
    attempts.pipeline = pipeline.name
    job = ProcessAb(context, pipeline, starter, plugins)
    try:
        found = await recover(context, attempts, starter, {ab.name for ab in pool})
        recipes = {item.recipe.pid for item in found.values() if item.recipe and item.recipe.pid}
        if isinstance(starter, Batch) and context.settings.batch.mode == "detached":
            found |= await hand_over(context, pool, job, attempts, starter, found, refused)
        streams = Streams(
            context,
            pool,
            job,
            attempts,
            gate=gate_of(context, table=table, ours=lambda: recipes),
            found=found,
            outside=partial(outside, context.tree),
            boot=starter.boot,
            history=History.of(context.db),
            admission=admission_of(context.settings, context.tree, here=context.settings.batch.executor == "local"),
            refused=refused,
        )
        del pool
        if at_work:
            at_work(streams)
        gc.freeze()  # the pool lives as long as its run: it is not searched for garbage again and again
        return replace(await streams.run(), standin=pipeline.standin)
    finally:
        gc.unfreeze()
        await job.close()
        await starter.close()


def _pipeline(settings: Settings, pool: Iterable[AB]) -> Pipeline:
    """The pipeline of an instance; none where nothing is to be run. RecipeTrouble where something is."""
    try:
        return pipeline_of(settings)
    except RecipeTrouble as trouble:
        if any(ab.status == "CREATED" for ab in pool):
            raise
        return none_of(trouble)


def reset(tree: DfoTree, settings: Settings, ab: str, mode: str, date: str) -> list[str]:
    """Make an AB and what depends on it CREATED while nothing is processed; their names. Blocking."""
    store = AbStore(tree)
    pool, _ = pool_of(store.load(mode, date), settings)
    if ab not in pool:
        raise UsageTrouble(f"{ab} is not among the ABs of {mode} {date}", remedy="check the name")
    names = [ab, *(entry.ab for entry in below(pool, ab))]
    for name in names:
        found = read(store.path(name))
        if found.status != "CREATED":
            store.write(found.with_value("PROCESS_STATUS", "CREATED"))
    return names
