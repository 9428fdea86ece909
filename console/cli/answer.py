"""`dfos answer`: answer a question, and let what waited for it go on."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos answer",
        "Answer a question (see dfos questions). When it was the last one an order waited for, that order goes on.",
    )
    made.add_argument("number", type=int, metavar="NUMBER", help="of the question")
    made.add_argument("choice", metavar="CHOICE", help="one of the answers it offers, e.g. accept, reject, keep")
    made.add_argument("-c", "--comment", default="", help="one line: why")
    made.add_argument("--no-continue", action="store_true", help="only record the answer")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Record the answer; carry what waited for it to its end."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    import asyncio

    told = asyncio.run(_answered(tree, given, words.user()))
    print(told, file=sys.stderr)
    if given.no_continue or told.endswith("the engine goes on"):
        return 0
    return _go_on(tree, given)


async def _answered(tree: DfoTree, given: argparse.Namespace, who: str) -> str:
    from datetime import UTC, datetime

    from console.hosting.board_of import board_of, refuse_if_moved
    from console.link.client import Gone, Link
    from engine.errors import UsageTrouble
    from engine.stores.answers import Answers
    from engine.stores.database import connect

    link = Link()
    try:
        await link.attach(tree.state)
    except Gone:
        if not tree.journal.exists():
            raise UsageTrouble("nothing was ever asked in this account") from None
        connection = connect(tree.journal)
        refuse_if_moved(Answers(connection).find(given.number), board_of(tree), tree)
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        answer = Answers(connection).answer(given.number, given.choice, given.comment, who, when)
        connection.close()
        return f"question {given.number}: {answer.choice} saved"
    try:
        return f"{await link.answer(given.number, given.choice, given.comment)}; the engine goes on"
    finally:
        await link.leave()


def _go_on(tree: DfoTree, given: argparse.Namespace) -> int:
    from engine.stores.answers import Answers
    from engine.stores.database import connect
    from engine.stores.orders import PARKED, RUNNING, Orders

    connection = connect(tree.journal)
    left, due = Answers(connection).open(), Orders(connection).waiting(PARKED, RUNNING)  # RUNNING: interrupted
    connection.close()
    if left:
        print(f"{len(left)} more to answer: {', '.join(str(question.number) for question in left)}", file=sys.stderr)
        return 3
    if not due:
        print("no order waits for it: give the command again, it finds the answer", file=sys.stderr)
        return 0
    from console.link.running import carry_out

    given.auto = True
    return carry_out(tree, [], given)
