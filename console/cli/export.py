"""`dfos export`: logs and plots to the web servers; what waits in JOBS_EXPORT; what would be sent."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING, Any

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.transfer.export.preview import Preview
    from engine.transfer.export.queue import Call, Waits


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos export",
        "Export the logs (CALIB: and plots) of a MODE and DATE to the web servers; without -m and -d, what waits"
        " in JOBS_EXPORT and is due.",
        words.facts(
            "none", "none", "web pages of the release", "upload to the web servers: logs and plots, never fits, hdr, ps"
        )
        + "\n"
        + words.codes(15, c16="a web server has not everything yet"),
    )
    made.add_argument("-m", dest="mode", metavar="MODE", help="CALIB or SCIENCE")
    made.add_argument("-d", dest="date", metavar="DATE", help="YYYY-MM-DD, also a pseudo-date")
    made.add_argument("--all", action="store_true", help="everything that waits, also what is not due yet")
    made.add_argument("--target", metavar="NAME", help="only this web server")
    made.add_argument("--dry-run", action="store_true", help="log in, compare, show what would be sent; change nothing")
    words.add_running(made)
    return made


def main(argv: list[str]) -> int:
    """Export, or show what would be exported."""
    made = parser()
    given = made.parse_args(argv)
    if bool(given.mode) != bool(given.date) or (given.mode and given.all):
        made.error("-m MODE and -d DATE belong together, and --all goes without them")
    tree = words.tree(given.root)
    if given.target is not None:
        from console.account import open_settings
        from engine.transfer.export.export import targets_of

        targets_of(open_settings(tree, os.environ, given.set).settings, given.target)  # also when nothing is due
    calls = _calls(tree, given)
    if given.dry_run:
        return _shown(tree, [call for call, _ in calls], given)
    now = time.time()
    due = [call for call, waits in calls if given.mode or given.all or waits.until <= now]
    if not given.json:
        words.say(
            [_waiting(call, waits) for call, waits in calls if call not in due] or ["nothing waits"] * (not calls)
        )
    if not due:
        return 0
    from console.link.running import carry_out
    from engine.stores.orders import Order

    options = {"target": given.target} if given.target else {}
    return carry_out(tree, [Order(call.mode, call.date, tool="exportProducts", options=options) for call in due], given)


def _calls(tree: DfoTree, given: argparse.Namespace) -> list[tuple[Call, Waits]]:
    """The call that was named, or those in the queue; each with why it still waits."""
    from engine.core.dates import date_label, mode_label
    from engine.stores.database import connect
    from engine.transfer.export.queue import Call, Waiting, Waits, queued

    calls = [Call(mode_label(given.mode), date_label(given.date))] if given.mode else queued(tree)
    if not tree.journal.exists():
        return [(call, Waits()) for call in calls]
    db = connect(tree.journal, readonly=True)
    try:
        return [(call, Waiting(db, readonly=True).of(call)) for call in calls]
    finally:
        db.close()


def _waiting(call: Call, waits: Waits) -> str:
    until = time.strftime("%H:%M:%S", time.gmtime(waits.until))
    return f"{call.mode} {call.date} waits until {until} UT: tried {waits.tries} times, last {waits.when}: {waits.why}"


def _shown(tree: DfoTree, calls: list[Call], given: argparse.Namespace) -> int:
    """Print what would be sent; 16 when a server cannot be used."""
    import asyncio

    from console.account import open_settings
    from engine.stores.database import connect
    from engine.transfer.export.host_keys import RemoteTrouble
    from engine.transfer.export.preview import preview

    settings = open_settings(tree, os.environ, given.set).settings
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    found: list[Preview] = []
    try:
        for call in calls:
            found.append(asyncio.run(preview(settings, tree, db, call.mode, call.date, given.target)))
    finally:
        if db is not None:
            db.close()
    if given.json:
        print(json.dumps([_plain(one) for one in found], indent=1))
    else:
        words.say([line for one in found for line in _lines(one)] or ["nothing waits"])
    bad = any(server.trouble for one in found for server in one.servers)
    return RemoteTrouble.exit_code if bad else 0


def _plain(found: Preview) -> dict[str, Any]:
    from engine.transfer.export.plan import shown

    return {
        "mode": found.plan.mode,
        "date": found.plan.date,
        "files": [{"name": shown(file.remote), "size": file.size, "page": file.html} for file in found.plan.files],
        "bytes": found.plan.total_bytes,
        "stay": found.plan.stay,
        "refused": [{"path": shown(str(path)), "why": why} for path, why in found.plan.refused],
        "targets": [
            {
                "name": server.target,
                "place": server.place,
                "trouble": server.trouble,
                "lacks": [shown(file.remote) for file in server.lacks],
            }
            for server in found.servers
        ],
    }


def _lines(found: Preview) -> list[str]:
    from engine.transfer.export.plan import shown

    made = found.plan
    lines = [
        f"{made.mode} {made.date}: {len(made.files)} files, {made.total_bytes / 1e6:.1f} MB;"
        f" {made.stay} fits, hdr and ps stay"
    ]
    lines += [f"  never sent: {shown(str(path))}: {why}" for path, why in made.refused]
    for server in found.servers:
        size = sum(file.size for file in server.lacks)
        lines.append(f"{server.target}, {server.place}: {server.trouble or 'logged in, the host key is known'}")
        lines.append(f"  would get {len(server.lacks)} files, {size / 1e6:.1f} MB")
        lines += [f"    {shown(file.remote)}  {file.size}" for file in server.lacks]
    return lines
