"""Engines under test: one `Site` per engine, so that one contract suite runs for all of them.

Another engine joins with a function in SITES: `(request, root) -> Site`. It skips with a plain reason, or
fails under DFOS_REAL_REQUIRED, where its daemons are missing (`needs`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.process.executors.local_jobs import LocalJobs
from engine.process.executors.protocol import Capability, Executor, JobRef, JobSpec, JobState, Resources, Status
from engine.process.executors.records import Records
from engine.process.executors.slurm import Slurm
from tests.fakes import LIMIT_S
from tests.slurm_daemons import SlurmDaemons

_SLURM = pytest.StashKey[SlurmDaemons]()
_COUNT = itertools.count(1)


@dataclass
class Site:
    """One engine with room for jobs below `root`, which its hosts see under the same path.

    `make` gives a fresh executor, as a console makes after a restart. `code` is Python source that sets `executor` in
    another process, given `root`. `patience_s` is how long a step of a job may take; `python` is that of its hosts.
    """

    name: str
    root: Path
    make: Callable[[], Executor]
    code: str
    patience_s: float = LIMIT_S
    memory_enforced: bool = False
    python: str = sys.executable
    executor: Executor = field(init=False)

    def __post_init__(self) -> None:
        self.executor = self.make()

    @property
    def records(self) -> Records:
        """Where its jobs leave their records."""
        return Records(self.root / "records")

    def can(self, *wanted: Capability) -> bool:
        """Does the engine say that it can?"""
        return set(wanted) <= self.executor.capabilities

    def job(self, script: str, *, after: Sequence[JobSpec] = (), held: bool = False, memory_mb: int = 64) -> JobSpec:
        """A job that runs a shell script in a directory of its own."""
        number = next(_COUNT)
        place = self.root / f"job{number}" / "1"
        place.mkdir(parents=True)
        place.chmod(0o777)
        token = f"{self.root.name}.ab:1:{time.time_ns():x}.{number}"
        return JobSpec(
            token,
            ("/bin/sh", "-c", script),
            place,
            {"PATH": os.defpath, "DFOS_ATTEMPT": token},
            place / "log",
            Resources(memory_mb),
            tuple(job.token for job in after),
            held,
            name=f"job{number}",
        )

    async def submit(self, *jobs: JobSpec) -> list[JobRef]:
        """Submit them."""
        return await self.executor.submit(jobs)

    async def run(self, script: str) -> JobState:
        """Run a script to its end."""
        job = self.job(script)
        await self.submit(job)
        return await self.ended(job)

    async def until(self, job: JobSpec, *wanted: Status, executor: Executor | None = None) -> JobState:
        """Wait for a status of a job."""
        end = time.monotonic() + self.patience_s
        while True:
            state = (await (executor or self.executor).poll([job.token]))[job.token]
            if state.status in wanted:
                return state
            assert time.monotonic() < end, f"{job.name} is {state.status} ({state.reason}), not {wanted}"
            assert not state.status.ended, f"{job.name} ended: {state.status} ({state.reason}), not {wanted}"
            await asyncio.sleep(0.05)

    async def ended(self, job: JobSpec, executor: Executor | None = None) -> JobState:
        """Wait for a job's end."""
        return await self.until(job, Status.DONE, Status.FAILED, Status.REMOVED, Status.LOST, executor=executor)

    async def begun(self, job: JobSpec) -> None:
        """Wait until the script of a job has said something in its log."""
        end = time.monotonic() + self.patience_s
        while not job.log.exists() or not job.log.read_bytes():
            assert time.monotonic() < end, f"{job.name} said nothing: {self.records.output(job.token)}"
            await asyncio.sleep(0.02)


def again(job: JobSpec) -> JobSpec:
    """The same job, as a console that forgot would submit it."""
    return replace(job)


def needs(there: bool, what: str) -> None:
    """Skip, or fail where everything real is required, when something is not installed."""
    if not there:
        if os.environ.get("DFOS_REAL_REQUIRED"):
            pytest.fail(f"{what} is not installed, and DFOS_REAL_REQUIRED is set")
        pytest.skip(f"{what} is not installed on this machine")


def _local(request: pytest.FixtureRequest, root: Path) -> Site:
    code = (
        "from engine.process.executors.local_jobs import LocalJobs\n"
        "from engine.process.executors.records import Records\n"
        "executor = LocalJobs(Records(root / 'records'))\n"
    )
    return Site("local", root, lambda: LocalJobs(Records(root / "records")), code)


def daemons(request: pytest.FixtureRequest) -> SlurmDaemons:
    """The Slurm of this test session, started when first asked for, without jobs; SLURM_CONF names it for the test."""
    needs(SlurmDaemons.installed(), "Slurm (slurmctld, slurmd, munge; as root)")
    found = request.config.stash.get(_SLURM, None)
    if found is None:
        found = SlurmDaemons()
        request.config.add_cleanup(found.stop)
        found.start()
        request.config.stash[_SLURM] = found
    found.clean()
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("SLURM_CONF", str(found.conf))
    return found


def _slurm(request: pytest.FixtureRequest, root: Path) -> Site:
    daemons(request)
    code = (
        "from engine.process.executors.slurm import Slurm\n"
        "from engine.process.executors.records import Records\n"
        f"executor = Slurm(Records(root / 'records'), command_s={LIMIT_S})\n"
    )
    return Site("slurm", root, lambda: Slurm(Records(root / "records"), command_s=LIMIT_S), code, memory_enforced=True)


def _htcondor(request: pytest.FixtureRequest, root: Path) -> Site:
    from tests.condor_site import condor_site, the_pool

    return condor_site(the_pool(request), root)


async def at(name: str, request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Site]:
    """The site of an engine for a fixture; what a test left there ends afterwards."""
    found = SITES[name](request, root)
    yield found
    specs = [path.read_bytes() for path in found.records.place.glob("*.spec.json")]
    states = await found.executor.poll([json.loads(spec)["token"] for spec in specs])
    await found.executor.cancel([state.ref for state in states.values() if not state.status.ended])
    await found.executor.close()


SITES: dict[str, Callable[[pytest.FixtureRequest, Path], Site]] = {
    "htcondor": _htcondor,
    "local": _local,
    "slurm": _slurm,
}
