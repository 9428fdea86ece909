"""Which engine runs the recipes of an account."""

from __future__ import annotations

import sys

from config.schema import Settings
from config.tree import DfoTree
from engine.context import Context
from engine.errors import UsageTrouble
from engine.events import Notice
from engine.process.executors.batch import Batch
from engine.process.executors.local import LocalExecutor
from engine.process.executors.protocol import Executor, Starter
from engine.process.executors.records import RECORDS, Records
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs


def records_of(settings: Settings, tree: DfoTree) -> Records:
    """Where jobs of this account leave their records."""
    return Records(tree.expand(settings.process.work_area) / RECORDS)


def executor_of(settings: Settings, records: Records) -> Executor:
    """The batch system that is configured; UsageTrouble when it is not one, or not installed."""
    from engine.process.executors.slurm import Slurm

    batch = settings.batch
    python = batch.python or sys.executable
    if batch.executor == "slurm":
        return Slurm(records, options=batch.options, command_s=batch.command_s, python=python)
    if batch.executor == "htcondor":
        return _htcondor(settings, records, python)
    raise UsageTrouble(f"batch.executor {batch.executor} is no batch system", remedy="set it to slurm or htcondor")


def _htcondor(settings: Settings, records: Records, python: str) -> Executor:
    from engine.process.executors.htcondor import HTCondor
    from engine.process.executors.htcondor_ads import Site
    from engine.process.executors.htcondor_queue import Contact, bindings

    pool = settings.batch.htcondor
    bindings(pool.settings)  # missing, they are missed before the first AB
    return HTCondor(
        records,
        Contact(pool.collector, pool.schedd, pool.settings),
        Site(python, pool.requirements, pool.submit),
        dagman=pool.dagman,
        answer_s=settings.batch.command_s,
    )


def starter_of(context: Context, attempts: Attempts) -> Starter:
    """What starts the recipes of a run: directly on this host, or as jobs of the batch system that is configured."""
    settings = context.settings
    if settings.batch.executor == "local":
        return LocalExecutor()
    records = records_of(settings, context.tree)

    def say(level: str, text: str) -> None:
        context.bus.publish(Notice(level, text))

    batch = Batch(
        executor_of(settings, records), records, BatchJobs(context.db), settings.batch, say=say, clock=context.clock
    )
    batch.tidy(frozenset(attempt.token for attempt in attempts.open()))
    return batch
