"""The whole ingestProducts against a server that speaks NGAS."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from config.schema import Archive
from engine.atomic import fs
from engine.context import Context
from engine.errors import UsageTrouble
from engine.release.move.move_products import move
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.password import password_of
from engine.transfer.ingest.ingest_products import ingest
from engine.transfer.ingest.states import IngestStates
from tests.builders import make_tree
from tests.ngas_server import FULL, FakeNgas
from tests.released import NIGHT, biases, release_context

NOTE = "$DFO_CONFIG_DIR/secret"


async def _context(root: Path, server: FakeNgas, **given: object) -> Context:
    archive = Archive(kind="ngas", url=server.url, **given)  # type: ignore[arg-type]
    context = release_context(root, archive=archive)
    biases(context)
    await move(context, "CALIB", NIGHT)
    return context


async def _no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.mark.row(107)
async def test_products_arrive_although_answers_get_lost(tmp_path: Path) -> None:
    async with FakeNgas().running() as server:
        context = await _context(tmp_path, server)
        server.pushes = ["lost", "close", f"400 {FULL}", "damage"]
        result = await ingest(context, "CALIB", NIGHT, sleep=_no_pause)
        assert len(result.confirmed) == 3 and result.exit_code == 0
        for item in IngestStates(context.db, "CALIB", NIGHT).items().values():
            assert [len(version.content) for version in server.files[item.name]] == [item.size], "once, and whole"


@pytest.mark.row(107)
async def test_what_a_lying_archive_holds_is_never_pushed_over(tmp_path: Path) -> None:
    async with FakeNgas().running() as server:
        context = await _context(tmp_path, server)
        server.pushes = ["cut", "none", "vanish"]
        result = await ingest(context, "CALIB", NIGHT, sleep=_no_pause)
        assert len(result.confirmed) == 1, "the one that was gone is sent again"
        assert len(result.questions) == 2 and result.exit_code == 3
        assert [len(versions) for versions in server.files.values()] == [1, 1, 1]


@pytest.mark.row(106)
async def test_a_full_archive_is_tried_three_times_and_the_rest_is_not(tmp_path: Path) -> None:
    async with FakeNgas(state="OFFLINE").running() as server:
        context = await _context(tmp_path, server)
        result = await ingest(context, "CALIB", NIGHT, sleep=_no_pause)
        assert result.exit_code == 16 and len(result.waiting) == 3 and server.count("QARCHIVE") == 0
        server.state = "ONLINE"
        assert (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 0


async def test_a_wrong_password_stops_the_call_at_once(tmp_path: Path) -> None:
    async with FakeNgas().running() as server:
        context = await _context(tmp_path, server, user="me", password_file=NOTE)
        (context.tree.config / "secret").write_text("s3cret\n")
        with pytest.raises(UsageTrouble, match="not 0600"):
            await ingest(context, "CALIB", NIGHT)
        (context.tree.config / "secret").chmod(0o600)
        server.login = "me:other"
        result = await ingest(context, "CALIB", NIGHT, sleep=_no_pause)
        assert result.exit_code == 16 and "does not let us in" in result.text and len(server.seen) <= 6
        server.login = "me:s3cret"
        assert (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 0
        kept = [path for path in context.tree.root.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
        assert kept == [context.tree.config / "secret"]


@pytest.mark.parametrize(
    "given",
    [{"url": "http://me:pw@host"}, {"url": "ftp://host"}, {"url": ""}, {"url": "http://host", "user": "me"}],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(given: dict[str, str], tmp_path: Path) -> None:
    context = release_context(tmp_path, archive=Archive(kind="ngas", **given))  # type: ignore[arg-type]
    with pytest.raises(UsageTrouble) as caught:
        archive_of(context)
    assert "pw" not in str(caught.value)


def test_a_password_comes_from_a_private_file_only(tmp_path: Path) -> None:
    folder = make_tree(tmp_path).config
    path = folder / "secret"
    with pytest.raises(UsageTrouble, match="cannot be read"):
        password_of(path)
    path.write_text("word\nmore\n")
    for mode in (0o640, 0o604, 0o700):
        path.chmod(mode)
        with pytest.raises(UsageTrouble, match="0600"):
            password_of(path)
    path.chmod(0o600)
    assert password_of(path) == "word"
    (folder / "link").symlink_to(path)
    with pytest.raises(UsageTrouble):
        password_of(folder / "link")
    path.write_text("\n")
    with pytest.raises(UsageTrouble, match="no password"):
        password_of(path)


async def test_what_may_have_arrived_stays_marked_until_the_archive_is_asked(tmp_path: Path) -> None:
    async with FakeNgas().running() as server:
        context = await _context(tmp_path, server, uploads=1)
        push = server._pushed

        async def last_words(*given: Any) -> bytes | None:
            await push(*given)
            server.state = "OFFLINE"
            server.asks = ["close"] * 1000
            return None

        server._pushed = last_words  # type: ignore[method-assign]
        result = await ingest(context, "CALIB", NIGHT, sleep=_no_pause)
        assert result.exit_code == 16 and server.count("QARCHIVE") <= 3
        states = {item.name: item.state for item in IngestStates(context.db, "CALIB", NIGHT).items().values()}
        assert {name for name, state in states.items() if state == "INGESTING"} >= set(server.files)
        assert (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 16, "still away"
        again = {item.name: item.state for item in IngestStates(context.db, "CALIB", NIGHT).items().values()}
        assert {name for name, state in again.items() if state == "INGESTING"} >= set(server.files)
        server.asks, server.state = [], "ONLINE"
        server._pushed = push  # type: ignore[method-assign]
        assert (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 0
        assert [len(versions) for versions in server.files.values()] == [1, 1, 1]


class PowerCut(BaseException):
    pass


async def test_cut_before_any_call_nothing_is_pushed_twice(tmp_path: Path) -> None:
    context = await _context(tmp_path / "template", FakeNgas(url="http://nowhere"))
    context.db.close()
    for at in range(1, 100):
        async with FakeNgas().running() as server:
            shutil.copytree(tmp_path / "template", tmp_path / str(at))
            context = release_context(tmp_path / str(at), archive=Archive(kind="ngas", url=server.url))
            calls: list[str] = []

            def cut(verb: str, path: str, at: int = at, calls: list[str] = calls) -> None:
                calls.append(verb)
                if len(calls) >= at:
                    raise PowerCut

            whole = False
            try:
                with fs.probed(cut):
                    whole = (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 0
            except PowerCut:
                assert (await ingest(context, "CALIB", NIGHT, sleep=_no_pause)).exit_code == 0
            assert [len(versions) for versions in server.files.values()] == [1, 1, 1]
            context.db.close()
            if whole:
                assert at > 8
                return


@pytest.mark.row(103)
async def test_a_move_never_contacts_the_archive(tmp_path: Path) -> None:
    async with FakeNgas().running() as server:
        context = await _context(tmp_path, server)
        assert not server.seen
        assert (context.tree.job / "JOBS_INGEST").read_text() == f"ingestProducts -m CALIB -d {NIGHT}\n"
