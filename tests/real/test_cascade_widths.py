"""A cascade that a batch system has whole keeps the widths of its streams, whatever becomes of its jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

from engine.process.executors.protocol import JobSpec, Status
from tests.executors import Site, at, daemons
from tests.fakes import text_of

_NOTED = "echo begin >> ../../order; sleep 0.2; echo end >> ../../order"
_HELD = "echo ready; while [ ! -e go ]; do sleep 0.05; done"
_MEET = "touch ../../here.{me}; while [ ! -e ../../here.{other} ]; do sleep 0.05; done"


@pytest.fixture(params=["htcondor", "slurm"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async for found in at(request.param, request, tmp_path):
        yield found


@pytest.fixture
async def slurm(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async for found in at("slurm", request, tmp_path):
        yield found


def in_stream(job: JobSpec, width: int, stream: str = "post") -> JobSpec:
    return replace(job, stream=stream, width=width)


def at_once(site: Site) -> int:
    """How many of the jobs that noted it ran at once, at most."""
    steps = text_of(site.root / "order").split()
    return max(accumulate(1 if step == "begin" else -1 for step in steps))


async def test_one_at_a_time(site: Site) -> None:
    first = site.job("true")
    posts = [in_stream(site.job(_NOTED, after=[first]), 1) for _ in range(3)]
    last = site.job("echo last >> ../../order", after=posts)
    await site.submit(first, *posts, last)
    assert (await site.ended(last)).status is Status.DONE
    assert text_of(site.root / "order") == "begin\nend\n" * 3 + "last\n"


async def test_two_streams_are_two_and_no_more_also_without_parents(site: Site) -> None:
    meet = [in_stream(site.job(_MEET.format(me=me, other=1 - me)), 2) for me in range(2)]
    posts = [in_stream(site.job(_NOTED), 2) for _ in range(4)]
    await site.submit(*meet, *posts)
    for job in (*meet, *posts):
        assert (await site.ended(job)).status is Status.DONE
    assert at_once(site) <= 2


async def test_a_failed_parent_and_a_cancelled_job_leave_their_lane_to_the_next(slurm: Site) -> None:
    bad, good = slurm.job("exit 1"), slurm.job(_HELD)
    orphan = in_stream(slurm.job("echo ran", after=[bad]), 1)
    cancelled = in_stream(slurm.job("echo ran", after=[good]), 1)
    child = in_stream(slurm.job("echo ran", after=[good]), 1)
    refs = await slurm.submit(bad, good, orphan, cancelled, child)
    assert (await slurm.ended(orphan)).after_failure
    await slurm.executor.cancel([refs[3]])
    (good.cwd / "go").touch()
    assert (await slurm.ended(child)).status is Status.DONE
    assert [job.log.exists() for job in (orphan, cancelled, child)] == [False, False, True]


async def test_a_job_killed_in_its_lane_leaves_it_to_the_next(slurm: Site) -> None:
    first, second = (in_stream(slurm.job(script), 1) for script in ("echo $$; kill -9 $$", "echo ran"))
    await slurm.submit(first, second)
    assert (await slurm.ended(second)).status is Status.DONE
    assert (await slurm.ended(first)).exit_code == -9


async def test_lanes_of_an_earlier_cascade_count_also_after_a_crash_of_slurm(
    slurm: Site, request: pytest.FixtureRequest
) -> None:
    site, system = slurm, await asyncio.to_thread(daemons, request)
    first = in_stream(site.job(f"{_HELD}; {_NOTED}"), 1)
    await site.submit(first, in_stream(site.job(_NOTED), 1))
    await site.begun(first)
    later = [in_stream(site.job(_NOTED), 1) for _ in range(2)]
    refs = await site.make().submit(later)
    await _says(site, later[0], "waits for a stream of its kind")
    await site.executor.hold(refs, "for a while")
    for job in later:
        await site.until(job, Status.HELD)
    await asyncio.to_thread(system.save, refs[0].native_id)
    await asyncio.to_thread(system.kill_controller)
    (first.cwd / "go").touch()
    await asyncio.to_thread(system.start_controller)
    await asyncio.to_thread(system.until_ready)
    for job in later:
        await site.until(job, Status.HELD)
    await site.executor.release(refs)
    for job in (first, *later):
        assert (await site.ended(job)).status is Status.DONE
    assert at_once(site) == 1


async def _says(site: Site, job: JobSpec, reason: str) -> None:
    """Wait until a job that waits says why."""
    end = time.monotonic() + site.patience_s
    while (state := await site.until(job, Status.PENDING)).reason != reason:
        assert time.monotonic() < end, state.reason
        await asyncio.sleep(0.05)
