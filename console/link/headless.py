"""Events as plain lines for cron and plain terminals, or as one JSON object a line.

Lines go to stderr with a time and a word; a bar only where stderr is a terminal. With `--json`
events go to stdout, one per line, and nothing else does.
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TextIO

from engine import events as ev
from engine.board import Board
from engine.core.sizes import counted
from engine.core.status import STATES, said

_QUIET = {"PARENT", "SLOT", "CREATED", "JUDGED"}


def plain(text: str) -> str:
    """The text with control characters made visible: nothing from a log drives the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def line_of(stamped: ev.Stamped, board: Board) -> str:
    """What a person reads of an event; '' for what is not worth a line."""
    event = stamped.event
    match event:
        case ev.RunStarted():
            note = "  STAND-IN PIPELINE: its products are not those of ESO's recipes" if event.standin else ""
            return f"{event.what} {event.pool}  {event.instance} on {event.host}, {event.pipeline}{note}"
        case ev.RunEnded():
            return event.text
        case ev.PhaseStarted():
            return f"--- {event.phase}: {event.text}"
        case ev.AbChanged() if event.state not in _QUIET:
            return _ab_line(event, board)
        case ev.AbRefused():
            return f"REFUSED {event.where}: {event.why}"
        case ev.AbDecided():
            why = f': "{event.comment}"' if event.comment else ""
            return f"{event.ab} {event.verdict} by {event.who}{why}"
        case ev.GateClosed() if event.checks <= 1:
            return f"paused: {event.reason} ({event.policy})"
        case ev.GateOpened() if event.why:
            return f"goes on: {event.why}; paused {event.total_s:.0f} s in all"
        case ev.ModeChanged() if event.why:
            return said(event.mode, event.why)
        case ev.QuestionAsked():
            parked = "parked" if event.parked else "asked"
            return f"question {event.number} {parked}: {event.question['subject']}: {event.question['text']}"
        case ev.QuestionAnswered() if not event.choice:
            return f"question {event.number} withdrawn: {event.comment}"
        case ev.QuestionAnswered():
            return f"question {event.number} answered: {event.choice} ({event.who})"
        case ev.PlanMade():
            return (
                f"plan {event.mode} {event.date}: {event.moves} move, {event.deletes} are not saved, "
                f"{event.withheld} stay, {event.total_bytes / 1e6:.1f} MB"
            )
        case ev.ProductMoved():
            return f"moved {event.pipefile} -> {event.final}"
        case ev.ProductRetired():
            return f"not saved {event.pipefile}: in the trash until {event.until}"
        case ev.StatusWritten():
            return f"status {event.status} {event.date}"
        case ev.IngestQueued():
            return f"queued: {event.call}"
        case ev.ProductIngested():
            return f"archived {event.name} ({event.size_bytes / 1e6:.1f} MB)"
        case ev.Notice():
            return event.text if event.level == "info" else f"{event.level.upper()} {event.text}"
    return ""


def _ab_line(event: ev.AbChanged, board: Board) -> str:
    row = board.rows.get(event.ab)
    what = f"{row.kind} {row.target}".strip() if row else ""
    took = f" {event.duration_s:.1f} s" if event.duration_s and event.state in ("DONE", "FAILED") else ""
    stream = f" stream {event.stream}" if event.state == "RUNNING" and event.stream else ""
    return f"{event.ab} ({what}) {said(f'{STATES[event.state].word}{took}{stream}', event.reason)}"


class Lines:
    """Listener that writes plain lines, with a progress bar on a terminal."""

    def __init__(self, board: Board, out: TextIO, *, bar: bool = True) -> None:
        self._board = board
        self._out = out
        self._bar = bar and out.isatty()
        self._width = 0

    def __call__(self, stamped: ev.Stamped) -> None:
        """Show one event (the board has folded it already)."""
        text = line_of(stamped, self._board)
        if text:
            clock = time.strftime("%H:%M:%S", time.gmtime(stamped.at))
            self._clear()
            self._out.write(f"{clock} {plain(text)}\n")
        if self._bar and (text or not stamped.event.durable):
            self._draw(stamped.at)
        self._out.flush()

    def close(self) -> None:
        """Take the bar away."""
        self._clear()
        self._out.flush()

    def _clear(self) -> None:
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._width = 0

    def _draw(self, now: float) -> None:
        board = self._board
        if not board.total or board.ended:
            return
        left = board.remaining_s(now)
        text = f"{board.done} of {counted(board.total, 'AB')}"
        if board.progress:
            text = f"{board.progress.phase} {board.progress.done} of {board.progress.of}"
        elif left:
            text += f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
        room = max(10, min(40, shutil.get_terminal_size().columns - len(text) - 6))
        share = board.progress.done / max(1, board.progress.of) if board.progress else board.done / board.total
        full = int(room * min(1.0, share))
        bar = f"[{'#' * full}{'.' * (room - full)}] {text}"
        self._clear()
        self._out.write(bar)
        self._width = len(bar)


class JsonLines:
    """Listener that writes every event as one JSON object a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, stamped: ev.Stamped) -> None:
        """Write one event."""
        self._out.write(json.dumps(ev.encode(stamped), ensure_ascii=True) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to take away."""
