"""`refreshVCAL`: the virtual calibrations of a range of dates, made anew from their ABs."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "refreshVCAL",
        "Rebuild the virtual calibrations that ABs refer to into $DFO_CAL_DIR/REFRESH_VCAL. VCAL itself is not touched:"
        " compare, then copy what you want.",
        words.facts(
            "ABs of $DFO_AB_DIR and $DFO_LOG_DIR",
            "none",
            "the operator, who copies from REFRESH_VCAL to VCAL",
            "none",
        )
        + "\n"
        + words.codes(11, 13, c1="some could not be made again"),
    )
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="first DATE whose ABs are looked at")
    made.add_argument(
        "-e", dest="end", metavar="DATE", default="", help="last DATE in the order of labels; default: -d"
    )
    made.add_argument("--dry-run", action="store_true", help="show what would be made, write nothing")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Rebuild the virtual calibrations of a range of DATEs."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from engine.core.dates import date_label

    end = date_label(given.end or given.date)
    if given.dry_run:
        from engine.create.createab.refresh_vcal import planned

        plan = planned(tree, date_label(given.date), end)
        words.say([*plan.describe(), f"{plan.text}; nothing was written"])
        return 1 if plan.lost else 0
    from console.link.running import carry_out
    from engine.stores.orders import Order

    return carry_out(tree, [Order("CALIB", given.date, tool="refreshVCAL", options={"end": end})], given)
