"""What an export would do: the plan, compared with what stands on the servers. Changes nothing, here or there."""

from __future__ import annotations

import os
import posixpath
import sqlite3
from dataclasses import dataclass

import asyncssh

from config.schema import Settings
from config.tree import DfoTree
from engine.errors import DfosError
from engine.transfer.export.export import targets_of
from engine.transfer.export.plan import Plan, Upload, plan, survey
from engine.transfer.export.server import Folders, access, folders, place_of, root_of
from engine.transfer.export.sftp import connected
from engine.transfer.export.states import ExportStates


@dataclass(frozen=True, slots=True)
class Seen:
    """One server: whether we got in (`trouble` says why not), where its tree is, which files it lacks."""

    target: str
    place: str
    trouble: str
    lacks: tuple[Upload, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of an export, and what every server lacks of it."""

    plan: Plan
    servers: tuple[Seen, ...]


async def preview(
    settings: Settings, tree: DfoTree, db: sqlite3.Connection | None, mode: str, date: str, target: str | None
) -> Preview:
    """Look at everything an export of a MODE and DATE needs, the logins included. Raises as `export` does.

    `db` is the account's journal, None where there is none yet.
    """
    targets = targets_of(settings, target)
    made = plan(mode, date, survey(tree, mode, date))
    servers = []
    for name, one in targets.items():
        trouble = ""
        there: Folders = {}
        try:
            async with connected(*access(settings, tree, one)) as sftp:
                there = await folders(sftp, root_of(settings, one), made.parts, make=False)
        except DfosError as problem:
            trouble = str(problem)
        except asyncssh.SFTPError as problem:
            trouble = f"the server refuses: {problem.reason}"
        states = ExportStates(db, place_of(settings, one), readonly=True) if db is not None else None
        lacks = tuple(upload for upload in made.files if not _there(upload, there, states))
        servers.append(Seen(name, place_of(settings, one), trouble, lacks))
    return Preview(made, tuple(servers))


def _there(upload: Upload, there: Folders, states: ExportStates | None) -> bool:
    """Whether a server has a file as it was noted, or (never noted) one of its size and time."""
    part, name = posixpath.split(upload.remote)
    stands = there.get(part, {}).get(os.fsencode(name))
    if stands is None or not stands.file:
        return False
    known = states.get(upload.remote) if states else None
    if known is None:
        return (stands.size, stands.mtime) == (upload.size, upload.mtime_ns // 1_000_000_000)
    same = (known.size, known.mtime_ns) == (upload.size, upload.mtime_ns)
    return same and known.there_size == stands.size and known.there_mtime in (stands.mtime, -1)
