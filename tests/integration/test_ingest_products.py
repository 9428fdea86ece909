"""ingestProducts into the local archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events as ev
from engine.atomic.fs import sha256
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError
from engine.release.move_products import move
from engine.transfer.archives import archive_of
from engine.transfer.ingest_products import ingest, log_file
from engine.transfer.ingest_states import IngestStates
from engine.transfer.local_archive import LocalArchive
from tests.builders import PSEUDO, record
from tests.released import NIGHT, biases, dpc_of, picture, release_context, target


async def _moved(root: Path) -> tuple[Context, list[AB]]:
    context = release_context(root)
    abs_ = target(context)
    await move(context, "SCIENCE", PSEUDO)
    return context, abs_


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


async def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    await ingest(context, "SCIENCE", PSEUDO)
    before = picture(context.tree.root)
    events = record(context)
    assert len((await ingest(context, "SCIENCE", PSEUDO)).confirmed) == 2
    assert picture(context.tree.root) == before
    assert not [event for event in events if isinstance(event, ev.ProductIngested)]


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
    assert [name for name, _ in result.failed] == [path.name] and words in result.failed[0][1]
    assert len(result.confirmed) == 1
    assert await archive_of(context).find(path, "0") is None
    assert "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()
    path.write_bytes(data)
    assert not (await ingest(context, "SCIENCE", PSEUDO)).failed, "put right, it goes"


async def test_a_name_the_archive_holds_with_other_content_is_refused_at_once(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    path = sorted((context.tree.sci / PSEUDO).iterdir())[0]
    other = tmp_path / path.name
    other.write_bytes(b"another one")
    archive = LocalArchive(context.tree.root / "archive", context.utc)
    await archive.store(other, sha256(other))
    result = await ingest(context, "SCIENCE", PSEUDO, archive)
    assert result.failed == ((path.name, "the archive holds this name with other content"),)
    lines = log_file(context, "SCIENCE", PSEUDO).read_text().splitlines()
    assert len([line for line in lines if line.startswith(path.name)]) == 1, "never tried again"


async def test_no_products_is_an_error_and_the_call_stays(tmp_path: Path) -> None:
    context, _ = await _moved(tmp_path)
    for path in (context.tree.sci / PSEUDO).iterdir():
        path.unlink()
    with pytest.raises(DfosError, match="no products to ingest"):
        await ingest(context, "SCIENCE", PSEUDO)
    assert "ingestProducts" in (context.tree.job / "JOBS_INGEST").read_text()


async def test_an_archive_outside_the_account_is_refused(tmp_path: Path) -> None:
    from config.schema import Archive

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
