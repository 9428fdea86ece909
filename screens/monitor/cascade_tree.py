"""The cascade as an indented list: below an AB stands what it needs, or what needs it.

An AB that several others need is drawn whole once; elsewhere it is one line that says so. No recursion: a
cascade may be as deep as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.board import Row
from engine.core.status import ENDED_WELL

_OVER = ENDED_WELL - {"REVIEW"}  # what waits for a verdict is not left out
NEEDS, NEEDED = "what it needs", "what needs it"


@dataclass(frozen=True, slots=True)
class Node:
    """One line: an AB at a depth, below another (`under`, '' for none).

    `again` says that it was drawn whole further up; `hidden` counts finished ABs that this line stands for; `outside`
    that no row is known of it. `rails` has a bit for every level above at which more follows.
    """

    ab: str
    depth: int
    under: str = ""
    last: bool = False
    again: bool = False
    hidden: int = 0
    outside: bool = False
    rails: int = 0


def children_of(rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """What needs each AB, in execution order."""
    found: dict[str, list[str]] = {}
    for row in sorted(rows.values(), key=lambda row: row.order):
        for parent in row.parents:
            found.setdefault(parent, []).append(row.ab)
    return found


def tree(rows: Mapping[str, Row], direction: str, *, unfinished: bool = False, root: str = "") -> list[Node]:
    """The lines of all ABs, or of one (`root`) and what hangs on it.

    `unfinished` leaves out ABs that ended well, but for those to certify, and counts them where they would stand.
    """
    children = children_of(rows)
    names = [row.ab for row in sorted(rows.values(), key=lambda row: row.order)]
    place = {name: at for at, name in enumerate(names)}

    def needs(ab: str) -> Sequence[str]:
        return sorted(rows[ab].parents, key=lambda name: place.get(name, 0))

    def needed(ab: str) -> Sequence[str]:
        return children.get(ab, ())

    def is_top(ab: str) -> bool:
        return not (needed(ab) if direction == NEEDS else any(parent in rows for parent in rows[ab].parents))

    walk = _Walk(rows, needs if direction == NEEDS else needed, unfinished)
    walk.down([root] if root else [name for name in names if is_top(name)])
    if not root:
        for name in names:  # ABs that wait for each other hang on no top
            if name not in walk.drawn:
                walk.down([name])
    return walk.lines


class _Walk:
    """From ABs to what hangs on them, each drawn whole once."""

    def __init__(self, rows: Mapping[str, Row], below: Callable[[str], Sequence[str]], unfinished: bool) -> None:
        self.lines: list[Node] = []
        self.drawn: set[str] = set()
        self._rows = rows
        self._below = below
        self._unfinished = unfinished

    def down(self, tops: Sequence[str]) -> None:
        stack = [Node(name, 0) for name in reversed(tops)]
        while stack:
            node = stack.pop()
            if node.hidden:
                self.lines.append(node)
            elif node.ab not in self._rows:
                self.lines.append(replace(node, outside=True))
            elif node.ab in self.drawn:
                self.lines.append(replace(node, again=bool(self._below(node.ab))))
            else:
                stack += self._drawn(node)

    def _drawn(self, node: Node) -> list[Node]:
        """Draw an AB; what hangs on it, last first."""
        self.drawn.add(node.ab)
        if not (self._left_out(node.ab) and not node.depth):
            self.lines.append(node)
        further = self._below(node.ab)
        kept = [name for name in further if not self._left_out(name)]
        rails = node.rails | (1 << (node.depth - 1) if node.depth and not node.last else 0)
        found = [Node(name, node.depth + 1, node.ab, rails=rails) for name in reversed(kept)]
        if len(kept) < len(further):
            self.drawn.update(name for name in further if name not in kept)
            found.insert(0, Node(node.ab, node.depth + 1, node.ab, hidden=len(further) - len(kept), rails=rails))
        if found:
            found[0] = replace(found[0], last=True)
        return found

    def _left_out(self, name: str) -> bool:
        row = self._rows.get(name)
        return self._unfinished and row is not None and row.state in _OVER
