"""The lines around the list: what the run is, whether all is right, streams, what was said last.

Pure: a board and the time in, spans out. The first two lines answer "is everything all right?".
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.board import Board, Row
from engine.core.status import AT_WORK
from engine.questions import CERTIFY
from screens import theme
from screens.glyphs import Glyphs, clock, duration, moment, span, width_of
from screens.widgets.columns import short
from screens.widgets.lines import Span, Spans, spread

SILENT_S = 60.0  # seconds without an event, while something runs, after which the picture is called old
_COUNTED = (
    ("FAILED", "FAILED"),
    ("INTERRUPTED", "interrupted"),
    ("BLOCKED", "blocked"),
    ("STALE", "stale"),
    ("RUNNING", "running"),
    ("SUSPENDED", "suspended"),
    ("JUDGED", "being checked"),
    ("REJECTED", "rejected"),
)


def title_line(board: Board, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Instance and run at the left, marked in words when not operational; host and UTC at the right."""
    run = board.run
    right: list[Span] = [(f"{clock(now, seconds=False)} UT", None)]
    if run is None:
        return spread([(" no run yet", theme.BOLD)], right, width, glyphs)
    left: list[Span] = [(f" {glyphs.clean(run.instance)} ", theme.BOLD)]
    for mark in marks(board):
        left += [(f" {mark} ", theme.BANNER), (" ", None)]
    left.append((f" {glyphs.clean(run.pool)}", None))
    used = sum(width_of(text) for text, _ in left)
    where = glyphs.clean(f"{run.user}@{run.host}")
    if used + width_of(where) + 12 <= width:
        right = [(f"{where}  ", None), *right]
    return spread(left, right, width, glyphs)


def marks(board: Board) -> list[str]:
    """What is not operational about this run, in words: test instance, pre-imaging, stand-in pipeline."""
    run = board.run
    if run is None:
        return []
    names = f"{run.instance} {run.what}".upper()
    found = []
    if "DEMO" in names:
        found.append("DEMO")
    elif "TEST" in names:
        found.append("TEST INSTANCE")
    if "PREIM" in names:
        found.append("PRE-IMAGING")
    if run.standin:
        found.append("STAND-IN PIPELINE")
    return found


def to_certify(board: Board) -> int:
    """ABs that wait for a verdict."""
    asked = sum(1 for question in board.questions.values() if question.kind == CERTIFY)
    return max(asked, board.counts["REVIEW"])


def open_questions(board: Board) -> int:
    """Open questions other than verdicts."""
    return sum(1 for question in board.questions.values() if question.kind != CERTIFY)


def status_line(board: Board, left_s: float | None, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Is everything all right: done, failed, blocked, running, what waits for the operator, when it is ready."""
    parts: list[Span] = []
    total, done = board.total, board.done
    if not total:
        parts.append(("no ABs", None))
    elif done == total:
        parts.append((f"all {total} done", theme.GOOD))
    else:
        parts.append((f"{done} of {total} done", theme.BOLD))
    for state, word in _COUNTED:
        if board.counts[state]:
            parts.append((f"{board.counts[state]} {word}", theme.of_state(state)))
    if board.refused:
        parts.append((f"{len(board.refused)} unreadable", theme.BAD))
    if board.mode in ("paused", "stopping", "aborting"):
        parts.append((board.mode, theme.WARN))
    waiting: list[Span] = []
    if to_certify(board):
        waiting.append((f"{to_certify(board)} to certify (C)", theme.ASK))
    if open_questions(board):
        count = open_questions(board)
        waiting.append((f"{count} question{'s' if count > 1 else ''} (Q)", theme.ASK))
    spans: list[Span] = [(" ", None)]
    for text, style in [*parts, *waiting]:
        if len(spans) > 1:
            spans.append((f" {glyphs.dot} ", None))
        spans.append((text, style))
    return spread(spans, [(_ready(board, left_s, now), None)], width, glyphs)


def _ready(board: Board, left_s: float | None, now: float) -> str:
    if board.ended:
        return "run ended"
    if board.total and board.done == board.total:
        return ""
    if left_s is None or not board.total:
        return ""
    if left_s <= 0:
        return ""
    if not board.streams or board.mode != "running":
        return f"{span(left_s)} of work left"
    return f"ready about {moment(now + left_s, now)}"


def silent(board: Board, alive: bool, now: float) -> bool:
    """True when the picture is old: the engine does not answer, or said nothing for long while something runs."""
    if not alive:
        return True
    busy = any(board.counts[state] for state in AT_WORK)
    return busy and board.seen_at > 0 and now - board.seen_at > SILENT_S


def situation_line(board: Board, alive: bool, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Old picture, closed gate, open gate that was closed, or else the phase: the third line."""
    if silent(board, alive, now):
        what = f"as of {clock(board.seen_at)}, engine silent for {span(now - board.seen_at)}" if board.seen_at else ""
        what = what or "the engine does not answer"
        return spread([(f" {what} ", theme.BANNER)], [("E start it again" if not alive else "", None)], width, glyphs)
    gate = board.gate
    if gate.closed:
        held = "held" if gate.policy == "suspend" else "paused"
        times = "once" if gate.checks == 1 else f"{gate.checks} times"
        text = f" {held} by {glyphs.clean(gate.reason)} since {clock(gate.since, False)}, looked {times}"
        text += f", {span(gate.total_s)} in all tonight" if gate.total_s else ""
        return spread([(text, theme.WARN)], [("o run anyway", None)], width, glyphs)
    left: list[Span] = []
    if board.ended:
        left.append((f" {glyphs.clean(board.ended.text)}", theme.GOOD if board.ended.exit_code == 0 else theme.WARN))
    elif board.mode in ("paused", "stopping", "aborting"):
        why = f": {glyphs.clean(board.mode_why)}" if board.mode_why else ""
        left.append((f" {board.mode}{why}", theme.WARN))
    elif board.phase:
        text = f": {glyphs.clean(board.phase_text)}" if board.phase_text else ""
        left.append((f" {glyphs.clean(board.phase)}{text}", None))
    if gate.total_s:
        left.append((f"{' ' + glyphs.dot if left else ''} stood aside {span(gate.total_s)} tonight", None))
    right = glyphs.clean(board.run.pipeline) if board.run and width >= 100 else ""
    return spread(left, [(right, None)], width, glyphs)


def gauges_line(board: Board, busy: Mapping[int, Row], prefix: str, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Every stream with its AB and for how long; progress of a phase; disk and memory in use."""
    right = f"disk {board.host.disk}%  mem {board.host.memory}%" if board.host else ""
    progress = board.progress
    if progress is not None and not busy:
        bar = glyphs.bar(progress.done, progress.of, 20)
        text = f" {glyphs.clean(progress.phase)} {bar} {progress.done} of {progress.of}"
        return spread([(f"{text}  {glyphs.clean(progress.text)}", None)], [(right, None)], width, glyphs)
    spans: list[Span] = []
    for brevity in range(3):
        spans = _streams(board, busy, prefix, now, glyphs, brevity)
        if sum(width_of(text) for text, _ in spans) + width_of(right) < width:
            return spread(spans, [(right, None)], width, glyphs)
    if sum(width_of(text) for text, _ in spans) > width:
        longest = max((row.running_s(now) for row in busy.values()), default=0.0)
        spans = [(f" streams  {len(busy)} of {board.streams} busy, the longest for {duration(longest)}", None)]
    return spread(spans, [], width, glyphs)


def _streams(
    board: Board, busy: Mapping[int, Row], prefix: str, now: float, glyphs: Glyphs, brevity: int
) -> list[Span]:
    word = "held" if board.gate.closed or board.mode == "paused" else "idle"
    if not busy:
        return [(f" streams  all {board.streams} {word}" if board.streams else " streams  none", None)]
    spans: list[Span] = [(" streams", None)]
    for number in range(1, max(board.streams, *busy) + 1):
        row = busy.get(number)
        if row is None:
            spans += [(f"  {number}", theme.BOLD), (f" {word}", None)]
        else:
            name = brief(glyphs.clean(short(row.ab, prefix)), brevity)
            spans += [(f"  {number}", theme.BOLD), (f" {name} {duration(row.running_s(now)) or 'begins'}", None)]
    return spans


def brief(name: str, brevity: int) -> str:
    """A name with less of its time of day: 0 whole, 1 to the second, 2 to the minute; the tag stays."""
    stamp, underscore, tag = name.partition("_")
    if brevity and "T" in stamp:
        stamp = stamp.partition(".")[0] if not stamp.startswith("MUSE.") else stamp
        stamp = stamp[: stamp.index("T") + 6] if brevity > 1 else stamp
    return stamp + underscore + tag


def last_line(board: Board, width: int, glyphs: Glyphs) -> Spans:
    """The last thing worth a line, with its time."""
    at, text = board.last
    return spread([(f" {clock(at)} {glyphs.clean(text)}" if text else "", None)], [], width, glyphs)
