"""`ingestProducts`: deliver moved products to the archive."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "ingestProducts",
        "Verify the moved products of a MODE and DATE, deliver them to the archive and have it confirm each.",
    )
    made.add_argument("-m", dest="mode", metavar="MODE", default="SCIENCE", help="CALIB or SCIENCE (default)")
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Deliver the products of one MODE and DATE."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.running import carry_out
    from engine.stores.orders import Order

    return carry_out(tree, [Order(given.mode, given.date, "I")], given)
