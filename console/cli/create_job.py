"""`createJob`: the job files of a MODE and DATE, or of a sub-cascade."""

from __future__ import annotations

import argparse
import json
import os

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "createJob",
        "Write execAB_<MODE>_<DATE> and execQC_<MODE>_<DATE>: one call per AB of the AB_list, parents first,\n"
        "and name both in JOBS_NIGHT or JOBS_AUTO. With -a: only that AB and all that depends on it, to run again.",
        words.facts("none", "none; the job files call processAB and processQC", "dfos exec", "none")
        + "\n"
        + words.codes(
            12, c1="some AB files could not be read, or ABs wait for each other", c2="usage, or there are no ABs"
        ),
    )
    words.add_pool(made)
    made.add_argument("-a", dest="ab", metavar="AB", default="", help="a sub-cascade: this AB and what depends on it")
    made.add_argument(
        "--queue", default="JOBS_NIGHT", help="where the job files are named: JOBS_NIGHT (default), JOBS_AUTO"
    )
    made.add_argument("--dry-run", action="store_true", help="show the job files, write nothing (--json: as data)")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Write the job files, or show them."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.dry_run:
        from console.account import open_settings
        from engine.create.jobs.create_job import planned

        settings = open_settings(tree, os.environ, given.set).settings
        plan = planned(tree, settings, given.mode, given.date, only=given.ab, queue=given.queue)
        if given.json:
            print(json.dumps(plan.to_dict(), indent=1))
        else:
            words.say([*plan.describe(), "", "nothing was written"])
        return plan.exit_code
    from console.link.running import carry_out
    from engine.stores.orders import Order

    options = {"queue": given.queue} | ({"ab": given.ab} if given.ab else {})
    return carry_out(tree, [Order(given.mode, given.date, tool="createJob", options=options)], given)
