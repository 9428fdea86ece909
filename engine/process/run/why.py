"""Why an AB is not running: the whole chain in sentences, ending with what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.board import Board, Row
from engine.core.status import AT_WORK, ENDED_WELL, STATES, lacked_memory, said
from engine.process.plan.pool import Entry

if TYPE_CHECKING:
    from engine.process.run.streams import Streams

_DEEPEST = 50
_CIRCLE = "Remove the wrong WAITFOR or SOF_CONTENT line; the rest of the pool goes on."
_MEMORY = "`m` (or dfos retry {ab} --memory 2) runs it again with more memory, and what depends on it."
_AGAIN = "Remove the cause (`l` shows the log), then `r` (or dfos retry {ab}) runs it again with what depends on it."
_OUTSIDE = "Process the other pool first, or remove the WAITFOR line if it is wrong."


def why(streams: Streams, ab: str) -> list[str]:
    """One sentence a line; the last one is what the operator can do. Unknown ABs are said to be unknown."""
    entry = streams.entries.get(ab)
    if entry is None:
        return [f"{ab} is not in this pool."]
    if entry.state in AT_WORK:
        return [f"{ab} is {STATES[entry.state].word}, in stream {entry.stream}{_since(entry)}.", *_held(entry)]
    if entry.state in ENDED_WELL:
        return [f"{ab} is {STATES[entry.state].word}.", _nothing(entry.state)]
    lines: list[str] = []
    while True:
        lines.append(_sentence(streams, entry))
        nearest = _nearest(streams, entry)
        if nearest is None or len(lines) > _DEEPEST:
            break
        entry = nearest
    return [*lines, _remedy(streams, entry)]


def _nothing(state: str) -> str:
    if state == "REVIEW":
        return "It waits for a verdict: `c` in the monitor, or dfos answer; `r` would run it again."
    gone = state in ("MOVED", "INGESTED")
    return "Nothing to do; its products have moved." if gone else "Nothing to do; `r` would run it again."


def why_known(board: Board, ab: str) -> list[str]:
    """The same while nothing is processed, from the board's rows."""
    row = board.rows.get(ab)
    if row is None:
        return [f"{ab} is not known here."]
    chain = [row]
    while (nearest := _held_by(board, chain[-1])) is not None:
        chain.append(nearest)
        if nearest in chain[:-1] or len(chain) > _DEEPEST:
            break
    *before, last = chain
    lines = [_known(row, parent) for row, parent in pairwise(chain)]
    if last in before:
        return [*lines, "So they wait for each other.", _CIRCLE]
    return [*lines, _standing(last.ab, last.state, last.reason), _remedy_known(last)]


def _held_by(board: Board, row: Row) -> Row | None:
    """The parent that holds a row, the worst first; None where the chain ends."""
    if row.state not in ("CREATED", "PARENT", "BLOCKED") or row.reason.startswith(f"a circle: {row.ab} "):
        return None
    waiting = [board.rows[name] for name in row.parents if name in board.rows]
    waiting = [parent for parent in waiting if parent.state not in ENDED_WELL]
    return min(waiting, key=lambda parent: STATES[parent.state].display, default=None)


def _known(row: Row, parent: Row) -> str:
    """Why a row waits that has a parent to wait for; what was said of the parent is not said of the row."""
    if row.state == "BLOCKED" and parent.ab in row.reason and parent.state != "BLOCKED":
        return _standing(row.ab, row.state, row.reason)
    return f"{row.ab} waits for {parent.ab}."


def _remedy_known(row: Row) -> str:
    if lacked_memory(row.state, row.reason):
        return _MEMORY.format(ab=row.ab)
    if row.state in ("FAILED", "STALE"):
        return _AGAIN.format(ab=row.ab)
    if row.state in ENDED_WELL:
        return _nothing(row.state)
    if row.state == "BLOCKED" and row.reason:
        return _refusal(row.reason)
    if row.state == "PARENT" and ", which " in row.reason:
        return _OUTSIDE
    if row.reason.startswith("waits for disk"):
        return "Free space in $DFS_PRODUCT and the work area, then start processing."
    return "Nothing is being processed: start processing."


def _refusal(why: str) -> str:
    """What to do about an AB that may not start."""
    if why.startswith("a circle"):
        return _CIRCLE
    if why.startswith("refused"):
        return "Split it (fewer inputs), use a larger host, or correct kinds and admission in dfos.yaml."
    return "Answer the question (`q`, or dfos answer), then process again."


def _nearest(streams: Streams, entry: Entry) -> Entry | None:
    """The parent that holds this AB: one that failed or is blocked, else the one it is said to wait for."""
    if entry.refused or entry.state not in ("PARENT", "BLOCKED"):
        return None
    parents = [streams.entries[name] for name in entry.parents if name in streams.entries]
    for states in (("FAILED", "STALE"), ("BLOCKED",)):
        for parent in parents:
            if parent.state in states:
                return parent
    waiting = [parent for parent in parents if parent.state not in ENDED_WELL]
    return next((parent for parent in waiting if parent.ab == entry.awaited), waiting[-1] if waiting else None)


def _sentence(streams: Streams, entry: Entry) -> str:
    if entry.refused and entry.state == "BLOCKED":
        return _standing(entry.ab, entry.state, entry.reason)
    if entry.state in ("PARENT", "BLOCKED"):
        count = sum(name in streams.entries and streams.entries[name].state not in ENDED_WELL for name in entry.parents)
        nearest = _nearest(streams, entry)
        if nearest is None:
            return _standing(entry.ab, entry.state, entry.reason)
        others = f" (and {count - 1} more)" if count > 1 else ""
        return f"{entry.ab} waits for {nearest.ab}{others}."
    if entry.state in AT_WORK:
        return f"{entry.ab} is {STATES[entry.state].word}{_since(entry)}."
    if entry.state == "FAILED":
        return f"{entry.ab} FAILED: {entry.reason or 'no reason was kept'}."
    if entry.state == "STALE":
        return f"{entry.ab} is stale: one of its inputs was made anew."
    if entry.state == "INTERRUPTED":
        return f"{entry.ab} was interrupted: {entry.reason or 'the engine ended'}."
    held = streams.hold()
    if held:
        return f"{entry.ab} is ready; {held}."
    lane = entry.lane
    busy = sum(streams.entries[task.ab].lane == lane for task in streams.running)
    if entry.reason.startswith("waits until"):
        return f"{entry.ab} is ready; it {entry.reason}."
    if busy >= streams.widths[lane]:
        return f"{entry.ab} is ready; all {streams.widths[lane]} streams of {lane} are busy ({_names(streams, lane)})."
    if lacks := streams.admission.lacks(entry):
        holders = _holders(streams)
        return f"{entry.ab} is ready; it {lacks}" + (f" ({holders})." if holders else ".")
    if len(streams.running) >= streams.streams:
        return f"{entry.ab} is ready; all {streams.streams} streams are busy ({_names(streams)})."
    first = streams.admission.first
    if first and first != entry.ab:
        return f"{entry.ab} is ready; it would put off {first}, which waits for memory or disk."
    return f"{entry.ab} is ready and starts next."


def _standing(ab: str, state: str, reason: str) -> str:
    phrase = said(STATES[state].word, reason)
    return f"{ab} {phrase}." if phrase.startswith("waits ") else f"{ab} is {phrase}."


def _remedy(streams: Streams, entry: Entry) -> str:
    if lacked_memory(entry.state, entry.reason):
        return _MEMORY.format(ab=entry.ab)
    if entry.state == "FAILED":
        return _AGAIN.format(ab=entry.ab)
    if entry.state == "STALE":
        return f"`r` runs {entry.ab} again with what depends on it."
    if entry.state in AT_WORK:
        return "Nothing to do but wait; `l` shows its log."
    if entry.refused:
        return _refusal(entry.refused)
    if entry.state in ("PARENT", "BLOCKED"):
        return _OUTSIDE
    if entry.state == "INTERRUPTED":
        return "It runs again by itself at the next start of the run."
    if streams.mode == "paused":
        return "Resume the run (`p`)."
    if streams.mode in ("stopping", "aborting"):
        return "Start the run again when it has ended."
    if streams.gate and streams.gate.closed:
        return "Wait until they are gone, or order to run anyway (command palette; it is recorded)."
    if streams.mode == "idle":
        return "Start processing."
    if entry.reason.startswith("waits for disk"):
        return "Free space in $DFS_PRODUCT and the work area; it starts by itself while the run goes on."
    return "Nothing to do but wait, or allow more streams."


def _held(entry: Entry) -> list[str]:
    return [f"It is frozen: {entry.reason}.", "It goes on by itself."] if entry.state == "SUSPENDED" else []


def _since(entry: Entry) -> str:
    if not entry.started:
        return ""
    return f" since {datetime.fromtimestamp(entry.started, UTC).strftime('%H:%M:%S')} UT"


def _holders(streams: Streams) -> str:
    """Who holds memory, the most first."""
    held = [entry for task in streams.running if (entry := streams.entries[task.ab]).memory_gb]
    held.sort(key=lambda entry: -entry.memory_gb)
    return ", ".join(f"{entry.ab} holds {entry.memory_gb:,.4g} GB" for entry in held[:3])


def _names(streams: Streams, lane: str = "") -> str:
    names = [task.ab for task in streams.running if not lane or streams.entries[task.ab].lane == lane]
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
