"""`createAB`: the ABs of a MODE and DATE, by the rules of the instrument."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "createAB",
        "Make the ABs of a MODE and DATE from the headers of its raw files: classify, organise and associate by the"
        " rules of the instrument, level by level, with virtual calibrations for what is not processed yet.",
        words.facts(
            "DFO_STATUS (cal_AB, sci_AB); the pools $DFO_CAL_DIR/<DATE>, gen and VCAL",
            "filterRaw (inside)",
            "createJob, processAB, refreshVCAL; AB_list_<MODE>_<DATE> for all tools of the date",
            "none",
        )
        + "\n"
        + words.codes(3, 11, 13, c1="findings: headers that cannot be used, ABs that were refused"),
    )
    words.add_pool(made)
    made.add_argument("-a", dest="auto", action="store_true", help="automatic: never ask (as --auto)")
    made.add_argument("--dry-run", action="store_true", help="show the ABs as a table, write nothing")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Make the ABs of one MODE and DATE, or show which would be made."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.dry_run:
        return _shown(tree, given)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    return carry_out(tree, [Order(given.mode, given.date, tool="createAB")], given)


def _shown(tree: DfoTree, given: argparse.Namespace) -> int:
    from console.account import open_settings
    from engine.create.createab.survey import looked

    plan = looked(tree, open_settings(tree, os.environ, given.set).settings, given.mode, given.date).plan
    if given.json:
        print(json.dumps(plan.to_dict(), indent=1))
    else:
        words.say([*plan.describe(), f"{plan.mode} {plan.date}: {plan.text}; nothing was written"])
    return 1 if plan.findings else 0
