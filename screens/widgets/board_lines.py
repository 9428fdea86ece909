"""The lines around the list: what the run is, whether all is right, streams, what was said last.

Pure: a board and the time in, spans out. The first two lines answer "is everything all right?".
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.board import Board, Row
from engine.core.status import AT_WORK, ENDED_BADLY, ENDED_WELL, STATES, said
from engine.errors import AnswerNeeded
from engine.questions import CERTIFY
from screens import theme
from screens.glyphs import Glyphs, clock, duration, moment, span, width_of, wrapped
from screens.widgets.ab_order import AbOrder
from screens.widgets.columns import short, told
from screens.widgets.facts import facts, relatives
from screens.widgets.family import RERUNS
from screens.widgets.lines import Span, Spans, spread
from screens.widgets.progress import progress_line, progress_words

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


def marked(title: str, board: Board) -> str:
    """The title of a dialog that hides the first line of its screen, with what is not operational."""
    return "  ".join([*marks(board), title])


def to_certify(board: Board) -> int:
    """ABs that wait for a verdict."""
    asked = sum(1 for question in board.questions.values() if question.kind == CERTIFY)
    return max(asked, board.counts["REVIEW"])


def open_questions(board: Board) -> int:
    """Open questions other than verdicts."""
    return sum(1 for question in board.questions.values() if question.kind != CERTIFY)


def status_line(board: Board, left_s: float | None, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Is everything all right: done, failed, blocked, running, what waits for the operator, when it is ready."""
    ready = ready_text(board, left_s, now)
    spans = _counts(board, glyphs, 0)
    if sum(width_of(text) for text, _ in spans) + len(ready) + 2 <= width:
        return spread(spans, [(ready, None)], width, glyphs)
    for brevity in (0, 1, 2, 3):
        spans = _counts(board, glyphs, brevity)
        if sum(width_of(text) for text, _ in spans) < width:
            break
    return spread(spans, [], width, glyphs)


def _counts(board: Board, glyphs: Glyphs, brevity: int) -> list[Span]:
    total, done, counts = board.total, board.done, board.counts
    slash = "/" if brevity else " of "
    parts: list[Span] = []
    if not total:
        parts.append(("no ABs", None))
    elif done == total:
        parts.append((f"all {total} done", theme.GOOD))
    else:
        parts.append((f"{done}{slash}{total} done", theme.BOLD))
    for state, word in _COUNTED:
        if counts[state] and not (brevity > 1 and state in AT_WORK):
            parts.append((f"{counts[state]} {word}", theme.of_state(state)))
    if board.refused:
        parts.append((f"{len(board.refused)} unreadable", theme.BAD))
    if board.mode in ("paused", "stopping", "aborting"):
        parts.append((board.mode, theme.WARN))
    if to_certify(board):
        parts.append((f"{to_certify(board)} to certify (C)", theme.ASK))
    if count := open_questions(board):
        parts.append((f"{count} question{'s' if count > 1 else ''} (Q)", theme.ASK))
    between = f" {glyphs.dot} " if brevity < 3 else " "
    spans: list[Span] = [(" ", None)]
    for part in parts:
        spans += [(between, None), part] if len(spans) > 1 else [part]
    return spans


def ready_text(board: Board, left_s: float | None, now: float) -> str:
    """When the run should be ready, in steps that do not pretend; how much work is left while it stands still."""
    if board.ended:
        return "waits for you" if board.ended.exit_code == AnswerNeeded.exit_code else "run ended"
    if left_s is None or left_s <= 0 or board.done == board.total:
        return ""
    if not board.streams or board.mode != "running" or board.gate.closed:
        return f"{span(left_s)} of work left"
    step = 300 if left_s > 3600 else 60
    return f"ready about {moment((now + left_s) // step * step, now)}"


def silent(board: Board, alive: bool, now: float) -> bool:
    """True when the picture is old: the engine does not answer, or said nothing for long while something runs."""
    if not alive:
        return True
    busy = any(board.counts[state] for state in AT_WORK)
    return busy and board.seen_at > 0 and now - board.seen_at > SILENT_S


def engine_ended(board: Board, alive: bool) -> bool:
    """True when there is no engine because its orders have ended, as a command's engine does: nothing is wrong."""
    return not alive and board.ended is not None and not any(board.counts[state] for state in AT_WORK)


def situation_line(board: Board, alive: bool, left_s: float | None, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Old picture, closed gate, open gate that was closed, or else the phase: the third line."""
    if engine_ended(board, alive) and board.ended:
        how = theme.GOOD if board.ended.exit_code == 0 else theme.WARN
        what = f" {glyphs.clean(board.ended.text)}"
        return spread([(what, how)], [("engine ended, E starts one ", None)], width, glyphs)
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
        left.append((f" {glyphs.clean(said(board.mode, board.mode_why))}", theme.WARN))
    elif board.phase:
        text = f": {glyphs.clean(board.phase_text)}" if board.phase_text else ""
        left.append((f" {glyphs.clean(board.phase)}{text}", None))
    if gate.total_s:
        left.append((f"{' ' + glyphs.dot if left else ''} stood aside {span(gate.total_s)} tonight", None))
    right = glyphs.clean(board.run.pipeline) if board.run and width >= 100 else ""
    ready = ready_text(board, left_s, now)
    if sum(width_of(text) for text, _ in _counts(board, glyphs, 0)) + len(ready) + 2 > width:
        right = ready  # the second line had no room for it
    if words := progress_words(board):
        right = f"{words} "
    return spread(left, [(right, None)], width, glyphs)


def gauges_line(board: Board, busy: Mapping[int, Row], prefix: str, now: float, width: int, glyphs: Glyphs) -> Spans:
    """Every stream with its AB and for how long; progress of a phase; disk and memory in use."""
    right = f"disk {board.host.disk}%  mem {board.host.memory}%" if board.host else ""
    progress = board.progress
    if progress is not None and not board.ended and not busy:
        return progress_line(board, width, glyphs)
    spans: list[Span] = []
    for brevity in range(3):
        spans = _streams(board, busy, prefix, now, glyphs, brevity)
        if sum(width_of(text) for text, _ in spans) + width_of(right) < width:
            return spread(spans, [(right, None)], width, glyphs)
    if sum(width_of(text) for text, _ in spans) > width:
        longest = max((row.running_s(now) for row in busy.values()), default=0.0)
        changed = _changed(board, glyphs, 2)
        spans = [(f" streams{changed}  {len(busy)} of {board.streams} busy, the longest for {duration(longest)}", None)]
    return spread(spans, [], width, glyphs)


def _streams(
    board: Board, busy: Mapping[int, Row], prefix: str, now: float, glyphs: Glyphs, brevity: int
) -> list[Span]:
    word = "held" if board.gate.closed or board.mode == "paused" else "idle"
    changed = _changed(board, glyphs, brevity)
    if not busy:
        free = f"all {board.streams} {word}" if board.streams > 1 else f"the one is {word}"
        return [(f" streams{changed}  {free}" if board.streams else " streams  none", None)]
    spans: list[Span] = [(f" streams{changed}", None)]
    for number in range(1, max(board.streams, *busy) + 1):
        row = busy.get(number)
        if row is None:
            spans += [(f"  {number}", theme.BOLD), (f" {word}", None)]
        else:
            name = brief(glyphs.clean(short(row.ab, prefix)), brevity)
            spent = row.running_s(now)
            spans += [(f"  {number}", theme.BOLD), (f" {name} {duration(spent) if spent >= 1 else 'begins'}", None)]
    return spans


def _changed(board: Board, glyphs: Glyphs, brevity: int) -> str:
    """What is configured, where somebody changed it; `W` shows all."""
    if not board.configured:
        return ""
    return " (changed)" if brevity else f" ({glyphs.clean(board.configured)})"


def brief(name: str, brevity: int) -> str:
    """A name with less of its time of day: 0 whole, 1 to the second, 2 to the minute; the tag stays."""
    stamp, underscore, tag = name.partition("_")
    if brevity and "T" in stamp:
        stamp = stamp.partition(".")[0] if not stamp.startswith("MUSE.") else stamp
        stamp = stamp[: stamp.index("T") + 6] if brevity > 1 else stamp
    return stamp + underscore + tag


def last_line(board: Board, prefix: str, width: int, glyphs: Glyphs) -> Spans:
    """The last thing worth a line, with its time; ABs are called as in the list."""
    at, text = board.last
    text = told(text, prefix)
    return spread([(f" {clock(at)} {glyphs.clean(text)}" if text else "", None)], [], width, glyphs)


def ab_spans(ab: str, row: Row | None, glyphs: Glyphs) -> list[Span]:
    """An AB in a title: its name, its kind, its state as symbol and word."""
    name: Span = (glyphs.clean(ab.removesuffix(".ab")), theme.BOLD)
    if row is None:
        return [name]
    state = (f"{glyphs.state(row.state)} {STATES[row.state].word}", theme.of_state(row.state))
    return [name, (f"  {glyphs.clean(row.kind)}  ", None), state]


def list_line(order: AbOrder, top: int, page: int, total: int, text: str, width: int, glyphs: Glyphs) -> Spans:
    """The rule under the list: filter chips at the left, how much is out of sight at the right."""
    left: list[Span] = [(glyphs.rule, None)]
    for term in text.split():
        left += [(f" {glyphs.clean(term)} ", theme.SELECTED), (" ", None)]
    listed = len(order.names)
    if text:
        left.append((f"{listed} of {total}, esc clears ", None))
    hidden = [(top, glyphs.above), (max(0, listed - top - page), glyphs.below)]
    note = " ".join(f"{count} more {arrow}" for count, arrow in hidden if count)
    note = f" {note} {glyphs.rule}" if note else ""
    used = sum(width_of(part) for part, _ in left) + width_of(note)
    return [*left, (glyphs.rule * max(0, width - used), None), (note, None)]


def footer_spans(row: Row | None, board: Board, alive: bool, width: int) -> Spans:
    """The keys that make sense now, the most useful first; `?` has all of them."""
    keys: list[tuple[str, str]] = []
    if not alive:
        keys.append(("E", "start engine"))
    if row is not None:
        keys += [("enter", "open"), ("l", "log")]
        if row.state in RERUNS or row.state == "BLOCKED":
            keys += [("w", "why"), ("r", "run again")]
        elif row.state == "REVIEW":
            keys.append(("c", "certify"))
        elif row.state not in ENDED_WELL:
            keys.append(("w", "why"))
    if board.gate.closed:
        keys.append(("o", "run anyway"))
    if any(board.counts[state] for state in ENDED_BADLY):
        keys.append(("f", "next failure"))
    keys += [("/", "filter"), ("s", "sort"), ("p", "go on" if board.mode == "paused" else "pause")]
    if board.counts["ACCEPTED"] and not board.counts["REVIEW"]:
        keys.append(("M", "move"))
    tail = [("?", "keys"), ("q", "leave, work goes on")]
    room = width - sum(len(key) + len(word) + 3 for key, word in tail)
    spans: list[Span] = []
    for key, word in keys:
        if len(key) + len(word) + 3 <= room:
            room -= len(key) + len(word) + 3
            spans += [(f" {key}", theme.BOLD), (f" {word} ", None)]
    for key, word in tail:
        spans += [(f" {key}", theme.BOLD), (f" {word} ", None)]
    return spans


def pane_lines(row: Row | None, board: Board, now: float, width: int, height: int, glyphs: Glyphs) -> list[Spans]:
    """The selected AB in a column of its own, where the terminal is wide."""
    wall = f" {glyphs.wall}"
    if row is None:
        return [[(wall, None)]] * height
    title = glyphs.clean(row.ab.removesuffix(".ab"))
    lines: list[Spans] = [[(f"{wall} ", None), (title, theme.BOLD)], [(wall, None)]]
    body = [*facts(row, board, now, glyphs), "", f"waits for {len(row.parents)}"]
    body += relatives(list(row.parents), board, glyphs)
    for text in body:
        indent = " " * (len(text) - len(text[10:].lstrip())) if text[:1] != " " else "    "
        parts = wrapped(glyphs.clean(text), width - 4)
        if len(parts) > 1:
            rest = glyphs.clean(text)[len(parts[0]) :].strip()
            parts = [parts[0], *(indent + part for part in wrapped(rest, width - 4 - len(indent)))]
        lines += [[(f"{wall} {part}", None)] for part in parts]
    return lines[:height] + [[(wall, None)]] * max(0, height - len(lines))
