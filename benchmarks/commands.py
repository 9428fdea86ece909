"""How long commands take to answer, against `python -c pass` of the same interpreter."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from console.cli.main import COMMANDS
from engine import events as ev
from engine.board import Board
from engine.bus import Bus
from engine.demo.account import DemoSpec, build_account
from engine.stores.attempts import Attempts
from engine.stores.database import connect

ROUNDS = 15
SLOWEST = "slowest -h or -v of every command"


def cpu(words: list[str]) -> float:
    """Seconds of processor time that one call takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def account(root: Path, count: int) -> Path:
    """An account whose journal knows `count` ABs."""
    build_account(root, DemoSpec(targets=1, exposures=2, sky=0), lambda _: None)
    state = root / "monitor" / "ENGINE"
    state.mkdir(parents=True, exist_ok=True)
    board, bus = Board(), Bus("bench")
    bus.subscribe(lambda stamped: board.fold(stamped) and None)
    connection = connect(state / "journal.sqlite")
    attempts = Attempts(connection)
    attempts.follow(bus, board)
    for i in range(count):
        bus.publish(
            ev.AbSeen(f"MUSE.{i}.ab", "SCIENCE", "2094-01-16", "scipost", "muse_scipost", "X", "T", i, (), 60.0, "DONE")
        )
    attempts.flush()
    connection.close()
    return root


def main() -> list[dict[str, object]]:
    """Median cpu of each command over that of the bare interpreter, in alternating rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        root = str(account(Path(scratch) / "account", 90))
        python = [sys.executable, "-c", "pass"]
        ours = {
            "dfos --help": [sys.executable, "-P", "-m", "console", "--help"],
            SLOWEST: [],
            "dfos status (90 ABs)": [sys.executable, "-P", "-m", "console", "status", "--root", root],
        }
        spent: dict[str, list[float]] = {name: [] for name in ours}
        bare = []
        every = [(name, option) for name in COMMANDS for option in ("-h", "-v")]
        slow: dict[tuple[str, str], list[float]] = {pair: [] for pair in every}
        for _ in range(ROUNDS):
            bare.append(cpu(python))
            for name, words in ours.items():
                if words:
                    spent[name].append(cpu(words))
        for _ in range(3):
            for pair in every:
                slow[pair].append(cpu([sys.executable, "-P", "-m", "console", *pair]))
        spent[SLOWEST] = [max(statistics.median(found) for found in slow.values())]
        peer = statistics.median(bare)
        goals = {"dfos --help": 3.0, SLOWEST: 3.0, "dfos status (90 ABs)": 8.0}
        return [
            {
                "work": name,
                "ours": f"{statistics.median(found) * 1000:.0f} ms cpu",
                "peer": f"python -c pass: {peer * 1000:.0f} ms cpu",
                "ratio": round(statistics.median(found) / peer, 2),
                "goal": f"{goals[name]:.0f} x",
            }
            for name, found in spent.items()
        ]


if __name__ == "__main__":
    print(json.dumps(main()))
