"""`updateAB`: final names and places into the ABs of a MODE and DATE."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "updateAB",
        "Write final names, places and REAL or VIRTUAL, EXISTING or MISSING into the ABs of AB_list_<MODE>_<DATE>.",
        words.facts(
            "DFO_STATUS (cal_Updated, sci_Updated); what the archive has confirmed",
            "none; moveProducts does the same for the ABs it moves",
            "createAB, processAB, ingestProducts: all that reads ABs",
            "none",
        )
        + "\n"
        + words.codes(11, c1="findings: ABs or files that are missing", c15="a conflict: no AB was changed"),
    )
    words.add_pool(made)
    made.add_argument("--dry-run", action="store_true", help="show the changes of every AB, write nothing")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Update the ABs of one MODE and DATE, or show what would change."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.dry_run:
        return _shown(tree, given)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    return carry_out(tree, [Order(given.mode, given.date, tool="updateAB")], given)


def _shown(tree: DfoTree, given: argparse.Namespace) -> int:
    from console.account import open_settings
    from engine.release.update.order import planned
    from engine.stores.database import connect

    settings = open_settings(tree, os.environ, given.set).settings
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        plan = planned(tree, settings, db, given.mode, given.date, stamp)
    finally:
        if db is not None:
            db.close()
    if given.json:
        print(json.dumps(plan.to_dict(), indent=1))
    else:
        words.say([*plan.describe(), f"{plan.text}; nothing was written"])
    return 1 if plan.findings else 0
