"""Fold of events into the AB monitor's rows.

Screen, headless summary and `dfos status` read this one picture, so they cannot disagree;
a console that attaches later folds the snapshot and arrives at the same board.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from operator import attrgetter

from engine import events as ev
from engine.core.pace import Pace
from engine.core.status import AT_WORK, ENDED_WELL, STATES
from engine.questions import Question, from_dict


@dataclass(slots=True)
class Row:
    """One AB as the monitor shows it. `started` in seconds since 1970, durations in seconds."""

    ab: str
    mode: str
    date: str
    kind: str
    recipe: str
    raw_type: str
    target: str
    order: int
    parents: tuple[str, ...]
    forecast_s: float
    state: str
    reason: str
    stream: int
    started: float
    duration_s: float
    score: str
    message: str
    verdict: str
    comment: str

    def running_s(self, now: float) -> float:
        """Seconds it has run: up to `now` while at work, else of its last attempt; 0 when never."""
        return max(0.0, now - self.started) if self.state in AT_WORK and self.started else self.duration_s

    def seen(self) -> ev.AbSeen:
        """The event that brings this row to a board."""
        return ev.AbSeen(**{name: getattr(self, name) for name in Row.__slots__})


@dataclass(frozen=True, slots=True)
class Change:
    """What a folded event touched: `rows` by AB name, `fresh` when rows came or went, `head` for the rest."""

    rows: tuple[str, ...] = ()
    fresh: bool = False
    head: bool = False


@dataclass(frozen=True, slots=True)
class GateState:
    """The gate as the banner shows it."""

    closed: bool = False
    reason: str = ""
    since: float = 0.0
    checks: int = 0
    total_s: float = 0.0
    policy: str = ""


@dataclass
class Board:
    """The AB monitor's state of knowledge. `fold` events into it; read everything else."""

    rows: dict[str, Row] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    run: ev.RunStarted | None = None
    run_id: str = ""
    ended: ev.RunEnded | None = None
    phase: str = ""
    phase_text: str = ""
    progress: ev.Progressed | None = None
    pace: Pace = field(default_factory=Pace)
    mode: str = "idle"
    mode_why: str = ""
    streams: int = 0
    configured: str = ""  # the configured widths of streams that were changed
    gate: GateState = field(default_factory=GateState)
    questions: dict[int, Question] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    host: ev.HostSeen | None = None
    moved: int = 0
    retired: int = 0
    ingested: int = 0
    last: tuple[float, str] = (0.0, "")  # the last thing worth a line, with its time
    seen_at: float = 0.0  # time of the newest event: older than a minute is stale

    def fold(self, stamped: ev.Stamped) -> Change:
        """Take one event in; says what to draw again."""
        self.seen_at = max(self.seen_at, stamped.at)
        event = stamped.event
        handler = _FOLDS.get(type(event))
        return handler(self, event, stamped) if handler else Change()

    def clear(self) -> None:
        """Forget everything: a fresh snapshot follows. Whoever holds the board holds the same one."""
        fresh = Board()
        for part in fields(self):
            setattr(self, part.name, getattr(fresh, part.name))

    # --- what the first two lines of a screen say -----------------------------------------

    @property
    def total(self) -> int:
        """Number of ABs."""
        return len(self.rows)

    @property
    def done(self) -> int:
        """ABs that ended well, whatever became of their products since."""
        return sum(self.counts[state] for state in ENDED_WELL)

    def in_streams(self) -> dict[int, Row]:
        """The row that occupies each stream."""
        return {row.stream: row for row in self.rows.values() if row.stream and row.state in AT_WORK}

    def remaining_s(self, now: float) -> float | None:
        """Seconds until the last AB should be done, from forecasts and measured times; None when unknown.

        Work left over the streams, but never less than the longest chain of what is left.
        """
        if not self.rows or self.ended:
            return None
        pace = self._pace()
        work = 0.0
        chain: dict[str, float] = {}
        for name in sorted(self.rows, key=lambda name: self.rows[name].order):
            row = self.rows[name]
            left = 0.0
            if row.state not in ENDED_WELL and row.state not in ("FAILED", "BLOCKED"):
                left = row.forecast_s * pace.get(row.kind, 1.0)
                left = max(1.0, left - row.running_s(now)) if row.state in AT_WORK else left
            work += left
            chain[name] = left + max((chain.get(parent, 0.0) for parent in row.parents), default=0.0)
        return max(work / max(1, self.streams), max(chain.values(), default=0.0))

    def _pace(self) -> dict[str, float]:
        spent: dict[str, list[float]] = {}
        for row in self.rows.values():
            if row.state in ENDED_WELL and row.duration_s and row.forecast_s:
                spent.setdefault(row.kind, []).append(row.duration_s / row.forecast_s)
        return {kind: sum(found) / len(found) for kind, found in spent.items()}

    def snapshot(self) -> Iterator[ev.Event]:
        """Events that bring an empty board to this state."""
        if self.run:
            yield self.run
        if self.streams:
            yield ev.StreamsChanged(self.streams)
        if self.configured:
            yield ev.WidthsDiffer(self.configured)
        for row in self.rows.values():
            yield row.seen()
        for where, why in self.refused.items():
            yield ev.AbRefused(where, why)
        for number, question in self.questions.items():
            yield ev.QuestionAsked(number, question.to_dict(), True)
        yield ev.ModeChanged(self.mode, self.mode_why)
        if self.phase:
            yield ev.PhaseStarted(self.phase, self.phase_text)
        if self.gate.closed:
            gate = self.gate
            yield ev.GateClosed(gate.reason, gate.since, gate.checks, gate.total_s, gate.policy)
        elif self.gate.total_s:
            yield ev.GateOpened("", self.gate.total_s)
        if self.host:
            yield self.host
        if self.ended:
            yield self.ended

    # --- the folds ------------------------------------------------------------------------

    def _say(self, at: float, text: str) -> None:
        self.last = (at, text)

    def _run_started(self, event: ev.RunStarted, stamped: ev.Stamped) -> Change:
        self.run, self.run_id, self.ended, self.progress = event, stamped.run, None, None
        self.pace = Pace()
        self._say(stamped.at, f"{event.what} {event.pool}")
        return Change(head=True)

    def _run_ended(self, event: ev.RunEnded, stamped: ev.Stamped) -> Change:
        self.ended, self.progress = event, None
        self._say(stamped.at, event.text)
        return Change(head=True)

    def _phase_started(self, event: ev.PhaseStarted, stamped: ev.Stamped) -> Change:
        self.phase, self.phase_text, self.progress, self.pace = event.phase, event.text, None, Pace()
        return Change(head=True)

    def _mode_changed(self, event: ev.ModeChanged, stamped: ev.Stamped) -> Change:
        self.mode, self.mode_why = event.mode, event.why
        return Change(head=True)

    def _streams_changed(self, event: ev.StreamsChanged, stamped: ev.Stamped) -> Change:
        self.streams = event.streams
        return Change(head=True)

    def _widths_differ(self, event: ev.WidthsDiffer, stamped: ev.Stamped) -> Change:
        self.configured = event.configured
        return Change(head=True)

    def _ab_seen(self, event: ev.AbSeen, stamped: ev.Stamped) -> Change:
        old = self.rows.get(event.ab)
        if old:
            self.counts[old.state] -= 1
        row = Row(*_row_of(event))
        self.rows[event.ab] = row
        self.counts[row.state] += 1
        same_place = old is not None and old.order == row.order
        return Change(rows=(event.ab,), fresh=not same_place, head=True)

    def _ab_gone(self, event: ev.AbGone, stamped: ev.Stamped) -> Change:
        row = self.rows.pop(event.ab, None)
        if row is None:
            return Change()
        self.counts[row.state] -= 1
        return Change(rows=(event.ab,), fresh=True, head=True)

    def _ab_changed(self, event: ev.AbChanged, stamped: ev.Stamped) -> Change:
        row = self.rows.get(event.ab)
        if row is None:
            return Change()
        self.counts[row.state] -= 1
        self.counts[event.state] += 1
        if event.state == "CREATED" and row.state != "INTERRUPTED":  # it runs again: nothing of the last time counts
            row.started, row.duration_s, row.score, row.message = 0.0, 0.0, "", ""
        row.state, row.reason, row.stream = event.state, event.reason, event.stream
        if event.started:
            row.started = event.started
        if event.duration_s:
            row.duration_s = event.duration_s
        if event.state == "RUNNING":
            row.message = ""
        if event.state in ("FAILED", "INTERRUPTED"):
            self._say(stamped.at, f"{event.ab} {STATES[event.state].word}: {event.reason}")
        return Change(rows=(event.ab,), head=True)

    def _ab_scored(self, event: ev.AbScored, stamped: ev.Stamped) -> Change:
        row = self.rows.get(event.ab)
        if row is None:
            return Change()
        row.score = event.score
        return Change(rows=(event.ab,))

    def _ab_message(self, event: ev.AbMessage, stamped: ev.Stamped) -> Change:
        row = self.rows.get(event.ab)
        if row is None:
            return Change()
        row.message = event.text
        return Change(rows=(event.ab,))

    def _ab_refused(self, event: ev.AbRefused, stamped: ev.Stamped) -> Change:
        self.refused[event.where] = event.why
        self._say(stamped.at, f"{event.where}: {event.why}")
        return Change(head=True)

    def _ab_decided(self, event: ev.AbDecided, stamped: ev.Stamped) -> Change:
        row = self.rows.get(event.ab)
        if row is None:
            return Change()
        row.verdict, row.comment = event.verdict, event.comment
        return Change(rows=(event.ab,), head=True)

    def _gate_closed(self, event: ev.GateClosed, stamped: ev.Stamped) -> Change:
        self.gate = GateState(True, event.reason, event.since, event.checks, event.total_s, event.policy)
        return Change(head=True)

    def _gate_opened(self, event: ev.GateOpened, stamped: ev.Stamped) -> Change:
        self.gate = GateState(total_s=event.total_s)
        return Change(head=True)

    def _question_asked(self, event: ev.QuestionAsked, stamped: ev.Stamped) -> Change:
        self.questions[event.number] = from_dict(event.question)
        self._say(stamped.at, f"question {event.number}: {event.question['text']}")
        return Change(head=True)

    def _question_answered(self, event: ev.QuestionAnswered, stamped: ev.Stamped) -> Change:
        self.questions.pop(event.number, None)
        return Change(head=True)

    def _progressed(self, event: ev.Progressed, stamped: ev.Stamped) -> Change:
        self.progress = event
        self.pace.take(stamped.at, event.done, event.of)
        return Change(head=True)

    def _plan_made(self, event: ev.PlanMade, stamped: ev.Stamped) -> Change:
        self.pace.bytes_of = event.total_bytes
        return Change(head=True)

    def _product_moved(self, event: ev.ProductMoved, stamped: ev.Stamped) -> Change:
        self.moved += 1
        self.pace.bytes_done += event.size_bytes
        return Change(head=True)

    def _product_retired(self, event: ev.ProductRetired, stamped: ev.Stamped) -> Change:
        self.retired += 1
        return Change()

    def _product_ingested(self, event: ev.ProductIngested, stamped: ev.Stamped) -> Change:
        self.ingested += 1
        self.pace.bytes_done += event.size_bytes
        return Change(head=True)

    def _host_seen(self, event: ev.HostSeen, stamped: ev.Stamped) -> Change:
        same = self.host == event
        self.host = event
        return Change(head=not same)

    def _notice(self, event: ev.Notice, stamped: ev.Stamped) -> Change:
        self._say(stamped.at, event.text)
        return Change(head=True)


def _fold_name(event: str) -> str:
    return "_" + "".join("_" + c.lower() if c.isupper() else c for c in event).lstrip("_")


_row_of = attrgetter(*Row.__slots__)
_FOLDS = {kind: getattr(Board, _fold_name(name)) for name, kind in ev.KINDS.items() if hasattr(Board, _fold_name(name))}
