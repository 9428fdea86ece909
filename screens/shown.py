"""What logs, plugins, the forecast and the QC panel show, as plain values: a library makes them, screens draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a log from a byte offset; `next_offset` is where to go on, `growing` while the recipe runs."""

    text: str
    next_offset: int
    growing: bool
    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One plugin slot: which plugin is configured, and whether it was found (where, or why not)."""

    slot: str
    plugin: str
    found: bool
    where: str


@dataclass(frozen=True, slots=True)
class KindForecast:
    """One kind of AB in a forecast: how many to do, in how many streams, seconds each and in all, GB of one.

    `measured` counts the runs of this account that the time rests on; 0: the profile's word.
    """

    kind: str
    abs: int
    streams: int
    each_s: float
    work_s: float
    memory_gb: float
    measured: int = 0


@dataclass(frozen=True, slots=True)
class TargetForecast:
    """One target: its ABs to do, its inputs, when it begins and is done (s from the start), GB of its largest AB."""

    target: str
    abs: int
    inputs: int
    begin_s: float
    done_s: float
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What processing a MODE and DATE will take, before it starts.

    `seconds` is the simulated end, `ranks_s` the end if every rank waited for the one before; memory in GB at most at
    once, disk in bytes, 0 where unknown.
    `notes` is what an operator must know first: what is refused, what will be asked. `never` counts the ABs that a
    start will not run.
    """

    mode: str
    date: str
    abs: int
    todo: int
    seconds: float
    ranks_s: float
    memory_gb: float
    host_gb: float
    disk_bytes: int
    free_bytes: int
    kinds: tuple[KindForecast, ...] = ()
    targets: tuple[TargetForecast, ...] = ()
    notes: tuple[str, ...] = ()
    never: int = 0


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One QC parameter: value and limits in words, its mark (`.` green, `o` red, `-` not scored), why.

    `low` and `high` are the limits (None: none on that side), `value` the number; `points` its history as
    (MJD, value), oldest first. `param` is the measured value that is compared and drawn.
    """

    name: str
    text: str
    limits: str
    mark: str
    remark: str = ""
    low: float | None = None
    high: float | None = None
    value: float | None = None
    points: tuple[tuple[float, float], ...] = ()
    param: str = ""


@dataclass(frozen=True, slots=True)
class Width:
    """How many ABs of a kind run at once ('' for all together), how many by the configuration, who changed it when."""

    kind: str
    width: int
    configured: int
    who: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class MoreMemory:
    """What a job that was ended for its memory asked for and used, what its kind needs by forecast; a proposal.

    MB, 0 where it is not known.
    """

    ab: str
    asked_mb: float
    used_mb: float
    forecast_mb: float
    proposed_mb: int


@dataclass(frozen=True, slots=True)
class QcPanel:
    """The QC of one AB: what it is, its scores, QCFLAG with the meaning of every bit that is set, files made.

    `note` says why there is nothing, or what went wrong.
    """

    ab: str
    about: str
    scores: tuple[ScoreLine, ...] = ()
    flag: str = ""
    bits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    note: str = ""
