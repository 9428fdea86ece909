"""Everything that can go wrong, drawn once.

    DfosError                    10   any other trouble of ours
    ├── UsageTrouble              2   the call itself is wrong
    │   └── Unsupported           2   an engine cannot do that
    ├── EngineAway               10   a batch system cannot be reached
    ├── DatabaseAway             10   the QC1 database cannot be reached or takes nothing
    ├── AnswerNeeded              3   a question has no answer that may be given by itself
    ├── Busy                      4   somebody else holds the lock
    ├── OpenJournal               5   an earlier run did not finish
    ├── BadRules                  2   a rule file cannot be read at all (engine.create.oca.source)
    ├── BadAb                    11   an AB file cannot be read or makes no sense
    ├── BadCascade               12   ABs that wait for each other or for nothing
    ├── BadFits                  13   a FITS file is damaged or lacks what is needed
    ├── RecipeTrouble            14   a recipe could not be started or judged
    ├── MoveTrouble              15   products cannot be placed, renamed or updated
    │   └── DestinationOccupied  15   the name exists with other content
    ├── ArchiveTrouble           16   the archive refused or could not be reached
    └── PluginTrouble            17   a plugin is missing, failed or proposed nonsense
        └── PluginHung           17   a plugin did not end in time

A wrong configuration is `config.errors.ConfigTrouble` (2): config knows nothing of the engine.
Every message says what, where, why and what to do next (`remedy`).
"""

from __future__ import annotations

import errno
import os

_REMEDIES = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the quota is used up: make room",
    errno.EROFS: "the disk can only be read: see to it",
    errno.EACCES: "give this user the right to it",
    errno.EPERM: "give this user the right to it",
    errno.ENOTDIR: "a file stands where a directory is needed: take it away",
    errno.EISDIR: "a directory stands where a file is needed: take it away",
    errno.EIO: "the disk has trouble: see to it",
    errno.ENOENT: "put it back, or make it",
    errno.ELOOP: "a link leads to itself: take it away",
}


class DfosError(Exception):
    """Trouble the operator can act on.

    `what` is one sentence; `where` names the file, line or AB; `remedy` says what to do next.
    """

    exit_code = 10

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.remedy})" if self.remedy else text


class UsageTrouble(DfosError):
    """The command was called wrongly."""

    exit_code = 2


class AnswerNeeded(DfosError):
    """A question is parked until an operator answers it."""

    exit_code = 3


class Busy(DfosError):
    """Another process holds the lock; it is named."""

    exit_code = 4


class OpenJournal(DfosError):
    """An earlier run stopped half-way and must be recovered first."""

    exit_code = 5


class BadAb(DfosError):
    """An AB file cannot be read; `where` is file:line."""

    exit_code = 11


class BadCascade(DfosError):
    """ABs form a circle, or wait for an AB nobody has."""

    exit_code = 12


class BadFits(DfosError):
    """A FITS file is damaged, truncated, or lacks a keyword that is needed."""

    exit_code = 13


class RecipeTrouble(DfosError):
    """A recipe could not be started, followed or judged."""

    exit_code = 14


class MoveTrouble(DfosError):
    """Products cannot be placed, renamed, or their ABs updated."""

    exit_code = 15


class DestinationOccupied(MoveTrouble):
    """The target name exists already with other content; nothing was overwritten."""


class ArchiveTrouble(DfosError):
    """The archive refused a file or could not be reached."""

    exit_code = 16


class PluginTrouble(DfosError):
    """A plugin is configured but missing, failed, hung, or proposed what is not allowed."""

    exit_code = 17


class PluginHung(PluginTrouble):
    """A plugin did not end in time."""


class EngineAway(DfosError):
    """A batch system cannot be reached or takes nothing; its jobs are where they were."""


class DatabaseAway(DfosError):
    """The QC1 database cannot be reached or takes nothing; what it should hold waits in a file."""


class Unsupported(UsageTrouble):
    """This engine cannot do that; the remedy says what it can."""


def of_system(trouble: OSError) -> str:
    """What the file system refused, in one line: path, reason, remedy; '' where it is no trouble with a path."""
    if not isinstance(trouble.filename, str | bytes | os.PathLike) or not trouble.strerror:
        return ""
    remedy = _REMEDIES.get(trouble.errno or 0, "put this right")
    return f"{os.fsdecode(trouble.filename)}: {trouble.strerror} ({remedy}, then call again)"
