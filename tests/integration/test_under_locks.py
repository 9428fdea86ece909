"""A lock is not given up over a thread that writes, however often one is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.link import running
from engine import threads
from engine.atomic import fs, lock
from engine.errors import Busy
from engine.process.ab.few_threads import FewThreads
from engine.process.qc import external
from engine.release.move.move_products import move
from engine.transfer.archives import local_archive
from engine.transfer.archives.archives import archive_of
from engine.transfer.ingest import jobs_ingest
from engine.transfer.ingest.ingest_products import ingest
from engine.transfer.ingest.states import IngestStates
from tests.builders import PSEUDO
from tests.fakes import LIMIT_S, settle, until
from tests.integration.test_ingest_convert import _moved as converting
from tests.released import release_context, target


class Held:
    """A function that waits, in its thread, until it is let go."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work, self.begun, self.go = work, threading.Event(), threading.Event()

    def __call__(self, *args: Any, **given: Any) -> Any:
        self.begun.set()
        self.go.wait(LIMIT_S)
        return self.work(*args, **given)


async def told_to_stop(doing: asyncio.Task[Any], held: Held) -> None:
    """Stop everything three times, as the end of a loop does, while the thread is at it; then let it go."""
    await until(lambda: held.begun.is_set() or doing.done())
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()
        assert not doing.done(), "its thread works on"
    held.go.set()
    with pytest.raises(asyncio.CancelledError):
        await doing


@pytest.mark.parametrize("work", [len, lambda _: 1 // 0])
async def test_who_waits_for_a_thread_that_writes_sees_its_end(work: Callable[[str], Any]) -> None:
    held = Held(work)
    await told_to_stop(asyncio.create_task(threads.to_end(held, "word")), held)
    few, held = FewThreads(), Held(work)
    await told_to_stop(asyncio.create_task(few.call(held, "word")), held)
    few.close()
    gc.collect()  # trouble that nobody asks for is not told to anybody


async def test_a_thread_that_writes_gives_what_it_found() -> None:
    assert await threads.to_end(int, "f", base=16) == 15
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.to_end(int, "f")


async def test_ingestion_holds_its_date_until_the_archive_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one would publish what is half written."""
    context = release_context(tmp_path)
    target(context)
    await move(context, "SCIENCE", PSEUDO)
    held = Held(local_archive._copied)
    monkeypatch.setattr(local_archive, "_copied", held)
    doing = asyncio.create_task(ingest(context, "SCIENCE", PSEUDO))
    await until(lambda: held.begun.is_set() or doing.done())
    doing.cancel()
    await settle()
    with pytest.raises(Busy, match="ingestProducts"):
        await ingest(context, "SCIENCE", PSEUDO)
    await told_to_stop(doing, held)
    archive = archive_of(context)
    for item in IngestStates(context.db, "SCIENCE", PSEUDO).items().values():
        found = await archive.find(Path(item.name), item.sha256)
        assert found is not None and await archive.confirms(found, deep=True), "its thread came to its end"
    assert (await ingest(context, "SCIENCE", PSEUDO)).exit_code == 0


async def test_what_one_asks_the_archive_for_does_not_end_with_another(tmp_path: Path) -> None:
    """The one who asked first is told to stop; what the other asked for goes on, as does what is asked later."""
    archive = local_archive.LocalArchive(tmp_path / "archive", lambda: "now")
    held = Held(archive._stored)
    archive._stored = held  # type: ignore[method-assign]
    paths = [tmp_path / name for name in ("A.fits", "B.fits")]
    for path in paths:
        path.write_text(path.name)
    one, two = (asyncio.create_task(archive.store(path, fs.sha256(path))) for path in paths)
    await until(held.begun.is_set)
    one.cancel()
    later = asyncio.create_task(archive.find(paths[0], fs.sha256(paths[0])))
    held.go.set()
    assert (await two).name == "B.fits"
    found = await later
    assert found is not None and found.name == "A.fits"
    with pytest.raises(asyncio.CancelledError):
        await one


async def test_an_archive_that_gets_no_thread_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "A.fits"
    path.write_text("A")
    archive = local_archive.LocalArchive(tmp_path / "archive", lambda: "now")
    with monkeypatch.context() as full:
        full.setattr(asyncio.get_running_loop(), "run_in_executor", _no_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await archive.store(path, fs.sha256(path))
    assert (await archive.store(path, fs.sha256(path))).name == "A.fits"


def _no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(("module", "name"), [(fs, "settle"), (fs, "rename"), (jobs_ingest, "collapse")])
async def test_ingestion_holds_its_date_while_it_writes(
    module: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await converting(tmp_path)
    held = Held(getattr(module, name))
    with monkeypatch.context() as slow:
        slow.setattr(module, name, held)
        doing = asyncio.create_task(ingest(context, "SCIENCE", PSEUDO))
        await until(lambda: held.begun.is_set() or doing.done())
        doing.cancel()
        await settle()
        with pytest.raises(Busy), lock.pool(context.tree, "SCIENCE", PSEUDO, "other", "bert"):
            pass
        await told_to_stop(doing, held)
    assert not list(context.tree.sci.glob(".convert*"))
    assert (await ingest(context, "SCIENCE", PSEUDO)).exit_code == 0


async def test_second_names_of_products_go_though_their_making_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for the time of a QC procedure: nothing is left beside the products."""
    from tests.integration.test_process_qc import external as scene_of

    scene = scene_of(tmp_path, "true")
    held = Held(external._keep)
    monkeypatch.setattr(external, "_keep", held)
    await told_to_stop(asyncio.create_task(scene.qc()), held)
    assert [path for path in scene.product().parent.iterdir() if path.name.startswith(".")] == []


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C as a command of a terminal has it; the shell that started the tests may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_again_and_again_cuts_no_thread() -> None:
    """The second one must not come as an exception between any two statements."""
    held = Held(list)
    seen: list[str] = []

    async def errand() -> int:
        seen.append("locked")
        try:
            await threads.to_end(held)
        finally:
            seen.append("over" if held.go.is_set() else "cut")
        return 0

    async def hit(times: int) -> int:
        carrying = asyncio.create_task(running._until_terminated(errand()))
        await until(held.begun.is_set)
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
            await settle()
        held.go.set()
        return await carrying

    with interruptible(), pytest.raises(asyncio.CancelledError):
        asyncio.run(hit(3))
    assert seen == ["locked", "over"]


def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    async def hit() -> int:
        done = asyncio.Event()

        async def errand() -> int:
            await done.wait()
            return 7

        carrying = asyncio.create_task(running._until_terminated(errand()))
        await settle()
        signal.raise_signal(signal.SIGINT)
        await settle()
        done.set()
        return await carrying

    with interruptible():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert asyncio.run(hit()) == 7
