"""`dfos why AB`: why an AB is not running."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos why", "Why an AB is not running: the whole chain, ending with what to do.")
    made.add_argument("ab", metavar="AB", help="its name, or a part that only one AB has")
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """Ask the engine; without one, say what the journal knows."""
    given = parser().parse_args(argv)
    import asyncio

    from screens.ask.plain import printable

    lines = asyncio.run(_why(words.tree(given.root), given.ab))
    print(json.dumps(lines) if given.json else "\n".join(printable(line) for line in lines))
    return 0


async def _why(tree: DfoTree, part: str) -> list[str]:
    from console.hosting.board_of import board_of
    from console.link.client import Gone, Link
    from engine.errors import UsageTrouble
    from engine.process.run.why import why_known

    link = Link()
    try:
        await link.attach(tree.state)
        await link.ready.wait()
        board = link.board
        if not any(part in name for name in board.rows):  # made since, by another tool
            board = board_of(tree)
    except Gone:
        board = board_of(tree)
    names = [name for name in board.rows if part in name]
    if part in board.rows:
        names = [part]
    if len(names) != 1:
        raise UsageTrouble(f"{len(names)} ABs have '{part}' in their name", remedy="see dfos status --all")
    if not link.alive:
        return [*why_known(board, names[0]), "No engine runs; dfos console starts one."]
    found = await link.ask("why", ab=names[0]) if board is link.board else why_known(board, names[0])
    await link.leave()
    return [str(line) for line in found]
