"""`dfos console`: the console on this account; starts the engine if none runs."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos console", "The console on an account. It starts the engine if none runs; leaving it stops nothing."
    )
    made.add_argument("--ascii", action="store_true", help="only ASCII symbols")
    return made


def main(argv: list[str]) -> int:
    """Open the console; needs a terminal."""
    given = parser().parse_args(argv)
    return open_console(words.tree(given.root), ascii_only=given.ascii)


def _leave_with_the_terminal() -> None:
    """End at once when the terminal is gone (a lost SSH connection): all is in the engine, which goes on."""
    import select
    import threading

    def watch() -> None:
        terminal = select.poll()
        terminal.register(sys.stdin.fileno(), 0)  # hang-up and errors only
        terminal.poll()
        os._exit(129)

    threading.Thread(target=watch, name="terminal", daemon=True).start()


def _graphics() -> str:
    """Ask the terminal whether it draws pictures, where it may be one that does: asking takes a moment."""
    known = ("KITTY_WINDOW_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "ITERM_SESSION_ID")
    term = os.environ.get("TERM", "")
    if os.environ.get("TMUX") or not (any(name in os.environ for name in known) or term.startswith(("foot", "mlterm"))):
        return ""
    from screens.widgets.picture import terminal_graphics

    return terminal_graphics()


def open_console(tree: DfoTree, *, ascii_only: bool = False, first: str = "monitor") -> int:
    """Attach to the account's engine (starting it if need be) and show the monitor."""
    from engine.errors import UsageTrouble

    if not (words.on_terminal(sys.stdin, sys.stdout)):
        raise UsageTrouble("the console needs a terminal", remedy="without one use dfos status, questions and answer")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    import asyncio

    from console.app import ConsoleApp
    from console.link.engine_process import AccountLink, attach_or_start
    from console.views.library import AccountLibrary

    async def shown() -> None:
        link = AccountLink(tree)
        await attach_or_start(link, tree)

        async def attach() -> None:
            await link.attach(tree.state)

        app = ConsoleApp(
            link, AccountLibrary(tree, link), attach=attach, first=first, ascii_only=ascii_only, graphics=_graphics()
        )
        link.heard, link.lost = app.heard, app.lost
        try:
            await app.run_async()
        finally:
            await link.leave()

    _leave_with_the_terminal()
    asyncio.run(shown())
    return 0
