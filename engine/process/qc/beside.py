"""The QC process: measures and plots beside the engine.

One helper process per QC stream, started when first needed, fed with JSON lines: astropy and
matplotlib are loaded once, and never into the engine. It ends when the engine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.process.qc.subject import Measured, Subject

_LIMIT = 64 << 20  # bytes of one answer: a row per source
_OURS = str(Path(__file__).parents[3])  # it runs the same code as the engine, wherever that was imported from


class QcTrouble(Exception):
    """The QC process has ended, does not answer in time, or could not do what it was asked."""


class Beside:
    """Asks one QC process. `patience_s` is how long one answer may take."""

    def __init__(self, scratch: Path, patience_s: float = 600.0) -> None:
        self._scratch = scratch
        self._patience_s = patience_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def measure(self, subject: Subject) -> Measured:
        """What the procedure of the subject finds in its products."""
        answer = await self._asked({"do": "measure", "subject": asdict(subject)})
        return Measured(**answer["measured"])

    async def make(self, do: str, **what: Any) -> list[str]:
        """Have files made (`do`: a function of plots.py or rawdisp.py); their paths."""
        return [str(path) for path in (await self._asked({"do": do, **what}))["files"]]

    async def close(self) -> None:
        """End the QC process."""
        async with self._turn:
            await self._end()

    async def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience_s):
                    answer = await self._answer(request)
            except TimeoutError:
                self._kill()
                await self._end()
                raise QcTrouble(f"no answer within {self._patience_s:g} s") from None
            except (OSError, ValueError) as trouble:
                self._kill()
                await self._end()
                raise QcTrouble(str(trouble) or type(trouble).__name__) from trouble
            except asyncio.CancelledError:
                self._kill()
                raise
        if answer.get("trouble"):
            raise QcTrouble(str(answer["trouble"]))
        return answer

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        process = self._process or await self._started()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - both are pipes
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise OSError("it ended")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("its answer makes no sense")
        return answer

    async def _started(self) -> asyncio.subprocess.Process:
        scratch = self._scratch / "matplotlib"
        scratch.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "engine.process.qc.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={
                "PATH": os.defpath,
                "LC_ALL": "C.UTF-8",
                "MPLBACKEND": "Agg",
                "MPLCONFIGDIR": str(scratch),
                "PYTHONPATH": _OURS,
            },
            limit=_LIMIT,
            start_new_session=True,
        )
        return self._process

    def _kill(self) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                process.kill()
            await process.wait()
