"""Where processAB gets inputs from that are not on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from config.export import hop
from config.section import Section


class Source(Section):
    """One place with raw files (by ARCFILE name) or products (by final name): a directory, or a server with SFTP."""

    kind: Literal["directory", "sftp"] = Field(description="directory: one of this machine; sftp: one of a server")
    directory: str = Field(description="where files are, as <DATE>/<name> or as <name>")
    files: Literal["all", "raw", "products"] = Field("all", description="what is asked for there")
    host: str = Field("", description="sftp: name of the server, or its IPv4 address")
    port: int = Field(22, ge=1, le=65535, description="sftp: port of its SSH server")
    user: str = Field("", description="sftp: account there")
    jump: tuple[str, ...] = Field((), description="sftp: hosts to go through, first one first: user@host[:port]")
    key: str = Field("", description="sftp: private key file, mode 0600; '' asks the agent of who starts the engine")
    timeout_s: float = Field(30.0, gt=0, description="sftp: seconds the server may stay silent")
    parallel: int = Field(2, ge=1, le=16, description="files on their way at once")
    tries: int = Field(3, ge=1, le=20, description="how often a file is tried before its AB fails")
    retry_s: float = Field(5.0, ge=0, description="seconds before the second try; twice as many before the next")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.user}@{self.host}:{self.directory}" if self.kind == "sftp" else self.directory


def wrong(source: Source) -> Iterator[tuple[str, str]]:
    """What is wrong with an entry: key, and what it must be."""
    if source.kind == "sftp":
        if not source.user or not hop(f"{source.user}@{source.host}") or ":" in source.host:
            yield "host", "a server needs user and host; a password never stands in a configuration"
        for text in source.jump:
            if not (hop(text) or ("",))[0]:
                yield "jump", "a host to go through is user@host or user@host:port, without a password"
    elif source.host or source.user or source.jump or source.key:
        yield "kind", "host, user, jump and key are of kind sftp"
    if not source.directory or not source.directory.startswith(("/", "$")) or "\0" in source.directory:
        yield "directory", f"{source.directory!r} is no absolute directory"
