"""ABs that no engine of ours has processed, as their files tell: made and run by other tools, or moved long ago.

Only what a line of the monitor needs is read, and only of ABs the journal does not know. Standard library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from config.tree import DfoTree
from engine.core.dates import date_label, mode_label
from engine.errors import DfosError
from engine.events import AbSeen

MOST = 5_000  # AB files that are read at once; the newest, by name
_LARGEST = 1 << 20  # bytes of an AB that are read
_LINE = re.compile(
    rb"^(AB_NAME|DATE|BATCH_ID|DPR_CATG|RAW_TYPE|RECIPE|TARGET|PROCESS_STATUS|CERTIFIED|COMMENT)[ \t]+([^#\r\n]*)", re.M
)
_STATES = {"SUCCESSFUL": "DONE", "FAILED": "FAILED"}
_MODES = ("CALIB", "SCIENCE")
_LISTS = "AB_list_"


def found_abs(tree: DfoTree, known: Collection[str], dates: Iterable[str]) -> Iterator[AbSeen]:
    """The ABs of $DFO_AB_DIR, and those moved to $DFO_LOG_DIR of `dates` and of every date with an AB_list, that are
    not among `known`. One that cannot be read is left out: whoever loads it says why. At most MOST, the newest."""
    here = [path for path in _abs_in(tree.ab) if path.name not in known]
    seen = {path.name for path in here}
    wanted = sorted({*dates, *_listed(tree.mon)}, reverse=True)
    for date in wanted:
        if len(here) >= MOST:
            break
        moved = [path for path in _abs_in(tree.log / date) if path.name not in known and path.name not in seen]
        seen.update(path.name for path in moved)
        here += moved
    newest = sorted(here, key=lambda path: path.name, reverse=True)[:MOST]
    events = (event for path in newest if (event := _read(path, moved=path.parent != tree.ab)))
    yield from sorted(events, key=lambda event: (event.date, event.mode, event.ab))


def _abs_in(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return [Path(entry.path) for entry in entries if entry.name.endswith(".ab") and entry.name[0] != "."]
    except OSError:
        return []


def _listed(mon: Path) -> Iterator[str]:
    """The dates of the AB_lists."""
    with suppress(OSError), os.scandir(mon) as entries:
        for entry in entries:
            mode, _, date = entry.name.removeprefix(_LISTS).partition("_")
            if entry.name.startswith(_LISTS) and mode in _MODES:
                with suppress(DfosError):
                    yield date_label(date)


def _read(path: Path, *, moved: bool) -> AbSeen | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            data = os.read(handle, _LARGEST)
        finally:
            os.close(handle)
    except OSError:
        return None
    said = {key.decode(): value.decode("utf-8", "replace").strip() for key, value in _LINE.findall(data)}
    mode = said.get("BATCH_ID", "").partition("_")[0]
    mode = mode if mode in _MODES else said.get("DPR_CATG", "SCIENCE")
    date, recipe = said.get("DATE", ""), said.get("RECIPE", "")
    try:
        mode_label(mode), date_label(date)
    except DfosError:
        return None
    if said.get("AB_NAME") != path.name:
        return None
    verdict = said.get("CERTIFIED", "").partition(" ")[0]
    state = "MOVED" if moved else _STATES.get(said.get("PROCESS_STATUS", ""), "CREATED")
    return AbSeen(
        path.name,
        mode,
        date,
        recipe,
        recipe,
        said.get("RAW_TYPE", ""),
        said.get("TARGET", ""),
        0,
        (),
        0.0,
        state,
        {"MOVED": "found moved", "FAILED": "failed elsewhere"}.get(state, ""),
        verdict=verdict if verdict in ("accepted", "rejected") else "",
        comment=said.get("COMMENT", "") if verdict else "",
    )
