"""filterRaw: raw files that make no AB as they should. A part of createAB, and a command of its own (`-m SCAN`).

UNCLASSIFIED: no rule classifies it. EMPTY: a mandatory key is blank. Unwanted: a filter rule says so, e.g. too few
files in a group (RAW_MINNUM). Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from config.create import Unwanted
from engine.create.createab.night import EMPTY, TWICE, Trouble
from engine.create.createab.proposal import raw_type_of, tag_of
from engine.create.oca.frame import Frame
from engine.create.oca.organise import Group

_MOST = 20  # names that are printed of one kind


@dataclass(frozen=True, slots=True)
class Filtered:
    """The report: names of raw files by what is wrong with them; `idle`: classified, and no action takes them."""

    date: str
    files: int
    unclassified: tuple[str, ...] = ()
    unwanted: tuple[tuple[str, str], ...] = ()  # name, why
    idle: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    @property
    def clean(self) -> bool:
        """True when every file can be used."""
        return not self.unclassified and not self.unwanted and not self.troubles

    @property
    def text(self) -> str:
        """One line for the operator."""
        empty = sum(one.kind == EMPTY for one in self.troubles)
        twice = sum(one.kind == TWICE for one in self.troubles)
        other = len(self.troubles) - empty - twice
        counts = f"{len(self.unclassified)} unclassified, {empty} empty, {other} unreadable"
        counts += f", {twice} twice" if twice else ""
        return f"{self.date}: {self.files} raw files: {counts}, {len(self.unwanted)} unwanted"

    def describe(self) -> list[str]:
        """The report in lines."""
        empty = [f"{one.name} ({one.why})" for one in self.troubles if one.kind == EMPTY]
        twice = [f"{one.name} ({one.why})" for one in self.troubles if one.kind == TWICE]
        other = [f"{one.name} ({one.why})" for one in self.troubles if one.kind not in (EMPTY, TWICE)]
        unwanted = [f"{name} ({why})" for name, why in self.unwanted]
        lines = []
        for word, names in (
            ("UNCLASSIFIED", self.unclassified),
            ("EMPTY", empty),
            ("unreadable", other),
            ("twice", twice),
            ("unwanted", unwanted),
            ("no action takes", self.idle),
        ):
            if names:
                lines.append(f"{word}: {len(names)} of {self.files} raw files")
                lines += [f"  {name}" for name in names[:_MOST]]
                lines += [f"  and {len(names) - _MOST} more"] if len(names) > _MOST else []
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return {
            "date": self.date,
            "files": self.files,
            "unclassified": list(self.unclassified),
            "unwanted": [{"name": name, "why": why} for name, why in self.unwanted],
            "idle": list(self.idle),
            "troubles": [{"name": one.name, "kind": one.kind, "why": one.why} for one in self.troubles],
        }


def filtered(
    date: str,
    frames: Sequence[Frame],
    groups: Iterable[Group],
    troubles: Sequence[Trouble],
    rules: Sequence[Unwanted] = (),
) -> Filtered:
    """The report on classified frames, the groups they are in, and the headers that could not be used."""
    known = list(groups)
    unclassified = {frame.path for frame in frames if not tag_of(frame) and not frame.overlay.get("RAW.TYPE")}
    settled = {frame.path for group in known for frame in group.members} | unclassified
    unwanted: dict[str, str] = {}
    for group in known:
        for rule in rules:
            kind = raw_type_of(group.primary)
            if rule.raw_type in ("*", kind) and len(group.members) < rule.raw_minnum:
                why = f"{len(group.members)} of {rule.raw_minnum} {kind}, RAW_MINNUM"
                unwanted.update({_name(frame): why for frame in group.members})
    return Filtered(
        date,
        len(frames) + len(troubles),
        tuple(_name(frame) for frame in frames if frame.path in unclassified),
        tuple(sorted(unwanted.items())),
        tuple(_name(frame) for frame in frames if frame.path not in settled),
        tuple(troubles),
    )


def _name(frame: Frame) -> str:
    return frame.path.rpartition("/")[2]
