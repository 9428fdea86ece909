"""The archive of an account, as its settings say."""

from __future__ import annotations

import asyncio

from config.archive import wrong
from engine import events as ev
from engine.atomic.acts import inside
from engine.context import Context
from engine.errors import UsageTrouble
from engine.transfer.archives.local_archive import LocalArchive
from engine.transfer.archives.protocol import Archive, Sleep


def archive_of(context: Context, sleep: Sleep | None = None) -> Archive:
    """The archive of the account's settings. UsageTrouble when it cannot be used as it is configured.

    `sleep` is how it waits for a crowded server.
    """
    wanted = context.settings.archive
    if wanted.kind == "ngas":
        return _ngas(context, sleep)
    return LocalArchive(inside(context.tree, str(context.tree.root / wanted.directory)), context.utc)


def _ngas(context: Context, sleep: Sleep | None) -> Archive:
    from engine.transfer.archives.ngas_archive import NgasArchive
    from engine.transfer.archives.ngas_client import NgasClient
    from engine.transfer.archives.password import password_of

    wanted = context.settings.archive
    for key, what in wrong(wanted):
        raise UsageTrouble(what, where=f"archive.{key}")

    def warn(text: str) -> None:
        context.bus.publish(ev.Notice("warning", text))

    password = password_of(context.tree.expand(wanted.password_file)) if wanted.password_file else ""
    return NgasArchive(
        NgasClient(wanted.url, wanted.user, password),
        wanted.url,
        context.tree.state / "LOCKS",
        uploads=wanted.uploads,
        retrieve_check=wanted.retrieve_check,
        warn=warn,
        sleep=sleep or asyncio.sleep,
    )
