"""A month whose engine is killed in the middle: the same command again does what is left, once."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from engine.demo.account import DemoSpec, build_account
from tests.accounts import DFOS

DAYS = ("2014-10-22", "2014-10-23")


def moved_on(text: str) -> str:
    """An AB of the next date; it reads the frames of the first."""
    return re.sub(r"^(?!SOF_CONTENT|RAWFILE)(.*)$", lambda line: line[0].replace(*DAYS), text, flags=re.MULTILINE)


@pytest.mark.row(203, 212)
def test_killed_in_the_middle_it_is_called_again(tmp_path: Path) -> None:
    root = tmp_path / "account"
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    for path in tuple((root / "ab").glob("*_tpl.ab")):
        path.with_name(path.name.replace(*DAYS)).write_text(moved_on(path.read_text()))
    words = [*DFOS, "phoenix", "-d", "2014-10", "-m", "CALIB", "-P", "--auto", "--json", "--root", str(root)]
    words += ["--set", "process.pipeline=stand-in", "--set", "qc.concentration=true", "--set", "streams=1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if json.loads(line).get("state") == "DONE":
                killed.kill()
                break
    again = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert again.returncode == 0, again.stderr[-2000:]
    events = [json.loads(line) for line in again.stdout.splitlines()]
    ran = {event["ab"] for event in events if event["event"] == "AbChanged" and event["state"] == "RUNNING"}
    assert len(ran) <= 1, "what was done is not done again"
    assert len(list((root / "ab").glob("*_tpl.ab"))) == 2
    lines = (root / "monitor" / "DFO_STATUS").read_text().splitlines()
    assert sorted(line.split()[:2] for line in lines) == sorted(
        [word, day] for day in DAYS for word in ("cal_Processed", "cal_QC")
    )
