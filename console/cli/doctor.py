"""`dfos doctor`: all that is missing in an account, in one go, before anything is touched."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos doctor",
        "Looks at variables, directories, configuration, space, tools, plugins, locks, packages and terminal.\n"
        "Changes nothing. Exit 0 when all that is needed is there (warnings do not count), else 2.",
    )
    made.add_argument("--json", action="store_true", help="the same for scripts")
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    return made


def main(argv: list[str]) -> int:
    """Print the table."""
    import os
    from pathlib import Path

    from console.account import find_root
    from console.doctor.check import as_json, as_text, verdict
    from console.doctor.examine import examine

    given = parser().parse_args(argv)
    checks = examine(find_root(given.root, os.environ, Path.cwd()), os.environ, tuple(given.set))
    print(as_json(checks) if given.json else as_text(checks))
    return verdict(checks)
