"""`cleanupProducts`: archived FITS files give way to their headers."""

from __future__ import annotations

import argparse

from console.cli import words

_FACTS = words.facts(
    "the engine's journal (receipts of ingestProducts); the archive is asked about every file",
    "CLEANUP_PLUGIN",
    "createAB, which reads the .hdr files; list_cleanup_<MODE>_<DATE>.txt in $DFO_LST_DIR",
    "none",
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "cleanupProducts",
        "Replace the FITS files of a DATE by their headers, once the date is finished and the archive confirms each\n"
        "file, now. Nothing is touched while there is one reason against it.",
        _FACTS + "\n" + words.codes(13, 16, 17, c1="some files stay", c15="refused: nothing was touched"),
    )
    made.add_argument("-m", dest="mode", metavar="MODE", help="CALIB or SCIENCE; default: both, or none of them")
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("-O", dest="override", action="store_true", help="also when the date is not finished")
    made.add_argument("--dry-run", action="store_true", help="say what would be done, or what is in the way")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Clean up one DATE."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    chosen = {"both": not given.mode, "override": given.override, "dry_run": given.dry_run}
    options = {name: "yes" for name, wanted in chosen.items() if wanted}
    return carry_out(tree, [Order(given.mode or "SCIENCE", given.date, tool="cleanupProducts", options=options)], given)
