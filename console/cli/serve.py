"""`dfos serve`: the engine as a process of its own. The console starts it by itself."""

from __future__ import annotations

import argparse

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos serve",
        "The engine of an account as a process of its own. Consoles attach and leave; it carries out what waits"
        " and ends by itself when nobody is attached and nothing waits.",
    )
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    return made


def main(argv: list[str]) -> int:
    """Serve until there is nothing left to do."""
    given = parser().parse_args(argv)
    import asyncio
    import os
    import signal

    from console.hosting.host import Host

    tree = words.tree(given.root)
    os.chdir(tree.root)  # where the console was started may be unmounted one day
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal that started us may go

    async def served() -> int:
        async with Host(tree, os.environ, given.set, who=words.user()) as host:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, host.end, "terminated")
            loop.add_signal_handler(signal.SIGINT, host.end, "interrupted")
            await host.serve()
        return 0

    return asyncio.run(served())
