"""A QC procedure of the account: an executable in $DFO_PROC_DIR, called as the classic ones are.

    cd $DFS_PRODUCT/<RAW_TYPE>/<DATE>; $DFO_PROC_DIR/<proc> -a <AB> -u <user> -level 1 > $DFS_LOG/<AB>.qclog 2>&1

What it measured it writes to the file `$QC1_OUTPUT`: either one JSON object, or the words that qc1Ingest would
get: `-<key> <value> ...`, in any number of lines. Anything else it prints goes into the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import math
import os
import shlex
import signal
import struct
import tempfile
import termios
import uuid
from collections.abc import Sequence
from pathlib import Path

from engine import threads
from engine.atomic import fs
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, PluginTrouble
from engine.executables import check_safe, plain_name
from engine.process.ab.deliver import place_of
from engine.process.qc.subject import Measured, Value
from engine.processes import end_marked

_LARGEST = 1 << 20  # bytes of what a procedure may write
_LARGEST_LOG = 10 << 20  # bytes of what it prints that are kept
_MOST = 500  # values
_BLOCK = 1 << 16  # bytes read at once
_LEFT_BEHIND_S = 1.0  # seconds that processes have which a procedure left behind to end what they print
_TOKEN = "DFOS_QC"  # noqa: S105 - the environment variable that marks a procedure with all it starts


async def measured(context: Context, ab: AB, procedure: str, products: Sequence[Path] = ()) -> Measured:
    """Run the procedure; its values. PluginTrouble when it is not there, fails, or writes nonsense.

    `products` that it takes away are put back, and the procedure has failed.
    """
    path = _found(context, procedure)
    log = context.tree.dfs_log / f"{ab.name.removesuffix('.ab')}.qclog"
    context.tree.tmp.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{procedure}.", dir=context.tree.tmp) as scratch:
        output = Path(scratch) / "qc1"
        environment = {
            **context.tree.variables,
            "PATH": f"{context.tree.bin}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(context.tree.root),
            "DFS_LOG": str(context.tree.dfs_log),
            "QC1_OUTPUT": str(output),
        }
        argv = [str(path), "-a", ab.name, "-u", context.who, "-level", "1"]
        place = place_of(ab, context.tree)
        kept: dict[Path, Path] = {}
        try:
            await threads.to_end(_keep, products, kept)
            await _run(argv, place, log, environment, context.settings.qc.timeout_s)
        finally:
            taken = await threads.to_end(_put_back, kept)
        if taken:
            raise PluginTrouble(f"QC procedure {procedure} took {taken[0]} away; it was put back", where=str(log))
        return Measured(await asyncio.to_thread(read_values, output, procedure))


def read_values(path: Path, procedure: str) -> dict[str, Value]:
    """The values in the output of a procedure. PluginTrouble when it makes no sense."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode("utf-8")
    except FileNotFoundError:
        raise PluginTrouble(f"{procedure} wrote nothing to $QC1_OUTPUT") from None
    except (OSError, UnicodeDecodeError) as trouble:
        raise PluginTrouble(f"the output of {procedure} cannot be read: {trouble}") from trouble
    if len(text) > _LARGEST:
        raise PluginTrouble(f"{procedure} wrote more than {_LARGEST} bytes to $QC1_OUTPUT")
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else _words(text)
    except ValueError as trouble:
        raise PluginTrouble(f"the output of {procedure} makes no sense: {trouble}") from trouble
    if len(found) > _MOST or any(not name.isidentifier() or len(name) > 60 for name in found):
        raise PluginTrouble(f"the output of {procedure} makes no sense: its names are no names of values")
    return {name: _value(value) for name, value in found.items()}


def _keep(products: Sequence[Path], kept: dict[Path, Path]) -> None:
    """A second, hidden name for each product, in the same directory, by the first one: into `kept`."""
    for path in products:
        second = fs.hidden(path)
        fs.publish(path, second)
        kept[path] = second


def _put_back(kept: dict[Path, Path]) -> list[str]:
    """Products that are not there any more get their name again; which they were."""
    taken = []
    for path, second in kept.items():
        if not path.exists() and second.exists():
            fs.publish(second, path)
            taken.append(path.name)
        if second.exists():
            fs.remove(second)
    return taken


def _found(context: Context, procedure: str) -> Path:
    place = context.tree.variables.get("DFO_PROC_DIR", "")
    if not place:
        raise PluginTrouble(f"QC procedure {procedure}: $DFO_PROC_DIR is not defined", remedy="define it in .dfosrc")
    if not plain_name(procedure):
        raise PluginTrouble(f"'{procedure}' is no name of a QC procedure")
    path = Path(place) / procedure
    check_safe(path)
    return path


async def _run(argv: list[str], place: Path, log: Path, environment: dict[str, str], limit_s: float) -> None:
    token = uuid.uuid4().hex
    process = None
    with _Printed(log) as printed:
        try:
            with printed.inlet:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=place,
                    env={**environment, _TOKEN: token},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=printed.inlet,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                )
            async with asyncio.timeout(limit_s):
                code = await process.wait()
            await asyncio.wait([printed.over], timeout=_LEFT_BEHIND_S)
        except BaseException as trouble:  # whatever we were at: it may have begun
            await _end(process, token)
            if isinstance(trouble, TimeoutError):
                raise PluginTrouble(f"{argv[0]} did not end within {limit_s:g} s", where=str(log)) from None
            if isinstance(trouble, OSError):
                raise PluginTrouble(f"{argv[0]} cannot be started: {trouble.strerror}") from trouble
            raise
    if code:
        raise DfosError(f"QC procedure {Path(argv[0]).name} failed with exit code {code}", where=str(log))
    if printed.trouble:
        raise PluginTrouble(f"the log cannot be written: {printed.trouble.strerror}", where=str(log))


async def _end(process: asyncio.subprocess.Process | None, token: str) -> None:
    """End a procedure with whatever it has started, also what has left its group."""
    if process:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    try:
        await threads.to_end(end_marked, _TOKEN, token)
    finally:
        if process:
            await threads.over(asyncio.ensure_future(process.wait()))


class _Printed:
    """What a procedure prints, on its way through a pipe into its log, up to a limit.

    Inside the block it is read as it comes, at the end of the block whatever the pipe still holds: all that was
    written until then. `inlet` is the procedure's end of it, `over` is set when nobody is left who could write.
    """

    def __init__(self, log: Path) -> None:
        self.trouble: OSError | None = None
        self._path = log
        self._size = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Printed:
        with contextlib.ExitStack() as stack:
            self._log = stack.enter_context(self._path.open("wb", buffering=0))
            self._pipe, inlet = os.pipe()
            stack.callback(os.close, self._pipe)
            self.inlet = stack.enter_context(os.fdopen(inlet, "wb", buffering=0))
            os.set_blocking(self._pipe, False)
            self._loop = asyncio.get_running_loop()
            self.over: asyncio.Future[None] = self._loop.create_future()
            self._loop.add_reader(self._pipe, self._read)
            stack.callback(self._loop.remove_reader, self._pipe)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            (left,) = struct.unpack("i", fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4)))
            while left > 0 and (read := self._read(min(left, _BLOCK))):  # what was left behind may write for ever
                left -= read

    def _read(self, most: int = _BLOCK) -> int:
        """Read once what there is, and keep it; how many bytes."""
        try:
            data = os.read(self._pipe, most)
        except BlockingIOError:
            return 0
        if data:
            self._keep(data)
        else:
            self._loop.remove_reader(self._pipe)
            self.over.set_result(None)
        return len(data)

    def _keep(self, data: bytes) -> None:
        size, self._size = self._size, self._size + len(data)
        if self.trouble or size > _LARGEST_LOG:
            return
        if self._size > _LARGEST_LOG:
            data = data[: _LARGEST_LOG - size] + f"\n[cut: the log is longer than {_LARGEST_LOG} bytes]\n".encode()
        try:
            self._log.write(data)
        except OSError as trouble:
            self.trouble = trouble


def _words(text: str) -> dict[str, object]:
    words = shlex.split(text, comments=True)
    if len(words) % 2 or not all(key.startswith("-") for key in words[::2]):
        raise ValueError("pairs of -key value are expected")
    return {key[1:]: value for key, value in zip(words[::2], words[1::2], strict=True)}


def _value(value: object) -> Value:
    """Numbers stay numbers, also when they are written as text; anything else is text."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    text = str(value)[:1000]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return text
