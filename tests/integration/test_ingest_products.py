"""ingestProducts into the local archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from config.schema import Archive
from engine import events as ev
from engine.atomic.fs import sha256
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, UsageTrouble
from engine.release.move.move_products import move
from engine.stores.attempts import Attempts
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.archives.protocol import Receipt
from engine.transfer.ingest import jobs_ingest
from engine.transfer.ingest.ingest_products import ingest, log_file, verify_only
from engine.transfer.ingest.states import IngestStates, Item
from tests.builders import PSEUDO, record
from tests.released import NIGHT, biases, dpc_of, keen, picture, release_context, target


async def _moved(root: Path) -> tuple[Context, list[AB]]:
    context = release_context(root)
    abs_ = target(context)
    await move(context, "SCIENCE", PSEUDO)
    return context, abs_


@pytest.mark.row(105)
async def test_every_product_is_confirmed_and_the_call_leaves_the_queue(tmp_path: Path) -> None:
    context, abs_ = await _moved(tmp_path)
    events = record(context)
    result = await ingest(context, "SCIENCE", PSEUDO)
    assert len(result.confirmed) == 2 and result.exit_code == 0
    ingested = [event for event in events if isinstance(event, ev.ProductIngested)]
    archive = archive_of(context)
    items = IngestStates(context.db, "SCIENCE", PSEUDO).items()
    for event in ingested:
        receipt = items[event.name].receipt
        assert receipt is not None and receipt.sha256 == event.sha256
        assert await archive.confirms(receipt, deep=True)
    assert [event.ab for event in events if isinstance(event, ev.AbChanged)] == [dpc_of(abs_).name]
    assert (context.tree.job / "JOBS_INGEST").read_text() == ""
    lines = [line.split() for line in log_file(context, "SCIENCE", PSEUDO).read_text().splitlines()]
    assert [(line[0], line[2], line[4], line[5]) for line in lines] == [
        (event.name, event.sha256, "1", "INGESTED") for event in ingested
    ]


async def test_the_state_of_an_ab_is_kept_before_its_call_leaves_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, nobody would ever tell it again."""
    context, abs_ = await _moved(tmp_path)
    dpc, kept = dpc_of(abs_), []
    leave = Attempts(context.db).follow(context.bus, context.board)
    context.bus.publish(ev.AbSeen(dpc.name, dpc.mode, dpc.date, "dpc", "muse_exp_combine", "", "", 1, (), 0.0, "MOVED"))
    monkeypatch.setattr(jobs_ingest, "remove", lambda *_: kept.extend(Attempts(context.db).seen()))
    await ingest(context, "SCIENCE", PSEUDO)
    leave()
    assert [(row.ab, row.state) for row in kept] == [(dpc.name, "INGESTED")]


async def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    await ingest(context, "SCIENCE", PSEUDO)
    before = picture(context.tree.root)
    events = record(context)
    assert len((await ingest(context, "SCIENCE", PSEUDO)).confirmed) == 2
    assert picture(context.tree.root) == before
    assert not [event for event in events if isinstance(event, ev.ProductIngested)]


@pytest.mark.row(106)
@pytest.mark.parametrize(("damage", "words"), [("flip", "DATASUM"), ("cut", "truncated"), ("strip", "no CHECKSUM")])
async def test_a_product_that_does_not_verify_is_not_archived(damage: str, words: str, tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    data = path.read_bytes()
    changed = {
        "flip": data[:-2880] + b"\x01" + data[-2879:],
        "cut": data[:-2880],
        "strip": data.replace(b"CHECKSUM=", b"NOTHING_ "),
    }
    path.write_bytes(changed[damage])
    result = await ingest(context, "SCIENCE", PSEUDO)
    assert [name for name, _ in result.bad] == [path.name] and words in result.bad[0][1]
    assert result.exit_code == 13 and path.name in result.text
    assert not result.confirmed and len(result.waiting) == 1, "one bad file stops the set"
    assert "1 wait (" in result.text and "waits for those that are not" in result.text
    items = IngestStates(context.db, "SCIENCE", PSEUDO).items()
    assert sorted(item.state for item in items.values()) == ["FAILED", "VERIFIED"]
    assert await archive_of(context).find(path, "0") is None
    assert "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()
    assert len((await ingest(context, "SCIENCE", PSEUDO, skip_bad=True)).confirmed) == 1
    path.write_bytes(data)
    assert not (await ingest(context, "SCIENCE", PSEUDO)).exit_code, "put right, it goes"


@pytest.mark.row(106)
async def test_verify_only_reports_and_touches_nothing(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    assert (await verify_only(context, "SCIENCE", PSEUDO)).exit_code == 0
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    path.write_bytes(path.read_bytes()[:-2880])
    before = picture(context.tree.root)
    result = await verify_only(context, "SCIENCE", PSEUDO)
    assert result.exit_code == 13 and path.name in result.text
    assert picture(context.tree.root) == before and not context.tree.archive.exists()


async def _taken(context: Context, path: Path, content: bytes = b"another one") -> LocalArchive:
    """The archive, in which somebody's file has the name of `path`."""
    other = context.tree.tmp / path.name
    other.write_bytes(content)
    archive = LocalArchive(context.tree.root / "archive", context.utc)
    await archive.store(other, sha256(other))
    return archive


@pytest.mark.row(109)
async def test_a_taken_name_is_asked_once_and_waits(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    archive = await _taken(context, path)
    result = await ingest(context, "SCIENCE", PSEUDO, archive)
    assert [question.subject for question in result.questions] == [path.name]
    question = result.questions[0]
    assert question.kind == "ingest.duplicate" and question.auto is None and question.safe == "later"
    assert [choice.key for choice in question.choices] == ["refuse"], "the name of a FITS product never changes"
    assert "by whom is not known" in question.text
    assert result.exit_code == 3 and len(result.confirmed) == 1
    lines = log_file(context, "SCIENCE", PSEUDO).read_text().splitlines()
    assert len([line for line in lines if line.startswith(path.name)]) == 1, "never tried again"
    assert "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()


@pytest.mark.row(109)
async def test_a_refused_name_fails_and_says_whose_it_is(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    archive = await _taken(context, path)
    receipt = Receipt(path.name, 11, "0" * 64, file_id=path.name, version=1)
    earlier = Item(path.name, 11, 0, "INGESTED", receipt=receipt)
    IngestStates(context.db, "SCIENCE", "2094-01-15").save([earlier], now="2023-11-01T00:00:00")
    operator = keen(ingest__duplicate="refuse")
    result = await ingest(replace(context, operator=operator), "SCIENCE", PSEUDO, archive)
    assert "SCIENCE 2094-01-15 at 2023-11-01T00:00:00" in operator.asked[-1].text
    assert result.exit_code == 16
    assert [name for name, _ in result.failed] == [path.name] and "SCIENCE 2094-01-15" in result.failed[0][1]


@pytest.mark.row(108)
@pytest.mark.parametrize("updates", [False, True])
async def test_a_changed_product_is_refused_unless_updates_are_enabled(updates: bool, tmp_path: Path) -> None:
    context = release_context(tmp_path, archive=Archive(enable_updates=updates))
    target(context)
    await move(context, "SCIENCE", PSEUDO)
    await ingest(context, "SCIENCE", PSEUDO)
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    with fits.open(path, mode="update", checksum=True) as file:
        file[0].header["OBJECT"] = "changed"
    result = await ingest(context, "SCIENCE", PSEUDO)
    receipt = IngestStates(context.db, "SCIENCE", PSEUDO).items()[path.name].receipt
    if updates:
        assert result.exit_code == 0 and receipt is not None and receipt.version == 2
    else:
        assert result.exit_code == 16 and "enable_updates" in result.failed[0][1] and receipt is None


@pytest.mark.row(114)
async def test_a_mode_that_is_not_delivered_is_refused(tmp_path: Path) -> None:
    context = release_context(tmp_path, archive=Archive(ingest={"SCIENCE": False}))
    assert context.settings.archive.delivers("CALIB")
    with pytest.raises(UsageTrouble, match="not delivered"):
        await ingest(context, "SCIENCE", PSEUDO)


async def test_a_product_that_became_a_header_stays_ingested(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    await ingest(context, "SCIENCE", PSEUDO)
    for path in list((context.tree.sci / PSEUDO).iterdir()):
        path.rename(path.with_suffix(".hdr"))
    result = await ingest(context, "SCIENCE", PSEUDO)
    assert len(result.confirmed) == 2 and result.exit_code == 0


async def test_no_products_is_an_error_and_the_call_stays(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    for path in (context.tree.sci / PSEUDO).iterdir():
        path.unlink()
    with pytest.raises(DfosError, match="no products to ingest"):
        await ingest(context, "SCIENCE", PSEUDO)
    assert "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()


async def test_an_archive_outside_the_account_is_refused(tmp_path: Path) -> None:
    context = release_context(tmp_path, archive=Archive(directory="../elsewhere"))
    biases(context)
    await move(context, "CALIB", NIGHT)
    with pytest.raises(DfosError, match="leaves the account"):
        await ingest(context, "CALIB", NIGHT)


async def test_older_lines_of_the_log_survive(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    log = log_file(context, "SCIENCE", PSEUDO)
    log.write_text("a line of an older tool\n")
    await ingest(context, "SCIENCE", PSEUDO)
    assert log.read_text().splitlines()[0] == "a line of an older tool"
    assert len(log.read_text().splitlines()) == 3
