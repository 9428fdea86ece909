"""DFO_STATUS: which state every DATE has reached, per MODE.

`$DFO_MON_DIR/DFO_STATUS` holds lines `STATUS DATE time [user]`, oldest first, the latest 5000 of them. Words
and order are data: `config/status/dfos_status.yaml` (ab-lifecycle section 15). Lines that cannot be read, or
whose word nobody knows, are passed over and kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.dates import MODES, mode_label
from engine.errors import MoveTrouble

if TYPE_CHECKING:
    from config.tree import DfoTree
    from engine.atomic.journal import Step

PHASE = "write the status"
_LINE = re.compile(r"(?P<word>\w+)\s+(?P<date>\d{4}-\d{2}-\d{2})(?:\s+(?P<when>\S+))?(?:\s+(?P<who>.+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rung:
    """One state of a DATE: its word per MODE, the tool that writes it, and the tool that must have been before."""

    words: Mapping[str, str]
    writer: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Ladder:
    """All states, lowest first; how many entries the file keeps; DATEs that never get one."""

    rungs: tuple[Rung, ...]
    keep: int
    no_status: frozenset[str]

    def height(self, mode: str, word: str) -> int:
        """How far a word is up for a MODE, from 1; 0 for a word that is none of this MODE."""
        return next((n for n, rung in enumerate(self.rungs, 1) if rung.words[mode] == word), 0)

    def word(self, mode: str, writer: str) -> str:
        """The word a tool writes for a MODE, e.g. updateAB for CALIB: `cal_Updated`."""
        return next(rung.words[mode] for rung in self.rungs if rung.writer == writer)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: the word, its DATE, when it was written (UTC, ISO) and by whom ('' in lines of old tools)."""

    word: str
    date: str
    when: str = ""
    who: str = ""


@cache
def ladder() -> Ladder:
    """The shipped list of states."""
    import yaml

    text = (resources.files("config") / "status" / "dfos_status.yaml").read_bytes()
    data: dict[str, Any] = yaml.safe_load(text)
    rungs = tuple(
        Rung({mode: row[mode] for mode in MODES}, row["writer"], row.get("needs", "")) for row in data["statuses"]
    )
    return Ladder(rungs, data["keep"], frozenset(data["no_status"]))


def file_of(tree: DfoTree) -> Path:
    """`$DFO_MON_DIR/DFO_STATUS`."""
    return tree.mon / "DFO_STATUS"


def entries(tree: DfoTree, date: str = "") -> list[Entry]:
    """The entries (of one DATE if given), oldest first; damaged lines are passed over."""
    try:
        text = file_of(tree).read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    found = (_LINE.fullmatch(line.strip()) for line in text.split("\n"))
    made = [Entry(match["word"], match["date"], match["when"] or "", match["who"] or "") for match in found if match]
    return [entry for entry in made if not date or entry.date == date]


def current(tree: DfoTree, date: str) -> dict[str, str]:
    """The state of a DATE per MODE: the highest word present, whatever the order of the lines; '' for none."""
    words = {entry.word for entry in entries(tree, date)}
    found = {}
    for mode in MODES:
        best = max(words, key=lambda word, mode=mode: ladder().height(mode, word), default="")  # type: ignore[misc]
        found[mode] = best if ladder().height(mode, best) else ""
    return found


def steps(tree: DfoTree, mode: str, date: str, writers: Iterable[str], who: str) -> Iterator[Step]:
    """Journal steps that write the words of some tools, each once, with time and user; lowest first.

    MoveTrouble when a word would come before the one it needs (Finished before Updated) or a tool writes none.
    Nothing for DATEs that get no status (2099-99-99).
    """
    from engine.atomic.journal import Step

    mode_label(mode)
    for word in _ordered(tree, mode, date, tuple(writers)):
        line = f"{word} {date} {{utc}} {who}"
        data: dict[str, object] = {"path": str(file_of(tree)), "line": line, "keep": ladder().keep}
        yield Step(PHASE, "add_line", data, f"status {word}", {"event": "StatusWritten", "status": word, "date": date})


def _ordered(tree: DfoTree, mode: str, date: str, writers: tuple[str, ...]) -> list[str]:
    if date in ladder().no_status:
        return []
    strange = set(writers) - {rung.writer for rung in ladder().rungs}
    if strange:
        raise MoveTrouble(f"{min(strange)} writes no status")
    there = {entry.word for entry in entries(tree, date)}
    for rung in ladder().rungs:
        if rung.writer in writers and rung.needs and rung.needs not in writers:
            before = ladder().word(mode, rung.needs)
            if before not in there:
                raise MoveTrouble(
                    f"{rung.words[mode]} may not be written before {before}",
                    where=f"{mode} {date}",
                    remedy=f"call {rung.needs} first",
                )
    return [rung.words[mode] for rung in ladder().rungs if rung.writer in writers]
