"""Who waits for whom: parents, children, and what a re-run would touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.board import Row

RERUNS = frozenset({"FAILED", "INTERRUPTED", "STALE"})
_AGAIN = RERUNS | {"DONE", "REVIEW", "ACCEPTED", "REJECTED"}  # until its products have moved


@dataclass(frozen=True, slots=True)
class Rerun:
    """What running again means: `roots` run themselves, `followers` depend on them and run after them."""

    roots: tuple[str, ...]
    followers: tuple[str, ...]


def children_of(rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """For every AB that others wait for: who they are, in execution order."""
    found: dict[str, list[str]] = {}
    for row in sorted(rows.values(), key=lambda row: row.order):
        for parent in row.parents:
            found.setdefault(parent, []).append(row.ab)
    return found


def rerun_of(ab: str, rows: Mapping[str, Row]) -> Rerun:
    """Running an AB again. A blocked one: what it is blocked by runs again. No roots: nothing to run again."""
    row = rows[ab]
    if row.state in _AGAIN:
        roots = [ab]
    elif row.state == "BLOCKED":
        roots = [name for name in _reached(ab, lambda name: rows[name].parents, rows) if rows[name].state in RERUNS]
    else:
        return Rerun((), ())
    children = children_of(rows)
    followers: dict[str, None] = {}
    for root in roots:
        followers.update(dict.fromkeys(_reached(root, lambda name: children.get(name, ()), rows)))
    return Rerun(tuple(roots), tuple(name for name in followers if name not in roots))


def _reached(start: str, step: Callable[[str], Iterable[str]], rows: Mapping[str, Row]) -> list[str]:
    seen: dict[str, None] = {}
    todo = [start]
    while todo:
        for name in step(todo.pop()):
            if name in rows and name not in seen:
                seen[name] = None
                todo.append(name)
    return list(seen)
