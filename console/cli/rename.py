"""`renameProducts`: the final names of moved products, and back."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.release.rename.order import Wish

_FACTS = words.facts(
    "none",
    "none; updateAB follows",
    "updateAB, ingestProducts; rn_files beside the products",
    "none",
)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "renameProducts",
        "Give the products of a MODE and DATE their final names, made of header keywords, or their PIPEFILE names.",
        _FACTS
        + "\n"
        + words.codes(13, 17, c1="renamed, but some keep their name", c15="a conflict: nothing was renamed"),
    )
    made.add_argument(
        "-m", dest="mode", metavar="MODE", required=True, help="CALIB, SCIENCE, or GEN (general ones in $GEN_CALDIR)"
    )
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("--back", action="store_true", help="back to PIPEFILE names")
    made.add_argument("--dry-run", action="store_true", help="show the plan and change nothing; --json: as JSON")
    made.add_argument("--only-script", action="store_true", help="write rn_files, rename nothing")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Rename the products of one MODE and DATE."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.release.rename.look import place_of
    from engine.release.rename.order import Wish

    wish = Wish(given.mode, given.date, given.back, given.only_script)
    place_of(tree, wish.mode, wish.date)  # a wrong MODE, DATE or a missing GEN_CALDIR is told at once
    if given.dry_run:
        return _shown(tree, wish, given)
    from console.link.running import carry_out

    return carry_out(tree, [wish.order()], given)


def _shown(tree: DfoTree, wish: Wish, given: argparse.Namespace) -> int:
    import json
    import time

    from console.account import open_settings
    from console.plugins.find import load
    from engine.errors import MoveTrouble
    from engine.release.rename.order import planned

    settings = open_settings(tree, os.environ, given.set).settings
    utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    plan = planned(tree, settings, wish, load(settings, tree), utc)
    if given.json:
        print(json.dumps(plan.to_dict(), indent=1))
    else:
        words.say(plan.describe())
    return MoveTrouble.exit_code if plan.conflicts else int(bool(plan.kept))
