"""Which pool a deep run has: its pseudo-date, from the registry of the account."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def date_of_run(tree: DfoTree, run_id: str, *, auto: bool) -> str:
    """The pseudo-date of a run, recorded. A label that is taken or that no rule gives is asked for on a
    terminal; in AUTO it is exit code 3."""
    from engine.core.dates import date_label
    from engine.stores.pseudo_dates import LabelNeeded, PseudoDates

    registry = PseudoDates.below(tree.mon)
    try:
        label = registry.resolve(run_id)
    except LabelNeeded as needed:
        if auto or not words.on_terminal(sys.stdin):
            raise
        print(f"{needed.question.text}\npseudo-date for {run_id} (empty: stop): ", end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline().strip()
        if not typed:
            raise
        label = date_label(typed)
    registry.record(run_id, label, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    return label
