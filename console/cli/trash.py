"""`dfos trash`: what is in the trash; bring it back, delete what has expired."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.tree import DfoTree
    from engine.release.undo.trash_look import Retirement


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos trash",
        "What is in the trash, by transaction: until when, how much, why. Bring it back, or delete it.",
        words.codes(
            c1="some did not come back", c3="an answer is needed (AUTO without --yes)", c15="none can come back"
        ),
    )
    either = made.add_mutually_exclusive_group()
    either.add_argument(
        "--empty",
        nargs="*",
        metavar="TRANSACTION",
        help="delete what has expired; named transactions also before, after a question",
    )
    either.add_argument(
        "--restore", metavar="WHAT", help="bring back a transaction, a path in the trash, or the file of this path"
    )
    made.add_argument(
        "--force",
        action="store_true",
        help="with --restore: of a whole move, rename or update too, but no AB or page that was written anew",
    )
    made.add_argument("--yes", action="store_true", help="with --empty: it was decided, do not ask")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """List, empty or restore."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.empty is not None:
        return _emptied(tree, given)
    if given.restore is not None:
        return _restored(tree, given)
    from engine.release.undo.trash_look import retirements

    today = time.strftime("%Y-%m-%d", time.gmtime())
    there = retirements(tree)
    if given.json:
        print(json.dumps([_data(tree, item, today) for item in there], indent=1))
    else:
        words.say(_lines(there, today))
    return 0


def _lines(there: list[Retirement], today: str) -> list[str]:
    from engine.core.sizes import size_text

    if not there:
        return ["the trash is empty"]
    width = max(len(item.label) for item in there)
    lines = []
    for item in there:
        until = f"until {item.until}" if item.until else "until nobody knows when"
        mark = " EXPIRED" if item.expired(today) else ""
        files = f"{len(item.files):>6} files {size_text(item.size):>9}"
        lines.append(f"{item.day}  {item.label:<{width}} {files}  {until}{mark}  {item.who}".rstrip())
        lines += [f"{'':<12}{'':<{width}} {count:>6} {why}" for why, count in item.reasons]
    gone = [item for item in there if item.expired(today)]
    count, size = sum(len(item.files) for item in there), sum(item.size for item in there)
    old = f"; expired: {sum(len(item.files) for item in gone)} files, {size_text(sum(item.size for item in gone))}"
    return [*lines, f"in all {count} files, {size_text(size)}{old if gone else ''}"]


def _data(tree: DfoTree, item: Retirement, today: str) -> dict[str, object]:
    from engine.release.undo.trash_look import UNLISTED

    return {
        "transaction": item.label,
        "day": item.day,
        "until": item.until,
        "expired": item.expired(today),
        "who": item.who,
        "size": item.size,
        "reasons": dict(item.reasons),
        "files": [
            {
                "path": str(file.path),
                "origin": "" if file.why == UNLISTED else tree.shorten(file.origin),
                "why": file.why,
                "size": file.size,
            }
            for file in item.files
        ],
    }


def _emptied(tree: DfoTree, given: argparse.Namespace) -> int:
    from console.link.running import carry_out
    from engine.release.undo.trash_look import named, retirements
    from engine.stores.orders import Order

    today = time.strftime("%Y-%m-%d", time.gmtime())
    expired = [item for item in retirements(tree) if item.expired(today)]
    chosen = named(tree, given.empty) if given.empty else expired
    if not chosen:
        words.say(["nothing in the trash has expired"])
        return 0
    orders = []
    for (mode, date), labels in _by_pool(tree, dict.fromkeys(item.label for item in chosen)).items():
        options = {"transactions": ",".join(labels)} if given.empty else {}
        orders.append(Order(mode, date, tool="emptyTrash", options=options | ({"yes": "yes"} if given.yes else {})))
    return carry_out(tree, orders, given)


def _restored(tree: DfoTree, given: argparse.Namespace) -> int:
    import os

    from console.link.running import carry_out
    from engine.release.undo.trash_look import sought
    from engine.stores.orders import Order

    here = os.path.abspath(given.restore)  # noqa: PTH100 - never follows a link, as resolve would
    what = here if os.path.lexists(here) and str(tree.trash) in here else given.restore
    found = sought(tree, what)
    orders = [
        Order(mode, date, tool="restore", options={"what": what, **({"force": "yes"} if given.force else {})})
        for mode, date in _by_pool(tree, {file.transaction: None for file in found})
    ]
    if not orders:
        words.say(["nothing of it is in the trash any more"])
        return 0
    return carry_out(tree, orders, given)


def _by_pool(tree: DfoTree, labels: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    from engine.release.undo.trash_look import pools
    from engine.stores.database import connect

    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        found: dict[tuple[str, str], list[str]] = {}
        for label, pool in pools(tree, db, labels).items():
            found.setdefault(pool, []).append(label)
        return found
    finally:
        if db is not None:
            db.close()
