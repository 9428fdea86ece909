"""`dfos qcflag`: what the score bits of a QCFLAG say."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos qcflag", "Tell what every bit of a QCFLAG says. 0 is good, 1 is flagged; bit by bit from the left."
    )
    made.add_argument("bits", metavar="BITS", help="e.g. 0010000000")
    made.add_argument("-i", dest="instrument", metavar="INSTRUMENT", help="default: that of the account, else MUSE")
    made.add_argument(
        "-t", dest="type", metavar="TYPE", default="", help="data type, e.g. DATACUBE_DEEP; default: by width"
    )
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """Print one line per bit."""
    given = parser().parse_args(argv)
    import json
    from dataclasses import asdict

    from config.qcflag_rules import flags
    from engine.process.qc.flag import decoded

    config, instrument = _account(given.root)
    bits = decoded(flags(given.instrument or instrument, config), given.bits, given.type)
    if given.json:
        print(json.dumps([asdict(bit) for bit in bits]))
    else:
        words.say([f"{bit.number:>2}  {int(bit.flagged)}  {bit.name:<12}  0: {bit.meaning}" for bit in bits])
    return 0


def _account(root: str | None) -> tuple[Path | None, str]:
    """The account's configuration and instrument; there need not be one."""
    import os

    from config.errors import ConfigTrouble
    from console.account import open_settings
    from engine.errors import DfosError

    try:
        tree = words.tree(root)
        return tree.config, open_settings(tree, os.environ).settings.instrument
    except (ConfigTrouble, DfosError):
        if root:
            raise
        return None, "MUSE"
