"""What was built from a product that has been made anew: STALE until it runs again."""

from __future__ import annotations

from engine import events as ev
from engine.board import Board
from engine.core.ab import AB
from engine.core.dates import within
from engine.errors import BadAb
from engine.process.ab.consumers import Consumers
from engine.stores.abs import AbStore, read

_STANDS = frozenset({"DONE", "REVIEW", "ACCEPTED", "REJECTED"})


def built_from(store: AbStore, consumers: Consumers, ab: AB) -> list[str]:
    """SUCCESSFUL ABs that had read the products of `ab`, or what was made from those, nearest first. Blocking."""
    found: dict[str, None] = {}
    queue = [ab]
    for parent in queue:
        for product in parent.products:
            for name in consumers.of(product.name):
                if name in found or name == ab.name:
                    continue
                try:
                    child = read(store.path(name))
                except BadAb:
                    continue
                if child.status == "SUCCESSFUL":
                    found[name] = None
                    queue.append(child)
    return list(found)


def changes(board: Board, names: list[str], anew: str) -> list[ev.Event]:
    """The rows of these ABs become STALE; of those whose products have moved it is said."""
    told: list[ev.Event] = []
    for name in names:
        state = board.rows[name].state if name in board.rows else ""
        if state in ("MOVED", "INGESTED"):
            told.append(ev.Notice("warning", f"{anew} was made anew; {name}, built from the old one, has moved"))
        elif state in _STANDS:
            told.append(ev.AbChanged(name, "STALE", f"{anew} was made anew"))
    return told


def stale_of(board: Board, mode: str, date: str) -> list[str]:
    """The STALE ABs of a MODE and a DATE or month."""
    rows = board.rows.values()
    return [row.ab for row in rows if row.state == "STALE" and row.mode == mode and within(date, row.date)]
