"""What a move will do, as data: frozen, printable, comparable. Nothing here touches anything."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.core.product import DELETE, MOVE, WITHHELD, Fate

# how ABs name a verdict by score: the certification mode gave it
_BY_SCORE = re.compile(r"^(CERTIFIED\s+accepted by auto_(?:all|green) at )\S+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Carry:
    """A file that goes from `source` to `target`; `what` is log, plot or pool. Size in bytes."""

    source: str
    target: str
    what: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Retire:
    """A file that goes to the trash, and why; size in bytes."""

    path: str
    why: str
    size: int


@dataclass(frozen=True, slots=True)
class AbUpdate:
    """An AB's new text at `target`; `source` is where it stands now ('' when it stands there already)."""

    name: str
    source: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page at `source` whose links are edited; `text` is what will stand at `target`. Size in bytes."""

    source: str
    target: str
    text: str
    size: int


@dataclass(frozen=True)
class MovePlan:
    """Everything one move will do. With `conflicts` or `undecided` ABs it may not be executed, with `unprocessed`
    ABs (no recipe has run for them) only when forced.

    `far` are directories whose products stand on another filesystem than `final_dir`; `script` is the text of
    rn_files ('': none); `certified` says by reviewed AB that moves the question its verdict was given on, and the ABs
    whose products that is about; `by_score` are ABs that would be accepted by score (not part of the digest: to
    accept them changes nothing in the plan); `export` is the line for JOBS_EXPORT; `warnings` stop nothing; `stamp`
    is the UPDATED time of its ABs and not part of its digest.
    """

    mode: str
    date: str
    recreate: bool
    final_dir: str
    only: str = ""
    stamp: str = ""
    fates: tuple[Fate, ...] = ()
    pool: tuple[Carry, ...] = ()
    retired_first: tuple[Retire, ...] = ()
    carried: tuple[Carry, ...] = ()
    pages: tuple[Page, ...] = ()
    retired_last: tuple[Retire, ...] = ()
    abs: tuple[AbUpdate, ...] = ()
    logged: tuple[AbUpdate, ...] = ()
    stay: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    unprocessed: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    script: str = ""
    call: str = ""
    export: str = ""
    statuses: tuple[str, ...] = ()
    stamps: tuple[tuple[str, int, int], ...] = ()
    certified: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    by_score: tuple[str, ...] = ()

    def of(self, fate: str) -> tuple[Fate, ...]:
        """The products with this fate."""
        return tuple(entry for entry in self.fates if entry.fate == fate)

    @property
    def size(self) -> int:
        """Bytes that move."""
        return sum(entry.product.size for entry in self.of(MOVE))

    @property
    def empty(self) -> bool:
        """True when there is nothing to do."""
        return not (self.abs or self.of(MOVE) or self.of(DELETE))

    @cached_property
    def digest(self) -> str:
        """The same for the same plan of the same tree: SHA-256, hex."""
        return digest_of(self.to_dict())

    def describe(self) -> list[str]:
        """The plan in lines: fate, PIPEFILE, final name or reason; then what is in the way."""
        lines = [f"CONFLICT {text}" for text in self.conflicts]
        lines += [f"unknown  {text}" for text in self.unknown]
        lines += [f"warning  {text}" for text in self.warnings]
        lines += [
            f"{entry.fate:<8} {entry.product.pipefile or Path(entry.product.path).name}"
            f"  {entry.final or '(' + entry.why + ')'}"
            for fate in (MOVE, DELETE)
            for entry in self.of(fate)
        ]
        lines += self._withheld()
        lines += [f"rename   {Path(entry.source).name}  {Path(entry.target).name}" for entry in self.pool]
        lines += [f"retire   {Path(entry.path).name}  ({entry.why})" for entry in self.retired_first]
        return lines + [f"stays    {name}  ({why})" for name, why in self.stay]

    def _withheld(self) -> list[str]:
        """What stays, AB by AB: a date that waits for verdicts is told in as many lines as it has ABs."""
        groups: dict[tuple[str, str], list[str]] = {}
        for entry in self.of(WITHHELD):
            name = entry.product.pipefile or Path(entry.product.path).name
            key = (entry.product.ab, entry.why) if entry.product.ab else (name, entry.why)
            groups.setdefault(key, []).append(name)
        return [
            f"withheld {names[0]}{f' and {len(names) - 1} more of its AB' if len(names) > 1 else ''}  ({why})"
            for (_, why), names in groups.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json and for a saved plan."""
        return asdict(self)


def digest_of(data: Mapping[str, Any]) -> str:
    """The digest of a plan given as plain data.

    Left out are the time that its ABs and rn_files would bear, and that of verdicts by score, which are the same
    whenever they are given.
    """
    stamp, plain = str(data["stamp"]), {name: value for name, value in data.items() if name != "by_score"}
    plain["stamp"] = ""
    line = re.compile(rf"^(UPDATED\s+){re.escape(stamp)}$", re.MULTILINE)
    for part in ("abs", "logged"):
        texts = [_BY_SCORE.sub(r"\1", entry["text"]) for entry in data[part]]
        plain[part] = [
            {**entry, "text": line.sub(r"\1", text) if stamp else text}
            for entry, text in zip(data[part], texts, strict=True)
        ]
    if stamp:
        plain["script"] = data["script"].replace(stamp, "")
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
