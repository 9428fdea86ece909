"""What processing one AB costs beyond its recipe: the whole processAB path, no hooks, against a bare posix_spawn loop.

The recipe is /bin/true and the ABs predict no products; they are read, their inputs found, work directory, set of
frames and log made, the recipe started with a journalled intent and judged, the AB written durably, the work directory
taken away. With RECIPE none the same without a recipe. A third row makes one product each, sealed, verified, named and
placed; its peer spawns the same program. Figures: user + system time of this process and its children.

The goal is one of the engine's own work, so its files are in memory; the same on a disk adds what the file system makes
of a durable AB and of names that come and go (an ext4 without a journal searches all inodes freed in the last five
seconds whenever it makes a file: at 300 ABs a second that alone is half a millisecond each).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.engine_cascade import TRUE, Nobody, bare, cpu, resident_mb
from config.schema import KindOfAb, Settings
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.ab import AB, parse
from engine.process.ab.pipeline import Pipeline
from engine.process.run.run_pool import process_pool
from engine.stores.abs import AbStore
from engine.stores.database import connect
from tests.builders import folded, make_tree
from tests.fakes import make_fits

GOAL = 2.5
MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs wherever Linux is; without it there are no such rows
DATE = "2094-01-16"
KINDS = {"noop": KindOfAb(recipe="noop", tag="", rank=1, streams=3)}


def abs_of(jobs: int, recipe: str, product: bool) -> Iterator[AB]:
    """ABs with one raw frame each."""
    for number in range(jobs):
        base = f"MUSE.2014-10-22T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000"
        head = f"AB_NAME {base}.ab\nRAW_TYPE OBJECT\nRECIPE {recipe}\nDATE {DATE}\nPROD_ROOT_NAME r.{base}\n"
        head += f"PROCESS_STATUS CREATED\nBATCH_ID SCIENCE_{DATE}\nSOF_CONTENT $DFO_RAW_DIR/raw.fits OBJECT\n"
        head += f"PRODUCTS r.{base}_0000.fits PIXTABLE_OBJECT MISSING\n" if product else ""
        yield parse(head.encode(), base)


def maker(root: Path) -> list[str]:
    """A program that leaves one product, its list and its log; a shell script with nothing but built-ins."""
    made = make_fits(root / "made.fits", "PIXTABLE_OBJECT")
    from astropy.io import fits

    with fits.open(made) as found:
        fits.PrimaryHDU(header=found[0].header).writeto(made, checksum=True, overwrite=True)
    text = made.read_bytes().decode("ascii").replace("'", "'\\''")
    script = root / "make"
    script.write_text(
        f"printf '%s' '{text}' > p.fits\n"
        """printf '%s' '[{"name": "p.fits", "category": "PIXTABLE_OBJECT"}]' > products.json\n"""
        ": > esorex.log\n"
    )
    return [shutil.which("sh") or "/bin/sh", str(script)]


def spawned(program: list[str], jobs: int, cwd: Path) -> float:
    """CPU seconds of a loop that spawns a program, three at a time."""
    start, left, running = cpu(), jobs, 0
    before = Path.cwd()
    os.chdir(cwd)
    try:
        while left or running:
            while left and running < 3:
                os.posix_spawn(program[0], program, {"PATH": os.defpath})
                left, running = left - 1, running + 1
            os.wait()
            running -= 1
    finally:
        os.chdir(before)
    return cpu() - start


def processed(jobs: int, *, recipe: str = "noop", product: bool = False, place: Path | None = None) -> float:
    """CPU seconds of processing `jobs` ABs; account, ABs and journal are made before, in `place`."""
    root = Path(tempfile.mkdtemp(prefix="process", dir=place))
    try:
        tree = make_tree(root)
        make_fits(tree.raw / "raw.fits", "RAW")
        program = maker(root) if product else [TRUE]
        board, bus = Board(), Bus("bench")
        bus.subscribe(folded(board))
        settings = Settings(instance="MUSE_DEEP", instrument="MUSE", streams=3, kinds=KINDS)
        context = Context(settings, tree, bus, board, Nobody(), connect(tree.journal), "bench", True)
        store = AbStore(tree)
        for ab in abs_of(jobs, recipe, product):
            store.path(ab.name).write_bytes(ab.render())
        pipeline = Pipeline("no-op", False, tuple(program))

        async def whole() -> float:
            start = cpu()
            outcome = await process_pool(context, abs_of(jobs, recipe, product), pipeline=pipeline)
            spent = cpu() - start
            assert len(outcome.done) == jobs, [row.reason for row in board.rows.values()][:3]
            return spent

        return asyncio.run(whole())
    finally:
        shutil.rmtree(root)


def rows(jobs: int = 1000, large: int = 10_000, rounds: int = 3) -> Iterator[dict[str, object]]:
    """The published rows: in memory, then on the disk of $TMPDIR."""
    for place, where in places():
        goal = GOAL if place == MEMORY else None
        if large:
            flat = [bare(jobs) / jobs for _ in range(rounds)]
            many = [processed(large, place=place) / large]
            memory = resident_mb()
            flat += [bare(jobs) / jobs for _ in range(rounds)]
            yield _row(f"no-op AB through processAB, of {large:,}, {where} (cpu ms)", many, flat, goal)
            if goal:
                work = f"engine with {large:,} ABs through processAB (MB)"
                yield {"work": work, "ours": round(memory, 1), "peer": None, "ratio": None, "goal": 150}
        yield from _small(jobs, rounds, place, where, goal)


def places() -> list[tuple[Path, str]]:
    """Where files are put, and what to call it."""
    memory = [(MEMORY, "in memory")] if os.access(MEMORY, os.W_OK) else []
    return [*memory, (Path(tempfile.gettempdir()), "on disk")]


def _small(jobs: int, rounds: int, place: Path, where: str, goal: float | None) -> Iterator[dict[str, object]]:
    plain, none, made, peer, maker_peer = [], [], [], [], []
    root = Path(tempfile.mkdtemp(prefix="peer", dir=place))
    try:
        program = maker(root)
        for _ in range(rounds):
            peer.append(bare(jobs) / jobs)
            plain.append(processed(jobs, place=place) / jobs)
            none.append(processed(jobs, recipe="none", place=place) / jobs)
            maker_peer.append(spawned(program, jobs, root) / jobs)
            made.append(processed(jobs, product=True, place=place) / jobs)
    finally:
        shutil.rmtree(root)
    yield _row(f"no-op AB through processAB, of {jobs:,}, {where} (cpu ms)", plain, peer, goal)
    yield _row(f"RECIPE none through processAB, {where} (cpu ms)", none, peer, None)
    yield _row(f"AB with one product through processAB, {where} (cpu ms)", made, maker_peer, None)


def _row(work: str, ours: Iterable[float], peer: Iterable[float], goal: float | None) -> dict[str, object]:
    mine, base = statistics.median(ours), statistics.median(peer)
    ratio = round(mine / base, 2)
    return {"work": work, "ours": round(mine * 1e3, 3), "peer": round(base * 1e3, 3), "ratio": ratio, "goal": goal}


def main() -> None:
    """Print one JSON row per line; `N` measures one round of N ABs only."""
    began = time.monotonic()
    few = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    for row in rows(few, 0, 1) if few else rows():
        print(json.dumps(row), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"work": "this benchmark took (s)", "ours": round(time.monotonic() - began, 1), "peak": peak}))


if __name__ == "__main__":
    main()
