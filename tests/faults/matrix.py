"""The table in docs/safety.md: how often each tool was cut and recovered. Written by the tests themselves."""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"
HEAD = "| what was cut | mutating calls | states of the disk | survived |\n|---|---:|---:|---:|\n"
_ROW = re.compile(r"\| (?P<what>[^|]+?) \| (?P<calls>\d+) \| (?P<states>\d+) \| (?P<survived>all|\d+) \|")


def record(what: str, calls: int, survived: int) -> None:
    """Note that `what` makes so many mutating calls, and from how many states of the disk it was recovered.

    To be called when all of them were survived: a test that fails writes nothing. The page is written when
    DFOS_WRITE_MATRIX is set; otherwise it must have the row, whose numbers may be older.
    """
    text = PAGE.read_text("utf-8")
    head, found, rest = text.partition(HEAD)
    assert found, f"{PAGE.name} has lost its table"
    _, gap, tail = rest.partition("\n\n")
    known = rows(text)
    if os.environ.get("DFOS_WRITE_MATRIX"):
        known[what] = (calls, survived)
        lines = [f"| {one} | {n} | {states} | {states} |" for one, (n, states) in sorted(known.items())]
        PAGE.write_text(head + HEAD + "\n".join(lines) + gap + tail, "utf-8")
    else:
        assert what in known, f"{PAGE.name} does not name '{what}': run tests/faults with DFOS_WRITE_MATRIX=1"


def rows(text: str) -> dict[str, tuple[int, int]]:
    """Mutating calls and states of the disk by what was cut."""
    table = text.partition(HEAD)[2].partition("\n\n")[0]
    found = (_ROW.fullmatch(line) for line in table.splitlines())
    return {row["what"]: (int(row["calls"]), int(row["states"])) for row in found if row}
