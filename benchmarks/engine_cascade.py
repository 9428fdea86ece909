"""Engine overhead: the no-op cascade against a bare posix_spawn loop, in the same run.

Every job is /bin/true in its own session, with its own log file and a durable journal
(SQLite WAL, synchronous=FULL), through the real scheduler, executor, attempts, bus and board.
What `process_ab` adds for a real recipe (SOF, work directory, verification) is not part of it.
Figures: user + system time of this process and its children, medians of alternating rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from config.schema import Settings
from engine.board import Board
from engine.bus import Bus
from engine.context import Context
from engine.core.ab import AB, parse
from engine.process.executors.local import LocalExecutor, environment
from engine.process.run.job import Result, Task
from engine.process.run.streams import Streams
from engine.questions import Answer, Parked, Question
from engine.stores.attempts import Attempts
from engine.stores.database import connect
from tests.builders import KINDS, folded, make_tree

TRUE = shutil.which("true") or "/bin/true"
EXPOSURES = 49
GOAL = 2.5


class Nobody:
    """Nobody answers."""

    async def ask(self, question: Question) -> Answer:
        raise Parked(question)


class NoOp:
    """An AB whose recipe does nothing."""

    def __init__(self, root: Path) -> None:
        self.executor = LocalExecutor()
        self.root = str(root)
        self.env = environment(root, 1, "bench")

    def workdir(self, ab: str, attempt: int) -> str:
        return f"{self.root}/{ab}/{attempt}"

    async def run(self, task: Task) -> Result:
        recipe = self.executor.start([TRUE], cwd=self.root, log=f"{self.root}/{task.ab}.log", env=self.env)
        task.spawned(recipe)
        found = await recipe.wait()
        task.exited(found.rc)
        return Result("DONE" if found.rc == 0 else "FAILED")

    def reset(self, names: Iterable[str]) -> None:
        raise NotImplementedError


def _ab(stem: str, recipe: str, tag: str, raw_type: str, sof: Iterable[str], target: str) -> AB:
    base = f"{stem}_{tag}" if tag else stem
    head = f"AB_NAME {base}.ab\nRAW_TYPE {raw_type}\nRECIPE {recipe}\nDATE 2094-01-16\nPROD_ROOT_NAME r.{base}\n"
    head += f"PROCESS_STATUS CREATED\nBATCH_ID SCIENCE_2094-01-16\nTARGET {target}\n"
    return parse((head + "".join(f"SOF_CONTENT $DFS_PRODUCT/X/D/{path} X\n" for path in sof)).encode(), base)


def cascade(jobs: int) -> Iterator[AB]:
    """The ABs of jobs/100 targets: 49 scibasic, 49 scipost, one align, one combine each."""
    for target in range(jobs // 100):
        stems = [f"MUSE.2014-10-22T{target:03d}:{n:02d}" for n in range(EXPOSURES)]
        for stem in stems:
            yield _ab(stem, "muse_scibasic", "", "OBJECT", (), f"T{target}")
        for stem in stems:
            yield _ab(stem, "muse_scipost", "pst", "PIXTABLE_OBJECT", [f"r.{stem}_0000.fits"], f"T{target}")
        posts = [f"r.{stem}_pst_0000.fits" for stem in stems]
        yield _ab(stems[0], "muse_exp_align", "dal", "IMAGE_FOV", posts, f"T{target}")
        posts.append(f"r.{stems[0]}_dal_0000.fits")
        yield _ab(stems[0], "muse_exp_combine", "dpc", "PIXTABLE_REDUCED", posts, f"T{target}")


def cpu() -> float:
    """User and system seconds of this process and its children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def bare(jobs: int) -> float:
    """CPU seconds of a loop that spawns `jobs` processes, three at a time."""
    start = cpu()
    left, running = jobs, 0
    environ = {"PATH": os.defpath}
    while left or running:
        while left and running < 3:
            os.posix_spawn(TRUE, [TRUE], environ)
            left, running = left - 1, running + 1
        os.wait()
        running -= 1
    return cpu() - start


def engine(jobs: int, abs_: Iterable[AB] | None = None) -> float:
    """CPU seconds of the engine for a cascade of `jobs` ABs; the pool and its journal are made before."""
    root = Path(tempfile.mkdtemp(prefix="cascade"))
    try:
        tree = make_tree(root)
        board, bus = Board(), Bus("bench")
        bus.subscribe(folded(board))
        settings = Settings(instance="MUSE_DEEP", instrument="MUSE", streams=3, kinds=KINDS)
        db = connect(tree.journal)
        context = Context(settings, tree, bus, board, Nobody(), db, "bench", True)
        logs = root / "logs"
        logs.mkdir()

        async def whole() -> float:
            attempts = Attempts(db)
            start = cpu()
            streams = Streams(context, cascade(jobs) if abs_ is None else abs_, NoOp(logs), attempts)
            outcome = await streams.run()
            spent = cpu() - start
            assert len(outcome.done) == jobs, outcome
            assert board.done == jobs
            return spent

        return asyncio.run(whole())
    finally:
        shutil.rmtree(root)


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def rows(rounds: int = 5, large: int = 10_000) -> Iterator[dict[str, object]]:
    """The published rows."""
    ours, peer = [], []
    for _ in range(rounds):
        peer.append(bare(1000))
        ours.append(engine(1000))
    small = statistics.median(ours) / 1000
    base = statistics.median(peer) / 1000
    yield _row("no-op AB of 1,000 (cpu ms)", small * 1e3, base * 1e3, small / base, GOAL)
    if large:
        many = engine(large) / large
        memory = resident_mb()
        flat = statistics.median([bare(1000), bare(1000), bare(1000)]) / 1000
        yield _row(f"no-op AB of {large:,} (cpu ms)", many * 1e3, flat * 1e3, many / flat, GOAL)
        yield {
            "work": f"engine with {large:,} ABs (MB)",
            "ours": round(memory, 1),
            "peer": None,
            "ratio": None,
            "goal": 150,
        }


def _row(work: str, ours: float, peer: float, ratio: float, goal: float) -> dict[str, object]:
    return {"work": work, "ours": round(ours, 3), "peer": round(peer, 3), "ratio": round(ratio, 2), "goal": goal}


def main() -> None:
    """Print one JSON row per line."""
    began = time.monotonic()
    for row in rows():
        print(json.dumps(row), flush=True)
    print(json.dumps({"work": "this benchmark took (s)", "ours": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main()
