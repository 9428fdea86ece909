"""`dfos jobs --orders`, `--take-back` and `--at-work`: the engine's queue, and what runs where."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from console.cli import words

if TYPE_CHECKING:
    from config.tree import DfoTree
    from screens.queue.queued import Ordered


def main(tree: DfoTree, given: argparse.Namespace) -> int:
    """Show one of them, or take an order back."""
    if given.take_back is not None:
        return _take_back(tree, given.take_back)
    return _orders(tree, given.json) if given.orders else _at_work(tree, given.json)


def _orders(tree: DfoTree, as_json: bool) -> int:
    from console.views.orders import orders

    found = orders(tree)
    if as_json:
        print(json.dumps([asdict(order) for order in found], indent=1))
    else:
        words.say([line for order in found for line in _lines(order)] or ["nothing was ordered yet"])
    return 0


def _lines(order: Ordered) -> list[str]:
    from screens.queue.job_words import ended_words

    since = order.ended or (order.begun if order.state == "running" else "") or order.given
    who = f"  by {order.who}" if order.who else ""
    lines = [f"{order.number:>5}  {since.replace('T', ' ')}  {ended_words(order)}  {order.what}{who}"]
    if order.questions:
        return [*lines, *(f"{'':7}question {question}" for question in order.questions)]
    return [*lines, f"{'':7}{order.text}"] if order.text and order.code else lines


def _at_work(tree: DfoTree, as_json: bool) -> int:
    import asyncio
    import time

    from console.views.work import at_work
    from screens.queue.job_words import work_line

    place = asyncio.run(at_work(tree))
    if as_json:
        print(json.dumps(asdict(place), indent=1))
        return 0
    now = time.time()
    words.say([f"{place.engine}: {place.health}"])
    words.say([f"{job.ab}  {work_line(job, now)}" for job in place.jobs] or ["no recipe is under way"])
    return 0


def _take_back(tree: DfoTree, number: int) -> int:
    """By the engine if one runs, since somebody may wait for the order there."""
    import asyncio

    from console.views.orders import take_back
    from engine.errors import UsageTrouble
    from engine.stores.database import connect

    if not tree.journal.exists():
        raise UsageTrouble(f"there is no order {number}", remedy="nothing was ordered yet")
    said = asyncio.run(_by_engine(tree, number))
    if not said:
        db = connect(tree.journal)
        try:
            said = take_back(db, number)
        finally:
            db.close()
    words.say([said])
    return 0


async def _by_engine(tree: DfoTree, number: int) -> str:
    from console.link.client import Gone, Link

    link = Link()
    try:
        await link.attach(tree.state)
    except Gone:
        return ""
    try:
        return await link.command("take_back", number=number)
    finally:
        await link.leave()
