"""The engine as a process of its own: is one there, and start one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from config.tree import DfoTree
from console.exit_codes import ExitCode
from console.link.client import Gone, Link

PATIENCE = 30.0  # seconds an engine may take to listen


def command(root: Path) -> list[str]:
    """The command that runs an engine for an account. -P: the account's own `config` directory is no package."""
    return [sys.executable, "-P", "-m", "console", "serve", "--root", str(root)]


def start(tree: DfoTree) -> int:
    """Start an engine that outlives this terminal; its pid. What it says goes to `ENGINE/engine.log`."""
    tree.state.mkdir(parents=True, exist_ok=True)
    words = command(tree.root)
    log = str(tree.state / "engine.log")
    return os.posix_spawn(
        words[0],
        words,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def ended(pid: int) -> int | None:
    """The exit code of an engine we started; None while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return -1
    return os.waitstatus_to_exitcode(status) if done else None


class AccountLink(Link):
    """A console's link to the engine of an account; the command `engine` starts one again."""

    def __init__(self, tree: DfoTree) -> None:
        super().__init__()
        self._tree = tree

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Order something; `engine` attaches to the account's engine, starting it if it is gone."""
        if verb != "engine":
            return await super().command(verb, **arguments)
        if self.alive:
            return "the engine runs"
        started = await attach_or_start(self, self._tree)
        return "the engine runs again" if started else "found the engine again"


async def attach_or_start(link: Link, tree: DfoTree) -> bool:
    """Attach to the account's engine, starting one when there is none; True when it was started. The board is whole.

    Gone with the last line of its log when it does not come up.
    """
    try:
        await _attached(link, tree)
        return False
    except Gone:
        engine = start(tree)
    for _ in range(int(PATIENCE / 0.1)):
        await asyncio.sleep(0.1)
        try:
            await _attached(link, tree)
            return True
        except Gone:
            code = ended(engine)
            if code in (ExitCode.BUSY, 0):  # another one begins to listen or has not quite ended; ours found nobody
                engine = start(tree)
            elif code is not None:
                break
    raise Gone(f"the engine does not start: {_last_words(tree)}", where=str(tree.state / "engine.log"))


async def _attached(link: Link, tree: DfoTree) -> None:
    """Attach, and have the whole board. Gone also when the engine ends in that very moment."""
    await link.attach(tree.state)
    await link.ready.wait()
    if not link.alive:
        raise Gone("the engine has just ended", where=str(tree.state))


def _last_words(tree: DfoTree) -> str:
    try:
        lines = (tree.state / "engine.log").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "it left no word"
    return lines[-1] if lines else "it left no word"
