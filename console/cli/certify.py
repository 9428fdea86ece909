"""`phoenixCertify_MUSE`: certify the products of a run."""

from __future__ import annotations

import argparse
import sys

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "phoenixCertify_MUSE",
        "Certify the products of a deep run, and move what is accepted. On a terminal it opens the certification\n"
        "screen; the same opens from phoenix -M in the console.",
        words.codes(3, 11, 13, 15, 16, 17, c1="moved, but ABs failed"),
    )
    pool = made.add_mutually_exclusive_group(required=True)
    pool.add_argument("-r", dest="run_id", metavar="RUN_ID", help="a deep run, e.g. 094.A-0116B")
    pool.add_argument("-d", dest="date", metavar="DATE", help="a date or pseudo-date")
    made.add_argument("-a", dest="only", metavar="AB", default="", help="only this dpc AB")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """On a terminal: order part 3 and open the screen. Without one: as phoenix -M."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.cli.run_date import date_of_run
    from console.link.running import carry_out, queue
    from engine.core.dates import date_label
    from engine.stores.orders import Order

    date = date_of_run(tree, given.run_id, auto=given.auto) if given.run_id else date_label(given.date)
    order = Order("SCIENCE", date, "M", run_id=given.run_id or "", only=given.only, recover=given.recover)
    if given.auto or not (words.on_terminal(sys.stdin, sys.stdout)):
        return carry_out(tree, [order], given)
    from console.cli.console import open_console

    queue(tree, [order])
    return open_console(tree, first="certify")
