"""kill -9 of the real engine process in each phase, then the same command again: the same tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import copied

DFOS = [sys.executable, "-P", "-m", "console"]
WORDS = [
    "demo",
    "--targets",
    "1",
    "--exposures",
    "2",
    "--sky",
    "1",
    "--auto",
    "--json",
    "--set",
    "process.pipeline=stand-in",
]
Event = dict[str, Any]


def is_state(state: str, kind: str) -> Callable[[Event], bool]:
    tag = {"combine": "_dpc.ab", "align": "_dal.ab", "scipost": "_pst.ab"}[kind]
    return lambda event: event["event"] == "AbChanged" and event["state"] == state and event["ab"].endswith(tag)


def is_phase(name: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] == "PhaseStarted" and event["phase"] == name


def is_science(name: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] == name and any("2094-01-16" in str(value) for value in event.values())


MOMENTS: dict[str, Callable[[Event], bool]] = {
    "creating ABs": is_phase("create"),
    "a scipost runs": is_state("RUNNING", "scipost"),
    "an alignment is judged": is_state("JUDGED", "align"),
    "the combination runs": is_state("RUNNING", "combine"),
    "the combination is done": is_state("DONE", "combine"),
    "certifying": is_phase("certify"),
    "the plan is made": is_science("PlanMade"),
    "the first product moved": is_science("ProductMoved"),
    "the status is written": is_science("StatusWritten"),
    "the first product is archived": lambda event: event["event"] == "ProductIngested",
}


def run(where: Path, until: Callable[[Event], bool] | None = None) -> tuple[int, list[Event]]:
    """Run the demo; kill it hard at the first event that is `until`."""
    process = subprocess.Popen(
        [*DFOS, *WORDS, "--root", str(where / "account")],
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    events = []
    with process.stdout:
        for line in process.stdout:
            events.append(json.loads(line))
            if until and until(events[-1]):
                os.kill(process.pid, signal.SIGKILL)
                break
    return process.wait(timeout=120), events


def tree(where: Path) -> dict[str, str]:
    """Final places: names, and contents where they carry no time stamp of the run."""
    root = where / "account"
    found = {}
    for part in ("data/calib", "data/reduced", "data/logs", "data/plots", "archive/files", "ab", "products"):
        for path in sorted((root / part).rglob("*")):
            if path.is_file() and "HISTORY" not in path.parts:
                found[str(path.relative_to(root))] = path.suffix
    lines = (root / "monitor/DFO_STATUS").read_text().splitlines()
    for line in lines:
        found[f"status {line.split()[0]} {line.split()[1]}"] = str(len(lines))
    status = subprocess.run(
        [*DFOS, "status", "--json", "--root", str(root)], capture_output=True, text=True, check=True
    )
    for row in json.loads(status.stdout)["abs"]:
        found[f"state of {row['ab']}"] = row["state"]
    found["queue"] = (root / "jobs/JOBS_INGEST").read_text() if (root / "jobs/JOBS_INGEST").exists() else ""
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    where = tmp_path_factory.mktemp("calm")
    code, _ = run(where)
    assert code == 0
    return tree(where)


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The account when everything has been processed and nothing certified."""
    where = tmp_path_factory.mktemp("processed")
    run(where, MOMENTS["certifying"])
    return where


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_started_again_it_ends_in_the_same_tree(
    tmp_path: Path, undisturbed: dict[str, str], processed: Path, moment: str
) -> None:
    if list(MOMENTS).index(moment) > list(MOMENTS).index("certifying"):
        copied(processed / "account", tmp_path / "account")
    code, events = run(tmp_path, MOMENTS[moment])
    assert code == -signal.SIGKILL, f"the moment '{moment}' never came: {events[-3:]}"
    code, events = run(tmp_path)
    assert code == 0, events[-5:]
    assert tree(tmp_path) == undisturbed
    runs = [event["ab"] for event in events if event["event"] == "AbChanged" and event["state"] == "RUNNING"]
    assert len(runs) == len(set(runs)) or moment.startswith("the combination")
