"""`ingestProducts`: deliver moved products to the archive."""

from __future__ import annotations

import argparse

from console.cli import words

_FACTS = words.facts(
    "the archive (NGAS or local); the journal of the account",
    "the conversion tool of archive.conversion",
    "cleanupProducts, dfos jobs, monitors ($DFO_LST_DIR/list_ingest_<MODE>_<DATE>.txt)",
    "upload to the archive",
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "ingestProducts",
        "Verify the moved products of a MODE and DATE, deliver them to the archive and have it confirm each.",
        _FACTS + "\n" + words.codes(3, 13, 15, 16, c13="a FITS file is damaged, or not sealed"),
    )
    made.add_argument("-m", dest="mode", metavar="MODE", default="SCIENCE", help="CALIB or SCIENCE (default)")
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("-f", dest="verify", action="store_true", help="verify the files only; exit 13 when one is bad")
    made.add_argument(
        "--no-convert", dest="convert", action="store_false", help="the ingestion alone (call_IT), of what is in conv"
    )
    made.add_argument("--skip-bad", action="store_true", help="hand the good files over although others are bad")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Deliver the products of one MODE and DATE."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    options = {"verify": "yes"} if given.verify else {}
    options |= {} if given.convert else {"convert": "no"}
    options |= {"skip_bad": "yes"} if given.skip_bad else {}
    return carry_out(tree, [Order(given.mode, given.date, "I", options=options)], given)
