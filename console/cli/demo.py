"""`dfos demo`: build a demo account and take its ABs from raw frames to the archive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from console.cli import words


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos demo",
        "Build a demo account (a miniature MUSE: raw frames, calibrations, the ABs of a deep run) and take it from\n"
        "raw frames to the archive: in the console on a terminal, headless without one or with --auto. The recipes\n"
        "are the real ones where esorex is installed, else a built-in stand-in that says so.",
    )
    words.account_is(made, "demo-account", "where the demo account is or shall be; default: ./demo-account")
    made.add_argument("--targets", type=int, default=2, metavar="T", help="targets of the deep run (2)")
    made.add_argument("--exposures", type=int, default=3, metavar="N", help="OBJECT exposures per target (3)")
    made.add_argument("--sky", type=int, default=1, metavar="M", help="SKY exposures per target (1)")
    made.add_argument("--strict", action="store_true", help="a person certifies, as in MUSE_DEEP; headless: exit 3")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Build the account where there is none, queue its orders, open the console or run headless."""
    made = parser()
    given = made.parse_args(argv)
    for name, least, most in (("targets", 1, 50), ("exposures", 2, 120), ("sky", 0, 50)):
        if not least <= getattr(given, name) <= most:
            made.error(f"--{name} is between {least} and {most}")
    from engine.demo.account import DemoSpec, build_account

    spec = DemoSpec(targets=given.targets, exposures=given.exposures, sky=given.sky, strict=given.strict)
    root = Path(given.root).absolute()
    account = build_account(root, spec, lambda text: print(text, file=sys.stderr, flush=True))
    from console.link.running import carry_out, queue
    from engine.stores.orders import Order

    tree = words.tree(str(root))
    orders = [
        Order("CALIB", account.calib_date, "CPMI", recover=True),
        Order("SCIENCE", account.pseudo_date, "CPMI", run_id=account.run_id, recover=True),
    ]
    if not given.auto and not given.json and words.on_terminal(sys.stdin, sys.stdout):
        from console.cli.console import open_console

        queue(tree, orders)
        return open_console(tree)
    given.recover = True
    code = carry_out(tree, orders, given)
    if code == 0:
        from engine.demo.truth import check

        found = check(tree)
        print("\n".join(found.lines), file=sys.stderr)
        code = 0 if found.passed else 1
    return code
