"""The local archive: what counts is its catalogue and its bytes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.errors import ArchiveTrouble
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.archives.protocol import Duplicate, Receipt


def _file(folder: Path, content: bytes, name: str = "X.fits") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive", lambda: "now")


async def _stored(archive: LocalArchive, path: Path, **given: bool) -> Receipt:
    return await archive.store(path, fs.sha256(path), **given)  # type: ignore[arg-type]


async def test_a_name_is_for_one_content(tmp_path: Path, archive: LocalArchive) -> None:
    one, two = _file(tmp_path / "a", b"one"), _file(tmp_path / "b", b"two")
    assert await archive.find(one, fs.sha256(one)) is None
    receipt = await _stored(archive, one)
    assert (receipt.name, receipt.size, receipt.version, receipt.when) == ("X.fits", 3, 1, "now")
    assert await _stored(archive, one) == receipt == await archive.find(one, fs.sha256(one))
    with pytest.raises(Duplicate):
        await archive.find(two, fs.sha256(two))
    with pytest.raises(Duplicate):
        await _stored(archive, two)
    other = await archive.store(two, fs.sha256(two), name="X2.fits")
    assert await archive.confirms(other, deep=True) and await archive.confirms(receipt, deep=True)


async def test_an_update_is_a_new_version_and_the_old_one_stays(tmp_path: Path, archive: LocalArchive) -> None:
    path = _file(tmp_path / "a", b"one")
    first = await _stored(archive, path)
    path.write_bytes(b"two")
    second = await _stored(archive, path, update=True)
    assert second.version == 2
    assert await archive.confirms(first, deep=True) and await archive.confirms(second, deep=True)


async def test_damage_and_loss_are_noticed(tmp_path: Path, archive: LocalArchive) -> None:
    receipt = await _stored(archive, _file(tmp_path / "a", b"one"))
    stored = tmp_path / "archive" / "files" / "X.fits"
    stored.write_bytes(b"rot")
    assert await archive.confirms(receipt), "its size is right"
    assert not await archive.confirms(receipt, deep=True)
    stored.unlink()
    assert not await archive.confirms(receipt)


async def test_a_file_that_changes_meanwhile_is_not_taken(tmp_path: Path, archive: LocalArchive) -> None:
    path = _file(tmp_path / "a", b"one")
    sha = fs.sha256(path)
    path.write_bytes(b"two")
    with pytest.raises(ArchiveTrouble, match="changed"):
        await archive.store(path, sha)
    assert await archive.find(path, sha) is None
    path.write_bytes(b"one")
    assert await archive.confirms(await archive.store(path, sha), deep=True)


async def test_many_at_once_share_one_commit_and_bad_ones_harm_nobody(tmp_path: Path, archive: LocalArchive) -> None:
    paths = [_file(tmp_path / "a", b"%d" % number, f"{number}.fits") for number in range(120)]
    calls: list[str] = []
    with fs.probed(lambda verb, path: calls.append(verb)):
        given = [archive.store(path, "wrong" if number == 7 else fs.sha256(path)) for number, path in enumerate(paths)]
        results = await asyncio.gather(*given, return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, ArchiveTrouble)] == [7]
    assert calls.count("commit") == 1 and calls.count("fsync") == 0 and calls.count("syncfs") == 1
    kept = await asyncio.gather(*(archive.confirms(one, deep=True) for one in results if isinstance(one, Receipt)))
    assert kept == [True] * 119


async def test_a_catalogue_of_the_first_generation_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    stored = _file(tmp_path / "archive", b"one")
    (folder / "files").mkdir()
    stored.rename(folder / "files" / "X.fits")
    with sqlite3.connect(folder / "catalogue.sqlite") as db:
        db.execute("CREATE TABLE catalogue (name TEXT PRIMARY KEY, size INTEGER, sha256 TEXT, stored TEXT)")
        db.execute("INSERT INTO catalogue VALUES ('X.fits', 3, ?, 'then')", (fs.sha256(folder / "files" / "X.fits"),))
    db.close()
    path = _file(tmp_path / "a", b"one")
    receipt = await LocalArchive(folder, lambda: "now").find(path, fs.sha256(path))
    assert receipt is not None and receipt.when == "then"


async def test_one_name_is_taken_in_once_at_a_time(tmp_path: Path, archive: LocalArchive) -> None:
    one, two = _file(tmp_path / "a", b"one"), _file(tmp_path / "b", b"two")
    results = await asyncio.gather(_stored(archive, one), _stored(archive, two), return_exceptions=True)
    assert isinstance(results[0], Receipt) and isinstance(results[1], ArchiveTrouble)
    assert await archive.confirms(results[0], deep=True)
