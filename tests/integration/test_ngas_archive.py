"""The NGAS client against a server that imitates a real one, with everything it was seen to do."""

from __future__ import annotations

import asyncio
import gzip
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.atomic import fs
from engine.errors import ArchiveTrouble
from engine.transfer.archives.ngas_archive import NgasArchive, mime_of
from engine.transfer.archives.ngas_client import NgasClient, Patience, check_name
from engine.transfer.archives.ngas_reply import Away
from engine.transfer.archives.protocol import Closed, Duplicate, Receipt, Refused
from tests.ngas_server import FULL, FakeNgas, Version

CALM = Patience(connect_s=60, block_s=60, answer_s=60)


class Pauses:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def _archive(
    tmp_path: Path, user: str = "", password: str = "", server: FakeNgas | None = None, **given: Any
) -> AsyncIterator[tuple[FakeNgas, NgasArchive]]:
    async with (server or FakeNgas()).running() as running:
        client = NgasClient(running.url, user, password, CALM)
        yield running, NgasArchive(client, running.url, tmp_path / "locks", **{"sleep": Pauses(), **given})


def _file(tmp_path: Path, content: bytes = b"product", name: str = "v_1.fits") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


async def _stored(archive: NgasArchive, path: Path, **given: Any) -> Receipt:
    return await archive.store(path, fs.sha256(path), **given)


async def test_a_push_is_exact_proven_and_asked_for_again(tmp_path: Path) -> None:
    path = _file(tmp_path, b"x" * 3_000_000)
    async with _archive(tmp_path, retrieve_check=True) as (server, archive):
        receipt = await _stored(archive, path)
        assert (receipt.version, receipt.disk, receipt.host, receipt.size) == (1, "90d0", "host:7777", 3_000_000)
        push = next(head for (name, _), head in zip(server.seen, server.heads, strict=True) if name == "QARCHIVE")
        assert push["content-length"] == "3000000" and "transfer-encoding" not in push and "expect" not in push
        assert push["ngas-file-crc"] == str(receipt.crc32) and push["content-type"] == "image/x-fits"
        assert [name for name, _ in server.seen] == ["STATUS", "STATUS", "QARCHIVE", "STATUS"]
        assert dict(server.seen)["QARCHIVE"]["crc_variant"] == "0"
        assert await archive.confirms(receipt, deep=True)
        assert dict(server.seen)["CHECKFILE"]["file_version"] == "1" and server.count("RETRIEVE") == 1
        assert await _stored(archive, path) == receipt and server.count("QARCHIVE") == 1, "known: not sent again"


@pytest.mark.parametrize("how", ["lost", "close", "400 UNIQUE constraint failed", f"400 {FULL}", "damage", "503"])
async def test_whatever_happens_to_a_push_the_next_try_asks_first(how: str, tmp_path: Path) -> None:
    path = _file(tmp_path)
    async with _archive(tmp_path) as (server, archive):
        server.pushes = [how]
        if how == "lost":
            receipt = await _stored(archive, path)
        else:
            with pytest.raises(ArchiveTrouble) as caught:
                await _stored(archive, path)
            assert not isinstance(caught.value, Refused | Duplicate | Closed)
            assert isinstance(caught.value, Away) == (FULL in how)
            receipt = await _stored(archive, path)
        assert len(server.files["v_1.fits"]) == 1 and await archive.confirms(receipt, deep=True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "its size is 6, not 7"),
        ("none", "checksum"),
        ("foreign", "its id is 'other.fits'"),
        ("failure", "it did not work"),
        ("bare", "does not describe"),
        ("vanish", "does not know it when asked again"),
    ],
)
async def test_a_lying_success_is_none(how: str, words: str, tmp_path: Path) -> None:
    async with _archive(tmp_path) as (server, archive):
        server.pushes = [how]
        with pytest.raises(ArchiveTrouble, match=words):
            await _stored(archive, _file(tmp_path))


async def test_other_content_is_a_duplicate_and_an_update_a_new_version(tmp_path: Path) -> None:
    path = _file(tmp_path)
    async with _archive(tmp_path) as (server, archive):
        server.files = {"v_1.fits": [Version(b"first")], "vX1.fits": [Version(b"product")]}
        with pytest.raises(Duplicate):
            await archive.find(path, fs.sha256(path))
        with pytest.raises(Duplicate):
            await _stored(archive, path)
        receipt = await _stored(archive, path, update=True)
        assert receipt.version == 2
        path.write_bytes(b"first")
        older = await archive.find(path, fs.sha256(path))
        assert older is not None and older.version == 1, "an older version is found through the list"
        assert await archive.confirms(older, deep=True) and await archive.confirms(receipt, deep=True)


async def test_damage_on_the_disk_of_the_server_is_noticed(tmp_path: Path) -> None:
    async with _archive(tmp_path, retrieve_check=True) as (server, archive):
        receipt = await _stored(archive, _file(tmp_path))
        kept = server.files["v_1.fits"][0]
        kept.content = b"PRODUCT"
        assert await archive.confirms(receipt), "its database says that all is well"
        assert not await archive.confirms(receipt, deep=True)
        kept.content, server.nok = b"product", True
        assert not await archive.confirms(receipt, deep=True)
        server.nok = False
        assert await archive.confirms(receipt, deep=True)
        kept.content, kept.checksum = b"short", str(receipt.crc32)
        assert not await archive.confirms(receipt, deep=True)
        server.files.clear()
        assert not await archive.confirms(receipt)


@pytest.mark.parametrize("how", ["503", "close"])
async def test_a_crowded_server_is_given_time(how: str, tmp_path: Path) -> None:
    pauses = Pauses()
    async with _archive(tmp_path, uploads=4, sleep=pauses) as (server, archive):
        server.asks = [how] * (2 if how == "503" else 4)  # a GET without answer is made twice by the HTTP library
        await _stored(archive, _file(tmp_path))
        assert len(pauses.seconds) == 2 and pauses.seconds[1] > pauses.seconds[0] / 3
        paths = [_file(tmp_path, b"%d" % number, f"{number}.fits") for number in range(20)]
        server.most = 0
        await asyncio.gather(*(_stored(archive, path) for path in paths))
        assert server.most <= 2, "fewer at once after it had too many"


async def test_uploads_are_limited(tmp_path: Path) -> None:
    async with _archive(tmp_path, uploads=2) as (server, archive):
        paths = [_file(tmp_path, b"%d" % number, f"{number}.fits") for number in range(20)]
        await asyncio.gather(*(_stored(archive, path) for path in paths))
        assert server.most == 2 and len(server.files) == 20


async def test_one_id_is_never_pushed_twice_at_once(tmp_path: Path) -> None:
    path = _file(tmp_path)
    async with _archive(tmp_path) as (server, archive):
        other = NgasArchive(NgasClient(server.url), server.url, tmp_path / "locks", sleep=lambda _: asyncio.sleep(0.01))
        receipts = await asyncio.gather(*(_stored(one, path) for one in (archive, other, archive, other)))
        assert len({*receipts}) == 1 and server.count("QARCHIVE") == 1
        assert not list((tmp_path / "locks").iterdir())


async def test_a_wrong_password_closes_and_is_shown_nowhere(tmp_path: Path) -> None:
    async with _archive(tmp_path, "me", "s3cret", FakeNgas(login="me:other")) as (_, archive):
        with pytest.raises(Closed) as caught:
            await archive.find(_file(tmp_path), "0")
        assert "s3cret" not in f"{caught.value!r} {caught.value} {archive!r}"
    async with _archive(tmp_path, "me", "s3cret", FakeNgas(login="me:s3cret")) as (server, archive):
        await _stored(archive, _file(tmp_path))
        assert all("s3cret" not in f"{given}" for _, given in server.seen)


async def test_an_archive_that_is_offline_or_gone_is_away(tmp_path: Path) -> None:
    async with _archive(tmp_path, server=FakeNgas(state="OFFLINE")) as (server, archive):
        with pytest.raises(Away, match="OFFLINE"):
            await archive.find(_file(tmp_path), "0")
        server.state = "ONLINE"
        assert await archive.find(_file(tmp_path), "0") is None
    with pytest.raises(Away, match="cannot be reached"):
        await archive.find(_file(tmp_path), "0")


@pytest.mark.parametrize("said", ["Unknown mime type", "NGAMS_ER_DAPI_BAD_FILE:4003:ERROR: bad", "NGAMS_ER_ILL_REQ:1"])
async def test_what_will_never_go_is_refused_at_once(said: str, tmp_path: Path) -> None:
    async with _archive(tmp_path) as (server, archive):
        server.pushes = [f"400 {said}"]
        with pytest.raises(Refused):
            await _stored(archive, _file(tmp_path))


async def test_a_file_that_changes_while_it_is_sent_never_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, b"a" * 4_000_000)
    async with _archive(tmp_path) as (server, archive):
        push = archive._client.push

        async def changed(*given: Any, **more: Any) -> Any:
            path.write_bytes(b"b" * 4_000_000)
            return await push(*given, **more)

        monkeypatch.setattr(archive._client, "push", changed)
        with pytest.raises(ArchiveTrouble, match="changed while it was sent"):
            await _stored(archive, path)
        assert not server.files


async def test_a_server_that_stops_listening_does_not_hold_us_for_ever(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, and that is all
        client = NgasClient(f"http://127.0.0.1:{deaf.getsockname()[1]}", patience=Patience(2, 0.2, 0.2))
        with pytest.raises(ArchiveTrouble, match="no answer in time"):
            await client.push(_file(tmp_path, b"x" * 50_000_000), 50_000_000, 0, "image/x-fits", filename="v_1.fits")
        with pytest.raises(Away, match="no answer in time"):
            await client.ask("STATUS")


async def test_a_compressed_file_is_compared_by_its_content(tmp_path: Path) -> None:
    path = _file(tmp_path, b"product" * 100)
    async with _archive(tmp_path) as (server, archive):
        packed = gzip.compress(path.read_bytes())
        server.files = {"v_1.fits": [Version(packed, "5", "crc32", "gzip", 700)]}
        found = await archive.find(path, fs.sha256(path))
        assert found is not None and found.size == 700 and await archive.confirms(found, deep=True)
        server.files["v_1.fits"][0].content = gzip.compress(b"PRODUCT" * 100)
        assert not await archive.confirms(found, deep=True)


async def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "big.fits"
    with path.open("wb") as file:
        file.truncate(200 << 20)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = 200 << 20
        while left and (block := await reader.read(1 << 16)):
            left -= len(block)
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    client = NgasClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    import zlib

    crc = 0
    for _ in range(200):
        crc = zlib.crc32(bytes(1 << 20), crc)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArchiveTrouble, match="no answer from the archive"):
        await client.push(path, 200 << 20, crc, "image/x-fits", filename="big.fits")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000, "kB"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE NgamsStatus [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><NgamsStatus><Status S="&b;"/></NgamsStatus>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><NgamsStatus><Status Message="1"/></NgamsStatus>',
        b"<html><Status/></html>",
        b"<NgamsStatus><Status/><Status/></NgamsStatus>",
        b"<NgamsStatus/>",
        b"<NgamsStatus><Status",
        b"",
        b"\xff\xfe<",
        b"<NgamsStatus>" + b"<a>" * 2_000_000,
    ],
    ids=["laughs", "outside", "html", "two", "none", "cut", "empty", "noise", "huge"],
)
async def test_hostile_answers_are_errors(body: bytes, tmp_path: Path) -> None:
    async with _archive(tmp_path) as (server, archive):
        server.reply = body or b" "
        with pytest.raises(ArchiveTrouble):
            await archive.find(_file(tmp_path), "0")


async def test_two_files_in_one_answer_prove_nothing(tmp_path: Path) -> None:
    one = '<DiskStatus DiskId="1"><FileStatus FileId="v_1.fits" FileVersion="1"/><FileStatus FileId="b"/></DiskStatus>'
    async with _archive(tmp_path) as (server, archive):
        assert await archive.find(_file(tmp_path), "0") is None
        server.reply = f'<NgamsStatus><Status Status="SUCCESS" State="ONLINE"/>{one}</NgamsStatus>'.encode()
        with pytest.raises(ArchiveTrouble, match="another file"):
            await archive.find(_file(tmp_path), "0")


async def test_names_and_empty_files(tmp_path: Path) -> None:
    said: list[str] = []
    async with _archive(tmp_path, warn=said.append) as (server, archive):
        with pytest.raises(Refused, match="empty"):
            await _stored(archive, _file(tmp_path, b""))
        odd = "a b+c&d=%20#é"[:-1] + "_" * 60 + ".fits"
        receipt = await _stored(archive, _file(tmp_path, name=odd))
        assert list(server.files) == [odd] == [receipt.file_id] and "above 64" in said[0]
    for name in ("a\nb.fits", "é.fits", "", "a/b"):
        with pytest.raises(Refused):
            check_name(name)
    assert mime_of("x.fits.fz") == "image/x-fits" and mime_of("p.png") == "image/png"
