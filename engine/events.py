"""Everything the engine can say, past tense.

Small frozen facts of plain values, so that the run log (JSON lines), the headless renderer,
the wire to a console and the screens read the same stream. Times are UTC ISO strings or, where
a field ends in `_s`, seconds; `_bytes` are bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. `durable` ones are never dropped; others are progress and may be coalesced."""

    durable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with run, sequence number and UTC time (seconds since 1970)."""

    run: str
    seq: int
    at: float
    event: Event


# --- the run ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run began: `what` it is, for which pool, under which instance and pipeline."""

    what: str
    pool: str
    instance: str
    pipeline: str
    standin: bool
    host: str
    user: str
    pid: int


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run ended with an exit code of the table; `text` is its one-line summary."""

    exit_code: int
    text: str


@dataclass(frozen=True, slots=True)
class PhaseStarted(Event):
    """A phase of the run began: process, certify, move, ingest, ..."""

    phase: str
    text: str


@dataclass(frozen=True, slots=True)
class ModeChanged(Event):
    """running, paused (by the operator), stopping, aborting, idle — and why."""

    mode: str
    why: str


@dataclass(frozen=True, slots=True)
class StreamsChanged(Event):
    """The number of streams is now `streams`."""

    streams: int


@dataclass(frozen=True, slots=True)
class WidthsDiffer(Event):
    """Streams an operator changed: their configured widths, `configured 3, scipost 3`; '' when none was."""

    configured: str


# --- ABs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AbSeen(Event):
    """An AB entered the monitor, with all that a row shows. Sent again when its file was edited."""

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
    reason: str = ""
    stream: int = 0
    started: float = 0.0
    duration_s: float = 0.0
    score: str = ""
    message: str = ""
    verdict: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class AbGone(Event):
    """An AB left the monitor: what made it was taken back."""

    ab: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AbChanged(Event):
    """An AB changed state. `reason` is what the operator can act on; `stream` 0 is none.

    `started` is seconds since 1970 of the present or last attempt, `duration_s` how long it ran.
    """

    ab: str
    state: str
    reason: str = ""
    stream: int = 0
    started: float = 0.0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AbScored(Event):
    """QC scores of an AB as a digest, e.g. `..o`."""

    ab: str
    score: str


@dataclass(frozen=True, slots=True)
class AbMessage(Event):
    """The last noteworthy line of an AB's recipe: warnings, errors, progress."""

    durable: ClassVar[bool] = False
    ab: str
    text: str


@dataclass(frozen=True, slots=True)
class AbRefused(Event):
    """An AB file could not be read; the others go on."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class AbDecided(Event):
    """A verdict on an AB: accepted or rejected, by whom, when, why."""

    ab: str
    verdict: str
    comment: str
    who: str
    when: str


# --- the gate -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GateClosed(Event):
    """Foreign tasks hold us: who, since when, looked how often, held how long in all tonight."""

    reason: str
    since: float
    checks: int
    total_s: float
    policy: str


@dataclass(frozen=True, slots=True)
class GateOpened(Event):
    """The foreign tasks are gone (or overridden by `who`)."""

    why: str
    total_s: float


# --- questions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuestionAsked(Event):
    """A question waits for an answer; `question` is Question.to_dict()."""

    number: int
    question: dict[str, Any]
    parked: bool


@dataclass(frozen=True, slots=True)
class QuestionAnswered(Event):
    """A question was answered."""

    number: int
    id: str
    choice: str
    comment: str
    who: str
    when: str


# --- release and ingestion ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanMade(Event):
    """What a move will do, before it does it."""

    mode: str
    date: str
    moves: int
    deletes: int
    withheld: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Progressed(Event):
    """n of `of` steps of a phase are done."""

    durable: ClassVar[bool] = False
    phase: str
    done: int
    of: int
    text: str


@dataclass(frozen=True, slots=True)
class ProductMoved(Event):
    """A product stands at its final place under its final name."""

    pipefile: str
    final: str
    place: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ProductRetired(Event):
    """A product that is not saved went to the trash, where it stays until `until`."""

    pipefile: str
    trash: str
    until: str


@dataclass(frozen=True, slots=True)
class StatusWritten(Event):
    """A line was added to DFO_STATUS."""

    status: str
    date: str


@dataclass(frozen=True, slots=True)
class IngestQueued(Event):
    """The ingestProducts call stands in JOBS_INGEST."""

    call: str


@dataclass(frozen=True, slots=True)
class ProductIngested(Event):
    """The archive confirmed a product."""

    name: str
    size_bytes: int
    sha256: str


# --- anything else ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostSeen(Event):
    """Disk and memory in use, per cent."""

    durable: ClassVar[bool] = False
    disk: int
    memory: int


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something worth a line: level is info, warning or error."""

    level: str
    text: str


KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
_TUPLES = {name: {f.name for f in fields(kind) if "tuple" in str(f.type)} for name, kind in KINDS.items()}


def encode(stamped: Stamped) -> dict[str, Any]:
    """Plain data: `{"event": name, "run":, "seq":, "at":, ...fields}`."""
    event = stamped.event
    return {
        "event": type(event).__name__,
        "run": stamped.run,
        "seq": stamped.seq,
        "at": stamped.at,
        **asdict(event),
    }


def decode(data: dict[str, Any]) -> Stamped:
    """The inverse of `encode`; KeyError or TypeError when the data is not an event of ours."""
    known = dict(data)
    name = known.pop("event")
    run, seq, at = known.pop("run"), known.pop("seq"), known.pop("at")
    for key in _TUPLES[name]:
        known[key] = tuple(known[key])
    return Stamped(run, seq, at, KINDS[name](**known))
