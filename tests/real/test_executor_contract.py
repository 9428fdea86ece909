"""One suite for every engine: what a console may rely on, wherever a recipe runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import Unsupported, UsageTrouble
from engine.process.executors.protocol import Capability, Status
from engine.process.executors.records import WRAPPER
from engine.processes import mark_of
from tests.executors import SITES, Site, again, at
from tests.fakes import text_of, until

_REPOSITORY = Path(__file__).resolve().parents[2]
_LOOP = "echo ready; while [ ! -e go ]; do sleep 0.05; done"
_CONSOLE = """
import asyncio, os, pickle, sys
from pathlib import Path
root = Path(sys.argv[1])
{code}
jobs = pickle.loads((root / 'jobs').read_bytes())
asyncio.run(executor.submit(jobs))
os._exit(9)
"""


@pytest.fixture(params=sorted(SITES))
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async for found in at(request.param, request, tmp_path):
        yield found


async def test_what_a_job_does_and_leaves(site: Site) -> None:
    job = site.job("echo out; echo err >&2; pwd; exit 0")
    [ref] = await site.submit(job)
    assert ref.token == job.token and ref.engine == site.name and ref.native_id
    state = await site.ended(job)
    assert (state.status, state.exit_code) == (Status.DONE, 0)
    assert state.host
    assert job.log.read_text() == f"out\nerr\n{job.cwd}\n"


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("exit 255", 255), ("kill -SEGV $$", -signal.SIGSEGV)])
async def test_exit_codes_and_signals(site: Site, script: str, code: int) -> None:
    state = await site.run(script)
    assert (state.status, state.exit_code) == (Status.FAILED, code)


async def test_a_program_that_is_not_there_has_failed(site: Site) -> None:
    job = site.job("true")
    job = type(job)(job.token, ("/nowhere/esorex",), job.cwd, job.env, job.log, job.resources)
    await site.submit(job)
    state = await site.ended(job)
    assert state.status is Status.FAILED and "cannot be started" in state.reason


async def test_arguments_and_names_meet_no_shell(site: Site) -> None:
    job = site.job("true")
    place = site.root / "a b'; touch $HOME \"q %j" / "1"
    place.mkdir(parents=True)
    place.chmod(0o777)
    argv = ("/bin/echo", "$(touch boom); `id` *", "a  b", "'\"\\")
    job = type(job)(job.token, argv, place, job.env, place / "log", job.resources, name="--wrap=x; id %j")
    await site.submit(job)
    assert (await site.ended(job)).status is Status.DONE
    assert text_of(place / "log") == "$(touch boom); `id` * a  b '\"\\\n"


async def test_nothing_of_the_caller_leaks_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESOREX_RECIPE_DIR", "/elsewhere")
    job = site.job("exec /usr/bin/env")
    await site.submit(job)
    await site.ended(job)
    names = {line.partition("=")[0] for line in text_of(job.log).splitlines()}
    assert names <= {"PATH", "DFOS_ATTEMPT", "PWD", "_", "SHLVL", "OLDPWD"}


async def test_held_it_waits_and_released_it_runs(site: Site) -> None:
    job = site.job("echo ran", held=True)
    [ref] = await site.submit(job)
    await site.until(job, Status.HELD)
    assert not job.log.exists()
    await site.executor.release([ref])
    assert (await site.ended(job)).status is Status.DONE


async def test_what_waits_can_be_held(site: Site) -> None:
    first = site.job(_LOOP)
    second = site.job("echo ran", after=[first])
    _, ref = await site.submit(first, second)
    await site.begun(first)
    await site.until(second, Status.PENDING)
    await site.executor.hold([ref], "the gate is closed")
    (first.cwd / "go").touch()
    assert (await site.ended(first)).status is Status.DONE
    await site.until(second, Status.HELD)
    assert not second.log.exists()
    await site.executor.release([ref])
    assert (await site.ended(second)).status is Status.DONE


async def test_holding_what_runs_does_not_stop_it(site: Site) -> None:
    job = site.job(_LOOP)
    [ref] = await site.submit(job)
    await site.begun(job)
    await site.executor.hold([ref], "no more")
    (job.cwd / "go").touch()
    assert (await site.ended(job)).status is Status.DONE


async def test_suspended_it_stands_still_and_goes_on(site: Site) -> None:
    job = site.job("while [ ! -e go ]; do echo tick; sleep 0.02; done")
    [ref] = await site.submit(job)
    await site.begun(job)
    if not site.can(Capability.SUSPEND_RUNNING):
        with pytest.raises(Unsupported):
            await site.executor.suspend([ref])
        return
    await site.executor.suspend([ref])
    await site.until(job, Status.SUSPENDED)
    size = await _still(job.log)
    await site.executor.resume([ref])
    await until(lambda: job.log.stat().st_size > size)
    (job.cwd / "go").touch()
    assert (await site.ended(job)).status is Status.DONE


async def _still(path: Path) -> int:
    """The size of a file once it does not grow any more."""
    before, size = -1, await asyncio.to_thread(os.path.getsize, path)
    while size != before:
        await asyncio.sleep(0.2)
        before, size = size, await asyncio.to_thread(os.path.getsize, path)
    return size


async def test_cancelled_it_ends_with_what_it_started(site: Site) -> None:
    job = site.job("(while :; do echo tick; sleep 0.02; done) & echo ready; wait")
    [ref] = await site.submit(job)
    await site.begun(job)
    await site.executor.cancel([ref])
    state = await site.ended(job)
    assert state.status is Status.REMOVED
    await _still(job.log)


@pytest.mark.parametrize("how", ["ended", "cancelled"])
async def test_what_left_its_group_ends_with_it(site: Site, how: str) -> None:
    escaped = "setsid sh -c 'echo $$; while :; do echo tick >> ticks; sleep 0.02; done' &"
    job = site.job(f"{escaped} while [ ! -e go ]; do sleep 0.02; done")
    [ref] = await site.submit(job)
    await site.begun(job)
    await until(lambda: text_of(job.cwd / "ticks"))
    if how == "ended":
        (job.cwd / "go").touch()
    else:
        await site.executor.cancel([ref])
    assert (await site.ended(job)).status is (Status.DONE if how == "ended" else Status.REMOVED)
    await until(lambda: not _of(job.token))


def _of(token: str) -> list[str]:
    """The processes of a job, also those that have left its group."""
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if mark_of(int(pid), "DFOS_ATTEMPT") == token]


async def test_cancelled_in_the_queue_it_never_runs(site: Site) -> None:
    job = site.job("echo ran", held=True)
    [ref] = await site.submit(job)
    await site.until(job, Status.HELD)
    await site.executor.cancel([ref])
    assert (await site.ended(job)).status is Status.REMOVED
    assert not job.log.exists()


async def test_a_chain_runs_in_its_order(site: Site) -> None:
    first = site.job("echo 1 >> ../../order")
    second = site.job("echo 2 >> ../../order", after=[first])
    third = site.job("echo 3 >> ../../order", after=[first, second])
    await site.submit(first, second, third)
    assert (await site.ended(third)).status is Status.DONE
    assert text_of(site.root / "order") == "1\n2\n3\n"


async def test_what_comes_after_a_failure_never_runs(site: Site) -> None:
    first = site.job("exit 3")
    second = site.job("echo ran", after=[first])
    third = site.job("echo ran", after=[second])
    await site.submit(first, second, third)
    assert (await site.ended(first)).exit_code == 3
    for job in (second, third):
        assert (await site.ended(job)).status is Status.REMOVED
        assert not job.log.exists()


async def test_after_a_job_that_ended_long_ago(site: Site) -> None:
    good, bad = site.job("exit 0"), site.job("exit 1")
    await site.submit(good, bad)
    await site.ended(good)
    await site.ended(bad)
    child = site.job("echo ran", after=[good])
    await site.submit(child)
    assert (await site.ended(child)).status is Status.DONE
    orphan = site.job("echo ran", after=[bad])
    with pytest.raises(UsageTrouble, match="did not end well"):
        await site.submit(orphan)
    with pytest.raises(UsageTrouble, match="is not known"):
        await site.submit(site.job("echo ran", after=[site.job("never submitted")]))


async def test_submitted_twice_it_runs_once(site: Site) -> None:
    job = site.job(_LOOP)
    [ref] = await site.submit(job)
    assert (await site.submit(again(job)))[0].native_id == ref.native_id
    assert (await site.make().submit([again(job)]))[0].token == job.token
    await site.begun(job)
    (job.cwd / "go").touch()
    await site.ended(job)
    await site.submit(again(job))
    assert (await site.ended(job)).status is Status.DONE
    assert text_of(job.log) == "ready\n"


async def test_a_claim_prevents_a_second_run(site: Site) -> None:
    job = site.job("echo ran")
    await site.submit(job)
    assert (await site.ended(job)).status is Status.DONE
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(WRAPPER), str(site.records.spec_path(job.token)), stderr=asyncio.subprocess.PIPE
    )
    _, said = await second.communicate()
    assert second.returncode == 75 and b"another run has this job" in said
    assert text_of(job.log) == "ran\n"


async def test_a_console_that_died_finds_its_jobs_again(site: Site) -> None:
    import pickle

    first = site.job(_LOOP)
    second = site.job("exit 7")
    third = site.job("echo ran", after=[first])
    await asyncio.to_thread((site.root / "jobs").write_bytes, pickle.dumps([first, second, third]))
    console = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CONSOLE.format(code=site.code), str(site.root), cwd=_REPOSITORY
    )
    assert await console.wait() == 9
    await site.begun(first)
    assert (await site.ended(second)).exit_code == 7
    states = await site.make().poll([first.token, second.token, third.token])
    assert states[first.token].status is Status.RUNNING and states[first.token].ref.native_id
    assert states[third.token].status is Status.PENDING
    await site.submit(again(first), again(third))
    (first.cwd / "go").touch()
    assert (await site.ended(third)).status is Status.DONE
    assert text_of(first.log) == "ready\n", "it ran once"


async def test_a_recipe_killed_from_outside(site: Site) -> None:
    job = site.job("echo $$; while :; do sleep 0.05; done")
    await site.submit(job)
    await site.begun(job)
    os.kill(int(text_of(job.log)), signal.SIGKILL)
    state = await site.ended(job)
    assert (state.status, state.exit_code) == (Status.FAILED, -signal.SIGKILL)


async def test_a_wrapper_killed_from_outside_takes_its_recipe_along(site: Site) -> None:
    job = site.job("while :; do echo tick; sleep 0.02; done")
    await site.submit(job)
    await site.begun(job)
    claim = site.records.claim(job.token)
    assert claim
    os.kill(claim.pid, signal.SIGKILL)
    state = await site.ended(job)
    assert state.status in (Status.LOST, Status.FAILED) and state.reason
    await _still(job.log)


async def test_memory_is_measured_and_its_lack_recognised(site: Site) -> None:
    python = f"exec {site.python} -I -c"
    modest = await site.run(f'{python} "b = bytearray(200 << 20); print(len(b))"')
    assert modest.status is Status.FAILED if site.memory_enforced and modest.memory_killed else Status.DONE
    job = site.job(f'{python} "import time; b = bytearray(300 << 20); print(1, flush=True); time.sleep(600)"')
    if not site.memory_enforced:
        assert 200 <= modest.max_rss_mb < 400
        return
    await site.submit(job)
    state = await site.ended(job)
    assert state.status is Status.FAILED and state.memory_killed and "memory" in state.reason


async def test_a_job_nobody_ever_heard_of_is_lost(site: Site) -> None:
    states = await site.executor.poll(["never.ab:1:0", "nor.this:1:0"])
    assert [state.status for state in states.values()] == [Status.LOST, Status.LOST]
    assert await site.executor.poll([]) == {}


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"token": "other"}', '{"token": TOKEN, "code": "0"}', "link"])
async def test_a_record_that_cannot_be_believed_is_no_success(site: Site, record: str, tmp_path: Path) -> None:
    job = site.job("true", held=True)
    [ref] = await site.submit(job)
    await site.until(job, Status.HELD)
    path = site.records.record_path(job.token)
    if record == "link":
        (tmp_path / "forged").write_text(json.dumps({"token": job.token, "code": 0}))
        path.symlink_to(tmp_path / "forged")
    else:
        path.write_text(record.replace("TOKEN", json.dumps(job.token)))
    state = (await site.executor.poll([job.token]))[job.token]
    assert state.status is not Status.DONE
    path.unlink()
    await site.executor.cancel([ref])


async def test_the_engine_says_how_it_is(site: Site) -> None:
    health = await site.executor.probe()
    assert health.reachable and health.version and not health.draining


async def test_many_jobs_are_asked_about_at_once(site: Site) -> None:
    jobs = [site.job("exit 0", held=True) for _ in range(20)]
    await site.submit(*jobs)
    states = await site.executor.poll([job.token for job in jobs])
    assert {state.status for state in states.values()} <= {Status.HELD, Status.PENDING}
    await site.executor.cancel([state.ref for state in states.values()])
