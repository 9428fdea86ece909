"""kill -9 of the real engine process in each phase, then the same command again: the same tree."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from console.account import open_tree
from console.cli.status import survey
from tests.accounts import copied
from tests.faults.killed import at_an_event

WORDS = ["--targets", "1", "--exposures", "2", "--sky", "1", "--auto", "--json", "--set", "process.pipeline=stand-in"]
CALIB, SCIENCE = "2014-10-22", "2094-01-16"
Event = dict[str, Any]
Moment = tuple[str, ...]  # what the line of an event has


def is_state(state: str, tag: str) -> Moment:
    return ('"AbChanged"', f'"{state}"', f'_{tag}.ab"')


def is_phase(name: str, date: str) -> Moment:
    return ('"PhaseStarted"', f'"{name}"', date)


# the calibrations come first
BEFORE = (is_phase("create", CALIB), is_phase("certify", CALIB), ('"ProductIngested"',))
BEGUN, PROCESSED = is_phase("create", SCIENCE), is_phase("certify", SCIENCE)
MOMENTS: dict[str, tuple[str, Moment]] = {
    "creating ABs": ("begun", BEGUN),
    "a scipost runs": ("begun", is_state("RUNNING", "pst")),
    "an alignment is judged": ("begun", is_state("JUDGED", "dal")),
    "the combination runs": ("begun", is_state("RUNNING", "dpc")),
    "the combination is done": ("begun", is_state("DONE", "dpc")),
    "certifying": ("processed", PROCESSED),
    "the plan is made": ("processed", ('"PlanMade"', SCIENCE)),
    "the first product moved": ("processed", ('"ProductMoved"', SCIENCE)),
    "the status is written": ("processed", ('"StatusWritten"', '"sci_Finished"')),
    "the first product is archived": ("processed", ('"ProductIngested"', "MU_SCBD")),
}


def run(where: Path, until: Moment = ()) -> list[Event]:
    """Run the demo to its end, or until it is killed at the first event that is `until`; its events."""
    done = at_an_event(until, "demo", *WORDS, "--root", str(where / "account"), cwd=where)
    assert done.returncode == (-signal.SIGKILL if until else 0), f"{until}: {done.stderr[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


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
    for row in survey(open_tree(root, {"HOME": "/nowhere"}))["abs"]:
        found[f"state of {row['ab']}"] = row["state"]
    found["queue"] = (root / "jobs/JOBS_INGEST").read_text() if (root / "jobs/JOBS_INGEST").exists() else ""
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    where = tmp_path_factory.mktemp("calm")
    run(where)
    return tree(where)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Accounts whose engine was killed when nothing ran: all is done with the calibrations; all is processed."""
    begun, processed = tmp_path_factory.mktemp("begun"), tmp_path_factory.mktemp("processed")
    for moment in (*BEFORE, BEGUN):
        run(begun, moment)
    copied(begun / "account", processed / "account")
    run(processed, PROCESSED)
    return {"begun": begun / "account", "processed": processed / "account"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_started_again_it_ends_in_the_same_tree(
    tmp_path: Path, undisturbed: dict[str, str], prepared: dict[str, Path], moment: str
) -> None:
    account, event = MOMENTS[moment]
    copied(prepared[account], tmp_path / "account")
    run(tmp_path, event)
    events = run(tmp_path)
    assert tree(tmp_path) == undisturbed
    runs = [event["ab"] for event in events if event["event"] == "AbChanged" and event["state"] == "RUNNING"]
    assert len(runs) == len(set(runs)) or moment.startswith("the combination")
