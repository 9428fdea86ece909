"""HTCondor's words and ours: descriptions, states, judgements, DAG files. No pool needed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageTrouble
from engine.process.executors import dagman
from engine.process.executors import htcondor_judge as judge
from engine.process.executors.htcondor_ads import Seen, Site, any_of, arguments, description, perhaps, seen, value
from engine.process.executors.htcondor_queue import bindings
from engine.process.executors.protocol import JobRef, JobSpec, Resources, Status
from engine.process.executors.records import Ended, Records

SITE = Site("python3")
REF = JobRef("a.ab:1:0", "htcondor", "17.0")


def job(token: str = REF.token, **other: object) -> JobSpec:
    return replace(JobSpec(token, ("true",), Path("/data/a"), {}, Path("/data/a/log")), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ad", "status", "reason"),
    [
        ({"JobStatus": 1}, Status.PENDING, "waits for a slot"),
        ({"JobStatus": 2}, Status.RUNNING, ""),
        ({"JobStatus": 6}, Status.RUNNING, ""),
        ({"JobStatus": 7}, Status.SUSPENDED, ""),
        ({"JobStatus": 5, "HoldReasonCode": 15}, Status.HELD, "submitted held"),
        ({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": "gate (by user ops)"}, Status.HELD, "gate (by user ops)"),
        ({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": ""}, Status.HELD, "held"),
        ({"JobStatus": 3, "RemoveReason": "via condor_rm"}, Status.REMOVED, "via condor_rm"),
        ({"JobStatus": 3}, Status.REMOVED, "removed"),
        ({"JobStatus": 4, "ExitCode": 0, "ExitBySignal": False}, Status.DONE, ""),
        ({"JobStatus": 4, "ExitCode": 3, "ExitBySignal": False}, Status.FAILED, ""),
        ({"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 9}, Status.FAILED, ""),
        ({"JobStatus": 99}, Status.LOST, "HTCondor names a state 99 that nobody knows"),
        ({}, Status.LOST, "HTCondor names a state 0 that nobody knows"),
    ],
)
def test_the_table_of_states(ad: dict[str, object], status: Status, reason: str) -> None:
    found = seen(ad)
    assert (found.status, found.reason) == (status, reason)


def test_exit_codes_follow_subprocess() -> None:
    assert seen({"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 11}).exit_code == -11
    assert seen({"JobStatus": 4, "ExitBySignal": False, "ExitCode": 137}).exit_code == 137
    assert seen({"JobStatus": 2}).exit_code is None


@pytest.mark.parametrize(
    "ad",
    [
        {"HoldReasonCode": 34, "HoldReasonSubCode": 0},
        {"HoldReasonCode": 34, "HoldReasonSubCode": 7},
        {"HoldReasonCode": 21, "HoldReasonSubCode": 102, "HoldReason": "memory usage exceeded request_memory"},
        {"HoldReasonCode": 26, "HoldReason": "Your job exceeded its requested memory, see the wiki"},
        {"HoldReasonCode": 3, "HoldReason": "Job has gone over memory limit: Docker job ran out of memory"},
    ],
)
def test_memory_used_up_is_recognised_however_it_is_said(ad: dict[str, object]) -> None:
    assert seen({"JobStatus": 5, **ad}).memory_killed


@pytest.mark.parametrize(
    "ad",
    [
        {"JobStatus": 5, "HoldReasonCode": 21, "HoldReasonSubCode": 104, "HoldReason": "disk usage exceeded"},
        {"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": "memory of the archive"},
        {"JobStatus": 2, "HoldReasonCode": 34},
    ],
)
def test_other_holds_are_not_taken_for_it(ad: dict[str, object]) -> None:
    assert not seen(ad).memory_killed


def test_what_others_wrote_cannot_move_the_cursor() -> None:
    found = seen({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": "\x1b[2Jgone\n\r" + "x" * 9000})
    assert found.reason.isprintable() and found.reason.startswith("[2Jgone") and len(found.reason) <= 500


def test_why_it_waits_is_said_where_htcondor_says_it() -> None:
    assert seen({"JobStatus": 1, "LastRejMatchReason": "no match found"}).reason == "waits for a slot (no match found)"


def test_put_back_and_too_long_are_told_apart() -> None:
    both = description(job(resources=Resources(64, 1, 900)), ["p"], "/o", SITE)["periodic_remove"]
    told = f"The job attribute PeriodicRemove expression '{both}' evaluated to TRUE"
    back = seen({"JobStatus": 3, "LastJobStatus": 1, "RemoveReason": told})
    long = seen({"JobStatus": 3, "LastJobStatus": 2, "RemoveReason": told})
    assert back.status is Status.REMOVED and "what it had done is lost" in back.reason
    assert long.status is Status.FAILED and "longer than it was allowed" in long.reason


def test_a_host_is_named_without_its_slot() -> None:
    assert seen({"JobStatus": 2, "RemoteHost": "slot1_2@muc07.eso.org"}).host == "muc07.eso.org"
    assert seen({"JobStatus": 4, "LastRemoteHost": "slot1@vm"}).host == "vm"
    assert seen({"JobStatus": 1}).host == ""


# --- descriptions --------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    """What HTCondor makes of its new argument syntax (manual, condor_submit)."""
    words, word, inside, at = [], "", False, 0
    while at < len(text):
        letter = text[at]
        if inside and text[at : at + 2] == "''":
            word, at = word + "'", at + 1
        elif letter == "'":
            inside = not inside
        elif letter == " " and not inside:
            words, word = [*words, word], ""
        else:
            word += letter
        at += 1
    return [*words, word]


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])).filter(str.isprintable), min_size=1))
def test_arguments_arrive_as_they_were(argv: list[str]) -> None:
    classad = arguments(argv).replace("$(DOLLAR)", "$")
    assert classad[0] == classad[-1] == '"'
    assert _words(classad[1:-1].replace('\\"', '"').replace("\\\\", "\\")) == argv


@pytest.mark.parametrize("text", ["a\nqueue 1000", "a\rb", "a\0b", "a\x1fb", "\u2028"])
def test_no_value_can_add_a_line(text: str) -> None:
    with pytest.raises(UsageTrouble, match="cannot be told"):
        value(text)
    with pytest.raises(UsageTrouble):
        description(job(cwd=Path(f"/data/{text}")), ["p"], "/o", SITE)


def test_macros_stay_text() -> None:
    assert value("/d/$(HOME)/$ENV(PATH)") == "/d/$(DOLLAR)(HOME)/$(DOLLAR)ENV(PATH)"


@pytest.mark.parametrize("key", ["universe", "My.DfosToken", "EXECUTABLE", "queue", "hold", "a = b\nc", "x\ny", "ä"])
def test_a_site_cannot_change_what_is_ours(key: str) -> None:
    with pytest.raises(UsageTrouble, match="cannot be added"):
        description(job(), ["p"], "/o", Site("python3", lines={key: "x"}))


def test_a_line_of_a_site_stays_one_line() -> None:
    with pytest.raises(UsageTrouble, match="cannot be added"):
        description(job(), ["p"], "/o", Site("python3", lines={"rank": "Memory\nqueue 5"}))


def test_what_is_not_told_is_not_asked_for() -> None:
    said = description(job(), ["python3", "-I", "w.py"], "/o", SITE)
    assert "request_memory" not in said and said["hold"] == "false"
    said = description(
        job(resources=Resources(2000, 4), held=True), ["p"], "/o", Site("python3", requirements="A || B")
    )
    assert (said["request_memory"], said["request_cpus"], said["hold"]) == ("2000M", "4", "true")
    assert said["requirements"] == "(A || B) && NumJobStarts == 0"


def test_many_jobs_are_asked_for_by_one_short_condition() -> None:
    assert any_of(["a", 'b"']) == 'stringListMember(DfosToken, "a,b\\"", ",")'
    assert perhaps([str(number) for number in range(10_000)]) == "DfosToken isnt undefined"


# --- judgements ----------------------------------------------------------------------------

ENDED = Ended(REF.token, 1, "muc07", 4711, 0.0, 9.0, 0, None, 100.0)


def there(status: Status, reason: str = "", **other: object) -> Seen:
    return replace(Seen(REF.token, "17.0", status, reason, memory_mb=500), **other)  # type: ignore[arg-type]


def test_the_record_outranks_htcondor() -> None:
    for status in (Status.RUNNING, Status.FAILED, Status.PENDING):
        assert judge.with_record(REF, ENDED, there(status), queued=True).status is Status.DONE
    assert judge.with_record(REF, ENDED, None, queued=False).status is Status.DONE


def test_killed_with_all_its_memory_in_use_it_was_the_memory() -> None:
    killed = replace(ENDED, code=None, signal=9, max_rss_mb=512.0)
    assert judge.with_record(REF, killed, there(Status.RUNNING), queued=True).memory_killed
    modest = replace(killed, max_rss_mb=100.0)
    assert not judge.with_record(REF, modest, there(Status.RUNNING), queued=True).memory_killed
    assert not judge.with_record(REF, killed, None, queued=False).memory_killed


def test_told_to_end_htcondor_says_why_when_it_is_out_of_the_queue() -> None:
    told = replace(ENDED, code=None, signal=15, told=15)
    assert judge.with_record(REF, told, there(Status.RUNNING), queued=True).status is Status.RUNNING
    state = judge.with_record(REF, told, there(Status.FAILED, "it took too long"), queued=False)
    assert (state.status, state.reason, state.exit_code) == (Status.FAILED, "it took too long", -15)
    held = judge.with_record(REF, told, there(Status.HELD, "wrong button"), queued=True)
    assert held.status is Status.REMOVED and "lost: wrong button" in held.reason


def _without(found: Seen | None, *, queued: bool = False, begun: bool = True, patient: bool = False) -> Status:
    return judge.without_record(REF, found, queued=queued, begun=begun, patient=patient).status


def test_without_a_record_nothing_is_done() -> None:
    done = there(Status.DONE, exit_code=0)
    assert _without(done, patient=True) is Status.RUNNING, "a shared directory may show it late"
    assert _without(done) is Status.LOST
    assert _without(there(Status.FAILED, exit_code=3), patient=True) is Status.RUNNING
    assert _without(there(Status.FAILED, exit_code=3)) is Status.FAILED
    assert _without(there(Status.FAILED, exit_code=75)) is Status.LOST, "another run has it"


def test_unknown_everywhere_it_is_lost() -> None:
    nobody = JobRef("never.ab:1:0", "htcondor", "")
    assert judge.without_record(nobody, None, queued=False, begun=False, patient=True).status is Status.LOST
    assert _without(None, patient=True) is Status.RUNNING
    assert _without(None) is Status.LOST


def test_removed_it_is_removed_whether_it_had_begun_or_not() -> None:
    for begun in (True, False):
        assert _without(there(Status.REMOVED), begun=begun) is Status.REMOVED
    assert _without(there(Status.REMOVED), queued=True, patient=True) is Status.RUNNING, "it is still being ended"


def test_held_before_it_began_it_waits_and_after_it_is_over() -> None:
    assert _without(there(Status.HELD), queued=True, begun=False) is Status.HELD
    assert _without(there(Status.HELD), queued=True, patient=True) is Status.RUNNING
    assert _without(there(Status.HELD), queued=True) is Status.REMOVED
    state = judge.without_record(
        REF, there(Status.HELD, "exceeded", memory_killed=True), queued=True, begun=True, patient=False
    )
    assert state.status is Status.FAILED and state.memory_killed


# --- cascades ------------------------------------------------------------------------------


def test_the_file_of_a_dag() -> None:
    jobs = [job("a"), job("b", after=("a",), stream="scipost x", width=2), job("c", after=("a", "b"))]
    described = {one.token: {"executable": f"/bin/{one.token}"} for one in jobs}
    text = dagman.text(jobs, {"b": ["a"], "c": ["a", "b"]}, described)
    assert text.splitlines() == [
        *("JOB n1 {", "    executable = /bin/a", "}"),
        *("JOB n2 {", "    executable = /bin/b", "}", "CATEGORY n2 scipost_x"),
        *("JOB n3 {", "    executable = /bin/c", "}"),
        *("PARENT n1 CHILD n2", "PARENT n1 n2 CHILD n3", "MAXJOBS scipost_x 2"),
    ]


def test_parents_that_ended_count_no_more_and_those_sent_earlier_are_told_apart(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    records.write_spec(job("a:1:1"))
    records.record_path("a:1:1").write_text('{"token": "a:1:1", "code": 0}')
    dags = dagman.Dags(records, "/usr/bin/condor_dagman")
    assert dags.edges([job("b:1:1", after=("a:1:1",))], frozenset()) == ({}, set())
    two = [job("b:1:1"), job("c:1:1", after=("a:1:1", "b:1:1"))]
    assert dags.edges(two, frozenset()) == ({"c:1:1": ["b:1:1"]}, set())
    two = [job("b:1:1", after=("alive:1:1",)), job("c:1:1", after=("b:1:1",))]
    assert dags.edges(two, frozenset({"alive:1:1"})) == ({"c:1:1": ["b:1:1"]}, {"b:1:1"})
    with pytest.raises(UsageTrouble, match="is not known"):
        dags.edges([job("b:1:1", after=("nobody:1:1",))], frozenset())


def test_a_dag_half_written_was_never_sent(tmp_path: Path) -> None:
    records = Records(tmp_path)
    dags = dagman.Dags(records, "/usr/bin/condor_dagman")
    dags.write([job("a:1:1")], {}, {"a:1:1": {}}, "$CondorVersion: 23.9.6 $")
    (tmp_path / "half.1.dag.d").mkdir()
    (tmp_path / "bad.1.dag.d").mkdir()
    (tmp_path / "bad.1.dag.d" / "tokens.json").write_text("{")
    assert [dag.tokens for dag in dags.all()] == [{"a:1:1"}]
    dags.write([job("a:1:1")], {}, {"a:1:1": {}}, "$CondorVersion: 23.9.6 $")
    assert len(dagman.Dags(records, "x").all()) == 2, "the first is not written over"


def test_dags_whose_jobs_are_forgotten_leave_nothing_behind(tmp_path: Path) -> None:
    records = Records(tmp_path)
    dags = dagman.Dags(records, "/usr/bin/condor_dagman")
    for token in ("a:1:1", "b:1:1", "c:1:1"):
        records.write_spec(job(token))
        dags.write([job(token)], {}, {token: {}}, "$CondorVersion: 23.9.6 $")
    places = {token: dag.place for dag in dags.all() for token in dag.tokens}
    records.forget(["a:1:1", "c:1:1"])
    dags.tidy([str(places["c:1:1"])])
    assert {token for token, place in places.items() if place.exists()} == {"b:1:1", "c:1:1"}
    assert {token for dag in dags.all() for token in dag.tokens} == {"b:1:1", "c:1:1"}


def test_without_the_bindings_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "htcondor2", None)
    with pytest.raises(UsageTrouble, match="not installed") as trouble:
        bindings({})
    assert trouble.value.remedy == "pip install 'dfos-console[htcondor]'"
