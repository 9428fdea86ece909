"""`filterRaw`: raw files that make no AB as they should."""

from __future__ import annotations

import argparse
import json
import os

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "filterRaw",
        "Report raw files of a DATE that are unclassified, empty (a mandatory key is blank) or unwanted."
        " Changes nothing.",
        words.facts("none", "none", "the operator; createAB makes the same report", "none")
        + "\nexit codes: 0 clean; 1 files were found; 2 usage or configuration",
    )
    made.add_argument(
        "-m", dest="mode", metavar="MODE", choices=["SCAN"], default="SCAN", help="SCAN: report (default)"
    )
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("--json", action="store_true", help="as JSON")
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    return made


def main(argv: list[str]) -> int:
    """Print the report; exit 1 when a file is in it."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.account import open_settings
    from engine.create.createab.survey import scanned

    report = scanned(tree, open_settings(tree, os.environ, given.set).settings, given.date)
    if given.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        words.say([*report.describe(), report.text])
    return 0 if report.clean else 1
