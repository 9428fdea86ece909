"""What a job of a cascade that was handed over runs: `python -P -m console.detached ACCOUNT AB ATTEMPT WORKDIR TOKEN`.

Not for operators: `batch.mode: detached` calls it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


def main(words: list[str]) -> int:
    """Process one AB on this host; 0 when it is SUCCESSFUL."""
    from console.plugins.find import load
    from engine.errors import DfosError
    from engine.process.run.node import Account, run

    try:
        place, ab, attempt, workdir, token = words
        account = Account.read(Path(place))
        plugins = load(account.settings, account.tree)
        return asyncio.run(run(account, ab, int(attempt), workdir, token, plugins))
    except (DfosError, ValueError) as trouble:
        sys.stderr.write(f"{trouble}\n")
        return getattr(trouble, "exit_code", 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
