"""What a transaction changed in all, read from its journal steps. Pure.

Steps are followed one by one: which content went from which name to which. What is left at the end is what
undoing has to turn round, however many steps it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.atomic.before import BEFORE
from engine.atomic.journal import Step
from engine.atomic.shifts import events_of


@dataclass(frozen=True, slots=True)
class Text:
    """A text at a path, and its mode bits."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file; `made` when the transaction made the file for it."""

    path: str
    line: str
    made: bool = False


@dataclass
class Ledger:
    """The net effect of one transaction; all paths absolute.

    `moved`: (where it stood, where it stands now) · `fresh`: names that hold what did not stand there before, and
    nothing that has to go back · `texts` by such a name: what was written there; `virtual`: those whose text was put
    together from headers · `lost`: earlier content that was
    written over, with its text · `gone`: names whose earlier content nobody knows · `added`, `dropped`: lines ·
    `made`, `removed`: directories · `abs`: ABs that became MOVED · `unknown`: steps that cannot be turned round.
    """

    moved: list[tuple[str, str]] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    virtual: set[str] = field(default_factory=set)
    lost: list[Text] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    added: list[Line] = field(default_factory=list)
    dropped: list[Line] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    abs: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)


def ledger_of(steps: Iterable[Step], leave: frozenset[str] = frozenset()) -> Ledger:
    """The net effect of `steps`. Names in `leave` stay as they are whatever was written there."""
    followed = _Followed()
    for step in steps:
        followed.take(step)
        for event in events_of(step):
            if event["event"] == "AbChanged" and event["state"] == "MOVED":
                followed.ledger.abs.add(str(event["ab"]))
    return followed.closed(leave)


class _Followed:
    """Names and what they hold, step by step: `("was", path)` what stood there before, `("new", n)` the nth text."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._holds: dict[str, tuple[str, str | int] | None] = {}
        self._before: dict[str, bool] = {}
        self._texts: list[str | None] = []  # None: put together from headers
        self._notes: dict[str, Any] = {}

    def take(self, step: Step) -> None:
        """Follow one step."""
        data = step.data
        match step.act:
            case "shift":
                for old, new in data["names"]:
                    self._moves(f"{data['source']}/{old}", f"{data['target']}/{new}")
            case "rename":
                self._moves(data["source"], data["target"])
            case "place":
                held = self._out_of(data["source"])
                self._into(data["target"], held, stood=bool(data.get(BEFORE)))
            case "drop":
                self._out_of(data["source"])
                self._holds[data["source"]] = None
            case "write":
                self._writes(step.data["path"], step.data["text"], step.data.get(BEFORE, {}))
            case "write_all" | "virtual":
                notes = step.data.get(BEFORE)
                for name, text in step.data["texts"]:
                    note = {} if notes is None else notes.get(name)
                    self._writes(f"{step.data['folder']}/{name}", text if step.act == "write_all" else None, note)
            case "make_dir":
                self.ledger.made += data.get(BEFORE, ())
            case "remove_dir":
                if data.get(BEFORE, True):
                    self.ledger.removed.append(data["path"])
            case "add_line" | "drop_line":
                self._lines(step)
            case "settle":
                pass
            case other:
                self.ledger.unknown.append(f"{other}: {step.words}")

    def _moves(self, source: str, target: str) -> None:
        held = self._out_of(source)
        self._holds[source] = None
        self._into(target, held)

    def _out_of(self, path: str) -> tuple[str, str | int] | None:
        if path not in self._before:
            self._before[path] = True
            self._holds[path] = ("was", path)
        return self._holds[path]

    def _into(self, path: str, held: tuple[str, str | int] | None, *, stood: bool = False) -> None:
        if stood and path not in self._before:  # the same content, else it would have failed
            self._out_of(path)
            return
        self._before.setdefault(path, False)
        self._holds[path] = held

    def _writes(self, path: str, text: str | None, note: Mapping[str, Any] | None) -> None:
        """`note` is what stood there: None for nothing, empty where nobody knows."""
        if path not in self._before:
            self._notes[path] = note
            self._before[path] = note is not None
        self._texts.append(text)
        self._holds[path] = ("new", len(self._texts) - 1)

    def _lines(self, step: Step) -> None:
        note: Mapping[str, bool] = step.data.get(BEFORE, {"file": True, "line": step.act == "drop_line"})
        line = Line(step.data["path"], step.data["line"], not note["file"])
        if step.act == "add_line" and not note["line"]:
            self.ledger.added.append(line)
        elif step.act == "drop_line" and note["line"]:
            self.ledger.dropped.append(line)

    def closed(self, leave: frozenset[str]) -> Ledger:
        """The books are balanced: what goes back where, what is new, what nobody knows any more."""
        found = self.ledger
        stands: dict[tuple[str, str | int], list[str]] = {}
        for path, held in self._holds.items():
            if held is not None:
                stands.setdefault(held, []).append(path)
        going: set[str] = set()
        for path, stood in self._before.items():
            if path in leave or not stood or self._holds[path] == ("was", path):
                continue
            note = self._notes.get(path)
            if copies := stands.get(("was", path)):
                found.moved.append((path, copies[0]))
                going.add(copies[0])
            elif note and "text" in note:
                found.lost.append(Text(path, note["text"], note["mode"]))
            else:
                found.gone.append(path)
        for held, paths in stands.items():
            for path in paths:
                if path in going or path in leave or held == ("was", path):
                    continue
                found.fresh.append(path)
                if held[0] == "new":
                    text = self._texts[int(held[1])]
                    if text is None:
                        found.virtual.add(path)
                    else:
                        found.texts[path] = text
        return found
