"""ABs in dependency order, and the stream width of each kind.

Dependencies come from the ABs themselves: WAITFOR lines, and SOF_CONTENT or MCALIB
VIRTUAL lines that name a product of another AB. Kinds (rank, streams, memory) are a table
of the instance profile (decision 12).
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from posixpath import basename

from engine.core.ab import AB
from engine.errors import BadCascade

_PRODUCT = re.compile(r"(?P<root>r\..+?)_\d{4}\.fits")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of AB in an instance profile, e.g. `scipost`: rank, stream width, forecast.

    What has `_per_input` in its name counts per main input, where it is not 0: seconds then instead of
    `forecast_s`, GB where that is more. Kinds with the same `lane` share their streams; '' is a lane of its own.
    """

    name: str
    recipe: str
    tag: str
    raw_types: tuple[str, ...]
    rank: int
    streams: int
    forecast_s: float = 60.0
    memory_gb: float = 0.0
    time_limit_s: float = 0.0
    forecast_per_input_s: float = 0.0
    memory_gb_per_input: float = 0.0
    disk_gb: float = 0.0
    disk_gb_per_input: float = 0.0
    lane: str = ""

    @property
    def scales(self) -> bool:
        """True when its forecast depends on the number of main inputs."""
        return bool(self.forecast_per_input_s or self.memory_gb_per_input or self.disk_gb_per_input)


@dataclass(frozen=True)
class Cascade:
    """ABs in order with their parents and children by name. `circles`: those that wait for each other."""

    order: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]
    circles: tuple[tuple[str, ...], ...] = ()

    def below(self, name: str) -> tuple[str, ...]:
        """Everything that depends on `name`, nearest first."""
        seen: dict[str, None] = {}
        queue = deque(self.children.get(name, ()))
        while queue:
            child = queue.popleft()
            if child not in seen:
                seen[child] = None
                queue.extend(self.children.get(child, ()))
        return tuple(seen)

    def above(self, name: str) -> tuple[str, ...]:
        """Everything `name` depends on, nearest first."""
        seen: dict[str, None] = {}
        queue = deque(self.parents.get(name, ()))
        while queue:
            parent = queue.popleft()
            if parent not in seen:
                seen[parent] = None
                queue.extend(self.parents.get(parent, ()))
        return tuple(seen)


def kind_of(ab: AB, kinds: Iterable[Kind]) -> Kind | None:
    """The kind of an AB: by tag, recipe and RAW_TYPE together (the tag alone does not tell SKY from OBJECT)."""
    tag, recipe, raw_type = ab.tag, ab.recipe, ab.raw_type
    for kind in kinds:
        if kind.tag == tag and kind.recipe == recipe and (not kind.raw_types or raw_type in kind.raw_types):
            return kind
    return None


def cascade(
    abs_: Iterable[AB],
    ranks: Mapping[str, int],
    outside: frozenset[str] = frozenset(),
    *,
    circles: bool = False,
) -> Cascade:
    """The cascade of `abs_`, in execution order: parents first, then by rank, then as given.

    `ranks` maps AB name to rank. `outside` names ABs of other pools that may be waited for; they are
    parents without being in the order. BadCascade names a circle; with `circles` it stands in the cascade
    instead, and its ABs and what depends on them come last.
    """
    pool = {ab.name: ab for ab in abs_}
    by_root = {ab.root: ab.name for ab in pool.values()}
    parents: dict[str, tuple[str, ...]] = {}
    children: dict[str, list[str]] = {name: [] for name in pool}
    for name, ab in pool.items():
        needed = dict.fromkeys(ab.waitfor)
        needs = [entry.path for entry in ab.sof]
        needs += [calib.path for calib in ab.calibs if calib.state == "VIRTUAL"]
        for path in needs:
            match = _PRODUCT.fullmatch(basename(path))
            parent = by_root.get(match["root"]) if match else None
            if parent and parent != name:
                needed[parent] = None
        parents[name] = tuple(needed)
        for parent in needed:
            if parent in children:
                children[parent].append(name)
            elif parent not in outside:
                children.setdefault(parent, []).append(name)
    order, found = _ordered(pool, parents, children, ranks)
    if found and not circles:
        names = sorted({name for circle in found for name in circle})
        raise BadCascade(
            f"{len(names)} ABs wait for each other: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}",
            remedy="remove the wrong WAITFOR or SOF_CONTENT line",
        )
    return Cascade(tuple(order), parents, {name: tuple(below) for name, below in children.items()}, tuple(found))


def circling(circle: Sequence[str]) -> str:
    """A circle in words, from its first AB back to itself."""
    names = [*circle, circle[0]] if len(circle) < 5 else [*circle[:4], "...", circle[0]]
    return "a circle: " + " waits for ".join(names)


def _ordered(
    pool: Mapping[str, AB],
    parents: Mapping[str, tuple[str, ...]],
    children: Mapping[str, list[str]],
    ranks: Mapping[str, int],
) -> tuple[dict[str, None], list[tuple[str, ...]]]:
    """The execution order and the circles. Where nothing can be next, a circle is passed over as a whole."""
    place = {name: index for index, name in enumerate(pool)}
    missing = {name: sum(parent in pool for parent in parents[name]) for name in pool}
    ready = [(ranks.get(name, 0), place[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    order: dict[str, None] = {}
    circles: list[tuple[str, ...]] = []
    unplaced = iter(pool)
    while True:
        if ready:
            passed: tuple[str, ...] = (heapq.heappop(ready)[2],)
        else:
            start = next((name for name in unplaced if name not in order), "")
            if not start:
                return order, circles
            passed = _circle(start, parents, pool, order)
            circles.append(passed)
            unplaced = chain((start,), unplaced)
        order.update(dict.fromkeys(passed))
        for name in passed:
            for child in children[name]:
                missing[child] -= 1
                if not missing[child] and child not in order:
                    heapq.heappush(ready, (ranks.get(child, 0), place[child], child))


def _circle(
    start: str, parents: Mapping[str, tuple[str, ...]], pool: Mapping[str, AB], order: Mapping[str, None]
) -> tuple[str, ...]:
    """The circle one comes to from an AB by way of parents that are not in order: each waits for the next."""
    walk: dict[str, None] = {}
    name = start
    while name not in walk:
        walk[name] = None
        name = next(parent for parent in parents[name] if parent in pool and parent not in order)
    return tuple(walk)[tuple(walk).index(name) :]
