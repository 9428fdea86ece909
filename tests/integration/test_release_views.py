"""What the screens and commands of a release read: plans, jobs, the journal, the trash, headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.cli import jobs as jobs_command
from console.cli import journal as journal_command
from console.cli import words
from console.views.headers import cards_of
from console.views.jobs import files, jobs, log_lines, unqueue
from console.views.journal import runs, step_lines, whole
from console.views.plan import data_of, plan_from
from console.views.trash import file_lines, thrown
from engine.atomic import fs, lock
from engine.atomic.recover import recover
from engine.context import Context
from engine.errors import DfosError, UsageTrouble
from engine.release.move.move_products import move, move_plan, survey
from engine.transfer.ingest.states import FAILED, INGESTED, QUEUED, IngestStates, Item
from tests.released import NIGHT, biases, keen, release_context

CALL = f"ingestProducts -m CALIB -d {NIGHT}"


class Cut(BaseException):
    """The machine is gone."""


async def cut(context: Context) -> None:
    """A move that ends in the middle."""
    calls = 0

    def probe(verb: str, path: str) -> None:
        nonlocal calls
        calls += verb == "rename" or verb == "link"
        if calls >= 3:
            raise Cut

    with pytest.raises(Cut), fs.probed(probe):
        await move(context, "CALIB", NIGHT)


@pytest.mark.row(54)
@pytest.mark.row(64)
async def test_a_plan_reaches_the_console_as_it_was_made(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen())
    biases(context)
    plan = move_plan(await survey(context, "CALIB", NIGHT), context.settings, stamp=context.utc())
    data = json.loads(json.dumps(data_of(plan, {"BIAS": "SELECT"}, 7.0)))
    seen = plan_from(data)
    assert (seen.digest, seen.undecided, seen.made) == (plan.digest, plan.undecided, 7.0)
    assert seen.raw_types == (("BIAS", "SELECT"),) and seen.place.endswith(f"/{NIGHT}")
    assert [line.fate for line in seen.lines][: len(plan.undecided)] == ["verdict?"] * len(plan.undecided)
    assert {line.name for line in seen.lines if line.fate == "withheld"} == {f.product.pipefile for f in plan.fates}
    await move(context, "CALIB", NIGHT)
    again = move_plan(await survey(context, "CALIB", NIGHT), context.settings, stamp=context.utc())
    assert data_of(again, {}, 7.0)["held"] == len(list((context.tree.cal / NIGHT).iterdir()))


@pytest.mark.row(18, 101)
async def test_jobs_with_states_sizes_and_lines_nobody_knows(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen())
    biases(context)
    await move(context, "CALIB", NIGHT)
    tree = context.tree
    (tree.job / "JOBS_INGEST").write_text(f"{CALL}\n# a remark\nrm -rf /\n")
    (tree.job / "JOBS_EXPORT").write_text(f"exportProducts -m CALIB -d {NIGHT}\ningestProducts -m CALIB -d {NIGHT}\n")
    first, strange, export, misplaced = jobs(tree)
    standing = list((tree.cal / NIGHT).glob("*.fits"))
    assert (first.line, first.mode, first.date) == (CALL, "CALIB", NIGHT)
    assert first.states == ((QUEUED, len(standing)),) and first.size == sum(path.stat().st_size for path in standing)
    assert (strange.line, strange.mode) == ("rm -rf /", "") and misplaced.mode == ""
    assert (export.number, export.queue, export.mode) == (3, "JOBS_EXPORT", "CALIB")
    names = [path.name for path in standing]
    IngestStates(context.db, "CALIB", NIGHT).save(
        [Item(names[0], 5, 0, INGESTED, 1), *(Item(name, 5, 0, FAILED, 3, "", "no space there") for name in names[1:])]
    )
    begun = jobs(tree)[0]
    assert begun.states == ((FAILED, len(names) - 1), (INGESTED, 1)) and begun.why == "no space there"
    assert [(file.state, file.tries) for file in files(tree, begun)] == [(FAILED, 3)] * (len(names) - 1) + [
        (INGESTED, 1)
    ]
    (tree.lst / f"list_ingest_{NIGHT}.txt").write_text("MU_OLD.fits of an older tool\n")
    (tree.lst / f"list_ingest_CALIB_{NIGHT}.txt").write_text(f"{names[0]} 5 - 2014-10-23T08:00:00 1 INGESTED\n")
    assert log_lines(tree, begun) == ["MU_OLD.fits of an older tool", f"{names[0]} 5 - 2014-10-23T08:00:00 1 INGESTED"]
    assert log_lines(tree, export) == log_lines(tree, strange) == []
    assert unqueue(tree, "JOBS_INGEST", "CALIB", NIGHT) == CALL
    assert unqueue(tree, "JOBS_EXPORT", "CALIB", NIGHT).startswith("exportProducts")
    assert [job.line for job in jobs(tree)] == ["rm -rf /", CALL]
    with pytest.raises(UsageTrouble, match="does not stand in"):
        unqueue(tree, "JOBS_INGEST", "CALIB", NIGHT)
    with pytest.raises(DfosError):
        unqueue(tree, "JOBS_INGEST", "CALIB", "../../etc")


@pytest.mark.row(101)
async def test_the_jobs_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = release_context(tmp_path, keen())
    biases(context)
    await move(context, "CALIB", NIGHT)
    monkeypatch.setattr(words, "tree", lambda root: context.tree)
    assert jobs_command.main([]) == 0
    assert CALL in capsys.readouterr().out
    assert jobs_command.main(["--json"]) == 0
    assert [job["line"] for job in json.loads(capsys.readouterr().out)] == [CALL]
    assert jobs_command.main(["--files", "1"]) == 0
    with pytest.raises(UsageTrouble, match="there is no job 9"):
        jobs_command.main(["--run", "9"])
    with pytest.raises(UsageTrouble, match="nobody can be asked"):
        jobs_command.main(["--remove", "1"])
    assert "stay un-ingested" in capsys.readouterr().out and len(jobs(context.tree)) == 1
    assert jobs_command.main(["--remove", "1", "--yes"]) == 0
    assert jobs(context.tree) == []


async def test_the_journal_says_what_was_cut_and_what_finishing_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = release_context(tmp_path, keen())
    assert runs(context.tree) == [] and whole(context.tree)
    biases(context)
    await cut(context)
    (run,) = runs(context.tree)
    assert not run.sealed and run.done < run.of and not whole(context.tree) and not run.busy
    assert "files, lines and directories are done" in run.words[0] and len(run.words) > 1
    with lock.pool(context.tree, "CALIB", NIGHT, "recover", "rh"):
        assert runs(context.tree)[0].busy and whole(context.tree), "somebody is at it"
    monkeypatch.setattr(words, "tree", lambda root: context.tree)
    assert journal_command.main([]) == 5
    out = capsys.readouterr().out
    assert "CUT" in out and run.words[1] in out
    assert any("TO DO" in line for line in step_lines(context.tree, run.number))
    await recover(context)
    (run,) = runs(context.tree)
    assert run.sealed and run.done == run.of and whole(context.tree)
    assert journal_command.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["number"] == run.number
    assert journal_command.main([str(run.number)]) == 0
    assert "TO DO" not in capsys.readouterr().out
    assert journal_command.main(["--recover"]) == 0
    assert capsys.readouterr().out == "nothing was cut\n"
    with pytest.raises(UsageTrouble, match="no run 99"):
        journal_command.main(["99"])


async def test_the_trash_by_transaction_with_what_has_expired(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen())
    assert thrown(context.tree) == []
    biases(context)
    await move(context, "CALIB", NIGHT)
    (entry,) = thrown(context.tree, "2023-11-14")
    assert entry.label == "move-000001" and entry.files == len(file_lines(context.tree, entry)) > 0
    assert entry.size > 0 and not entry.expired
    assert thrown(context.tree, "2099-01-01")[0].expired


async def test_headers_of_products_and_of_nothing_else(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen())
    biases(context)
    product = next(context.tree.product.rglob("*.fits"))
    cards = cards_of(context.tree, product)
    assert cards[0].startswith("SIMPLE") and cards[-1] == "END"
    outside: Any = tmp_path / "secret.fits"
    outside.write_bytes(product.read_bytes())
    (context.tree.product / "link.fits").symlink_to(outside)
    for path in (outside, context.tree.product / "link.fits"):
        with pytest.raises(DfosError, match="not one of the account"):
            cards_of(context.tree, path)
