"""`dfos doctor`: the batch system that is configured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.doctor.check import MISSING, OK, WARN, Check

if TYPE_CHECKING:
    from config.schema import Settings
    from config.tree import DfoTree


def batch(tree: DfoTree, settings: Settings) -> Iterator[Check]:
    """Can it be reached, and does it take jobs? Nothing where recipes run on this host."""
    if settings.batch.executor == "local":
        return
    import asyncio

    from engine.errors import DfosError
    from engine.process.executors.choice import executor_of, records_of

    name = settings.batch.executor
    try:
        health = asyncio.run(executor_of(settings, records_of(settings, tree)).probe())
    except DfosError as trouble:
        yield Check("batch", name, str(trouble), MISSING)
        return
    if not health.reachable:
        yield Check("batch", name, f"cannot be reached: {health.reason}", MISSING)
    elif health.draining:
        yield Check("batch", name, f"{health.version}, takes no jobs now: {health.reason}", WARN)
    else:
        yield Check("batch", name, health.version, OK)
