"""A DATE nobody knows, or with nothing left: every command says why and what comes next, with its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.tree import DfoTree
from console.cli.main import run
from engine.core.ab import AB
from engine.stores.abs import AbStore
from engine.stores.nothing import UNKNOWN_DATE, nothing_of
from tests.builders import PSEUDO, make_ab, make_tree
from tests.moving import account


def called(tree: DfoTree, tool: str, *words: str) -> int:
    return run(tool, ["--root", str(tree.root), *words])


def moved(tree: DfoTree, ab: AB) -> None:
    place = tree.log / ab.date
    place.mkdir(parents=True, exist_ok=True)
    (place / ab.name).write_bytes(ab.render())


def test_what_is_known_of_a_date_without_abs(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    found = nothing_of(tree, "SCIENCE", PSEUDO)
    assert found.why == UNKNOWN_DATE and "check the DATE" in found.remedy and not found.ended
    (tree.product / "BIAS" / PSEUDO).mkdir(parents=True)
    assert nothing_of(tree, "SCIENCE", PSEUDO).why == "there are no ABs"
    (tree.raw / PSEUDO).mkdir()
    (tree.raw / PSEUDO / "a.fits").touch()
    assert "createAB -m SCIENCE" in nothing_of(tree, "SCIENCE", PSEUDO).remedy
    AbStore(tree).write(make_ab())
    assert nothing_of(tree, "CALIB", PSEUDO).text == "there are no ABs, but 1 AB of SCIENCE (is it -m SCIENCE?)"
    (tree.ab / "MUSE.2014-10-22T00:00:00.000.ab").write_bytes(b"nonsense\n")
    assert "an AB file cannot be read, first" in nothing_of(tree, "CALIB", PSEUDO).why
    moved(tree, make_ab(mode="CALIB"))
    found = nothing_of(tree, "CALIB", PSEUDO)
    assert found.ended and found.why.startswith("its 1 AB has moved to $DFO_LOG_DIR")


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("forecast", ("-m", "SCIENCE")),
        ("processQC", ("--auto",)),
        ("processQC", ("--rescore", "--auto")),
        ("createJob", ("-m", "SCIENCE", "--auto")),
        ("createJob", ("-m", "SCIENCE", "--dry-run")),
        ("phoenix", ("-P", "--auto")),
        ("refreshVCAL", ("--auto",)),
    ],
)
def test_a_date_nobody_knows_is_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tool: str, words: tuple[str, ...]
) -> None:
    tree = account(tmp_path).tree
    assert called(tree, tool, "-d", "1999-01-01", *words) == 2
    said = "".join(capsys.readouterr())
    assert "1999-01-01" in said and ("no ABs" in said or "no headers" in said) and "(" in said, said


def test_all_is_done_or_has_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = account(tmp_path).tree
    done = make_ab(status="SUCCESSFUL")
    AbStore(tree).write(done)
    pool = ("-m", "SCIENCE", "-d", PSEUDO)
    assert called(tree, "forecast", *pool) == 0
    assert "nothing to do, its one AB is done" in capsys.readouterr().out
    (tree.ab / done.name).unlink()
    moved(tree, done)
    for tool, words in (("forecast", ()), ("processQC", ("--auto",))):
        assert called(tree, tool, *pool, *words) == 0
        said = "".join(capsys.readouterr())
        assert "nothing to do, its 1 AB has moved" in said and "processAB -a" in said
    assert called(tree, "createJob", *pool, "--auto") == 2
    assert "has moved" in "".join(capsys.readouterr())


def test_the_qc_of_what_is_not_processed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = account(tmp_path).tree
    for day in (22, 23):
        AbStore(tree).write(make_ab(f"MUSE.2014-10-{day}T01:00:00.000"))
    assert called(tree, "processQC", "-d", PSEUDO, "--auto") == 2
    assert "none of the 2 ABs is processed: 2 CREATED (process them first" in "".join(capsys.readouterr())


def test_a_state_of_a_date_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = account(tmp_path).tree
    assert called(tree, "status", "-d", "1999-01-01") == 0
    assert UNKNOWN_DATE in capsys.readouterr().out
    AbStore(tree).write(make_ab())
    assert called(tree, "status", "-d", PSEUDO) == 0
    assert UNKNOWN_DATE not in capsys.readouterr().out


def test_a_queue_that_is_not_there_or_empty_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = account(tmp_path).tree
    assert called(tree, "exec", "JOBS_NIGHT") == 0
    assert "there is no JOBS_NIGHT (createJob" in capsys.readouterr().out
    (tree.job / "JOBS_NIGHT").write_text("# nothing\n")
    assert called(tree, "exec", "JOBS_NIGHT") == 0
    assert "it is empty (createJob" in capsys.readouterr().out
    (tree.job / "JOBS_NIGHT").write_text("reboot\n")
    assert called(tree, "exec", "JOBS_NIGHT") == 1
    said = capsys.readouterr()
    assert "none of its lines" in said.out and "JOBS_NIGHT:1: names no job file" in said.err


def test_calls_that_stand_in_a_queue_are_carried_out_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = account(tmp_path).tree
    abs_ = [make_ab(f"MUSE.2014-10-{day}T01:00:00.000") for day in (22, 23)]
    for ab in abs_:
        AbStore(tree).write(ab)
    lines = [f"processAB -a {ab.name}" for ab in abs_]
    (tree.job / "redo").write_text(lines[0])
    (tree.job / "JOBS_NIGHT").write_text("\n".join([*lines, "redo", f"processQC -a {abs_[0].name}"]))
    assert called(tree, "exec", "JOBS_NIGHT", "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in said] == [
        f"processAB of 2 ABs, first {abs_[0].name}",
        f"processAB of 1 AB, first {abs_[0].name}",
        f"processQC of 1 AB, first {abs_[0].name}",
    ]
