"""Names the archive holds already with other content: the operator is asked, nothing is tried twice (decision 18).

Ancillary files may go in under another name: pst.png becomes pst1.png, if that exists too pst2.png, and so on
(ab-lifecycle section 12). The name of a FITS product stands in headers and ABs, so it never changes here.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

from engine.context import Context
from engine.questions import INGEST_DUPLICATE, LATER, Choice, Question
from engine.transfer.archives.protocol import Archive, Duplicate
from engine.transfer.ingest.files import is_fits
from engine.transfer.ingest.states import Item, owners

REFUSE, VERSION, SUFFIX = "refuse", "version", "suffix"
MANY = 10  # beyond this number of names one question is asked for all of them
_STEM = re.compile(r"(.*?)(\d*)")
_MOST = 999


def earlier_owner(db: sqlite3.Connection, name: str) -> str:
    """Who ingested under this name, in words."""
    known = owners(db, name)
    if not known:
        return "by whom is not known in this account"
    first = known[0]
    return f"ingested by {first.mode} {first.date} at {first.when}" + (
        f" as {first.name}" if first.name != name else ""
    )


def own_change(db: sqlite3.Connection, mode: str, date: str, item: Item) -> str:
    """When this very product was ingested with other content; '' when the name is somebody else's, or unknown."""
    known = owners(db, item.stored_as or item.name)
    mine = known and (known[0].mode, known[0].date, known[0].name) == (mode, date, item.name)
    return known[0].when if mine else ""


async def free_name(archive: Archive, path: Path, item: Item, taken: Collection[str]) -> str:
    """The next name with a number that the archive does not hold with other content; '' for FITS or when all are.

    `taken` are names that others of the same set have, or were just proposed.
    """
    if is_fits(item.name):
        return ""
    stem, dot, suffix = item.name.rpartition(".")
    match = _STEM.fullmatch(stem)
    first = int(match[2] or 0) + 1 if match else 1
    base = match[1] if match else stem
    for number in range(first, first + _MOST):
        name = f"{base}{number}{dot}{suffix}"
        if name in taken:
            continue
        try:
            await archive.find(path, item.sha256, name=name)
        except Duplicate:
            continue
        return name
    return ""


def question_about(context: Context, mode: str, date: str, taken: Sequence[tuple[Item, str]]) -> Question:
    """One question about these items and the names proposed for them ('' where the name may not change)."""
    first = taken[0][0]
    digest = hashlib.sha256("\n".join(f"{i.name} {i.sha256} {as_}" for i, as_ in taken).encode("utf-8", "replace"))
    alone = len(taken) == 1
    lines = tuple(
        f"{item.name}: {earlier_owner(context.db, item.stored_as or item.name)}" + (f"; free: {as_}" if as_ else "")
        for item, as_ in taken
    )
    choices = [Choice(REFUSE, "Refuse", "FAILED; the file stays where it is and is not in the archive")]
    if all(as_ for _, as_ in taken):
        label = f"Ingest under {taken[0][1]}" if alone else "Ingest under the next free names"
        choices.append(Choice(SUFFIX, label, "the file itself keeps its name here"))
    if context.settings.archive.enable_updates:
        choices.append(Choice(VERSION, "Ingest as new version", "the archive keeps the older one too"))
    text = f"{first.name} is in the archive with other content" if alone else f"{len(taken)} names are taken"
    return Question(
        id=f"{INGEST_DUPLICATE}:{mode}:{date}:{first.name if alone else len(taken)}:{digest.hexdigest()[:12]}",
        kind=INGEST_DUPLICATE,
        subject=first.name if alone else f"{mode} {date}",
        text=f"{text}: {lines[0].partition(': ')[2] if alone else f'e.g. {lines[0]}'}",
        choices=tuple(choices),
        safe=LATER,
        details=lines[:200],
        asked_by=context.who,
        asked_at=context.utc(),
    )
