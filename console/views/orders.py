"""The engine's queue of orders as a person sees it: what runs, waits, is parked and for what, what ended how.

Reads the journal, without an engine; only `take_back` changes anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from config.tree import DfoTree
from console.hosting.job_orders import what_of
from engine.errors import UsageTrouble
from engine.questions import Question
from engine.stores.answers import Answers
from engine.stores.database import connect
from engine.stores.orders import Order, Orders
from screens.queue.queued import Ordered

ENDED = 30  # how many that have ended are shown
_PARTS = {"C": "create ABs", "P": "process", "M": "certify and move", "I": "ingest"}


def orders(tree: DfoTree, ended: int = ENDED) -> list[Ordered]:
    """What runs, then what waits, what is parked, and the last `ended` that have ended; [] without a journal."""
    if not tree.journal.exists():
        return []
    db = connect(tree.journal, readonly=True)
    try:
        rows = Orders(db, readonly=True).listed(ended)
        asked = {question.id: question for question in Answers(db).open()} if rows else {}
        return [_ordered(row, asked) for row in rows]
    finally:
        db.close()


def take_back(db: sqlite3.Connection, number: int) -> str:
    """End an order that has not begun; one line to show. UsageTrouble when it has, or there is none."""
    queue = Orders(db)
    row = queue.numbered(number)
    if not queue.take_back(number, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")):
        state = queue.numbered(number)["state"]
        why = {"running": "runs already", "parked": "waits for answers"}.get(state, "has ended")
        remedy = {"running": "stop ends it: S in the monitor", "parked": "dfos questions lists them"}.get(state)
        raise UsageTrouble(f"order {number} {why}", remedy=remedy or "dfos jobs --orders lists what waits")
    return f"order {number} is taken back: {words_of(_order(row['what']))}"


def words_of(order: Order) -> str:
    """What an order does, in words, and of which MODE and DATE."""
    if order.tool:
        return f"{order.tool} {order.pool}"
    parts = ", ".join(_PARTS[part] for part in "CPMI" if part in order.parts)
    if order.parts == "P" and order.options.get("abs"):
        parts = what_of(order)
    elif order.only:
        parts = f"{parts} of {order.only}"
    return f"{order.pool}: {parts}"


def _ordered(row: Mapping[str, Any], asked: Mapping[str, Question]) -> Ordered:
    questions = [asked[id] for id in row["questions"] if id in asked]
    return Ordered(
        row["number"],
        row["state"],
        words_of(_order(row["what"])),
        row["what"].get("who", ""),
        row["given"],
        row["begun"],
        row["ended"],
        row["exit_code"],
        row["text"],
        tuple(map(_asked, questions)),
    )


def _asked(question: Question) -> str:
    about = "" if question.subject in question.text else f" ({question.subject})"
    return f"{question.number}: {question.text}{about}"


def _order(what: Mapping[str, Any]) -> Order:
    """What was ordered, also by a newer engine: words we do not know are left out."""
    known = {field.name for field in fields(Order)}
    return Order(**{name: value for name, value in what.items() if name in known})
