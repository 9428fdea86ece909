"""`dfos questions`: the questions that wait for an answer."""

from __future__ import annotations

import argparse
import json

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos questions", "The questions that wait for an answer.")
    made.add_argument("number", type=int, nargs="?", help="show one question whole")
    made.add_argument("--json", action="store_true", help="as JSON")
    return made


def main(argv: list[str]) -> int:
    """List open questions; exit code 3 while there are any."""
    given = parser().parse_args(argv)
    from engine.errors import UsageTrouble
    from engine.stores.answers import Answers
    from engine.stores.database import connect
    from screens.ask import plain

    tree = words.tree(given.root)
    found = Answers(connect(tree.journal, readonly=True)).open() if tree.journal.exists() else ()
    if given.number is not None:
        found = tuple(question for question in found if question.number == given.number)
    if given.json:
        print(json.dumps([question.to_dict() for question in found], indent=1))
    elif given.number is not None:
        if not found:
            raise UsageTrouble(f"there is no open question {given.number}", remedy="dfos questions lists them")
        for question in found:
            print("\n".join(plain.lines(question)))
    elif not found:
        print("no open questions")
    else:
        for question in found:
            keys = "|".join(choice.key for choice in question.choices)
            print(plain.printable(f"{question.number:>4}  {question.subject}: {question.text}  [{keys}]"))
    return 3 if found else 0
