"""The ABs of a run as the scheduler keeps them: light, so that 10,000 of them cost little.

An AB's file is read again when it is started: edits made while it waited count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from config.schema import Settings
from engine.core.ab import AB
from engine.core.cascade import Kind, cascade, kind_of
from engine.kinds import kinds_of

_NAMING = frozenset({"AB_NAME", "PROD_ROOT_NAME", "WAITFOR"})
_NEEDING = frozenset({"SOF_CONTENT", "MCALIB"})
LAST_RANK = 99  # of ABs that are of no kind in the profile


@dataclass(slots=True)
class Entry:
    """One AB in the pool: what it is, where it stands, what it still waits for.

    `rank` is its kind's, or that of what depends on it when that is lower: a barrier must not hold
    what it waits for. `missing` counts parents of the pool that are not done; `awaited` names one of them for the
    operator; `outside` says which AB of another pool holds it. Times are seconds since 1970.
    """

    ab: str
    mode: str
    date: str
    kind: Kind
    recipe: str
    raw_type: str
    target: str
    order: int
    rank: int
    parents: tuple[str, ...]
    children: tuple[str, ...]
    status: str
    state: str = "CREATED"
    reason: str = ""
    stream: int = 0
    started: float = 0.0
    missing: int = 0
    awaited: str = ""
    outside: str = ""


def pool_of(abs_: Iterable[AB], settings: Settings) -> tuple[dict[str, Entry], list[str]]:
    """The pool in execution order, and the names of ABs whose kind the profile does not know.

    BadCascade when ABs wait for each other. `abs_` may be a generator; no AB is kept.
    """
    kinds = kinds_of(settings)
    slim: list[AB] = []
    entries: dict[str, Entry] = {}
    unknown: list[str] = []
    others: dict[str, Kind] = {}
    for ab in abs_:
        kind = kind_of(ab, kinds)
        if kind is None:
            name = "none" if ab.runs_no_recipe else ab.recipe
            kind = others.setdefault(name, Kind(name, ab.recipe, ab.tag, (), LAST_RANK, 1))
            unknown += [] if ab.runs_no_recipe else [ab.name]
        entries[ab.name] = Entry(
            ab.name, ab.mode, ab.date, kind, ab.recipe, ab.raw_type, ab.target, 0, kind.rank, (), (), ab.status
        )
        slim.append(_slim(ab))
    plan = cascade(slim, {name: entry.kind.rank for name, entry in entries.items()})
    pool: dict[str, Entry] = {}
    for order, name in enumerate(plan.order, 1):
        entry = entries[name]
        entry.order, entry.parents, entry.children = order, plan.parents[name], plan.children[name]
        pool[name] = entry
    for entry in reversed(pool.values()):
        entry.rank = min([entry.rank, *(pool[child].rank for child in entry.children)])
    return pool, unknown


def below(pool: dict[str, Entry], name: str) -> list[Entry]:
    """Everything of the pool that depends on an AB, nearest first."""
    found: dict[str, Entry] = {}
    queue = [name]
    for parent in queue:
        for child in pool[parent].children:
            if child not in found:
                found[child] = pool[child]
                queue.append(child)
    return list(found.values())


def _slim(ab: AB) -> AB:
    """The AB with only the lines its dependencies come from."""
    return replace(
        ab,
        lines=tuple(line for line in ab.lines if line.key in _NAMING or (line.key in _NEEDING and "/r." in line.value)),
    )
