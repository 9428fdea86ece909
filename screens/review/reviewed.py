"""What a person judges an AB by, as plain values: evidence, pictures, earlier verdicts, coversheet."""

from __future__ import annotations

from dataclasses import dataclass


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
