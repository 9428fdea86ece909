"""What a screen is given: a link to the engine, and a library it may look things up in.

A screen knows neither sockets nor files. The same protocols are met by an engine in this
process (tests) and by one at the other end of a Unix socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.board import Board


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a log from a byte offset; `next_offset` is where to go on, `growing` while the recipe runs."""

    text: str
    next_offset: int
    growing: bool
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of evidence: what, its value, and a word (ok, RED, not scored) — readable without colour."""

    name: str
    value: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to draw: 8-bit grey or RGB rows, top row first. `caption` says what it shows."""

    caption: str
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """An earlier decision: ISO time, who, accepted or rejected, comment."""

    when: str
    who: str
    verdict: str
    comment: str


@dataclass(frozen=True, slots=True)
class Review:
    """All a person needs to judge one AB. `pattern` e.g. DEEP40; `question` is the number to answer (0: none open)."""

    ab: str
    target: str
    pattern: str
    run_id: str
    findings: tuple[Finding, ...]
    log_flags: tuple[str, ...]
    history: tuple[Verdict, ...]
    pictures: tuple[str, ...]  # names to ask `Library.picture` for
    question: int
    may_accept: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Cover:
    """One line of the coversheet: an AB that went into the reviewed one (group `this run`), or a historical one."""

    group: str
    ab: str
    kind: str
    state: str
    score: str
    remark: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One plugin slot: which plugin is configured, and whether it was found (where, or why not)."""

    slot: str
    plugin: str
    found: bool
    where: str


class EngineLink(Protocol):
    """The engine as a screen sees it."""

    board: Board

    @property
    def alive(self) -> bool:
        """False when the engine does not answer any more."""
        ...

    async def command(self, verb: str, **arguments: str | int) -> str:
        """Order something; the reply is one line to show. Verbs: pause, resume, stop, abort, streams (n),
        retry (ab), process, release, ingest, override (run in spite of the gate), engine (start it again)."""
        ...

    async def answer(self, number: int, choice: str, comment: str = "") -> str:
        """Answer a question; saved before this returns. UsageTrouble when it may not be given."""
        ...


class Library(Protocol):
    """Look-ups; all may take a moment, none changes anything."""

    async def log(self, ab: str, offset: int = 0) -> LogPart:
        """The recipe log of an AB from a byte offset on."""
        ...

    async def ab_text(self, ab: str) -> str:
        """The AB file as it stands."""
        ...

    async def why(self, ab: str) -> list[str]:
        """Why this AB is not running: the whole chain, one sentence a line, ending with what to do."""
        ...

    async def review(self, ab: str) -> Review:
        """The evidence for certifying an AB."""
        ...

    async def picture(self, ab: str, name: str, width: int, height: int) -> Picture | None:
        """A picture of the AB, shrunk to at most width x height pixels; None when it cannot be had."""
        ...

    async def cover(self, ab: str) -> list[Cover]:
        """The coversheet of a reviewed AB."""
        ...

    async def plugins(self) -> list[Slot]:
        """Every plugin slot of the instance."""
        ...

    async def question_details(self, number: int) -> list[str]:
        """The plan or list behind a question (`d` in its dialog)."""
        ...
