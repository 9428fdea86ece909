"""`phoenix`: create, process, certify and move the ABs of a date, a month or a deep run."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "phoenix",
        "Create, process, certify and move the ABs of a date, of a month or of a deep run.",
        "Without -C, -P or -M all parts run in sequence, where the instance allows it.\n"
        + words.codes(3, 11, 12, 13, 14, 15, 16, 17, c1="some ABs failed"),
    )
    pool = made.add_mutually_exclusive_group(required=True)
    pool.add_argument("-r", dest="run_id", metavar="RUN_ID", help="a deep run, e.g. 094.A-0116B")
    pool.add_argument("-d", dest="date", metavar="DATE", help="a date, YYYY-MM-DD, or a month, YYYY-MM")
    made.add_argument("-m", dest="mode", metavar="MODE", help="CALIB or SCIENCE; with -d, default: SCIENCE")
    made.add_argument("-a", dest="only", metavar="AB", default="", help="with -r: only this dpc AB and what it needs")
    part = made.add_mutually_exclusive_group()
    part.add_argument("-C", dest="part", action="store_const", const="C", help="part 1: create ABs, execute nothing")
    part.add_argument("-P", dest="part", action="store_const", const="CP", help="parts 1 and 2: create and process ABs")
    part.add_argument("-M", dest="part", action="store_const", const="M", help="part 3: certify and move")
    made.add_argument("--force", metavar="REASON", default="", help="with -M: although part 2 is not complete")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Check the call, find the pool, carry it out."""
    made = parser()
    given = made.parse_args(argv)
    if given.only and not (given.run_id and given.only.endswith("_dpc.ab")):
        made.error("-a needs -r, and names a _dpc.ab")
    if given.force and given.part != "M":
        made.error("--force goes with -M")
    if given.mode and given.run_id:
        made.error("-m goes with -d; a run is SCIENCE")
    tree = words.tree(given.root)
    import os

    from console.account import open_settings
    from console.cli.run_date import date_of_run
    from console.link.running import carry_out
    from engine.core.dates import date_label, is_month, mode_label
    from engine.errors import UsageTrouble
    from engine.stores.orders import Order

    month = bool(given.date) and is_month(given.date)
    settings = open_settings(tree, os.environ, given.set).settings if month or given.part is None else None
    if settings and given.part is None and not settings.all_parts:
        raise UsageTrouble(
            "this instance needs one of -C, -P, -M: its certification is a person's", remedy="begin with -P"
        )
    if given.run_id:
        mode, date = "SCIENCE", date_of_run(tree, given.run_id, auto=given.auto)
    else:
        mode = mode_label(given.mode or "SCIENCE")
        date = given.date if month else date_label(given.date)
    order = Order(mode, date, given.part or "CPM", run_id=given.run_id or "", only=given.only, reason=given.force)
    if not (month and settings):
        return carry_out(tree, [order], given)
    from engine.workflows.month import dates_of, orders_of

    dates = dates_of(tree, mode, date, settings.ab_source)
    return carry_out(tree, orders_of(order, dates, concentration=settings.qc.concentration), given)
