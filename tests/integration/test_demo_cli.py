"""The whole chain as a first user and as cron meet it: real processes, the stand-in pipeline, no terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DFOS = [sys.executable, "-P", "-m", "console"]
STANDIN = ["--set", "process.pipeline=stand-in"]
RUN, DATE, NIGHT = "094.A-0116B", "2094-01-16", "2014-10-22"


def call(*words: str, cwd: Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """A command with an empty environment and no stdin, as cron gives it."""
    done = subprocess.run(
        [*DFOS, *words], cwd=cwd, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
    )
    if code is not None:
        assert done.returncode == code, done.stderr[-3000:]
    return done


def status(root: Path) -> dict[str, Any]:
    found = call("status", "--json", "--root", str(root), cwd=root)
    return dict(json.loads(found.stdout))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One demo run to its end, one target."""
    where = tmp_path_factory.mktemp("demo")
    done = call("demo", "--root", "account", "--targets", "1", "--auto", *STANDIN, cwd=where, code=None)
    return where / "account", done


@pytest.mark.row(437)
@pytest.mark.row(433)
def test_the_demo_reaches_the_archive(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, done = finished
    assert done.returncode == 0, done.stderr[-3000:]
    assert "STAND-IN" in done.stderr
    assert done.stdout == ""
    found = status(root)
    assert found["engine"] is None and found["questions"] == []
    assert found["done"] == found["total"] == 11
    names = sorted(path.name for path in (root / "archive").rglob("*.fits"))
    assert [name[:7] for name in names] == ["MU_MBIA", "MU_SCBD", "MU_SIMD"]


def test_the_stand_in_is_told_first_last_and_for_good(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    root, done = finished
    told = [line for line in done.stderr.splitlines() if "STAND-IN PIPELINE" in line]
    assert sum("its products are not those of ESO's recipes" in line for line in told) == 2
    assert sum("1 AB done, by the STAND-IN PIPELINE" in line for line in told) == 1
    assert sum("10 ABs done, by the STAND-IN PIPELINE" in line for line in told) == 1
    found = status(root)
    assert found["standin"] == 11 and {row["pipeline"] for row in found["abs"]} == {"stand-in pipeline"}
    lines = call("status", "--root", str(root), cwd=root).stdout
    assert "STAND-IN PIPELINE: 11 of these ABs were not made by ESO's recipes" in lines
    moved = list((root / "data/logs").rglob("*.ab"))
    assert len(moved) == 11
    for path in moved:
        assert ["PIPELINE", "stand-in"] in [line.split() for line in path.read_text().splitlines()], path.name


@pytest.mark.row(5)
@pytest.mark.row(74)
@pytest.mark.row(82)
def test_everything_stands_where_it_belongs(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = finished
    assert not list((root / "products").rglob("*.fits"))
    assert not list((root / "ab").glob("*.ab"))
    logs = {path.name for path in (root / "data/logs" / DATE).iterdir()}
    assert sum(name.endswith(".ab") for name in logs) == 10
    assert sum(name.endswith(".log") for name in logs) == 10
    science = sorted((root / "data/reduced" / DATE).glob("*.fits"))
    assert len(science) == 2 and all(RUN not in path.name for path in science)
    text = next((root / "data/logs" / DATE).glob("*_dpc.ab")).read_text()
    assert science[0].name in text and "PROCESS_STATUS" in text and "SUCCESSFUL" in text
    states = (root / "monitor/DFO_STATUS").read_text().split()
    assert states.count("sci_Finished") == 1 and states.count("cal_Finished") == 1


def test_a_second_call_changes_nothing(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = finished
    before = {path: path.read_bytes() for path in (root / "data").rglob("*") if path.is_file()}
    call("demo", "--root", str(root), "--auto", *STANDIN, cwd=root)
    call("moveProducts", "-m", "SCIENCE", "-d", DATE, "--auto", "--root", str(root), cwd=root)
    assert {path: path.read_bytes() for path in (root / "data").rglob("*") if path.is_file()} == before
    assert (root / "monitor/DFO_STATUS").read_text().count("sci_Finished") == 1


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("strict")
    done = call(
        "demo",
        "--root",
        "account",
        "--targets",
        "2",
        "--exposures",
        "2",
        "--sky",
        "0",
        "--strict",
        "--auto",
        *STANDIN,
        cwd=where,
        code=3,
    )
    assert "to certify" in done.stderr
    return where / "account"


@pytest.mark.row(352)
@pytest.mark.row(354)
@pytest.mark.row(35)
def test_strict_parks_certification_and_answers_carry_it_to_the_end(strict: Path) -> None:
    listed = call("questions", "--json", "--root", str(strict), cwd=strict, code=3)
    questions = json.loads(listed.stdout)
    subjects = [question["subject"] for question in questions]
    biases = [name for name in subjects if name.endswith("_tpl.ab")]
    assert all(name.endswith(("_dpc.ab", "_tpl.ab")) for name in subjects)
    call("moveProducts", "-m", "SCIENCE", "-d", DATE, "--auto", "--root", str(strict), cwd=strict, code=3)
    assert not (strict / "data/reduced" / DATE).exists() or not list((strict / "data/reduced" / DATE).iterdir())
    for _ in range(4):  # the bias first, then what it held up
        questions = json.loads(call("questions", "--json", "--root", str(strict), cwd=strict, code=None).stdout)
        for question in questions:
            number = str(question["number"])
            wrong = call("answer", number, "reject", "--root", str(strict), cwd=strict, code=2)
            assert "comment" in wrong.stderr
            call("answer", number, "accept", "-c", "fine", "--root", str(strict), *STANDIN, cwd=strict, code=None)
    assert json.loads(call("questions", "--json", "--root", str(strict), cwd=strict).stdout) == []
    assert len(list((strict / "data/reduced" / DATE).glob("MU_SCBD*.fits"))) == 2
    text = next((strict / "data/logs" / DATE).glob("*_dpc.ab")).read_text()
    assert "fine" in text
    assert biases == [] or (strict / "data/calib" / NIGHT).is_dir()


@pytest.mark.row(297)
def test_phoenix_c_executes_nothing(tmp_path: Path) -> None:
    call(
        "demo",
        "--root",
        "account",
        "--targets",
        "1",
        "--strict",
        "--auto",
        "--json",
        "--set",
        "streams=1",
        "--set",
        "process.esorex=none",
        "--set",
        "process.pipeline=stand-in",
        "--set",
        "process.min_free_mb=99999999",
        cwd=tmp_path,
        code=None,
    )
    root = tmp_path / "account"
    call("phoenix", "-r", RUN, "-C", "--auto", "--root", str(root), cwd=root)
    assert len(list((root / "ab").glob("*.ab"))) == 11
    assert not list((root / "products").rglob("*.fits"))
    plan = (root / "jobs" / f"execAB_SCIENCE_{DATE}").read_text()
    assert plan.count("\nprocessAB -a ") == 10
    refused = call("phoenix", "-r", RUN, "--auto", "--root", str(root), cwd=root, code=2)
    assert "-P" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["phoenix", "-r", RUN, "-d", DATE], 2),
        (["phoenix"], 2),
        (["phoenix", "-r", RUN, "-a", "x.ab", "-P"], 2),
        (["phoenix", "-d", DATE, "--force", "x", "-P"], 2),
        (["moveProducts", "-m", "GEN", "-d", DATE], 2),
        (["moveProducts", "-m", "SCIENCE", "-d", "2014-7-1"], 2),
        (["answer", "99", "accept"], 2),
        (["console"], 2),
        (["why", "nobody"], 2),
        (["status", "--root", "/nonexistent"], 2),
    ],
)
def test_wrong_calls_touch_nothing(
    finished: tuple[Path, subprocess.CompletedProcess[str]], words: list[str], code: int
) -> None:
    root, _ = finished
    done = call(*words, cwd=root, code=code)
    assert done.stderr.strip() and "Traceback" not in done.stderr
