"""The QC process: scores and plots of finished ABs, beside the engine.

One helper process per run, started when first needed, fed with JSON lines: astropy and
matplotlib are loaded once, and never into the engine. It ends when the engine does. Trouble here
never fails an AB: it is then not scored, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.core.score import GREY, Score
from engine.process.score import Subject, scores_of

_PATIENCE_S = 300.0
_LIMIT = 1 << 20  # bytes of one answer


@dataclass(frozen=True, slots=True)
class Checked:
    """Scores of an AB; `plotted` tells whether the plot was made, `trouble` why something could not be."""

    scores: tuple[Score, ...]
    plotted: bool = False
    trouble: str = ""


class Qc:
    """Asks the QC process."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def check(self, subject: Subject, image: str = "", plot: str = "", title: str = "") -> Checked:
        """Score the products; with `image`, plot that file's white-light image to `plot` (PNG)."""
        request = {"subject": asdict(subject), "image": image, "plot": plot, "title": title}
        async with self._turn:
            try:
                answer = await asyncio.wait_for(self._asked(request), _PATIENCE_S)
            except (OSError, ValueError, TimeoutError) as trouble:
                await self._end()
                words = f"QC process: {trouble or type(trouble).__name__}"
                return Checked((Score("qc", "-", "", GREY, words),), trouble=words)
            except asyncio.CancelledError:
                self._kill()
                raise
        scores = tuple(Score(**score) for score in answer["scores"])
        return Checked(scores, bool(answer["plotted"]), str(answer["trouble"]))

    async def close(self) -> None:
        """End the QC process."""
        async with self._turn:
            await self._end()

    async def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
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
            "engine.process.qc",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(scratch)},
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
            await asyncio.wait_for(process.wait(), 5.0)
        except TimeoutError:
            process.kill()
            await process.wait()


def main() -> None:
    """Answer requests on stdin, one JSON line each, until it ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers
    for line in sys.stdin:
        request = json.loads(line)
        subject = request["subject"]
        subject["products"] = tuple((path, catg) for path, catg in subject["products"])
        answer = asdict(Checked(scores_of(Subject(**subject))))
        if request["image"]:
            from engine.process.picture import plot

            try:
                plot(Path(request["image"]), Path(request["plot"]), request["title"])
                answer["plotted"] = True
            except Exception as trouble:  # noqa: BLE001 - a plot is never worth an AB
                answer["trouble"] = f"no QC plot: {trouble}"
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
