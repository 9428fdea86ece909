"""Slurm's own commands, each with a time limit of ours: with the controller away they hang for long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from typing import BinaryIO

from engine.errors import EngineAway, Unsupported

_AWAY = re.compile(
    r"[Uu]nable to contact slurm controller|Connection (refused|timed out)|Socket timed out|[Ss]lurm backup controller"
    r"|configuration source|DNS SRV|temporarily unable|MaxSubmitJob|MaxJobs|Resource temporarily unavailable"
    r"|Transport endpoint|Zero Bytes were transmitted|munge|[Aa]uthentication"
)
_DENIED = re.compile(r"permission denied|not permitted|[Dd]isabled", re.IGNORECASE)
_NO_TROUBLE = re.compile(r"already|[Ii]nvalid job id|completing|not running|is pending")


class Commands:
    """Runs them; `limit_s` is what each may take, seconds."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    async def ran(self, *command: str, text: str = "") -> tuple[int, str, str]:
        """Exit code, output and errors of a command; EngineAway when Slurm is not there to answer.

        No pipes: where a site has a script around the command, what that has started may hold them for ever.
        """
        with _memory(text) as given, _memory() as out, _memory() as errors:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=given, stdout=out, stderr=errors, start_new_session=True
                )
            except OSError as trouble:
                raise EngineAway(
                    f"{command[0]} cannot be started: {trouble.strerror}", remedy="is Slurm installed?"
                ) from None
            try:
                async with asyncio.timeout(self._limit_s):
                    await process.wait()
            except TimeoutError:
                raise EngineAway(f"slurm does not answer ({command[0]}, {self._limit_s:g} s)") from None
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    await asyncio.shield(process.wait())
            said = _text(errors)
            if process.returncode and _AWAY.search(said):
                raise EngineAway(f"slurm: {last(said)}")
            return process.returncode or 0, _text(out), said

    async def told(self, *command: str) -> None:
        """A command that changes jobs. That they ended meanwhile is no trouble; Unsupported where it is forbidden."""
        code, _, said = await self.ran(*command)
        if not code or _NO_TROUBLE.search(said):
            return
        if _DENIED.search(said):
            raise Unsupported(f"slurm does not allow it: {last(said)}", remedy="hold what is queued instead")
        raise EngineAway(f"slurm: {last(said)}")


def _memory(text: str = "") -> BinaryIO:
    """A file without a name or a disk, to be read from its beginning."""
    file = os.fdopen(os.memfd_create("slurm"), "w+b", buffering=0)
    file.write(text.encode())
    file.seek(0)
    return file


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def last(said: str) -> str:
    """What a command complained of last, without its own name."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return re.sub(r"^\w+: (error|fatal): ", "", lines[-1])[:200] if lines else "no word of what is wrong"
