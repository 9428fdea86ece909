"""A month of 20,000 ABs (GIRAFFE): what it costs before the first recipe starts, and how long consoles wait meanwhile.

The ABs stand in $DFO_AB_DIR, small ones of 30 DATEs, none processed. Figures are wall seconds of one process, the peer
is the reading of the same files without understanding them. A console gets no answer while the engine's loop is held:
the longest such pause is measured by a clock in that loop.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from console.hosting.board_of import known
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.ab import AB, parse
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.stores.abs import AbStore
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from engine.workflows.month import dates_of
from tests.builders import folded, make_settings, make_tree

ABS, DAYS, MONTH = 20_000, 30, "2014-10"
TICK = 0.005  # seconds between two looks of the clock in the loop


def month(abs_: int = ABS) -> Iterator[AB]:
    """ABs of one raw frame and two calibrations, spread over the DATEs of a month."""
    for number in range(abs_):
        day = f"{MONTH}-{number % DAYS + 1:02d}"
        stem = f"GIRAF.{day}T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000:03d}"
        text = (
            f"AB_NAME {stem}.ab\nINSTRUMENT GIRAFFE\nDATE {day}\nRAW_TYPE SCIENCE\nRECIPE giscience\nDRS_TYPE CON\n"
            f"BATCH_ID SCIENCE_{day}\nPROCESS_STATUS CREATED\nPROD_ROOT_NAME r.{stem}\n"
            f"PROD_PATH $DFS_PRODUCT/SCIENCE/{day}\n"
            f"MCALIB REAL $DFO_CAL_DIR/{day}/bias.fits MASTER_BIAS 0.1 OK\n"
            f"MCALIB REAL $DFO_CAL_DIR/{day}/flat.fits FF_PSF 0.1 OK\n"
            f"SOF_CONTENT $DFO_RAW_DIR/{day}/{stem}.fits SCIENCE\n"
            f"PRODUCTS r.{stem}_0000.fits SCIENCE_RBNSPECTRA VIRTUAL\n"
        )
        yield parse(text.encode(), stem)


class Nothing:
    """No recipe is started: what comes before is measured."""

    def workdir(self, ab: str, attempt: int) -> str:
        return f"{ab}/{attempt}"

    async def run(self, task: Task) -> Result:
        raise NotImplementedError

    def reset(self, names: object) -> None:
        raise NotImplementedError


class Pause:
    """The longest time the loop was held, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last - TICK), now


def timed(rows: list[dict[str, object]], work: str, begun: float, peer: float | None = None, **more: object) -> None:
    """One row."""
    ours = time.perf_counter() - begun
    ratio = round(ours / peer, 1) if peer else None
    rows.append(
        {"work": work, "ours": f"{ours:.2f} s", "peer": f"{peer:.2f} s" if peer else None, "ratio": ratio, **more}
    )


async def measured(place: Path, abs_: int) -> list[dict[str, object]]:
    """All rows."""
    rows: list[dict[str, object]] = []
    tree = make_tree(place)
    for ab in month(abs_):
        (tree.ab / ab.name).write_bytes(ab.render())
    begun = time.perf_counter()
    for path in sorted(tree.ab.glob("*.ab")):
        path.read_bytes()
    bare = time.perf_counter() - begun
    of = f"{abs_:,} ABs of a month"
    begun = time.perf_counter()
    dates_of(tree, "SCIENCE", MONTH)
    timed(rows, f"the DATEs of {of}", begun, bare, goal="–")
    board, bus = Board(), Bus("bench")
    bus.subscribe(folded(board))
    context = Context(make_settings(kinds={}), tree, bus, board, None, connect(tree.journal), "bench", True)  # type: ignore[arg-type]
    attempts = Attempts(context.db)
    stack = attempts.follow(bus, board)
    begun = time.perf_counter()
    for event in known(tree, attempts):
        bus.publish(event)
    timed(rows, f"the board of an engine that begins, {of}", begun, bare, goal="–")
    pause = Pause()
    clock = asyncio.create_task(pause.watch())
    await asyncio.sleep(TICK)
    begun = time.perf_counter()
    pool = await asyncio.to_thread(AbStore(tree).load, "SCIENCE", MONTH)
    timed(rows, f"load {of} in a thread", begun, bare, goal="–")
    rows.append(_paused("load", pause))
    begun = time.perf_counter()
    streams = Streams(context, pool, Nothing(), attempts)
    streams.prepare()
    timed(rows, f"scheduler start, {of}", begun, bare, goal="–")
    await asyncio.sleep(2 * TICK)
    rows.append(_paused("scheduler start", pause))
    begun = time.perf_counter()
    attempts.flush()
    timed(rows, f"rows of {of} into the journal", begun, None, goal="–")
    stack()
    clock.cancel()
    begun = time.perf_counter()
    lines = sum(1 for _ in board.snapshot())
    timed(rows, f"snapshot for a console that attaches: {lines:,} events", begun, None, goal="–")
    return rows


def _paused(work: str, pause: Pause) -> dict[str, object]:
    row = {"work": f"longest pause of the loop: {work}", "ours": f"{pause.longest:.2f} s", "goal": "–"}
    pause.longest = 0.0
    return row


def main(abs_: int = ABS) -> list[dict[str, object]]:
    """Measure in a directory of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        return asyncio.run(measured(Path(scratch), abs_))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if sys.argv[1:] else ABS)))
