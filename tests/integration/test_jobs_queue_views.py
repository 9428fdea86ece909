"""Job files, orders and recipes under way as console and commands see them: the views, the verbs, `dfos jobs`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.tree import DfoTree
from console.cli import jobs as jobs_command
from console.cli import words
from console.hosting.job_orders import ended_line, is_ordered, linked, orders_of, queued_orders
from console.views import job_files as exec_view
from console.views import work as work_view
from console.views.jobs import calls, jobs, unqueue
from console.views.orders import orders, take_back, words_of
from engine.create.jobs import job_files
from engine.errors import UsageTrouble
from engine.process.executors import wrapper
from engine.process.executors.protocol import Health, JobRef, JobSpec, JobState, Status
from engine.process.executors.records import Records
from engine.processes import boot_id, start_of
from engine.questions import Choice, Question
from engine.stores.abs import AbStore
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from engine.stores.orders import ENDED, PARKED, QUEUED, RUNNING, Order, Orders
from screens.queue.queued import AtWork, Job
from tests.builders import PSEUDO, make_ab, make_tree

NAME = f"execAB_SCIENCE_{PSEUDO}"
AT = "2026-11-20T04:00:00"
STEM = "MUSE.2014-10-22T23:57:32.118"
ASKED = Question(
    id="certify:x:1",
    kind="certify.ab",
    subject="x.ab",
    text="accept the products?",
    choices=(Choice("accept", "Accept", "may move"), Choice("reject", "Reject", "stays")),
    safe="later",
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DfoTree:
    made = make_tree(tmp_path)
    monkeypatch.setattr(words, "tree", lambda root: made)
    return made


@pytest.fixture
def db(tree: DfoTree) -> Iterator[sqlite3.Connection]:
    connection = connect(tree.journal)
    yield connection
    connection.close()


def cascade(tree: DfoTree) -> list[str]:
    """Three ABs: done, failed, to do; a job file that also names one that is not there, and holds a stranger."""
    store = AbStore(tree)
    made = [
        make_ab(STEM, "scibasic").with_value("PROCESS_STATUS", "SUCCESSFUL"),
        make_ab(STEM, "scipost").with_value("PROCESS_STATUS", "FAILED"),
        make_ab(STEM, "combine"),
    ]
    for ab in made:
        store.write(ab)
    names = [ab.name for ab in made]
    lines = [f"processAB -a {name}" for name in (*names, "MUSE.2014-10-22T00:00:00.000.ab")]
    (tree.job / NAME).write_text("\n".join([*lines, "rm -rf /"]))
    (tree.job / "JOBS_NIGHT").write_text(f"{NAME} > {NAME}.log 2>&1\nreboot\nexecQC_CALIB_2014-10-22\n")
    return names


@pytest.mark.row(325)
def test_job_files_with_the_states_of_their_abs(tree: DfoTree) -> None:
    names = cascade(tree)
    first, strange, lost = jobs(tree)
    assert (first.queue, first.name, first.mode, first.date) == ("JOBS_NIGHT", NAME, "SCIENCE", PSEUDO)
    assert first.states == (("FAILED", 1), ("MISSING", 1), ("TO DO", 1), ("DONE", 1)) and names[1] in first.why
    assert (strange.line, strange.mode, strange.number) == ("reboot", "", 2)
    assert lost.states == (("MISSING", 1),) and "cannot be read" in lost.why
    assert [(call.ab, call.count) for call in calls(tree, first)][:3] == [
        (names[0], "DONE"),
        (names[1], "FAILED"),
        (names[2], "TO DO"),
    ]
    assert calls(tree, strange) == []


def test_a_qc_is_done_when_there_are_scores_and_binary_files_are_told(tree: DfoTree) -> None:
    names = cascade(tree)
    (tree.job / "JOBS_AUTO").write_bytes(b"\0" * 10)
    (tree.job / f"execQC_SCIENCE_{PSEUDO}").write_text("".join(f"processQC -a {name}\n" for name in names))
    qc = f"execQC_SCIENCE_{PSEUDO}"
    (tree.job / "JOBS_NIGHT").write_text(f"{qc}\n")
    job = Job(1, "JOBS_NIGHT", qc, "SCIENCE", PSEUDO, name=qc)
    seen = exec_view.calls(tree, job, {})
    assert [call.count for call in seen] == ["TO DO", "TO DO", "TO DO"] and "FAILED" in seen[1].why
    (tree.dfs_log / f"r.{STEM}.scores.json").write_text("{}")
    assert exec_view.calls(tree, job, {})[0].count == "DONE"
    assert "binary data" in jobs(tree)[-1].line


@pytest.mark.row(325)
def test_orders_of_a_line_and_the_line_goes_with_the_last_of_them(tree: DfoTree, db: sqlite3.Connection) -> None:
    names = cascade(tree)
    line = f"{NAME} > {NAME}.log 2>&1"
    found, lost = queued_orders(tree, "JOBS_NIGHT", line)
    assert [order.options for order in found] == [{"abs": " ".join(names), "qc": "no"}] and len(lost) == 2
    with pytest.raises(UsageTrouble, match="names no job file"):
        queued_orders(tree, "JOBS_NIGHT", "reboot")
    with pytest.raises(UsageTrouble, match="does not stand in"):
        queued_orders(tree, "JOBS_AUTO", line)
    queue = Orders(db)
    before = queue.give(found[0], AT)
    last = queue.give(linked(found[0], "JOBS_NIGHT", line, [before.number]), AT)
    assert is_ordered(queue, "JOBS_NIGHT", line) and not is_ordered(queue, "JOBS_AUTO", line)
    queue.mark(last.number, ENDED, when=AT, code=1)
    assert ended_line(queue, last) is None, "the other one has not ended"
    queue.mark(before.number, ENDED, when=AT, code=0)
    assert ended_line(queue, last) == ("JOBS_NIGHT", line) and not is_ordered(queue, "JOBS_NIGHT", line)
    queue.mark(last.number, ENDED, when=AT, code=12)
    assert ended_line(queue, last) is None and ended_line(queue, before) is None
    hostile = Order("SCIENCE", PSEUDO, "P", options={"queue": "../x", "line": "y"}, number=last.number)
    assert ended_line(queue, hostile) is None


def test_calls_and_files_of_any_name_are_jobs_too(tree: DfoTree) -> None:
    names = cascade(tree)
    (tree.job / "redo").write_text(f"processAB -a {names[2]}\n")
    (tree.job / "lost").write_text("processAB -a MUSE.2014-10-22T00:00:00.000.ab\n")
    call = f"nice processQC -a {names[0]} > x.log"
    (tree.job / "JOBS_NIGHT").write_text(f"redo\n{call}\nlost\nexecHC_CALIB_2014-10-22\n")
    redo, check, lost, health = jobs(tree)
    assert (redo.name, redo.mode, redo.date, redo.states) == ("redo", "SCIENCE", PSEUDO, (("TO DO", 1),))
    assert check.name == f"processQC -a {names[0]}" and [one.ab for one in calls(tree, check)] == [names[0]]
    assert (lost.mode, lost.why) == ("", "none of its ABs is in $DFO_AB_DIR")
    assert (health.mode, health.why) == ("", "health plots are not made here")
    (order,), passed = queued_orders(tree, "JOBS_NIGHT", call)
    assert order.options == {"abs": names[0], "qc": "only", "file": "yes"} and not passed
    assert unqueue(tree, "JOBS_NIGHT", check.mode, check.date, call) == call


def test_a_line_is_taken_out_once_and_the_others_stay(tree: DfoTree) -> None:
    cascade(tree)
    line = f"{NAME} > {NAME}.log 2>&1"
    assert unqueue(tree, "JOBS_NIGHT", "SCIENCE", PSEUDO, line) == line
    assert (tree.job / "JOBS_NIGHT").read_text().splitlines() == ["reboot", "execQC_CALIB_2014-10-22"]
    for gone in (line, ""):
        with pytest.raises(UsageTrouble, match="does not stand in JOBS_NIGHT"):
            unqueue(tree, "JOBS_NIGHT", "SCIENCE", PSEUDO, gone)


def test_the_queue_of_orders_in_words(tree: DfoTree, db: sqlite3.Connection) -> None:
    assert orders(tree) == [], "a journal that never held an order"
    queue = Orders(db)
    asked = Answers(db).ask(ASKED)
    given = [
        queue.give(order, AT)
        for order in (
            Order("CALIB", "2014-10-22", tool="renameProducts", who="mk"),
            Order("SCIENCE", PSEUDO, "CPMI", run_id="094.D-0114B"),
            Order("CALIB", "2014-10-23", "I"),
            Order("SCIENCE", PSEUDO, "P", options={"abs": f"{STEM}.ab", "qc": "only"}),
        )
    ]
    queue.mark(given[0].number, ENDED, when=AT, code=15, text="a conflict")
    queue.mark(given[1].number, PARKED, when=AT, code=3, text="waits", questions=(ASKED.id, "gone"))
    queue.mark(given[3].number, RUNNING, when="2026-11-20T05:00:00")
    seen = orders(tree)
    assert [order.state for order in seen] == [RUNNING, QUEUED, PARKED, ENDED]
    assert seen[0].what == f"SCIENCE {PSEUDO}: processQC of 1 AB, first {STEM}.ab"
    assert seen[0].begun == "2026-11-20T05:00:00"
    assert seen[2].questions == (f"{asked.number}: accept the products? (x.ab)",)
    assert seen[2].what == f"094.D-0114B = {PSEUDO}: create ABs, process, certify and move, ingest"
    assert (seen[3].code, seen[3].text, seen[3].who) == (15, "a conflict", "mk")
    assert words_of(Order("CALIB", "2014-10-23", "I")) == "CALIB 2014-10-23: ingest"


def test_only_an_order_that_has_not_begun_is_taken_back(
    tree: DfoTree, db: sqlite3.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageTrouble, match="no order 1"):
        jobs_command.main(["--take-back", "1"])
    queue = Orders(db)
    for day in range(10, 13):
        queue.give(Order("CALIB", f"2014-10-{day}", "I"), AT)
    queue.mark(1, RUNNING, when=AT)
    with pytest.raises(UsageTrouble, match="order 1 runs already"):
        take_back(db, 1)
    assert jobs_command.main(["--take-back", "2"]) == 0
    assert "order 2 is taken back: CALIB 2014-10-11: ingest" in capsys.readouterr().out
    with pytest.raises(UsageTrouble, match="order 2 has ended"):
        take_back(db, 2)
    assert jobs_command.main(["--orders", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(order["number"], order["state"], order["code"]) for order in found] == [
        (1, RUNNING, None),
        (3, QUEUED, None),
        (2, ENDED, 130),
    ]
    assert jobs_command.main(["--orders"]) == 0
    assert "taken back  CALIB 2014-10-11: ingest" in capsys.readouterr().out


def test_a_journal_of_an_earlier_version_is_read_and_brought_up_to_date(tree: DfoTree, db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE orders (number INTEGER PRIMARY KEY, what TEXT NOT NULL, state TEXT NOT NULL,"
        " run TEXT NOT NULL DEFAULT '', given TEXT NOT NULL, ended TEXT NOT NULL DEFAULT '',"
        " exit_code INTEGER, text TEXT NOT NULL DEFAULT '')"
    )
    what = json.dumps({"mode": "CALIB", "date": "2014-10-22", "parts": "I", "from_the_future": 1})
    db.execute("INSERT INTO orders (what, state, given) VALUES (?, 'parked', ?)", (what, AT))
    (old,) = orders(tree)
    assert (old.what, old.begun, old.questions) == ("CALIB 2014-10-22: ingest", "", ())
    Orders(db).mark(1, RUNNING, when=AT)
    assert orders(tree)[0].begun == AT


def test_recipes_under_way_with_what_they_use(
    tree: DfoTree, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    child = subprocess.Popen([sys.executable, "-c", "x = bytearray(30_000_000)\nprint(1, flush=True)\ninput()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert child.stdout is not None and child.stdout.readline()
        attempts = Attempts(db)
        for at, start in enumerate((start_of(child.pid), start_of(child.pid) + 1)):
            number = attempts.intend(f"{STEM}_{at}.ab", "w", f"t{at}", boot_id(), time.time(), 1)
            attempts.spawned(number, child.pid, start, time.time())
        attempts.intend(f"{STEM}_2.ab", "w", "t2", boot_id(), time.time(), 1)
        attempts.flush()
        (job,) = work_view.here(work_view.open_attempts(tree), 3).jobs
        assert (job.ab, job.ident, job.state) == (f"{STEM}_0.ab", f"pid {child.pid}", "running")
        assert job.memory > 30_000_000 and job.host == os.uname().nodename
    finally:
        child.communicate(b"\n")
    assert work_view.here(work_view.open_attempts(tree), 3).jobs == ()


class Paper:
    """A batch system that exists only on paper."""

    name = "slurm"

    def __init__(self, health: Health, *states: JobState) -> None:
        self.health, self.states, self.asked = health, states, 0

    async def probe(self) -> Health:
        return self.health

    async def poll(self, tokens: Sequence[str]) -> dict[str, JobState]:
        self.asked += 1
        return {state.ref.token: state for state in self.states if state.ref.token in tokens}

    async def close(self) -> None:
        """Nothing is open."""


async def test_jobs_of_a_batch_system_with_its_reasons_and_health(tree: DfoTree, db: sqlite3.Connection) -> None:
    records, attempts = Records(tree.tmp / "records"), Attempts(db)
    for at in range(3):
        attempts.intend(f"{STEM}_{at}.ab", "w", f"t{at}", "slurm", 1000.0, 1)
    attempts.flush()
    for at in range(2):
        records.write_spec(JobSpec(f"t{at}", ("true",), tree.tmp, {}, tree.tmp / "log"))
    wrapper.claim(records.claim_path("t1"), {"token": "t1", "attempt": 1, "host": "n1", "pid": 5, "started": 2000.0})
    states = (
        JobState(JobRef("t0", "slurm", "17"), Status.PENDING, "waits for a free node"),
        JobState(JobRef("t1", "slurm", "18"), Status.RUNNING),
    )
    paper: Any = Paper(Health(True, "22.05", True, "n1 drained: disk"), *states)
    place = await work_view.in_batch(paper, records, work_view.open_attempts(tree))
    assert (place.engine, place.well) == ("slurm", False)
    assert place.health == "slurm 22.05 takes no jobs now: n1 drained: disk" and paper.asked == 1
    assert place.jobs == (
        AtWork(f"{STEM}_0.ab", "slurm 17", "waits in the queue", "waits for a free node", 1000.0),
        AtWork(f"{STEM}_1.ab", "slurm 18", "running", "", 2000.0, "n1"),
    )
    away: Any = Paper(Health(False, reason="slurmctld does not answer"))
    gone = await work_view.in_batch(away, records, work_view.open_attempts(tree))
    assert not gone.well and gone.health == "slurm cannot be reached: slurmctld does not answer"
    assert [job.state for job in gone.jobs] == ["not known now"] * 2 and away.asked == 0


def test_the_command_lists_shows_and_takes_out(tree: DfoTree, capsys: pytest.CaptureFixture[str]) -> None:
    names = cascade(tree)
    assert jobs_command.main([]) == 0
    out = capsys.readouterr().out
    assert f"JOBS_NIGHT: {NAME}" in out and "1 failed, 1 missing, 1 to do, 1 done" in out
    assert "not understood: reboot" in out
    assert jobs_command.main(["--files", "1"]) == 0
    assert f"FAILED   processAB  {names[1]}" in capsys.readouterr().out
    assert jobs_command.main(["--files", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["count"] == "DONE"
    assert jobs_command.main(["--remove", "1", "--yes"]) == 0
    assert "reboot" in (tree.job / "JOBS_NIGHT").read_text() and NAME not in (tree.job / "JOBS_NIGHT").read_text()
    with pytest.raises(UsageTrouble, match="not understood"):
        jobs_command.main(["--run", "1"])


def test_stretches_of_one_tool_and_date_are_one_order_each(tree: DfoTree) -> None:
    names = cascade(tree)
    text = f"processAB -a {names[0]}\nprocessQC -a {names[0]}\nprocessQC -a {names[1]}\nprocessAB -a {names[2]}\n"
    found, lost = orders_of(tree, job_files.parse(text.encode(), tree.job / "x"))
    assert [(len(order.options["abs"].split()), order.options["qc"]) for order in found] == [
        (1, "no"),
        (2, "only"),
        (1, "no"),
    ]
    assert lost == []
