"""dfos exec on a queue of several dates: in turn, or with QC job concentration: all execAB files, then one QC batch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.cli.main import run
from engine.demo.account import DemoSpec, build_account

DAYS = ("2014-10-22", "2014-10-23")


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """An account with one AB for each of two dates, and JOBS_NIGHT with the job files of both; its root."""
    root = tmp_path / "account"
    tree = build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None).tree
    (first,) = tree.ab.glob("*_tpl.ab")
    (tree.ab / first.name.replace(*DAYS)).write_text(first.read_text().replace(*DAYS))
    names = []
    for day in DAYS:
        for tool in ("AB", "QC"):
            names.append(f"exec{tool}_CALIB_{day}")
            (tree.job / names[-1]).write_text(f"process{tool} -a {first.name.replace(DAYS[0], day)}\n")
    (tree.job / "JOBS_NIGHT").write_text("".join(f"{name}\n" for name in names))
    return root


@pytest.mark.row(203)
def test_all_abs_come_first_then_one_batch_of_qc(queue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["JOBS_NIGHT", "--dry-run", "--root", str(queue)]
    assert run("exec", words) == 0
    plain = [line.partition(" of ")[0] for line in capsys.readouterr().out.splitlines()]
    assert plain == [f"CALIB {day}: process{tool}" for day in DAYS for tool in ("AB", "QC")]
    assert run("exec", [*words, "--set", "qc.concentration=true"]) == 0
    *abs_, batch = capsys.readouterr().out.splitlines()
    assert [line.partition(" of ")[0] for line in abs_] == [f"CALIB {day}: processAB" for day in DAYS]
    assert batch.startswith("CALIB 2014-10: processQC of 2 ABs")


def test_a_batch_leaves_the_queue_when_it_has_ended(queue: Path) -> None:
    words = ["JOBS_NIGHT", "--auto", "--root", str(queue), "--set", "qc.concentration=true"]
    assert run("exec", [*words, "--set", "process.pipeline=stand-in"]) in (0, 1)
    assert (queue / "jobs" / "JOBS_NIGHT").read_text() == ""
    assert list(queue.rglob(f"r.MUSE.{DAYS[0]}*_tpl.scores.json"))


def test_the_qc_of_abs_that_failed_is_passed_over_and_leaves_the_queue(queue: Path) -> None:
    for path in queue.rglob("*_tpl.ab"):
        path.write_text(re.sub(r"(PROCESS_STATUS\s+)\w+", r"\1FAILED", path.read_text()))
    file = queue / "jobs" / "JOBS_NIGHT"
    file.write_text("".join(f"execQC_CALIB_{day}\n" for day in DAYS))
    assert run("exec", ["JOBS_NIGHT", "--auto", "--root", str(queue), "--set", "process.pipeline=stand-in"]) == 1
    assert file.read_text() == ""


def test_qc_definitions_that_are_missing_are_told_together_and_nothing_is_touched(
    queue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in queue.rglob("*.ab")}
    own = "{mine: {scores: gone, table: lost}}"
    words = ["--auto", "--root", str(queue), "--set", "process.pipeline=stand-in", "--set", f"qc.procedures={own}"]
    assert run("exec", [f"execQC_CALIB_{DAYS[0]}", *words]) == 2
    said = "".join(capsys.readouterr())
    assert "scores/gone.yaml" in said and "qc1/lost.yaml" in said
    assert before == {path: path.read_bytes() for path in queue.rglob("*.ab")} and not [*queue.rglob("*.scores.json")]
