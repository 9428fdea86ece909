"""What Slurm says, and what becomes of it, without a Slurm: programs that speak as it does."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.batch import Batch
from engine.errors import EngineAway, Unsupported, UsageTrouble
from engine.process.executors.protocol import Capability, JobRef, JobSpec, Refused, Resources, Status
from engine.process.executors.records import Records
from engine.process.executors.slurm import Slurm
from engine.process.executors.slurm_queue import Lanes, Listed, queue_of
from engine.process.plan.more_memory import more_memory
from engine.stores.attempts import Attempts
from engine.stores.batch_jobs import BatchJobs, Killed, ask_for
from engine.stores.database import connect
from tests.builders import make_ab, make_context

_TOKEN = "a.ab:1:17"  # noqa: S105 - a mark, no secret


@pytest.fixture
def speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs that come before all others."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


def program(place: Path, name: str, script: str) -> None:
    path = place / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def slurm(tmp_path: Path, **more: object) -> Slurm:
    return Slurm(Records(tmp_path / "records"), **more)  # type: ignore[arg-type]


def job(tmp_path: Path) -> JobSpec:
    return JobSpec(_TOKEN, ("/bin/true",), tmp_path, {}, tmp_path / "log", Resources(4000, 2, 90))


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        ("PENDING", "Priority", Status.PENDING),
        ("PENDING", "JobHeldUser", Status.HELD),
        ("PENDING", "job requeued in held state", Status.HELD),
        ("PENDING", "Nodes required for job are DOWN, DRAINED or reserved", Status.PENDING),
        ("COMPLETING", "None", Status.RUNNING),
        ("SUSPENDED", "None", Status.SUSPENDED),
        ("NODE_FAIL", "None", Status.LOST),
        ("TIMEOUT", "TimeLimit", Status.FAILED),
        ("A_STATE_OF_NEXT_YEAR", "None", Status.RUNNING),
    ],
)
def test_states(state: str, reason: str, status: Status) -> None:
    assert Listed("1", state, "", reason, "", _TOKEN).status is status


@pytest.mark.parametrize(
    "said",
    [
        "squeue: error: Unable to contact slurm controller (connect failure)",
        "slurm_load_jobs error: Socket timed out on send/recv operation",
        "squeue: fatal: Could not establish a configuration source",
        "something new",
    ],
)
async def test_an_engine_that_does_not_answer_is_away(speaks: Path, tmp_path: Path, said: str) -> None:
    program(speaks, "squeue", f"echo '{said}' >&2; exit 1")
    with pytest.raises(EngineAway):
        await slurm(tmp_path).poll([_TOKEN])


async def test_a_command_that_hangs_is_ended(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", "exec sleep 60")
    with pytest.raises(EngineAway, match=r"does not answer \(squeue, 0.2 s\)"):
        await slurm(tmp_path, command_s=0.2).poll([_TOKEN])


async def test_lines_that_make_no_sense_are_passed_over(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", f"printf '1|RUNNING\\n||||\\n\\377\\n7|RUNNING|n1|None||{_TOKEN}|a\\n'")
    state = (await slurm(tmp_path).poll([_TOKEN]))[_TOKEN]
    assert (state.ref.native_id, state.status, state.host) == ("7", Status.RUNNING, "n1")


async def test_a_number_is_only_used_with_our_token(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", "echo '7|RUNNING|n1|None||somebody|a'")
    program(speaks, "scancel", f'echo "$@" >> {tmp_path}/cancelled')
    engine = slurm(tmp_path)
    await engine.cancel([JobRef(_TOKEN, "slurm", "7")])
    assert not (tmp_path / "cancelled").exists()
    assert (await engine.poll([_TOKEN]))[_TOKEN].status is Status.LOST


async def test_what_it_is_asked_for(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", "exit 0")
    program(speaks, "sbatch", f'printf "%s\\n" "$@" > {tmp_path}/asked; cat > {tmp_path}/script; echo "17;ci"')
    engine = slurm(tmp_path, options=("--partition=long",))
    assert await engine.submit([job(tmp_path)]) == [JobRef(_TOKEN, "slurm", "17")]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"--parsable", "--no-requeue", f"--comment={_TOKEN}", "--mem=4000M", "--cpus-per-task=2"} <= set(asked)
    assert "--time=2" in asked and asked[-1] == "--partition=long"
    lines = (tmp_path / "script").read_text().splitlines()
    assert lines[0] == "#!/bin/sh" and lines[1].startswith("exec ") and len(lines) == 2


async def test_streams_are_lanes_and_what_is_in_the_queue_counts(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", "exit 0")
    program(speaks, "sbatch", f'cat > /dev/null; echo "$@" >> {tmp_path}/asked; wc -l < {tmp_path}/asked')
    records = Records(tmp_path / "records")
    jobs = [replace(job(tmp_path), token=f"{number}.ab:1:1", stream="sky x", width=2) for number in range(3)]
    jobs.append(replace(job(tmp_path), token=f"{3}.ab:1:1", after=("0.ab:1:1", "1.ab:1:1"), stream="align", width=1))
    await slurm(tmp_path).submit(jobs)
    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    lanes = [next(word for word in line if word.startswith("--job-name=")) for line in asked]
    assert lanes[0] == lanes[2] != lanes[1] and lanes[0].startswith("--job-name=sky_x.1.")
    assert "--dependency=singleton" in asked[2] and "--dependency=afterok:1:2,singleton" in asked[3]
    assert all("--kill-on-invalid-dep=yes" in line for line in asked)
    queue = f"1|RUNNING|n1|None||x|{lanes[0][11:]}\n2|FAILED|n1|None||y|{lanes[1][11:]}\n"
    assert Lanes(records.place, queue_of(queue).values()).of(jobs[0]) == lanes[1][11:], "the one with fewer jobs"
    assert Lanes(tmp_path / "other", ()).of(jobs[0]) not in (lanes[0][11:], lanes[1][11:]), "each account has its own"


def test_what_a_job_of_a_lane_waits_for() -> None:
    for after, words in (("singleton(unfulfilled)", "a stream of its kind"), ("afterok:7(unfulfilled)", "other jobs")):
        assert Listed("1", "PENDING", "", "Dependency", after, _TOKEN).words == f"waits for {words}"


async def test_a_job_it_refuses_for_good_and_one_it_refuses_for_now(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", "exit 0")
    program(speaks, "sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid partition name' >&2; exit 1")
    with pytest.raises(Refused, match="Invalid partition name"):
        await slurm(tmp_path).submit([job(tmp_path)])
    program(speaks, "sbatch", "echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1")
    with pytest.raises(EngineAway):
        await slurm(tmp_path).submit([job(tmp_path)])


async def test_where_only_operators_may_suspend(speaks: Path, tmp_path: Path) -> None:
    program(speaks, "squeue", f"echo '7|RUNNING|n1|None||{_TOKEN}|a'")
    program(speaks, "scontrol", "echo 'slurm_suspend error: Access/permission denied' >&2; exit 1")
    engine = slurm(tmp_path)
    with pytest.raises(Unsupported):
        await engine.suspend([JobRef(_TOKEN, "slurm", "7")])
    assert Capability.SUSPEND_RUNNING not in engine.capabilities


async def test_slurm_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    health = await slurm(tmp_path).probe()
    assert not health.reachable and "sinfo cannot be started" in health.reason


def test_options_that_are_ours_are_refused() -> None:
    assert Batch(options=("--partition=long", "-A", "--nice=5")[:1]).options == ("--partition=long",)
    for option in ("--wrap=id", "--comment=x", "partition=long", "--export=ALL", "--requeue", "-Jx"):
        with pytest.raises(ValidationError):
            Batch(options=(option,))


def test_more_memory_is_remembered_with_who_asked(tmp_path: Path) -> None:
    db = connect(tmp_path / "db")
    ask_for(db, "a.ab", "2", "anna")
    jobs = BatchJobs(db)
    assert jobs.asks("a.ab", 4000) == 8000 and jobs.asks("b.ab", 4000) == 4000
    assert db.execute("SELECT who FROM batch_memory").fetchone()[0] == "anna"
    ask_for(db, "b.ab", " 1.5 GB", "anna")
    assert jobs.asks("b.ab", 4000) == 1500
    ask_for(db, "b.ab", "3", "anna")
    assert jobs.asks("b.ab", 4000) == 12000, "the last word counts"
    for nonsense in ("", "x", "0", "-1", "nan", "inf", "1e9", "0GB", "8TB", "99999999GB", "GB", "2 2"):
        with pytest.raises(UsageTrouble):
            ask_for(db, "a.ab", nonsense, "anna")
    db.close()


def test_a_factor_of_nothing_is_taken_of_what_was_used(tmp_path: Path) -> None:
    db = connect(tmp_path / "db")
    jobs = BatchJobs(db)
    jobs.lacked("a.ab", Killed(_TOKEN, 0, 0))
    with pytest.raises(UsageTrouble, match="no amount that could be multiplied"):
        ask_for(db, "a.ab", "2", "anna")
    jobs.lacked("a.ab", Killed(_TOKEN, 0, 3000))
    ask_for(db, "a.ab", "2", "anna")
    assert jobs.asks("a.ab", 0) == 6000
    db.close()


@pytest.mark.parametrize(
    ("asked", "used", "measured", "proposed"),
    [(256, 0, 0, 600), (4000, 4100, 0, 8000), (0, 3900, 0, 4900), (4000, 4100, 12288, 15400), (0, 0, 0, 100)],
)
def test_how_much_is_offered(asked: float, used: float, measured: float, proposed: int, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    attempts, ab = Attempts(context.db), make_ab()
    other = attempts.intend("other.ab", "", "other", "slurm", 0.0, 1)
    attempts.ended(other, 1.0, "done", kind="scibasic", inputs=1, busy_s=1.0, rss_mb=measured)
    attempts.ended(attempts.intend(ab.name, "", _TOKEN, "slurm", 0.0, 1), 1.0, "failed")
    attempts.flush()
    jobs = BatchJobs(context.db)
    assert more_memory(context.db, context.settings, ab) is None
    jobs.lacked(ab.name, Killed(_TOKEN, asked, used))
    found = more_memory(context.db, context.settings, ab)
    assert found and (found.asked_mb, found.used_mb, found.proposed_mb) == (asked, used, proposed)
    attempts.intend(ab.name, "", "a.ab:2:1", "slurm", 2.0, 2)
    attempts.flush()
    assert more_memory(context.db, context.settings, ab) is None, "it has run since"
    context.db.close()
