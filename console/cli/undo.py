"""`dfos undo`: take the last createAB, move, rename or update of a MODE and DATE back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos undo",
        "Take the last createAB, move, rename or update of a MODE and DATE back: names, places, ABs, job lines.",
        words.codes(c3="an answer is needed (AUTO without --yes)", c15="refused: nothing was changed"),
    )
    words.add_pool(made)
    made.add_argument("--dry-run", action="store_true", help="show the plan and change nothing; --json: as JSON")
    made.add_argument(
        "--keep-created", action="store_true", help="pass over runs of createAB: the last move, rename or update"
    )
    made.add_argument("--yes", action="store_true", help="it was decided: do not ask")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Undo, or show what that would do."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.dry_run:
        return _shown(tree, given)
    from console.link.running import carry_out
    from engine.stores.orders import Order

    options = {"yes": "yes"} if given.yes else {}
    if given.keep_created:
        options["keep_created"] = "yes"
    return carry_out(tree, [Order(given.mode, given.date, tool="undo", options=options)], given)


def _shown(tree: DfoTree, given: argparse.Namespace) -> int:
    import json

    from engine.atomic.journal import Journal
    from engine.errors import MoveTrouble
    from engine.release.undo.undo import UndoPlan, looked, recorded
    from engine.stores.database import connect

    plan = UndoPlan(given.mode, given.date)
    if tree.journal.exists():
        db = connect(tree.journal, readonly=True)
        try:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'transactions'").fetchone():
                known = recorded(
                    db, Journal(db, tree, readonly=True), given.mode, given.date, keep_created=given.keep_created
                )
                plan = looked(tree, known, read=True)
        finally:
            db.close()
    if given.json:
        print(json.dumps({**plan.to_dict(), "digest": plan.digest}, indent=1))
    else:
        head = f"undo {plan.transaction}: {plan.summary}, begun {plan.begun} UT by {plan.who}"
        lines = (line.replace(f"{tree.root}/", "") for line in plan.describe())
        remedies = [f"remedy   {text}" for text in plan.remedies]
        words.say(["nothing to undo"] if plan.empty else [head, *lines, *remedies])
    return MoveTrouble.exit_code if plan.refusals else 0
