"""An interrupted move: what it says about itself, and how it is finished."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path

import pytest

from engine import events as ev
from engine.atomic import fs, lock
from engine.atomic.journal import Journal, Step
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.errors import Busy, DfosError, MoveTrouble, OpenJournal
from engine.release.move.move_products import move
from engine.transfer.ingest.ingest_products import ingest, log_file
from tests.builders import record
from tests.released import NIGHT, biases, picture, release_context


class Full:
    """A disk that is full once `after` calls of one verb were made; put right by setting `full` to False."""

    def __init__(self, verb: str, after: int) -> None:
        self.verb, self.left, self.full = verb, after, True

    def __call__(self, verb: str, path: str) -> None:
        if verb == self.verb and self.full:
            if not self.left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self.left -= 1


async def _whole(root: Path) -> dict[str, str]:
    context = release_context(root)
    biases(context)
    await move(context, "CALIB", NIGHT)
    return picture(context.tree.root)


@pytest.mark.parametrize(("verb", "after"), [("rename", 1), ("rename", 7), ("write", 1), ("replace", 2), ("rmdir", 0)])
async def test_a_full_disk_stops_the_move_and_is_no_loss(verb: str, after: int, tmp_path: Path) -> None:
    wanted = await _whole(tmp_path / "whole")
    context = release_context(tmp_path / "full")
    biases(context)
    disk = Full(verb, after)
    with fs.probed(disk):
        with pytest.raises(MoveTrouble, match="No space left") as trouble:
            await move(context, "CALIB", NIGHT)
        assert "recover" in trouble.value.remedy
        (cut,) = unfinished(context.db, context.tree)
        assert cut.done < cut.of
        assert "move 3 products of CALIB 2014-10-22" in cut.words[0] and "operator" in cut.words[0]
        with pytest.raises(OpenJournal):
            await move(context, "CALIB", NIGHT)
        with pytest.raises(MoveTrouble):
            await recover(context)
        disk.full = False
        events = record(context)
        assert [done.number for done in await recover(context)] == [cut.transaction.number]
    assert sorted(wanted) == sorted(picture(context.tree.root))
    assert any(isinstance(event, ev.PhaseStarted) and event.phase == "recover" for event in events)
    assert await recover(context) == []


async def test_a_full_disk_before_the_move_keeps_the_verdict(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    with fs.probed(Full("append", 0)), pytest.raises(DfosError, match="the comment cannot be written"):
        await move(context, "CALIB", NIGHT)
    assert not unfinished(context.db, context.tree)
    assert (await move(context, "CALIB", NIGHT)).moved == 3
    assert len((context.tree.lst / "PRODCOM" / f"prod_comment_{NIGHT}.txt").read_text().splitlines()) == 3


async def test_a_full_disk_during_ingestion(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    with fs.probed(Full("append", 0)), pytest.raises(DfosError, match="No space left"):
        await ingest(context, "CALIB", NIGHT)
    assert len((await ingest(context, "CALIB", NIGHT)).confirmed) == 3
    assert len(log_file(context, "CALIB", NIGHT).read_text().splitlines()) == 3


async def test_cancelled_in_the_middle_no_step_runs_on_without_its_lock(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def probe(verb: str, path: str) -> None:
        calls.append(verb)
        if len(calls) == 30 and task:
            loop.call_soon_threadsafe(task.cancel)

    with fs.probed(probe):
        with pytest.raises(asyncio.CancelledError):
            await move(context, "CALIB", NIGHT)
        count = len(calls)
    if task:
        task.uncancel()
    assert len(calls) == count
    with lock.pool(context.tree, "CALIB", NIGHT, "test", "me"):
        assert len(unfinished(context.db, context.tree)) == 1
    await recover(context)
    assert len(list((context.tree.cal / NIGHT).glob("*.fits"))) == 3


async def test_a_move_at_work_is_not_recovered_by_another_process(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    _begun(context)
    with lock.pool(context.tree, "CALIB", NIGHT, "moveProducts", "rh"), pytest.raises(Busy):
        await recover(context)
    await recover(context)
    assert not unfinished(context.db, context.tree)


def test_an_intent_that_leaves_the_account_is_refused_whole(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    journal = Journal(context.db, context.tree)
    good = Step("p", "make_dir", {"path": str(context.tree.cal / "x")}, "make")
    for bad in (
        Step("p", "place", {"source": "/etc/passwd", "target": str(context.tree.cal / "y")}, "steal"),
        Step(
            "p", "place", {"source": str(context.tree.cal / "y"), "target": f"{context.tree.cal}/../../../z"}, "escape"
        ),
        Step("p", "rm_rf", {"path": str(context.tree.cal / "x")}, "strange"),
    ):
        with pytest.raises(MoveTrouble):
            journal.begin("move", "CALIB", NIGHT, "rh", lambda tx, bad=bad: [good, bad], begun="t", summary="s")  # type: ignore[misc]
    assert journal.history() == [] and journal.unfinished() == []


async def test_steps_of_a_phase_are_done_before_the_next_one_begins(tmp_path: Path) -> None:
    """The order of phases is the order of the intent; told in batches."""
    context = release_context(tmp_path)
    journal = Journal(context.db, context.tree)
    steps = [Step(f"phase {n // 3}", "make_dir", {"path": str(context.tree.tmp / str(n))}, str(n)) for n in range(9)]
    transaction = journal.begin("move", "CALIB", NIGHT, "rh", lambda tx: steps, begun="t", summary="s")
    heard: list[tuple[list[str], int, int]] = []
    await journal.run(
        transaction, context.utc, lambda batch, done, of: heard.append(([step.words for step in batch], done, of))
    )
    assert heard == [(["0", "1", "2"], 3, 9), (["3", "4", "5"], 6, 9), (["6", "7", "8"], 9, 9)]
    assert journal.history()[0].sealed == context.utc()


def _begun(context: Context) -> None:
    Journal(context.db, context.tree).begin(
        "move",
        "CALIB",
        NIGHT,
        "rh",
        lambda tx: [Step("p", "make_dir", {"path": str(context.tree.cal / NIGHT)}, "make")],
        begun="2025-01-01T00:00:00",
        summary="a move",
    )


async def test_what_recovery_will_do_is_said_before_it_is_done(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    with fs.probed(Full("rename", 2)), pytest.raises(MoveTrouble):
        await move(context, "CALIB", NIGHT)
    (cut,) = unfinished(context.db, context.tree)
    assert "place products under their final names: 3 files to do, next: place 3 files" in cut.words
    assert "update ABs: 4 files to do, next: update 3 ABs" in cut.words
    assert "write the status: 2 lines to do, next: status cal_Updated" in cut.words
    assert "clear the product tree: 1 directory to do" in " ".join(cut.words)
    numbers = re.search(r"by operator: ([\d,]+) of ([\d,]+) files, lines and directories are done", cut.words[0])
    assert numbers and int(numbers[2]) - int(numbers[1]) == _left_in(cut.words)
    events = record(context)
    with fs.probed(Full("rename", 0)), pytest.raises(MoveTrouble):
        await recover(context)
    said = [event.text for event in events if isinstance(event, ev.Notice)]
    assert said == [f"move-000001: {text}" for text in cut.words[1:]]
    assert not any(isinstance(event, ev.ProductMoved) for event in events)
    await recover(context)


def _left_in(words: tuple[str, ...]) -> int:
    heads = " ".join(text.partition(" to do")[0] for text in words[1:])
    return sum(int(count) for count in re.findall(r"(\d+) (?:file|line|director)", heads))
