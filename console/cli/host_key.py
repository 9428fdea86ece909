"""`dfos hostkey`: which hosts are trusted. A key gets in only here, and only when somebody said it is the right one."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from pathlib import Path

    from config.schema import Settings
    from config.tree import DfoTree
    from engine.transfer.export.host_keys import Hop


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos hostkey", "Show, add and remove the host keys of web servers and of hosts on the way.")
    made.add_argument("action", choices=("list", "add", "remove"), help="what to do")
    made.add_argument("host", metavar="HOST", nargs="?", help="name of a web server, or a host on the way to one")
    made.add_argument(
        "--fingerprint",
        metavar="SHA256:...",
        action="append",
        default=[],
        help="the key must have this fingerprint; nobody is asked then (once for every host on the way)",
    )
    made.add_argument("--auto", action="store_true", help="never ask: without --fingerprint nothing is added (exit 3)")
    made.add_argument("--json", action="store_true", help="with list: as JSON")
    return made


def main(argv: list[str]) -> int:
    """List, add or remove host keys."""
    made = parser()
    given = made.parse_args(argv)
    if (given.action == "list") == bool(given.host):
        made.error("add and remove need HOST, list takes none")
    tree = words.tree(given.root)
    from console.account import open_settings
    from engine.transfer.export import host_keys

    settings = open_settings(tree, os.environ).settings
    path = host_keys.file_of(tree, settings.export)
    if given.action == "list":
        return _list(path, given.json)
    if given.action == "remove":
        return _remove(tree, settings, path, given.host)
    import asyncio

    return asyncio.run(_add(tree, settings, path, given))


def _list(path: Path, as_json: bool) -> int:
    from engine.transfer.export import host_keys

    found = [(host, key.kind, key.fingerprint) for host, key in host_keys.hosts_in(host_keys.read(path))]
    if as_json:
        print(json.dumps([dict(zip(("host", "kind", "fingerprint"), row, strict=True)) for row in found], indent=1))
    else:
        words.say([" ".join(row) for row in found] or ["no host key is known"])
    return 0


def _remove(tree: DfoTree, settings: Settings, path: Path, host: str) -> int:
    from engine.errors import UsageTrouble
    from engine.transfer.export import host_keys

    names = [host]
    servers = host_keys.logins(settings)
    if host in servers:
        names = [host_keys.hops(servers[host])[-1].name]
    gone = sum(host_keys.remove(tree, path, name) for name in names)
    if not gone:
        raise UsageTrouble(f"no key of {names[0]} is known", where=str(path), remedy="dfos hostkey list")
    words.say([f"{names[0]} is no longer trusted ({gone} keys)"])
    return 0


async def _add(tree: DfoTree, settings: Settings, path: Path, given: argparse.Namespace) -> int:
    """Add the key of every host on the way that is not known yet; 3 when somebody must say it is right."""
    from engine.transfer.export import host_keys
    from engine.transfer.export.sftp import host_key, way

    servers = host_keys.logins(settings)
    hops = host_keys.hosts_of(servers, given.host)
    target = next(one for one in servers.values() if host_keys.hops(one)[: len(hops)] == hops)
    key_file = tree.expand(target.key) if target.key else None
    for number, hop in enumerate(hops):
        known = host_keys.read(path)
        if host_keys.keys_of(known, hop.name) and number + 1 < len(hops):
            continue
        async with way(hops[:number], target, key_file, known) as through:
            found = await host_key(hop, through, target.timeout_s)
        words.say([f"{hop.name} shows {found.kind} {found.fingerprint}"])
        if found in host_keys.keys_of(known, hop.name):
            words.say([f"{hop.name} is trusted already"])
        elif not _agreed(hop, found.fingerprint, given):
            return 3
        elif host_keys.add(tree, path, hop.name, found):
            words.say([f"{hop.name} is trusted now"])
    return 0


def _agreed(hop: Hop, fingerprint: str, given: argparse.Namespace) -> bool:
    """Whether somebody says that this is the right key. RemoteTrouble when it is not the one that was named."""
    from engine.transfer.export.host_keys import RemoteTrouble

    if given.fingerprint:
        if fingerprint not in given.fingerprint:
            raise RemoteTrouble(
                f"{hop.name} shows {fingerprint}, which is not the fingerprint that was given",
                remedy="ask the server's administrator; nothing was added",
            )
        return True
    if given.auto or not words.on_terminal(sys.stdin, sys.stdout):
        again = f"dfos hostkey add {given.host} --fingerprint {fingerprint}"
        print(f"nothing was added; compare it with what the administrator says, then: {again}", file=sys.stderr)
        return False
    answer = input("compare it with what the server's administrator says; is it the same? (yes/no) ")
    if answer.strip().lower() == "yes":
        return True
    print("nothing was added", file=sys.stderr)
    return False
