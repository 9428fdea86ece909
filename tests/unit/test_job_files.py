"""Job files: ours, the classic tool's, and what is none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.create.jobs import job_files
from engine.create.jobs.job_files import Call, job_text, parse
from engine.errors import UsageTrouble
from tests.builders import make_tree

NAME = "MUSE.2014-10-22T23:57:32.118_tpl.ab"
HERE = Path("execAB_CALIB_2014-10-22")


@pytest.mark.row(140)
@pytest.mark.parametrize(
    "line",
    [
        f"processAB -a {NAME}",
        f"  processAB   -a\t{NAME}  ",
        f"/home/muse/bin/processAB -a {NAME}",
        f"$DFO_BIN_DIR/processAB -a {NAME}",
        f"processAB -a {NAME} > $DFS_LOG/x.log 2>&1",
        f"processAB -a {NAME} >> /tmp/x.log 2>&1 &",
        f"processAB -a {NAME} &",
        f"processAB -a {NAME}\r",
        f"processAB -a {NAME} >& x.log",
        f"processAB -a {NAME} >>& $DFS_LOG/x.log &",
        f"processAB -a {NAME} >! 'x y.log'",
        f"processAB -a {NAME} |& tee x.log",
        f"processAB -a {NAME} 2>&1 | tee -a $DFS_LOG/x.log",
        f"nice processAB -a {NAME}",
        f"nice -n 19 /home/muse/bin/processAB -a {NAME}",
        f"nice +19 processAB -a {NAME}",
        f"processAB -a {NAME} # a comment; rm -rf /",
        f"processAB -a '{NAME}'",
        f'processAB -a "$DFO_AB_DIR/{NAME}" >& x.log # as ever',
        f"processAB -a ${{DFO_AB_DIR}}/{NAME}",
    ],
)
def test_a_classic_call_is_understood(line: str) -> None:
    found = parse(f"#!/bin/ksh\n# made by hand\n\n{line}\n".encode(), HERE)
    assert found.calls == (Call("processAB", NAME),)
    assert not found.strange


@pytest.mark.parametrize(
    "line",
    [
        f"processAB -a {NAME}; rm -rf $HOME",
        f"processAB -a {NAME} && echo done",
        "processAB -a $(date).ab",
        "processAB -a ../../etc/passwd",
        "processAB -a",
        "export DFO_INSTRUMENT=MUSE",
        f"sudo processAB -a {NAME}",
        f"processAB -a {NAME} | mail x",
        f"processAB -a {NAME} | tee x | mail x",
        f"processAB -a {NAME} | tee x; rm y",
        f"processAB -a {NAME} | tee $(rm y)",
        f"processAB -a {NAME} > x;rm",
        f"processAB -a {NAME} > `date`",
        f"processAB -a {NAME} &&",
        f"processAB -a {NAME} ||",
        f"processAB -a '{NAME}",
        f"$(rm x)/processAB -a {NAME}",
        f"nice rm processAB -a {NAME}",
        f"processAB -a '{NAME}; rm x'",
    ],
)
def test_anything_else_is_reported_with_its_line_and_never_run(line: str) -> None:
    found = parse(f"\n{line}\nprocessQC -a {NAME}\n".encode(), HERE)
    assert found.calls == (Call("processQC", NAME),)
    assert [(strange.where, strange.text) for strange in found.strange] == [(f"{HERE}:2", line)]


def test_a_name_that_is_none_is_told_with_what_a_name_is() -> None:
    (strange,) = parse(b"processAB -a NOTHERE.ab\n", HERE).strange
    assert "'NOTHERE.ab' is not an AB name" in strange.why and "<stamp>" in strange.why


def test_another_directory_than_the_one_of_the_account_is_kept() -> None:
    assert parse(f"processAB -a /data/ab/{NAME}\n".encode(), HERE).calls == (Call("processAB", NAME, "/data/ab"),)


def test_a_queue_that_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageTrouble, match="is no file"):
        job_files.queue(tmp_path)


def test_a_call_twice_counts_once_and_bytes_that_are_no_text_are_reported() -> None:
    found = parse(f"processAB -a {NAME}\nprocessAB -a {NAME} &\n\xff\xfe\n".encode("latin-1"), HERE)
    assert len(found.calls) == 1
    assert len(found.strange) == 1


@pytest.mark.parametrize("data", [b"\0\1\2", b"processAB -a x\0.ab"])
def test_a_binary_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "execAB"
    path.write_bytes(data)
    with pytest.raises(UsageTrouble, match="binary"):
        job_files.read(path)
    with pytest.raises(UsageTrouble, match="cannot be read"):
        job_files.read(tmp_path / "nothing")


@given(
    st.lists(
        st.builds(
            Call,
            st.sampled_from(["processAB", "processQC"]),
            st.from_regex(r"[A-Z]{2,6}\.2014-10-2[0-9]T23:57:32\.[0-9]{3}(_[a-z]{3})?\.ab", fullmatch=True),
        ),
        unique=True,
    ),
    st.lists(st.text(st.characters(blacklist_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=40)),
)
def test_what_is_written_is_read_back(calls: list[Call], head: list[str]) -> None:
    found = parse(job_text(head, calls).encode("utf-8", "replace"), HERE)
    assert found.calls == tuple(calls)
    assert not found.strange


def test_a_queue_names_job_files_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "JOBS_NIGHT"
    path.write_text(
        "execAB_CALIB_2014-10-22\n/data/jobs/execQC_CALIB_2014-10-22 &\nexecAB_CALIB_2014-10-22\n"
        "execHC_CALIB_2014-10-22\nexecAB_SCIENCE_2099-99-99\n"
    )
    found = job_files.queue(path)
    assert [entry.name for entry in found] == [
        "execAB_CALIB_2014-10-22",
        "execQC_CALIB_2014-10-22",
        "",
        "execAB_SCIENCE_2099-99-99",
    ]
    assert job_files.queue(tmp_path / "JOBS_AUTO") == []


@pytest.mark.parametrize(
    "line",
    [
        "execAB_CALIB_2014-10-22",
        "$DFO_JOB_DIR/execAB_CALIB_2014-10-22",
        "./execAB_CALIB_2014-10-22 &",
        "ksh ${DFO_JOB_DIR}/execAB_CALIB_2014-10-22 >& x.log",
        "nice +19 csh execAB_CALIB_2014-10-22 |& tee x.log",
        "source 'execAB_CALIB_2014-10-22' # of the night",
    ],
)
def test_a_line_of_a_queue_names_its_job_file_in_any_classic_way(tmp_path: Path, line: str) -> None:
    (tmp_path / "JOBS_NIGHT").write_text(f"{line}\n")
    (entry,) = job_files.queue(tmp_path / "JOBS_NIGHT")
    assert (entry.name, entry.place, entry.line) == ("execAB_CALIB_2014-10-22", "", line)


def test_a_queue_may_hold_calls_and_name_other_files_that_hold_some(tmp_path: Path) -> None:
    (tmp_path / "redo").write_text(f"processAB -a {NAME}\n")
    (tmp_path / "JOBS_NIGHT").write_text(f"redo\nnice processQC -a {NAME} >& x.log\n")
    other, call = job_files.queue(tmp_path / "JOBS_NIGHT")
    assert other.name == "redo" and not other.call
    assert call.call == Call("processQC", NAME) and call.job == f"processQC -a {NAME}" and not call.strange


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("execHC_CALIB_2014-10-22", "health plots"),
        ("JOBS_AUTO", "a list of jobs"),
        ("ingestProducts -m CALIB -d 2014-10-22", "JOBS_INGEST"),
        ("nothing", "names no job file"),
        ("empty", "holds no processAB or processQC call"),
        ("reboot now", "names no job file"),
        ("rm -rf $HOME", "names no job file"),
        ("execAB_CALIB_2014-10-22; rm x", "names no job file"),
        ("$(rm x)/execAB_CALIB_2014-10-22", "names no job file"),
        ("ksh -c execAB_CALIB_2014-10-22", "names no job file"),
        ("processAB -a NOTHERE.ab", "is not an AB name"),
        ("../redo", "names no job file"),
    ],
)
def test_any_other_line_of_a_queue_is_told_with_its_place_and_never_run(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "empty").write_text("reboot\n")
    (tmp_path / "JOBS_NIGHT").write_text(f"\n{line}\n")
    (entry,) = job_files.queue(tmp_path / "JOBS_NIGHT")
    assert entry.strange and why in entry.why and entry.where == f"{tmp_path}/JOBS_NIGHT:2"
    with pytest.raises(UsageTrouble, match="JOBS_NIGHT:2"):
        job_files.entry_of(replace(make_tree(tmp_path), job=tmp_path), "JOBS_NIGHT", line)


def test_a_job_file_of_another_directory_is_not_ours(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree.job / "execAB_CALIB_2014-10-22").write_text(f"processAB -a {NAME}\n")
    for place, ours in ((tree.job, True), (tmp_path / "other", False)):
        (tree.job / "JOBS_NIGHT").write_text(f"{place}/execAB_CALIB_2014-10-22\n")
        (entry,) = job_files.queue(tree.job / "JOBS_NIGHT")
        if ours:
            assert job_files.job_of(tree, entry).calls == (Call("processAB", NAME),)
        else:
            with pytest.raises(UsageTrouble, match=r"JOBS_NIGHT:1: .* is not in \$DFO_JOB_DIR"):
                job_files.job_of(tree, entry)


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / HERE
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UsageTrouble, match="is no file"):
            job_files.read(path)
