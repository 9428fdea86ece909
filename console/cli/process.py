"""`processAB`: run ABs through their recipes, by name; any AB that was ever processed may run again."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli import words

_FACTS = words.facts(
    "the journal of the account",
    "esorex; plugins of processAB",
    "processQC, certifyProducts, moveProducts ($DFS_PRODUCT, $DFS_LOG_DIR)",
    "download of inputs that are not on disk (sources)",
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "processAB",
        "Run ABs: inputs, recipe, judgement, products. Inputs that are not on disk are fetched where sources are\n"
        "configured. An AB that has moved is brought back as a copy; its moved products stay. QC is processQC's.",
        _FACTS + "\n" + words.codes(11, 12, 14, 17, c1="an AB failed, or waits for one that is not done"),
    )
    made.add_argument(
        "-a", dest="abs", metavar="AB", action="append", required=True, help="name or path of an AB; may be repeated"
    )
    made.add_argument("--with-parents", action="store_true", help="run what they need and is not done, first")
    made.add_argument("--force", action="store_true", help="run ABs again that are SUCCESSFUL")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """One order per MODE and DATE, in the order of the call."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.link.running import carry_out, run_of
    from engine.errors import UsageTrouble
    from engine.process.ab.again import pools
    from engine.stores.orders import Order

    names = [str(Path(name).absolute()) if "/" in name else name for name in given.abs]
    if blank := next((name for name in names if len(name.split()) != 1), None):
        raise UsageTrouble(f"'{blank}' has a blank in it", remedy="copy the AB to a path without")
    options = {"qc": "no"}
    options |= {"parents": "yes"} if given.with_parents else {}
    options |= {"force": "yes"} if given.force else {}
    orders = [
        Order(mode, date, "P", run_id=run_of(tree, mode, date), options={**options, "abs": " ".join(of_pool)})
        for (mode, date), of_pool in pools(tree, list(dict.fromkeys(names))).items()
    ]
    return carry_out(tree, orders, given)
