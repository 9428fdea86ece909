"""`processQC`: measure, score and report the ABs of a date, or one AB."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.core.ab import AB

_FACTS = words.facts(
    "QC1 (qc.database): one table per data type, qc1_score",
    "the QC procedure of qc.procedures; executables in $DFO_PROC_DIR",
    "phoenixCertify_MUSE, moveProducts, monitors ($DFS_LOG_DIR/<root>.scores.html, <root>_cs.html)",
    "none",
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "processQC",
        "Measure the products of processed ABs, write QC1 values and QCFLAG, score them, plot and report.",
        _FACTS + "\n" + words.codes(17),
    )
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("-a", dest="ab", metavar="AB", help="one AB of $DFO_AB_DIR")
    which.add_argument("-d", dest="date", metavar="DATE", help="all processed ABs of a DATE, also a pseudo-date")
    which.add_argument(
        "--replay", action="store_true", help="all local copies (qc1_<type>.dat) into the database again"
    )
    made.add_argument("-m", dest="mode", metavar="MODE", default="SCIENCE", help="with -d: CALIB or SCIENCE (default)")
    change = made.add_mutually_exclusive_group()
    change.add_argument(
        "--rescore", action="store_true", help="known values against the limits of now; nothing is measured"
    )
    change.add_argument("--green", metavar="WHY", help="force all scores green, with a reason")
    change.add_argument("--delete-scores", action="store_true", help="delete the scores; the values stay")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Order the QC of ABs, or change their scores."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.replay:
        return _replayed(tree)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    options = {"qc": "only"}
    options |= {"rescore": "yes"} if given.rescore else {}
    options |= {"green": given.green} if given.green is not None else {}
    options |= {"delete": "yes"} if given.delete_scores else {}
    mode, date = given.mode, given.date
    if given.ab:
        ab = _ab(tree, given.ab)
        mode, date = ab.mode, ab.date
        options["abs"] = ab.name
    return carry_out(tree, [Order(mode, date, "P", options=options)], given)


def _ab(tree: DfoTree, name: str) -> AB:
    from engine.errors import UsageTrouble
    from engine.stores.abs import read

    name = name if name.endswith(".ab") else f"{name}.ab"
    if "/" in name or not (tree.ab / name).is_file():
        raise UsageTrouble(f"{name} is not in $DFO_AB_DIR", remedy="check the name; the QC of moved ABs is kept")
    return read(tree.ab / name)


def _replayed(tree: DfoTree) -> int:
    import os

    from console.account import open_settings
    from engine.process.qc.qc1 import restored, store_of

    settings = open_settings(tree, os.environ).settings
    store = store_of(tree, settings)
    rows, scores = restored(tree, store)
    words.say([f"{rows} rows and the scores of {scores} ABs written into {store.name}"])
    return 0
