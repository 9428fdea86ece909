"""`dfos vcal`: the virtual calibrations, whose they are, and what became of them."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import PurePath

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos vcal", "The virtual calibrations in $DFO_CAL_DIR/VCAL: AB, age, and what became of each.")
    made.add_argument("-d", dest="date", metavar="DATE", help="only those of this DATE")
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """Print the container. Exit 0 whatever stands there."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.core.dates import date_label
    from engine.stores.vcal import MEANING, ORPHAN, container

    found = container(tree, time.time(), date_label(given.date) if given.date else "")
    if given.json:
        print(json.dumps([asdict(entry) for entry in found], indent=1))
        return 0
    counts = Counter(entry.state for entry in found)
    total = ", ".join(f"{counts[state]} {state}" for state in MEANING if counts[state])
    lines = [f"{tree.vcal}: {len(found)} virtual calibrations{': ' + total if total else ''}"]
    for entry in found:
        mark = "!" if entry.state == ORPHAN else " "
        what = f"real: {entry.real}" if entry.real else f"{entry.state}: {MEANING[entry.state]}"
        name = PurePath(entry.path).name
        lines.append(f"{mark} {name}  {entry.ab or 'no AB'}  {entry.date or '-'}  {_age(entry.age_s)}  {what}")
    words.say(lines)
    return 0


def _age(seconds: float) -> str:
    """An age as people say it: hours below two days, then days."""
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"
