"""Where logs and plots are exported to: web servers, each with its way in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from config.section import Section

_HOP = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(?P<port>\d{1,5}))?"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


class Target(Section):
    """One web server: who we are there, how we get in, and where files go."""

    enabled: bool = Field(True, description="no: this server is known, but nothing goes there")
    host: str = Field(description="name of the server, or its IPv4 address")
    port: int = Field(22, ge=1, le=65535, description="port of its SSH server")
    user: str = Field(description="account there")
    jump: tuple[str, ...] = Field((), description="hosts to go through, first one first: user@host or user@host:port")
    key: str = Field("", description="private key file, mode 0600; '' asks the agent of whoever starts the engine")
    directory: str = Field(description="tree there; files go to <directory>/<release>/logs/<DATE> and .../plots/<DATE>")
    release: str = Field("", description="name of the tree of this release below it; '' is the name of the instance")
    parallel: int = Field(4, ge=1, le=32, description="files on their way at once")
    timeout_s: float = Field(30.0, gt=0, description="seconds a server may stay silent")


class Export(Section):
    """Export of logs and plots to web servers, after a move."""

    targets: dict[str, Target] = Field({}, description="web servers by name, e.g. qcweb")
    known_hosts: str = Field("$DFO_CONFIG_DIR/known_hosts", description="host keys that are trusted (dfos hostkey)")
    read_back_mb: float = Field(16.0, ge=0, description="files up to this size are read back and compared, MB")
    retry_s: float = Field(60.0, gt=0, description="seconds until a server that failed is tried again; doubles")
    retry_most_s: float = Field(3600.0, gt=0, description="most seconds between two tries")

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the servers that files go to; empty: nothing is exported."""
        return tuple(name for name, target in self.targets.items() if target.enabled)


def hop(text: str) -> tuple[str, str, int] | None:
    """User ('' for none), host and port of `user@host:port`; None when it is nothing like that."""
    match = _HOP.fullmatch(text)
    port = int(match["port"] or 22) if match else 0
    return (match["user"] or "", match["host"], port) if match and 0 < port < 65536 else None


def wrong(name: str, target: Target) -> Iterator[tuple[str, str]]:
    """What is wrong with a server's entry: key, and what it must be."""
    if not _NAME.fullmatch(name):
        yield "", f"'{name[:60]}' is no name for a server; use letters, digits and _.+-"
    if target.user != target.user.strip() or not hop(f"{target.user}@{target.host}"):
        shown = f"{target.user}@{target.host}" if ":" not in target.user else "it"
        yield "host", f"{shown} is no user and host; a password never stands in a configuration"
    for text in target.jump:
        user, _, _ = hop(text) or ("", "", 0)
        if not user:
            yield "jump", "a host to go through is user@host or user@host:port, without a password"
    parts = target.directory.split("/")
    if not target.directory or ".." in parts or "\0" in target.directory or "\n" in target.directory:
        yield "directory", f"{target.directory!r} is no directory to write into; '..' is not allowed"
    if target.release and not _NAME.fullmatch(target.release):
        yield "release", f"{target.release!r} cannot be the name of a directory"
