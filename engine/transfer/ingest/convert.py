"""Conversion: the first part of a science ingestion (row 104). A tool of the account makes `DATE/conv`.

The tool (`archive.conversion`, e.g. idpConvert_mu) is called as `<tool> -d DATE`. Its $DFO_SCI_DIR is a scratch
copy in which DATE holds links to the products; the `conv` it leaves there is taken over whole, in one step, when
the tool has ended well. A conversion that was cut leaves nothing behind that counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine import events as ev
from engine import threads
from engine.atomic import fs
from engine.context import Context
from engine.errors import DfosError, PluginTrouble
from engine.executables import check_safe, plain_name
from engine.transfer.ingest.states import IngestStates, Stage

STAGE, RUNNING, DONE, FAILED = "convert", "running", "done", "failed"
FOLDER = "conv"
_OUTPUT = 1_000_000  # bytes of output looked at


async def converted(context: Context, date: str, sources: list[Path], states: IngestStates) -> Path:
    """`$DFO_SCI_DIR/DATE/conv`, made now or before from these products.

    PluginTrouble when the tool is missing, fails or hangs; DfosError when there is a `conv` that was not made
    by us, or from other products.
    """
    place = context.tree.sci / date / FOLDER
    name = context.settings.archive.conversion
    mark = await asyncio.to_thread(_fingerprint, name, sources)
    known = states.stage(STAGE)
    context.bus.publish(ev.PhaseStarted(STAGE, f"SCIENCE {date}: {name} on {len(sources)} products"))
    if place.is_dir():
        _check_ours(place, known, mark)
    else:
        states.mark(Stage(STAGE, RUNNING, name, mark, context.utc()))
        try:
            await _made(context, name, date, sources, place)
        except DfosError as trouble:
            states.mark(Stage(STAGE, FAILED, trouble.what, mark, context.utc()))
            raise
    found = await asyncio.to_thread(lambda: sum(1 for _ in place.iterdir()))
    states.mark(Stage(STAGE, DONE, f"{found} files in {FOLDER}", mark, context.utc()))
    context.bus.publish(ev.Progressed(STAGE, len(sources), len(sources), f"{found} files in {FOLDER}"))
    return place


def _check_ours(place: Path, known: Stage | None, mark: str) -> None:
    if known is None:
        raise DfosError(
            "these converted products were not made here",
            where=str(place),
            remedy="ingest them as they are with --no-convert, or move the directory away to convert again",
        )
    if known.mark != mark:
        raise DfosError(
            "the products or the tool have changed since they were converted",
            where=str(place),
            remedy="move the directory away to convert again, or ingest it as it is with --no-convert",
        )


async def _made(context: Context, name: str, date: str, sources: list[Path], place: Path) -> None:
    tool = _tool(context, name)
    limit = context.settings.archive.conversion_limit_s
    with _scratch(context.tree.sci, date) as scratch:
        (scratch / date).mkdir()
        for source in sources:
            (scratch / date / source.name).symlink_to(source)
        fs.acting("run", tool)
        await _called([str(tool), "-d", date], scratch, _environment(context, date, scratch), limit)
        left = scratch / date / FOLDER
        names = await threads.to_end(_whole, left, name)
        await threads.to_end(fs.settle, [left / one for one in names])
        fs.sync_dir(left)
        await threads.to_end(fs.rename, left, place)


def _tool(context: Context, name: str) -> Path:
    if not plain_name(name):
        raise PluginTrouble(f"'{name}' is no plain name of a tool in $DFO_BIN_DIR", where="archive.conversion")
    path = context.tree.bin / name
    if not path.exists():
        raise PluginTrouble("the conversion tool is not there", where=str(path), remedy="install it, or use NONE")
    check_safe(path)
    return path


def _environment(context: Context, date: str, scratch: Path) -> dict[str, str]:
    return {
        **context.tree.variables,
        "PATH": f"{context.tree.bin}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(context.tree.root),
        "DFO_SCI_DIR": str(scratch),
        "TMP_DIR": str(scratch),
        "MODE": "SCIENCE",
        "DATE": date,
    }


@contextlib.contextmanager
def _scratch(parent: Path, date: str) -> Iterator[Path]:
    """A directory of our own beside the dates; what a crash left of an earlier one is swept away."""
    for old in parent.glob(f".convert.{date}.*"):
        fs.acting("sweep", old)
        shutil.rmtree(old)
    folder = Path(tempfile.mkdtemp(prefix=f".convert.{date}.", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _called(argv: list[str], scratch: Path, environment: dict[str, str], limit: float) -> None:
    name = Path(argv[0]).name
    log = scratch / ".output"
    with log.open("wb") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=scratch,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as trouble:
            raise PluginTrouble(f"{name} cannot be started: {trouble.strerror}", where=argv[0]) from trouble
        try:
            async with asyncio.timeout(limit):
                code = await process.wait()
        except BaseException as trouble:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if not isinstance(trouble, TimeoutError):
                raise
            raise PluginTrouble(
                f"{name} did not end within {limit:g} s and was terminated",
                where=argv[0],
                remedy="see what it waits for, or set archive.conversion_limit_s",
            ) from None
    if code:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _OUTPUT))
            said = file.read(_OUTPUT).decode("utf-8", "replace").strip().splitlines()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise PluginTrouble(
            f"{name} failed with {how}" + (f": {said[-1][:200]}" if said else ""),
            where=argv[0],
            remedy="nothing was changed; correct the tool, then ingest again",
        )


def _whole(left: Path, name: str) -> list[str]:
    """What the tool left, when it is what may be taken over: plain files of its own, FITS among them."""
    if left.is_symlink() or not left.is_dir():
        raise PluginTrouble(f"{name} ended well, but left no directory {FOLDER}")
    names = sorted(entry.name for entry in left.iterdir())
    for one in names:
        path = left / one
        if path.is_symlink():  # a link into the scratch directory would dangle: take the file itself
            target = path.resolve()
            path.unlink()
            if not target.is_file():
                raise PluginTrouble(f"{name} left a link to nothing: {one}")
            shutil.copyfile(target, path)
        elif not path.is_file():
            raise PluginTrouble(f"{name} left something that is no file: {one}")
    if not any(".fits" in one for one in names):
        raise PluginTrouble(f"{name} ended well, but left no FITS file in {FOLDER}")
    return names


def _fingerprint(name: str, sources: list[Path]) -> str:
    digest = hashlib.sha256(name.encode())
    for path in sources:
        state = path.stat()
        digest.update(f"{path.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
