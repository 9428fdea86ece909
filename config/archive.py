"""Where ingestProducts delivers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from config.section import Section

_URL = re.compile(r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/?")


class Archive(Section):
    """Where products are delivered, and what is done with them before."""

    kind: Literal["local", "ngas"] = Field("local", description="local: a directory with a catalogue; ngas: a server")
    directory: str = Field("archive", description="of the local archive, relative to the account")
    ingest: dict[Literal["CALIB", "SCIENCE"], bool] = Field(
        {"CALIB": True, "SCIENCE": True}, description="is this MODE delivered at all (CDB_INGEST)"
    )
    enable_updates: bool = Field(False, description="a changed product becomes a new version (ENABLE_UPDATES)")
    conversion: str = Field("NONE", description="tool of $DFO_BIN_DIR that makes DATE/conv of SCIENCE, or NONE")
    conversion_limit_s: float = Field(21600.0, gt=0, description="terminate the conversion after this many seconds")
    retry_s: float = Field(30.0, ge=0, description="seconds before the second try; twice as long before the third")
    url: str = Field("", description="ngas: address of the server, e.g. http://archive.example:7777")
    user: str = Field("", description="ngas: who we are there; '' where nobody asks")
    password_file: str = Field("", description="ngas: file with the password, mode 0600")
    uploads: int = Field(2, ge=1, le=32, description="ngas: files on their way at once; half of what the server bears")
    retrieve_check: bool = Field(False, description="ngas: confirm by fetching each file back and comparing SHA-256")

    def delivers(self, mode: str) -> bool:
        """Are products of this MODE delivered?"""
        return {str(key): value for key, value in self.ingest.items()}.get(mode, True)

    @property
    def converts(self) -> bool:
        """Is there a conversion tool?"""
        return self.conversion.casefold() not in ("", "none")


def wrong(archive: Archive) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings of the archive: key, and what it must be. Never shows a password."""
    if archive.kind == "ngas" and not _URL.fullmatch(archive.url):
        yield "url", "an address like http://archive.example:7777 is needed, without user, password and path"
    if bool(archive.user) != bool(archive.password_file):
        yield "password_file" if archive.user else "user", "user and password_file belong together"
    if ":" in archive.user or not archive.user.isprintable():
        yield "user", "a user name without colon; the password stands in password_file"
