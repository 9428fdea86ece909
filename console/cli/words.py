"""The options that many commands share, spelled everywhere alike."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from console import VERSION

if TYPE_CHECKING:
    from config.tree import DfoTree


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Help of the terminal's width. Finds the width itself: argparse would import shutil for it, which is slow."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size().columns
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, width=max(40, columns - 2))


def parser(prog: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """A parser with `-h`, `-v` and `--root`."""
    made = argparse.ArgumentParser(prog=prog, description=description, epilog=epilog, formatter_class=_Layout)
    made.add_argument("-v", "--version", action="version", version=f"{prog} {VERSION}")
    made.add_argument(
        "--root", metavar="DIR", help="the account; default: $DFOS_ROOT, else the .dfosrc found from here"
    )
    return made


def facts(databases: str, tools: str, output: str, transfer: str) -> str:
    """The four facts that head every tool page: used databases, used dfos tools, output used by, upload/download."""
    return f"databases: {databases}\ndfos tools used: {tools}\noutput used by: {output}\nupload/download: {transfer}"


_CODES = {
    0: "clean",
    2: "usage or configuration",
    3: "an answer is needed",
    4: "busy",
    5: "an earlier run was cut (--recover)",
    10: "other trouble, e.g. of the disk",
    11: "an AB file makes no sense",
    12: "ABs wait for each other",
    13: "a FITS file is damaged",
    14: "a recipe cannot be started",
    15: "a conflict: nothing was moved",
    16: "archive or web server",
    17: "a plugin",
    130: "interrupted",
}
_ALWAYS = (0, 2, 4, 5, 10, 130)


def codes(*also: int, **said: str) -> str:
    """The exit codes a running tool can give, for its help: the common ones and `also`; `c15="refused"` rewords."""
    own = {int(name.removeprefix("c")): text for name, text in said.items()}
    texts = {code: own.get(code) or _CODES[code] for code in {*_ALWAYS, *also, *own}}
    lines, line = [], "exit codes:"
    for code, text in sorted(texts.items()):
        part = f" {code} {text};"
        if len(line) + len(part) > 100:
            lines.append(line)
            line = ""
        line += part
    return "\n".join([*lines, line]).replace("\n ", "\n").rstrip(";")


def account_is(made: argparse.ArgumentParser, default: str, help_text: str) -> None:
    """Give `--root` another default and say so."""
    made.set_defaults(root=default)
    for action in made._actions:
        if action.dest == "root":
            action.help = help_text


def add_running(made: argparse.ArgumentParser) -> None:
    """Options of commands that run something: --auto, --json, --recover, --set."""
    made.add_argument(
        "--auto", action="store_true", help="never ask: a question without an AUTO answer is parked (exit 3)"
    )
    made.add_argument("--json", action="store_true", help="one event per line on stdout")
    made.add_argument("--recover", action="store_true", help="first finish what an interrupted run left open")
    made.add_argument("--answers", metavar="FILE", help="answers by kind or id (YAML), e.g. move.recreate: keep")
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")


def add_pool(made: argparse.ArgumentParser, *, mode_needed: bool = True) -> None:
    """`-m MODE` and `-d DATE`."""
    made.add_argument("-m", dest="mode", metavar="MODE", required=mode_needed, help="CALIB or SCIENCE")
    made.add_argument("-d", dest="date", metavar="DATE", required=True, help="YYYY-MM-DD, also a pseudo-date")


def say(lines: list[str]) -> None:
    """Print result lines, without anything a terminal would obey."""
    for line in lines:
        print("".join(char if char.isprintable() else " " for char in line))


def on_terminal(*streams: object) -> bool:
    """True when every stream is a terminal; a closed one is none."""
    return all(getattr(stream, "isatty", lambda: False)() for stream in streams)


def user() -> str:
    """Who gives the order: the login name, also with an empty environment."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def tree(root: str | None) -> DfoTree:
    """The directories of the account a command works on; ConfigTrouble names what is missing."""
    from pathlib import Path

    from console.account import find_root, open_tree

    return open_tree(find_root(root, os.environ, Path.cwd()), os.environ)
