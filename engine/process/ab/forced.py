"""An AB that is done and shall run again (`processAB --force`): may it, before it is thrown back.

What cannot run keeps its status and its products: too large, left out, or inputs that are nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError
from engine.process.ab.consumers import products_read
from engine.process.ab.deliver import predicted
from engine.process.ab.hooks import PRE, Hooks
from engine.process.ab.inputs import Inputs
from engine.process.ab.sources.fetch import Fetcher
from engine.process.plan.admission import admission_of
from engine.process.plan.history import History
from engine.process.plan.large import Asked, asked
from engine.process.plan.pool import pool_of


async def kept(context: Context, abs_: Iterable[AB], plugins: Mapping[str, Any], *, parents: bool = False) -> Asked:
    """Which of these done ABs could not run again, and why; questions that are open. Fetches their inputs.

    Inputs that an AB of the call makes, or with `parents` any AB, are not looked for, nor where a PRE_PLUGIN may
    still bring them.
    """
    fresh = [ab.with_value("PROCESS_STATUS", "CREATED") for ab in abs_]
    settings = context.settings
    memory = admission_of(settings, context.tree, here=settings.batch.executor == "local").memory_gb
    pool, _ = pool_of(fresh, settings, History.of(context.db), memory_gb=memory)
    found = {entry.ab: entry.refused for entry in pool.values() if entry.refused}
    large = await asked(context, [ab for ab in fresh if ab.name not in found])
    found |= large.refused
    made = {name for ab in fresh for name in predicted(ab)}
    hooks = Hooks(context, plugins)
    inputs, fetcher = Inputs(context.tree), Fetcher(context)
    try:
        for ab in fresh:
            waits = parents or not made.isdisjoint(products_read(ab)) or hooks.has(ab.mode, PRE)
            if ab.name not in found and not waits and not ab.runs_no_recipe:
                found |= await _lacking(ab, inputs, fetcher)
    finally:
        await fetcher.close()
    return Asked(found, large.parked)


async def _lacking(ab: AB, inputs: Inputs, fetcher: Fetcher) -> dict[str, str]:
    try:
        if fetcher.active:
            await fetcher.provide(await asyncio.to_thread(inputs.targets, ab))
        await asyncio.to_thread(inputs.of, ab)
    except DfosError as trouble:
        return {ab.name: trouble.what}
    return {}
