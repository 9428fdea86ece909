"""`moveProducts`: move certified products to their final names and places."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "moveProducts",
        "Move the certified products of a MODE and DATE to their final directories, give them their final names,\n"
        "update their ABs, move ABs, logs and graphics, and queue the ingestion.",
        "exit codes: 0 clean, 2 usage, 3 an answer is needed (e.g. certification), 4 busy, 5 unfinished journal",
    )
    words.add_pool(made)
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Certify what is open, then move."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.running import carry_out
    from engine.stores.orders import Order

    return carry_out(tree, [Order(given.mode, given.date, "M")], given)
