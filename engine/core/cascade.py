"""ABs in dependency order, and the stream width of each kind.

Dependencies come from the ABs themselves: WAITFOR lines, and SOF_CONTENT or MCALIB
VIRTUAL lines that name a product of another AB. Kinds (rank, streams, memory) are a table
of the instance profile (decision 12).
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from posixpath import basename

from engine.core.ab import AB
from engine.errors import BadCascade

_PRODUCT = re.compile(r"(?P<root>r\..+?)_\d{4}\.fits")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of AB in an instance profile, e.g. `scipost`: rank, stream width, forecast."""

    name: str
    recipe: str
    tag: str
    raw_types: tuple[str, ...]
    rank: int
    streams: int
    forecast_s: float = 60.0
    memory_gb: float = 0.0
    time_limit_s: float = 0.0


@dataclass(frozen=True)
class Cascade:
    """ABs in order with their parents and children by name."""

    order: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]

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


def cascade(abs_: Iterable[AB], ranks: Mapping[str, int], outside: frozenset[str] = frozenset()) -> Cascade:
    """The cascade of `abs_`, in execution order: parents first, then by rank, then as given.

    `ranks` maps AB name to rank. `outside` names ABs of other pools that may be waited for; they are
    parents without being in the order. BadCascade names a circle.
    """
    pool = {ab.name: ab for ab in abs_}
    by_root = {ab.root: ab.name for ab in pool.values()}
    parents: dict[str, tuple[str, ...]] = {}
    children: dict[str, list[str]] = {name: [] for name in pool}
    for name, ab in pool.items():
        found = dict.fromkeys(ab.waitfor)
        needs = [entry.path for entry in ab.sof]
        needs += [calib.path for calib in ab.calibs if calib.state == "VIRTUAL"]
        for path in needs:
            match = _PRODUCT.fullmatch(basename(path))
            parent = by_root.get(match["root"]) if match else None
            if parent and parent != name:
                found[parent] = None
        parents[name] = tuple(found)
        for parent in found:
            if parent in children:
                children[parent].append(name)
            elif parent not in outside:
                children.setdefault(parent, []).append(name)
    place = {name: index for index, name in enumerate(pool)}
    order = _ordered(pool, parents, children, ranks, place)
    return Cascade(tuple(order), parents, {name: tuple(found) for name, found in children.items()})


def _ordered(
    pool: Mapping[str, AB],
    parents: Mapping[str, tuple[str, ...]],
    children: Mapping[str, list[str]],
    ranks: Mapping[str, int],
    place: Mapping[str, int],
) -> list[str]:
    missing = {name: sum(parent in pool for parent in parents[name]) for name in pool}
    ready = [(ranks.get(name, 0), place[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = heapq.heappop(ready)[2]
        order.append(name)
        for child in children[name]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (ranks.get(child, 0), place[child], child))
    if len(order) < len(pool):
        circle = sorted(set(pool) - set(order))
        raise BadCascade(
            f"{len(circle)} ABs wait for each other: {', '.join(circle[:4])}{' ...' if len(circle) > 4 else ''}",
            remedy="remove the wrong WAITFOR or SOF_CONTENT line",
        )
    return order
