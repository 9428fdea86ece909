"""What is moved, undone, thrown away or still virtual, as plain values: a library makes them, screens draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of a plan: the fate in a word, the file, where it goes or (in brackets) why; size in bytes.

    `group` is the raw type, `path` the file whose header can be shown ('' for none).
    """

    fate: str
    name: str
    to: str = ""
    size: int = 0
    group: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move of one MODE and DATE will do. `digest` names it: only this very plan is carried out.

    `held` files of `held_size` bytes stand at `place` already; `recreate` says that they go to the trash.
    `made` is when the engine began it (s since 1970). `raw_types` are those of the configuration, with their SAVE_MODE.
    """

    mode: str
    date: str
    place: str
    digest: str
    recreate: bool
    lines: tuple[PlanLine, ...]
    made: float
    size: int = 0
    held: int = 0
    held_size: int = 0
    undecided: tuple[str, ...] = ()
    raw_types: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One transaction of the journal: `done` of `of` steps; `sealed` is '' while open. Times are UTC, ISO.

    `words` say of an open one what is left to do; `busy` that a process is at it right now.
    """

    number: int
    kind: str
    mode: str
    date: str
    who: str
    begun: str
    sealed: str
    done: int
    of: int
    summary: str
    words: tuple[str, ...] = ()
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoing the last run of a MODE and DATE would do; `label` is that run, '' when there is none.

    `products` and `others` are files that go back, `size` their bytes, `away` files it wrote, which go to the trash.
    With `refusals` it may not be done. `digest` names this very plan. `taken`: ABs that go, of a run of createAB;
    `keep_created`: such runs were passed over.
    """

    mode: str
    date: str
    label: str = ""
    summary: str = ""
    products: int = 0
    others: int = 0
    size: int = 0
    away: int = 0
    refusals: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    digest: str = ""
    taken: int = 0
    keep_created: bool = False


@dataclass(frozen=True, slots=True)
class Thrown:
    """What one transaction put into the trash: files and bytes, why, kept until which UTC day (ISO)."""

    label: str
    mode: str
    date: str
    day: str
    who: str
    why: str
    until: str
    files: int
    size: int
    expired: bool


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual calibration: its name, the AB that makes the real one, DATE, age in seconds, what became of it.

    `state` is real, waits or orphan; `meaning` says that in words, with the real file where there is one.
    """

    name: str
    ab: str
    date: str
    age_s: float
    state: str
    meaning: str
