"""Ingestion cut before every mutating call; archives that fail or lie: nothing is lost or taken for granted."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from engine import events as ev
from engine.atomic import fs
from engine.context import Context
from engine.errors import ArchiveTrouble
from engine.release.move.move_products import move
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.archives.protocol import Receipt
from engine.transfer.ingest.ingest_products import ingest, log_file
from engine.transfer.ingest.states import IngestStates
from tests.builders import record
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import contents
from tests.faults.power import PowerCut, survived
from tests.released import NIGHT, biases, picture, release_context


def _moved(root: Path) -> None:
    context = release_context(root)
    biases(context)
    asyncio.run(move(context, "CALIB", NIGHT))
    context.db.close()


def _ingested(root: Path, plug: fs.Probe) -> bool:
    context = release_context(root)
    try:
        with fs.probed(plug):
            result = asyncio.run(ingest(context, "CALIB", NIGHT))
        assert not result.exit_code
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


def _all(root: Path) -> dict[str, str]:
    """The tree, the catalogue's content, and the log without its attempt numbers."""
    found = picture(root / "account")
    log = next((root / "account" / "lst").glob("list_ingest_*"))
    found[f"lst/{log.name}"] = "\n".join(
        sorted(re.sub(r" \d+ (\w+)$", r" \1", line) for line in log.read_text().splitlines())
    )
    with sqlite3.connect(root / "account" / "archive" / "catalogue.sqlite") as db:
        found["catalogue"] = repr(db.execute("SELECT * FROM holdings ORDER BY name").fetchall())
    db.close()
    return found


def test_power_cut_before_every_call(memory: Path) -> None:
    root = memory / "site"
    _moved(root)
    before = contents(root)
    tape = Tape([root])
    assert _ingested(root, tape)
    tape.end()
    assert len(tape.calls) > 20
    states = survived(tape, lambda probe: _ingested(root, probe), lambda: _all(root), kept=before)
    matrix.record("ingestProducts CALIB, the local archive", len(tape.calls), states)


class Flaky(LocalArchive):
    """An archive whose disk is full for the first `fails` calls."""

    def __init__(self, context: Context, fails: int) -> None:
        super().__init__(context.tree.root / "archive", context.utc)
        self.fails = fails
        self.stored: list[str] = []

    async def store(self, path: Path, sha256: str, *, name: str = "", update: bool = False) -> Receipt:
        if self.fails:
            self.fails -= 1
            raise ArchiveTrouble("no space left on the archive")
        self.stored.append(path.name)
        return await super().store(path, sha256, name=name, update=update)


async def test_trouble_that_passes_is_tried_again(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    archive, pauses = Flaky(context, fails=5), Pauses()
    result = await ingest(context, "CALIB", NIGHT, archive, sleep=pauses)
    assert result.exit_code == 0, "5 times full, 9 tries"
    assert pauses.seconds == [30, 60], "spaced"
    lines = log_file(context, "CALIB", NIGHT).read_text().splitlines()
    assert [line.split()[4] for line in lines] == ["1", "1", "1", "2", "2", "2", "3", "3"]


@pytest.mark.row(106)
async def test_three_tries_then_parked_and_the_call_stays(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    archive, pauses = Flaky(context, fails=9), Pauses()
    result = await ingest(context, "CALIB", NIGHT, archive, sleep=pauses)
    assert result.exit_code == 16 and not result.failed and len(result.waiting) == 3
    assert "no space" in result.waiting[0][1] and "3 times" in result.waiting[0][1]
    assert {item.state for item in IngestStates(context.db, "CALIB", NIGHT).items().values()} == {"VERIFIED"}
    stage = IngestStates(context.db, "CALIB", NIGHT).stage("ingest")
    assert stage is not None and stage.state == "parked" and "no space" in stage.text
    assert (context.tree.job / "JOBS_INGEST").read_text() == f"ingestProducts -m CALIB -d {NIGHT}\n"
    assert (await ingest(context, "CALIB", NIGHT, archive, sleep=pauses)).exit_code == 0
    assert sorted(archive.stored) == sorted({*archive.stored}), "each is sent once"
    assert (context.tree.job / "JOBS_INGEST").read_text() == ""


class Pauses:
    """Notes how long it was to sleep, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Liar(LocalArchive):
    """An archive that takes everything and keeps nothing."""

    async def store(self, path: Path, sha256: str, *, name: str = "", update: bool = False) -> Receipt:
        return Receipt(path.name, 2880, sha256, file_id=path.name, version=1)


@pytest.mark.row(107)
async def test_success_is_what_the_archive_answers_afterwards(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    liar = Liar(context.tree.root / "archive", context.utc)
    result = await ingest(context, "CALIB", NIGHT, liar, sleep=Pauses())
    assert len(result.waiting) == 3 and not result.confirmed and result.exit_code == 16
    assert "does not confirm" in result.waiting[0][1]


@pytest.mark.row(115)
def test_a_large_ingestion_goes_on_with_what_is_missing(memory: Path) -> None:
    context = release_context(memory)
    biases(context)
    asyncio.run(move(context, "CALIB", NIGHT))
    place = context.tree.cal / NIGHT
    content = min(place.glob("*.fits")).read_bytes()
    for number in range(700):
        (place / f"file{number:04d}.fits").write_bytes(content)
    copied: list[str] = []

    def cut(verb: str, path: str) -> None:
        copied.extend([path] if verb == "copy" else [])
        if len(copied) > 450:
            raise PowerCut

    with pytest.raises(PowerCut), fs.probed(cut):
        asyncio.run(ingest(context, "CALIB", NIGHT))
    items = IngestStates(context.db, "CALIB", NIGHT).items().values()
    assert sum(item.state == "INGESTED" for item in items) == 400
    events, again = record(context), list[str]()
    with fs.probed(lambda verb, path: again.append(verb)):
        assert len(asyncio.run(ingest(context, "CALIB", NIGHT)).confirmed) == 703
    assert again.count("copy") == 303, "two whole batches were safe"
    steps = [event for event in events if isinstance(event, ev.Progressed) and event.phase == "ingest"]
    assert (steps[0].done, steps[-1].done, steps[-1].of) == (400, 703, 703) and "left" in steps[-1].text
    context.db.close()
