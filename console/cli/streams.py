"""`dfos streams`: how many ABs run at once, in all and of each kind; another number, or the configured one again."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.stores.widths import Width


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos streams",
        "How many ABs run at once, in all and of each kind. A change holds, also after a restart, until it is taken "
        "back or another number is configured.",
    )
    made.add_argument("n", metavar="N", nargs="?", type=int, help="so many from now on")
    made.add_argument("--kind", metavar="KIND", default="", help="of this kind; else of all together")
    made.add_argument("--configured", action="store_true", help="as configured again: of KIND, or everything")
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """Change and show; by the engine if one runs."""
    made = parser()
    given = made.parse_args(argv)
    if given.configured and given.n is not None:
        made.error("either N or --configured")
    if given.n is not None and given.n < 1:
        made.error("N is 1 at least")
    if given.kind and given.n is None and not given.configured:
        made.error("--kind wants N or --configured")
    import asyncio

    tree = words.tree(given.root)
    found = asyncio.run(_by_engine(tree, given))
    if found is None:
        found = _here(tree, given)
    if given.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        words.say([_line(one) for one in found])
    return 0


async def _by_engine(tree: DfoTree, given: argparse.Namespace) -> list[Width] | None:
    """What the engine says after the change; None when there is no engine."""
    from console.link.client import Gone, Link
    from engine.stores.widths import Width

    link = Link()
    try:
        await link.attach(tree.state)
    except Gone:
        return None
    try:
        for kind, count in _wanted(given, [Width(**one) for one in await link.ask("widths")]):
            await link.command("streams", n=count, kind=kind)
        return [Width(**one) for one in await link.ask("widths")]
    finally:
        await link.leave()


def _here(tree: DfoTree, given: argparse.Namespace) -> list[Width]:
    import os

    from console.account import open_settings
    from engine.atomic import lock
    from engine.stores.database import connect
    from engine.stores.widths import Widths

    settings = open_settings(tree, os.environ, ()).settings
    with lock.engine(tree, "streams", words.user()):
        db = connect(tree.journal)
        try:
            widths = Widths(db, settings)
            for kind, count in _wanted(given, widths.all()):
                widths.change(kind, count, words.user())
            return widths.all()
        finally:
            db.close()


def _wanted(given: argparse.Namespace, widths: list[Width]) -> list[tuple[str, int]]:
    """(kind, how many; 0: as configured)."""
    if given.configured and not given.kind:
        return [(one.kind, 0) for one in widths if one.width != one.configured]
    return [(given.kind, given.n or 0)] if given.configured or given.n else []


def _line(one: Width) -> str:
    by = f"  configured {one.configured}; changed by {one.who}, {one.at}" if one.width != one.configured else ""
    return f"{one.kind or 'all together':<20} {one.width:>4}{by}"
