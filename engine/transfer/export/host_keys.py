"""Which keys of which hosts are trusted: the account's known_hosts, in OpenSSH's form. Nothing is trusted by default.

A key gets in by `dfos hostkey add` alone (decision 28).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.export import Export, Target, hop
from config.schema import Settings
from config.sources import Source
from config.tree import DfoTree
from engine.atomic import fs, lock
from engine.atomic.acts import inside
from engine.errors import DfosError, UsageTrouble


class RemoteTrouble(DfosError):
    """A server cannot be reached, is not who it should be, or refuses us."""

    exit_code = 16


@dataclass(frozen=True, slots=True)
class Hop:
    """One login on the way to a server."""

    user: str
    host: str
    port: int = 22

    @property
    def name(self) -> str:
        """How known_hosts calls it: `host`, or `[host]:port`."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + ("" if self.port == 22 else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Key:
    """A host key as known_hosts has it: kind and base64."""

    kind: str
    data: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as ssh shows it."""
        digest = hashlib.sha256(b64decode(self.data)).digest()
        return "SHA256:" + b64encode(digest).decode().rstrip("=")


Login = Target | Source  # what is configured of a server to log in on


def logins(settings: Settings) -> dict[str, Login]:
    """Every server this account may log in on: web servers by name, sources of processAB by host."""
    found: dict[str, Login] = {source.host: source for source in settings.sources if source.kind == "sftp"}
    return found | dict(settings.export.targets)


def hops(target: Login) -> tuple[Hop, ...]:
    """The logins on the way to a server, the server itself last."""
    ways = [Hop(*found) for text in target.jump if (found := hop(text))]
    return (*ways, Hop(target.user, target.host, target.port))


def hosts_of(servers: Mapping[str, Login], name: str) -> tuple[Hop, ...]:
    """The way to what the operator calls `name`: a configured server, or a host on the way to one.

    UsageTrouble when no server's way leads over it.
    """
    if name in servers:
        return hops(servers[name])
    for target in servers.values():
        way = hops(target)
        for number, one in enumerate(way, 1):
            if name in (one.host, one.name, f"{one.host}:{one.port}", str(one)):
                return way[:number]
    known = ", ".join(servers) or "none is configured"
    raise UsageTrouble(f"'{name}' is no server of this account, and no host on the way to one", remedy=known)


def file_of(tree: DfoTree, export: Export) -> Path:
    """The known_hosts file; it must lie inside the account."""
    return inside(tree, str(tree.expand(export.known_hosts)))


def read(path: Path) -> str:
    """The text of known_hosts, '' when there is none yet; RemoteTrouble when others may write it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    except OSError as trouble:
        raise RemoteTrouble(f"cannot be read: {trouble.strerror}", where=str(path)) from trouble
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or status.st_uid not in (os.getuid(), 0):
            raise RemoteTrouble("others may write this file", where=str(path), remedy=f"chmod 644 {path}")
        return file.read()


def keys_of(text: str, name: str) -> list[Key]:
    """The keys that `known_hosts` has for a host, as `Hop.name` calls it."""
    return [Key(*words[1:3]) for words in _entries(text) if any(_fits(one, name) for one in words[0].split(","))]


def add(tree: DfoTree, path: Path, name: str, key: Key) -> bool:
    """Trust a key; False when it was trusted already. RemoteTrouble when another one of this kind is."""
    with lock.shared_file(tree, path):
        text = read(path)
        known = keys_of(text, name)
        if key in known:
            return False
        if known:
            raise RemoteTrouble(
                f"{name} has a trusted key already, {known[0].kind} {known[0].fingerprint}",
                where=str(path),
                remedy=f"if its key was really changed: dfos hostkey remove {name}, then add the new one",
            )
        gap = "" if not text or text.endswith("\n") else "\n"
        fs.make_dir(path.parent)
        fs.replace(path, f"{text}{gap}{name} {key.kind} {key.data}\n".encode())
    return True


def remove(tree: DfoTree, path: Path, name: str) -> int:
    """Trust no key of a host any more; how many there were. Other hosts on the same lines stay."""
    gone = 0
    with lock.shared_file(tree, path):
        kept = []
        for line in read(path).splitlines(keepends=True):
            words = line.split(None, 1)
            hosts = words[0].split(",") if words and not line.startswith(("#", "@")) else []
            rest = [one for one in hosts if not _fits(one, name)]
            gone += len(rest) < len(hosts)
            if len(rest) == len(hosts):
                kept.append(line)
            elif rest:
                kept.append(f"{','.join(rest)} {words[1]}")
        if gone:
            fs.replace(path, "".join(kept).encode())
    return gone


def hosts_in(text: str) -> Iterator[tuple[str, Key]]:
    """Every host of known_hosts with its key, in its order."""
    for words in _entries(text):
        for one in words[0].split(","):
            yield one, Key(*words[1:3])


def _entries(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and not words[0].startswith(("#", "@")):
            try:
                b64decode(words[2], validate=True)
            except BadBase64:
                continue
            yield words


def _fits(pattern: str, name: str) -> bool:
    """Whether an entry is for this host: its name, or the hash of it."""
    if not pattern.startswith("|1|"):
        return pattern.casefold() == name.casefold()
    try:
        _, _, salt, digest = pattern.split("|")
        made = hmac.digest(b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(made, b64decode(digest))
    except ValueError:
        return False
