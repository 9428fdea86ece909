"""The ABs of a run as the scheduler keeps them: light, so that 10,000 of them cost little.

An AB's file is read again when it is started: edits made while it waited count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from config.schema import Settings
from engine.core.ab import AB
from engine.core.cascade import Kind, cascade, circling, kind_of
from engine.kinds import kinds_of
from engine.process.plan.history import History

_NAMING = frozenset({"AB_NAME", "PROD_ROOT_NAME", "WAITFOR"})
_NEEDING = frozenset({"SOF_CONTENT", "MCALIB"})
_SERIAL = frozenset({"CPL", "INT"})  # DRS_TYPEs that run one AB at a time
LAST_RANK = 99  # of ABs that are of no kind in the profile
SERIAL = "one at a time"  # the lane of DRS_TYPE CPL and INT


@dataclass(slots=True)
class Entry:
    """One AB in the pool: what it is, where it stands, what it still waits for.

    `rank` is its kind's, or that of what depends on it when that is lower: a barrier must not hold
    what it waits for. `inputs` are its main inputs, counted where its kind scales with them; the forecasts are
    for that number. `refused` says why it can never start here. `missing` counts parents of the pool that are not
    done; `awaited` names one of them for the operator; `outside` says which AB of another pool holds it. Times are
    seconds since 1970.
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
    inputs: int = 0
    forecast_s: float = 0.0
    memory_gb: float = 0.0
    disk_gb: float = 0.0
    refused: str = ""

    @property
    def lane(self) -> str:
        """Whose streams it takes: its kind's, or those it shares with other kinds."""
        return self.kind.lane or self.kind.name


def pool_of(
    abs_: Iterable[AB],
    settings: Settings,
    history: History | None = None,
    *,
    memory_gb: float = 0.0,
    refused: Mapping[str, str] | None = None,
) -> tuple[dict[str, Entry], list[str]]:
    """The pool in execution order, and the names of ABs whose kind the profile does not know.

    `history` is what was measured here before. `memory_gb` is what the host has for recipes (0: not known): what
    needs more is refused, as are ABs that wait for each other, and those of `refused` (name: why). `abs_` may be
    a generator; no AB is kept.
    """
    history = history or History()
    kinds = _Kinds(settings)
    slim: list[AB] = []
    entries: dict[str, Entry] = {}
    unknown: list[str] = []
    for ab in abs_:
        kind = kinds.of(ab)
        unknown += [ab.name] if kind.rank == LAST_RANK and not ab.runs_no_recipe else []
        inputs = main_inputs(ab) if kind.scales else 0
        needs = history.needs(kind, inputs)
        entries[ab.name] = Entry(
            ab.name,
            ab.mode,
            ab.date,
            kind,
            ab.recipe,
            ab.raw_type,
            ab.target,
            0,
            kind.rank,
            (),
            (),
            ab.status,
            inputs=inputs,
            forecast_s=needs.forecast_s,
            memory_gb=needs.memory_gb,
            disk_gb=needs.disk_gb,
            refused=_too_large(settings, kind, inputs, needs.memory_gb, memory_gb) if kind.scales or memory_gb else "",
        )
        slim.append(_slim(ab))
    plan = cascade(slim, {name: entry.kind.rank for name, entry in entries.items()}, circles=True)
    pool: dict[str, Entry] = {}
    for order, name in enumerate(plan.order, 1):
        entry = entries[name]
        entry.order, entry.parents, entry.children = order, plan.parents[name], plan.children[name]
        pool[name] = entry
    for entry in reversed(pool.values()):
        entry.rank = min([entry.rank, *(pool[child].rank for child in entry.children)])
    for name, why in (refused or {}).items():
        if name in pool:
            pool[name].refused = why
    for circle in plan.circles:
        for place, name in enumerate(circle):
            pool[name].refused = circling([*circle[place:], *circle[:place]])
    return pool, unknown


def main_inputs(ab: AB) -> int:
    """How many inputs of its RAW_TYPE an AB has: the N of a combination."""
    raw_type = ab.raw_type
    return sum(entry.tag == raw_type for entry in ab.sof) or len(ab.raws)


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


class _Kinds:
    """The kinds of the profile, and those made for recipes it does not name.

    Without any kinds every recipe is one of its own, as wide as there are streams (DRS_TYPE CON); with
    CPL or INT one AB runs at a time, whatever its recipe. A profile with kinds says itself how wide they are.
    """

    def __init__(self, settings: Settings) -> None:
        self._known = kinds_of(settings)
        self._streams = settings.streams
        self._made: dict[tuple[str, bool], Kind] = {}

    def of(self, ab: AB) -> Kind:
        """The kind of an AB."""
        kind = kind_of(ab, self._known)
        if kind is None:
            serial = not self._known and ab.get("DRS_TYPE") in _SERIAL
            name = "none" if ab.runs_no_recipe else ab.recipe
            kind = self._made.get((name, serial)) or self._make(name, ab, serial)
        return kind

    def _make(self, name: str, ab: AB, serial: bool) -> Kind:
        rank, width = (LAST_RANK, 1) if self._known else (1, 1 if serial else self._streams)
        kind = Kind(name, ab.recipe, ab.tag, (), rank, width, lane=SERIAL if serial else "")
        self._made[name, serial] = kind
        return kind


def _too_large(settings: Settings, kind: Kind, inputs: int, needs_gb: float, host_gb: float) -> str:
    """Why an AB is too large to be started here at all; '' when it is not."""
    most = settings.admission.refuse_above
    if kind.memory_gb_per_input and 0 < most < inputs:
        return f"refused: {inputs} inputs, at most {most} are combined (admission.refuse_above)"
    if 0 < host_gb < needs_gb:
        return f"refused: needs {needs_gb:,.4g} GB of memory, this host has {host_gb:,.4g} GB for recipes"
    return ""


def _slim(ab: AB) -> AB:
    """The AB with only the lines its dependencies come from."""
    return replace(
        ab,
        lines=tuple(line for line in ab.lines if line.key in _NAMING or (line.key in _NEEDING and "/r." in line.value)),
    )
