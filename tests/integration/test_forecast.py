"""`dfos forecast`: what a pool will take, told before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from console.cli.main import run
from engine import events as ev
from engine.process.plan.forecast import forecast
from engine.process.plan.history import History, Measured
from engine.process.run.streams import Streams
from engine.stores.abs import AbStore
from engine.stores.attempts import Attempts, measured
from tests.builders import PSEUDO, make_ab, make_context, make_run
from tests.fakes import PaperClock, PaperJob
from tests.moving import account

KIND = {"recipe": "muse_exp_combine", "tag": "dpc", "rank": 6}


def called(root: Path, *words: str) -> int:
    return run("forecast", ["--root", str(root), "-m", "SCIENCE", "-d", PSEUDO, *words])


@pytest.mark.row(336)
def test_it_shows_hours_memory_and_disk_before_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    path = context.tree.config / "dfos.yaml"
    settings = yaml.safe_load(path.read_text())
    scaled = {"forecast_per_input_s": 792, "memory_gb_per_input": 16, "disk_gb": 10}
    settings["kinds"]["combine"] = {**settings["kinds"]["combine"], **scaled}
    path.write_text(yaml.safe_dump({**settings, "admission": {"memory_gb": 2000}}))
    for ab in [*make_run("NGC300", 10), *make_run("a-target-with-a-rather-long-name", 3, day=23)]:
        AbStore(context.tree).write(ab)
    root = context.tree.root
    assert called(root) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert "NGC300" in text and "160 GB" in text and "20 GB will be written" in text and "measured yet" in text
    assert called(root, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["abs"] == found["total"] == 30 and found["peak_gb"] == 160.0
    assert [target["inputs"] for target in found["targets"]] == [3, 10]
    assert 13 * 792 < found["seconds"] < found["ranks_s"]
    assert called(root, "--set", "admission.memory_gb=100") == 1
    assert "refused: needs 160 GB of memory, this host has 100 GB" in capsys.readouterr().out
    assert called(root, "--set", "admission.disk_reserve_gb=999999") == 1
    assert "no room" in capsys.readouterr().out


@pytest.mark.row(337)
async def test_what_was_measured_makes_the_next_forecast(tmp_path: Path) -> None:
    context = make_context(tmp_path, clock=PaperClock())

    class Timed(PaperJob):
        async def run(self, task):  # type: ignore[no-untyped-def]
            context.clock.now += 100.0  # type: ignore[attr-defined]
            task.max_rss_mb = 2048.0
            return await super().run(task)

    await Streams(context, make_run(exposures=1), Timed(), Attempts(context.db)).run()
    found = measured(context.db)
    assert {kind for kind, *_ in found} == {"scibasic", "scipost", "align", "combine"}
    again = Streams(context, make_run(day=23), PaperJob(), Attempts(context.db), history=History.of(context.db))
    forecasts = {entry.kind.name: entry.forecast_s for entry in again.entries.values()}
    assert all(seconds == pytest.approx(100.0, abs=1.0) for seconds in forecasts.values()), forecasts
    assert {entry.memory_gb for entry in again.entries.values()} == {2.0}


@pytest.mark.row(337)
def test_one_outlier_does_not_count_and_the_line_goes_through_the_rest() -> None:
    from engine.core.cascade import Kind

    align = Kind("align", "muse_exp_align", "dal", (), 5, 1, forecast_s=600.0, forecast_per_input_s=15.0)
    assert History().seconds(align, 40) == 600.0 and History().seconds(align, 0) == 600.0
    history = History(Measured("align", n, 100.0 + 5 * n) for n in (4, 10, 20, 30))
    assert history.seconds(align, 100) == pytest.approx(600.0)
    spoiled = History([Measured("align", 12, 9e5), *(Measured("align", n, 100.0 + 5 * n) for n in (4, 10, 20, 30))])
    assert spoiled.seconds(align, 100) == pytest.approx(600.0, rel=0.1)


def test_a_journal_of_an_older_version_gets_the_columns(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    context.db.executescript(
        """CREATE TABLE attempts (id INTEGER PRIMARY KEY, ab TEXT, attempt INTEGER, workdir TEXT, token TEXT,
        pid INTEGER, pid_start INTEGER, boot TEXT, started REAL, exited REAL, rc INTEGER, ended REAL, verdict TEXT);
        INSERT INTO attempts VALUES (1, 'x.ab', 1, '', '', 1, 1, '', 0, 1, 0, 1, NULL);"""
    )
    assert measured(context.db) == []
    attempts = Attempts(context.db)
    assert attempts.open()[0].ab == "x.ab"
    attempts.ended(1, 2.0, "done", "x.ab", kind="scibasic", busy_s=7.0, rss_mb=1.0)
    attempts.flush()
    assert measured(context.db) == [("scibasic", 0, 7.0, 1.0)]


def test_what_a_start_will_not_run_is_named_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    basic, post, align, combine = make_run(exposures=1)
    lost = make_ab("MUSE.2014-10-24T01:00:00.000", waitfor=["MUSE.2014-10-01T00:00:00.000.ab"])
    ring = [make_ab(f"MUSE.2014-10-25T0{n}:00:00.000") for n in range(3)]
    ring[0], ring[1] = (make_ab(f"MUSE.2014-10-25T0{n}:00:00.000", waitfor=[ring[1 - n].name]) for n in range(2))
    ring[2] = make_ab("MUSE.2014-10-25T02:00:00.000", waitfor=[ring[0].name])
    failed = basic.with_value("PROCESS_STATUS", "FAILED")
    for ab in (failed, post, align, combine, lost, *ring):
        AbStore(context.tree).write(ab)
    root = context.tree.root
    assert called(root, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    why = dict(found["refused"])
    assert found["abs"] == 0 and len(why) == found["total"] == 8
    assert why[failed.name] == "FAILED: failed in an earlier run"
    assert why[post.name] == f"waits for {basic.name}, which will not run"
    assert "in no pool of this account" in why[lost.name] and "a circle" in why[ring[0].name]
    assert "will not run" in why[ring[2].name]
    assert called(root) == 1
    text = capsys.readouterr().out
    assert "0 of 8 ABs still to run, 8 will not run" in text and combine.name in text


def test_what_is_stale_runs_again_with_what_needs_it(tmp_path: Path) -> None:
    context = account(tmp_path)
    basic, post, *_ = make_run(exposures=1)
    for ab in (ab.with_value("PROCESS_STATUS", "SUCCESSFUL") for ab in (basic, post)):
        AbStore(context.tree).write(ab)
    attempts = Attempts(context.db)
    attempts.follow(context.bus, context.board)
    streams = Streams(context, AbStore(context.tree).load("SCIENCE", PSEUDO), PaperJob(), attempts)
    streams.prepare()
    context.bus.publish(ev.AbChanged(basic.name, "STALE", "an input was made anew"))
    attempts.flush()
    found = forecast(context.tree, context.settings, context.db, "SCIENCE", PSEUDO)
    assert found.abs == 2 and not found.refused
