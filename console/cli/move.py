"""`moveProducts`: move certified products to their final names and places."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.release.move.plan import MovePlan
    from engine.stores.orders import Order


_TWO = ("move", "delete", "rename", "withheld")  # lines with a name and what becomes of it


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "moveProducts",
        "Move the certified products of a MODE and DATE to their final directories, give them their final names,\n"
        "update their ABs, move ABs, logs and graphics, and queue the ingestion and the export.",
        words.facts(
            "none",
            "ingestProducts (queued), renameProducts, updateAB",
            "distributed files, updated ABs; the virtual calibrations (VCAL) managed",
            "export of logs and plots to the QC web server (queued)",
        )
        + "\n"
        + words.codes(
            11,
            13,
            16,
            17,
            c1="moved, but ABs of the date failed",
            c2="usage or configuration, or ABs are not processed yet",
            c3="an answer is needed (e.g. certification)",
            c15="a conflict, no room, or the plan is out of date",
        ),
    )
    made.add_argument("-m", dest="mode", metavar="MODE", help="CALIB or SCIENCE")
    made.add_argument("-d", dest="date", metavar="DATE", help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("--dry-run", action="store_true", help="show the plan and change nothing (--json: as data)")
    made.add_argument("--plan-out", metavar="FILE", help="save the plan, change nothing")
    made.add_argument("--plan", metavar="FILE", help="carry out a saved plan; refused when the tree has changed since")
    made.add_argument(
        "--recreate",
        action="store_true",
        help="retire what stands in the final directory to the trash (otherwise it is asked, AUTO keeps it);"
        " on a terminal it is asked once more",
    )
    made.add_argument("--force", metavar="REASON", default="", help="move, although ABs are not processed yet")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Certify what is open, then move; or show what would be done."""
    from engine.core.dates import date_label, mode_label

    made = parser()
    given = made.parse_args(argv)
    if given.plan and (given.dry_run or given.plan_out or given.recreate):
        made.error("--plan carries out a plan as it was saved: no --dry-run, --plan-out or --recreate with it")
    if not given.plan and not (given.mode and given.date):
        made.error("the following arguments are required: -m, -d")
    tree = words.tree(given.root)
    if given.dry_run or given.plan_out:
        return _shown(tree, mode_label(given.mode), date_label(given.date), given)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    if given.plan:
        return carry_out(tree, [_saved(made, given)], given)
    if _never_asks(tree, given.set):
        given.auto = True
    options = {"recreate": "yes"} if given.recreate else {}
    return carry_out(tree, [Order(given.mode, given.date, "M", reason=given.force, options=options)], given)


def _never_asks(tree: DfoTree, sets: list[str]) -> bool:
    """TOOL_MODE of config.moveProducts."""
    import os

    from console.account import open_settings

    return open_settings(tree, os.environ, sets).settings.move.tool_mode == "AUTO"


def _saved(made: argparse.ArgumentParser, given: argparse.Namespace) -> Order:
    from engine.errors import UsageTrouble
    from engine.release.move import saved_plan
    from engine.stores.orders import Order

    saved = saved_plan.read(Path(given.plan))
    if (given.mode or saved.mode, given.date or saved.date) != (saved.mode, saved.date):
        made.error(f"{given.plan} is a plan for {saved.mode} {saved.date}")
    for what in saved.conflicts or [f"{name} was not certified" for name in saved.undecided]:
        raise UsageTrouble(
            f"this plan cannot be carried out: {what}", where=given.plan, remedy="put this right and save a new one"
        )
    options = {"digest": saved.digest, "recreate": "yes" if saved.recreate else "no"}
    return Order(saved.mode, saved.date, "M", only=saved.only, reason=given.force, options=options)


def _shown(tree: DfoTree, mode: str, date: str, given: argparse.Namespace) -> int:
    import json
    import sys

    from console.planning import plan_of
    from engine.release.move import saved_plan

    plan = plan_of(tree, mode, date, recreate=given.recreate, sets=given.set)
    if given.plan_out:
        saved_plan.write(plan, Path(given.plan_out))
        print(f"plan saved: {given.plan_out}", file=sys.stderr)
    if given.json:
        print(json.dumps({"digest": plan.digest, **plan.to_dict()}))
    elif given.dry_run:
        words.say(_table(tree, plan))
    if plan.unprocessed and not given.force:
        return 2
    if plan.undecided:
        return 3
    return 15 if plan.conflicts else 0


def _table(tree: DfoTree, plan: MovePlan) -> list[str]:
    """The plan for people: totals first, then one line per file."""
    from engine.core.product import DELETE, MOVE, WITHHELD
    from engine.core.sizes import size_text
    from engine.stores.abs import AbStore
    from engine.stores.nothing import UNKNOWN_DATE

    moves, deletes, withheld = (plan.of(fate) for fate in (MOVE, DELETE, WITHHELD))
    lost = size_text(sum(fate.product.size for fate in deletes))
    unknown = not plan.abs and not plan.fates and not AbStore(tree).knows(plan.mode, plan.date)
    head = [
        f"Plan  {plan.mode} {plan.date}: {len(moves)} products {size_text(plan.size)} -> "
        f"{tree.shorten(Path(plan.final_dir))}, {len(plan.conflicts)} conflicts",
        f"      {len(deletes)} not saved ({lost}), {len(withheld)} stay,"
        f" {len(plan.carried) + len(plan.pages)} logs and plots, {len(plan.abs)} ABs; nothing has been touched",
        *([f"      {UNKNOWN_DATE}"] if unknown else []),
        *(f"      {text}" for text in plan.notes),
        *(f"      not certified yet: {name} (dfos questions, or the console)" for name in plan.undecided),
        *_by_score(plan.by_score),
        *(f"      not processed yet: {name}; moveProducts wants --force REASON" for name in plan.unprocessed[:1]),
        "",
    ]
    lines = plan.describe()
    width = max((len(line.split()[1]) for line in lines if line.split()[0] in _TWO), default=1)
    return head + [_aligned(line, width) for line in lines] + [f"digest   {plan.digest[:16]}"]


def _by_score(names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"      {len(names)} would be accepted by score: {', '.join(names[:3])}{more}"]


def _aligned(line: str, width: int) -> str:
    fate, _, rest = line.partition(" ")
    name, _, what = rest.strip().partition("  ")
    return f"{fate:<9}{name:<{width}}  {what}".rstrip() if fate in _TWO else line
