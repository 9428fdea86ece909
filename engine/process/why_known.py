"""Why an AB is not running, as far as the board knows: for when nothing is being processed."""

from __future__ import annotations

from engine.board import Board
from engine.core.status import AT_WORK, ENDED_WELL, STATES

_DEEPEST = 50
_REMEDY = {
    "FAILED": "Remove the cause (`l` shows the log), then `r` runs it again with what depends on it.",
    "STALE": "`r` runs it again with what depends on it.",
    "INTERRUPTED": "It runs again by itself when processing is started.",
    "REVIEW": "Certify it (`C`); nothing moves before.",
    "REJECTED": "It was rejected; revise the verdict (`C`), or `r` runs it again.",
}


def why_known(board: Board, ab: str) -> list[str]:
    """One sentence a line; the last one is what the operator can do."""
    if ab not in board.rows:
        return [f"{ab} is not known here."]
    lines: list[str] = []
    name = ab
    while len(lines) < _DEEPEST:
        row = board.rows[name]
        reason = f": {row.reason}" if row.reason else ""
        lines.append(f"{name} is {STATES[row.state].word}{reason}.")
        parents = [parent for parent in row.parents if parent in board.rows]
        unmet = [parent for parent in parents if board.rows[parent].state not in ENDED_WELL]
        if row.state in ENDED_WELL or row.state in AT_WORK or row.state in _REMEDY or not unmet:
            return [*lines, _remedy(row.state)]
        name = min(unmet, key=lambda parent: STATES[board.rows[parent].state].display)
    return lines


def _remedy(state: str) -> str:
    if state in _REMEDY:
        return _REMEDY[state]
    if state in ENDED_WELL:
        return "Nothing to do; `r` would run it again."
    return "Nothing is being processed; start it (`:` process)."
