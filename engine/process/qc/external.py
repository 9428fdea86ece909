"""A QC procedure of the account: an executable in $DFO_PROC_DIR, called as the classic ones are.

    cd $DFS_PRODUCT/<RAW_TYPE>/<DATE>; $DFO_PROC_DIR/<proc> -a <AB> -u <user> -level 1 > $DFS_LOG/<AB>.qclog 2>&1

What it measured it writes to the file `$QC1_OUTPUT`: either one JSON object, or the words that qc1Ingest would
get: `-<key> <value> ...`, in any number of lines. Anything else it prints goes into the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import shlex
import signal
import tempfile
from pathlib import Path

from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, PluginTrouble
from engine.executables import check_safe, plain_name
from engine.process.deliver import place_of
from engine.process.qc.subject import Measured, Value

_LARGEST = 1 << 20  # bytes of what a procedure may write
_MOST = 500  # values


async def measured(context: Context, ab: AB, procedure: str) -> Measured:
    """Run the procedure; its values. PluginTrouble when it is not there, fails, or writes nonsense."""
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
        await _run(argv, place_of(ab, context.tree), log, environment, context.settings.qc.timeout_s)
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
    with log.open("wb") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=place,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as trouble:
            raise PluginTrouble(f"{argv[0]} cannot be started: {trouble.strerror}") from trouble
    try:
        code = await asyncio.wait_for(process.wait(), limit_s)
    except BaseException as trouble:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
        await process.wait()
        if isinstance(trouble, TimeoutError):
            raise PluginTrouble(f"{argv[0]} did not end within {limit_s:g} s", where=str(log)) from None
        raise
    if code:
        raise DfosError(f"QC procedure {Path(argv[0]).name} failed with exit code {code}", where=str(log))


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
