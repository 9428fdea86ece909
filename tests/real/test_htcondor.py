"""What only HTCondor does, on a real pool: its queue daemon killed, jobs held by others, DAGMan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from engine.errors import EngineAway
from engine.process.executors.htcondor import HTCondor
from engine.process.executors.htcondor_ads import Site as JobSite
from engine.process.executors.htcondor_queue import Contact, bindings
from engine.process.executors.protocol import JobSpec, JobState, Refused, Resources, Status
from engine.process.executors.records import Records
from tests.condor_pool import Pool
from tests.condor_site import ANSWER_S, condor_site, contact, the_pool
from tests.executors import Site
from tests.fakes import LIMIT_S, text_of, until

T = TypeVar("T")
_LOOP = "echo ready; while [ ! -e go ]; do sleep 0.05; done"


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Pool:
    return the_pool(request)


@pytest.fixture
async def site(pool: Pool, tmp_path: Path) -> AsyncIterator[Site]:
    found = condor_site(pool, tmp_path)
    yield found
    await found.executor.close()


async def test_its_queue_daemon_killed_the_job_goes_on(site: Site, pool: Pool) -> None:
    job = site.job(_LOOP)
    await site.submit(job)
    await site.begun(job)
    since = r"no answer from HTCondor since \d\d:\d\d:\d\d UTC: \w"
    with pool.without("condor_schedd"), pytest.raises(EngineAway, match=since) as away:
        await _until_away(site, job)
    back = await _until_back(site, job, str(away.value).partition(" UTC")[0])
    assert back.status is Status.RUNNING
    await asyncio.to_thread((job.cwd / "go").touch)
    assert (await site.ended(job)).status is Status.DONE
    assert text_of(job.log) == "ready\n", "it ran once"


async def _until_away(site: Site, job: JobSpec) -> None:
    end = time.monotonic() + site.patience_s
    while time.monotonic() < end:
        await site.executor.poll([job.token])


async def _until_back(site: Site, job: JobSpec, since: str) -> JobState:
    end = time.monotonic() + site.patience_s
    while time.monotonic() < end:
        try:
            return (await site.executor.poll([job.token]))[job.token]
        except EngineAway as trouble:
            assert str(trouble).startswith(since), "since it was first away, not since the last try"
            await asyncio.sleep(0.1)
    raise AssertionError("HTCondor did not come back")


async def test_a_queue_daemon_that_hangs_is_away_and_nothing_is_submitted_twice(site: Site, pool: Pool) -> None:
    executor = HTCondor(Records(site.root / "records"), contact(pool), JobSite("/usr/bin/python3"), answer_s=1.0)
    job = site.job("echo ran >> ../count")
    await _answered(lambda: executor.poll([job.token]))
    schedd = pool.daemon("condor_schedd")
    schedd.suspend()
    try:
        with pytest.raises(EngineAway, match="no answer within"):
            await executor.submit([job])
        assert not (await executor.probe()).reachable
    finally:
        schedd.resume()
    [ref] = await _answered(lambda: executor.submit([job]))
    assert ref.native_id and (await site.ended(job)).status is Status.DONE
    assert text_of(job.cwd.parent / "count") == "ran\n"
    await executor.close()


async def _answered(call: Callable[[], Awaitable[T]]) -> T:
    """A call of an impatient executor, again until the pool is quick enough for it."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return await call()
        except EngineAway:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


async def test_a_reason_that_we_give_is_still_known_to_another_console(site: Site) -> None:
    job = site.job("echo ran", held=True)
    [ref] = await site.submit(job)
    assert (await site.until(job, Status.HELD)).reason == "submitted held"
    await site.executor.release([ref])
    await site.until(job, Status.PENDING, Status.RUNNING, Status.DONE)
    other = site.job("echo ran", memory_mb=10**6)  # no machine has as much: it waits
    [ref] = await site.submit(other)
    await site.until(other, Status.PENDING)
    await site.executor.hold([ref], "espresso autoDaily runs")
    state = await site.until(other, Status.HELD, executor=site.make())
    assert state.reason.startswith("espresso autoDaily runs")
    await site.executor.cancel([ref])
    assert (await site.ended(other)).status is Status.REMOVED


async def test_held_by_somebody_while_it_ran_its_work_is_lost_and_it_never_runs_again(site: Site, pool: Pool) -> None:
    job = site.job(f"echo started >> ../count; {_LOOP}")
    [ref] = await site.submit(job)
    await site.begun(job)
    pool.ask("condor_hold", "-reason", "wrong button", ref.native_id)
    state = await site.ended(job)
    assert state.status is Status.REMOVED
    assert "what it had done is lost" in state.reason and "wrong button" in state.reason
    await until(lambda: not pool.ask("condor_q", ref.native_id, "-af", "JobStatus").strip())
    again = await site.make().poll([job.token])
    assert again[job.token].status is Status.REMOVED and "wrong button" in again[job.token].reason
    assert text_of(job.cwd.parent / "count") == "started\n"


async def test_held_and_released_by_somebody_it_is_not_started_a_second_time(site: Site, pool: Pool) -> None:
    job = site.job(f"echo started >> ../count; {_LOOP}")
    [ref] = await site.submit(job)
    await site.begun(job)
    for command in ("condor_hold", "condor_release"):
        pool.ask(command, ref.native_id)
    assert (await site.ended(job)).status is Status.REMOVED
    assert text_of(job.cwd.parent / "count") == "started\n"


async def test_longer_than_allowed(site: Site) -> None:
    job = replace(site.job(_LOOP), resources=Resources(64, 1, 2))
    await site.submit(job)
    state = await site.ended(job)
    assert (state.status, state.reason) == (Status.FAILED, "it took longer than it was allowed to")


async def test_memory_used_up_is_still_known_to_another_console(site: Site) -> None:
    hungry = "import time; b = bytearray(300 << 20); print(1, flush=True); time.sleep(600)"
    job = site.job(f"exec {site.python} -c '{hungry}'")
    await site.submit(job)
    assert (await site.ended(job)).memory_killed
    state = await site.ended(job, executor=site.make())
    assert state.status is Status.FAILED and state.memory_killed


async def test_a_drained_pool_is_a_state_with_a_reason(site: Site, pool: Pool) -> None:
    api = bindings(pool.client)
    startd = api.Startd(api.Collector(pool.address).locateAll(api.DaemonType.Startd)[0])
    request = startd.drainJobs()
    try:
        await until(lambda: "Drained" in pool.ask("condor_status", "-af", "State"))
        end = time.monotonic() + LIMIT_S
        while not (health := await site.executor.probe()).draining:  # each slot tells of it in its own time
            assert health.reachable and time.monotonic() < end
            await asyncio.sleep(0.05)
        assert "drained" in health.reason
        job = site.job("echo ran")
        await site.submit(job)
        assert (await site.executor.poll([job.token]))[job.token].status is Status.PENDING
    finally:
        startd.cancelDrainJobs(request)
    assert (await site.ended(job)).status is Status.DONE


async def test_no_pool_and_no_access_point(site: Site, pool: Pool) -> None:
    for wrong in (Contact("127.0.0.1:1", "", pool.client), Contact(pool.address, "nobody@nowhere", pool.client)):
        lonely = HTCondor(Records(site.root / "records"), wrong, JobSite("/usr/bin/python3"), answer_s=ANSWER_S)
        health = await lonely.probe()
        assert not health.reachable and "no answer from HTCondor since" in health.reason
        with pytest.raises(EngineAway):
            await lonely.submit([site.job("true")])
        await lonely.close()


async def test_a_description_that_htcondor_does_not_take(site: Site, pool: Pool) -> None:
    for wrong in (
        JobSite("/usr/bin/python3", requirements="((("),
        JobSite("/usr/bin/python3", lines={"universe": "banana"}),
        JobSite("/usr/bin/python3", lines={"a b=": "x"}),
    ):
        executor = HTCondor(Records(site.root / "records"), contact(pool), wrong, answer_s=ANSWER_S)
        job = site.job("true")
        with pytest.raises(Refused) as trouble:
            await executor.submit([job])
        assert trouble.value.token == job.token
        await executor.close()


async def test_lines_of_the_site_reach_the_job(site: Site, pool: Pool) -> None:
    lines = {"accounting_group": "eso.phoenix", "My.Observatory": '"Paranal"', "nice_user": "true"}
    theirs = JobSite("/usr/bin/python3", requirements="true", lines=lines)
    executor = HTCondor(Records(site.root / "records"), contact(pool), theirs, answer_s=ANSWER_S)
    job = site.job("true", held=True)
    [ref] = await executor.submit([job])
    said = pool.ask("condor_q", ref.native_id, "-af", "AcctGroup", "Observatory", "JobBatchName").split()
    assert said == ["eso.phoenix", "Paranal", job.name]
    await executor.cancel([ref])
    await executor.close()


async def test_dagman_killed_goes_on_where_it_was(site: Site, pool: Pool) -> None:
    first = site.job(_LOOP)
    second = site.job("echo ran", after=[first])
    await site.submit(first, second)
    await site.begun(first)
    pool.daemon("condor_dagman").kill()
    (first.cwd / "go").touch()
    assert (await site.ended(second)).status is Status.DONE
    assert (text_of(first.log), text_of(second.log)) == ("ready\n", "ran\n")


async def test_the_rest_of_a_cascade_is_sent_again_after_a_failure(site: Site) -> None:
    good, bad = site.job("echo ran"), site.job("exit 3")
    child = site.job("echo ran", after=[good, bad])
    await site.submit(good, bad, child)
    assert (await site.ended(child)).reason == "never sent: DAGMan ended before its turn came"
    better = site.job("true")
    child = replace(child, after=(good.token, better.token))
    await site.submit(good, better, child)
    executor = site.make()
    assert (await site.ended(child, executor)).status is Status.DONE
    assert text_of(good.log) == "ran\n", "what was done is not done again"


async def test_one_job_of_a_cascade_cancelled_before_its_turn(site: Site) -> None:
    first = site.job(_LOOP)
    second = site.job("echo ran", after=[first])
    third = site.job("echo ran", after=[second])
    beside = site.job("echo ran", after=[first])
    refs = await site.submit(first, second, third, beside)
    await site.begun(first)
    await site.executor.cancel(refs[1:2])
    (first.cwd / "go").touch()
    assert (await site.ended(beside)).status is Status.DONE
    for job in (second, third):
        assert (await site.ended(job)).status is Status.REMOVED
        assert not job.log.exists()


async def test_a_whole_cascade_cancelled_takes_dagman_along(site: Site, pool: Pool) -> None:
    first = site.job(_LOOP)
    second = site.job("echo ran", after=[first])
    refs = await site.submit(first, second)
    await site.begun(first)
    await site.executor.cancel(refs)
    for job in (first, second):
        assert (await site.ended(job)).status is Status.REMOVED
    await until(lambda: not pool.ask("condor_q", "-af", "ClusterId", "-constraint", "DfosDag isnt undefined"))


async def test_after_a_job_of_an_earlier_call_it_waits_in_its_slot(site: Site, pool: Pool) -> None:
    parent = site.job(_LOOP)
    await site.submit(parent)
    await site.begun(parent)
    child = site.job("echo ran", after=[parent])
    last = site.job("echo ran", after=[parent, child])
    await site.submit(child, last)
    await until(lambda: pool.ask("condor_q", "-constraint", "JobStatus == 2", "-af", "JobBatchName").count("job") > 1)
    assert (await site.executor.poll([child.token]))[child.token].status is Status.PENDING
    assert not child.log.exists()
    (parent.cwd / "go").touch()
    assert (await site.ended(last)).status is Status.DONE
    assert (text_of(child.log), text_of(last.log)) == ("ran\n", "ran\n")
