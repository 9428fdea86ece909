"""`make bench`: run every benchmark in a process of its own and write docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PARTS = {
    "The engine": (
        "engine_cascade",
        "engine cpu per no-op AB: own process group, log file, journal with synchronous=FULL",
    ),
    "The schedule": (
        "makespan",
        "deep runs on a virtual clock with the times of the MUSE_DEEP page, three streams, 2 TB; peer: a proven lower "
        "bound. Rank by rank: the original's sequence, all targets of a rank before the next rank",
    ),
    "One AB": (
        "process_ab",
        "all that processAB does around a recipe that does nothing, without hooks; in memory it is the engine's "
        "own work, on disk the file system of $TMPDIR adds its own",
    ),
    "A month": (
        "month",
        "20,000 ABs of 30 dates, from the files to a scheduler that could start them; the peer reads the same files. "
        "While the engine's loop is held, no console gets an answer",
    ),
    "Moves": (
        "moves",
        "placement against a bare rename loop on the same disk; whole moves of products with 280 cards, ten an AB",
    ),
    "The board": ("tui_board", "in a real pty of 120 x 40, bytes counted at its master side"),
    "Headers": ("headers", "wall time, medians; files in memory, so that the disk does not count"),
    "Rules": ("oca", "processor time, medians; the headers are in memory as values, reading them is not counted"),
    "ABs from headers": ("create_ab", "processor time, medians; a dry run of createAB: all but the writing of files"),
    "Commands": ("commands", "processor time of the whole process, medians"),
}
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def measured(module: str) -> list[dict[str, Any]]:
    """The rows a benchmark prints: one JSON list, or one JSON object a line."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}"], stdout=subprocess.PIPE, text=True, check=True, timeout=900
    )
    text = done.stdout.strip()
    return list(json.loads(text)) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def cell(value: object) -> str:
    """A value of a row as it stands in the table."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{amount:g} {name.replace('_', ' ')}" for name, amount in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def host() -> str:
    """What it was measured on."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.system()} {platform.release().split('-')[0]}, {cores} cores, CPython {platform.python_version()}"


def main() -> int:
    """Measure everything; a goal that is missed is said in the page and on the screen, it fails nothing."""
    lines = [
        "# Performance",
        "",
        f"Written by `make bench` on {time.strftime('%Y-%m-%d', time.gmtime())}: {host()}.",
        "Absolute figures swing with what else the machine does; the ratios are from within one run, where the",
        "candidates took turns.",
    ]
    for title, (module, how) in PARTS.items():
        print(f"{title} ...", file=sys.stderr, flush=True)
        lines += ["", f"## {title}", "", f"{how[0].upper()}{how[1:]}.", ""]
        lines += ["| work | ours | peer | ratio | goal |", "|---|---|---|---|---|"]
        for row in measured(module):
            if "goal" in row:
                shown = " | ".join(cell(row.get(key)) for key in ("work", "ours", "peer", "ratio", "goal"))
                lines.append(f"| {shown} |")
                print(f"  {shown}", file=sys.stderr, flush=True)
    PAGE.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
