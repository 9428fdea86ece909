"""JOBS_INGEST: one line per call, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.transfer.ingest.jobs_ingest import Call, append, collapse, entries, file_of, queued, remove
from tests.builders import make_tree

SCIENCE, CALIB = Call("SCIENCE", "2094-01-16"), Call("CALIB", "2014-10-22")


@pytest.mark.row(76)
def test_identical_lines_collapse(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    for call in (SCIENCE, CALIB, SCIENCE):
        append(tree, call)
    assert (
        file_of(tree).read_text() == "ingestProducts -m SCIENCE -d 2094-01-16\ningestProducts -m CALIB -d 2014-10-22\n"
    )
    assert queued(tree) == [SCIENCE, CALIB]


def test_removing_leaves_every_other_line(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    file_of(tree).write_bytes(b"# by hand \xff\ningestProducts  -m CALIB -d 2014-10-22\nlongerTool -x\nlast")
    append(tree, SCIENCE)
    assert queued(tree) == [CALIB, SCIENCE]
    assert remove(tree, CALIB)
    assert not remove(tree, CALIB)
    assert (
        file_of(tree).read_bytes() == b"# by hand \xff\nlongerTool -x\nlast\ningestProducts -m SCIENCE -d 2094-01-16\n"
    )


def test_no_file_no_calls(tmp_path: Path) -> None:
    assert queued(make_tree(tmp_path)) == []
    assert not remove(make_tree(tmp_path), CALIB)


@pytest.mark.row(102)
def test_calls_that_piled_up_are_merged_and_strangers_stay(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    file_of(tree).write_bytes(
        b"ingestProducts -d 2094-01-16\nlongerTool -x\nlongerTool -x\ningestProducts  -m SCIENCE -d 2094-01-16\n"
    )
    assert [(entry.text, entry.call, entry.times) for entry in entries(tree)] == [
        ("ingestProducts -d 2094-01-16", SCIENCE, 2),
        ("longerTool -x", None, 2),
    ]
    assert queued(tree) == [SCIENCE]
    assert collapse(tree) == 1
    assert file_of(tree).read_bytes() == b"ingestProducts -d 2094-01-16\nlongerTool -x\nlongerTool -x\n"
    assert collapse(tree) == 0
    assert remove(tree, SCIENCE)
