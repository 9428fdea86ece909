"""A month as a pool: the orders it is carried out by. A month is a label YYYY-MM, its DATEs are labels too.

Every order may be repeated and stands for itself: a call that was killed is called again, and only what is left runs;
a DATE that waits for an answer holds up no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from config.tree import DfoTree
from engine.core.dates import is_date, month_label, within
from engine.errors import UsageTrouble
from engine.process.plan.phases import phases
from engine.stores.abs import AbStore
from engine.stores.orders import Order


def dates_of(tree: DfoTree, mode: str, month: str, source: str = "") -> tuple[str, ...]:
    """The DATEs of a month for which there is anything to do, in order of their labels. Blocking.

    Those with ABs of the MODE in $DFO_AB_DIR, and those with prepared ABs in `source` (the branch of the account), or,
    without one, with raw files or headers. UsageTrouble when there are none.
    """
    month_label(month)
    found = {ab.date for ab in AbStore(tree).load(mode, month)}
    headers = tree.variables.get("DFO_HDR_DIR", "")
    places = [tree.expand(source)] if source else [tree.raw, *([Path(headers)] if headers else [])]
    for place in places:
        found |= {folder.name for folder in place.glob(f"{month}-*") if is_date(folder.name) and _holds(folder)}
    if not found:
        raise UsageTrouble(
            f"there is nothing of {mode} {month}: no ABs, and no files",
            where=", ".join(tree.shorten(place) for place in [tree.ab, *places]),
            remedy="check the month, or load the headers",
        )
    return tuple(sorted(found))


def orders_of(order: Order, dates: Iterable[str], *, concentration: bool) -> list[Order]:
    """What an order means for these DATEs, in turn: day by day, or, with `concentration`, all ABs before all QC.

    With concentration the ABs of each DATE are created, then one order processes them all as one pool and does all
    their QC as one batch of jobs; they are certified and moved DATE by DATE again.
    """
    days = tuple(dates)
    pools = [step.dates for step in phases(days, concentration and "P" in order.parts) if step.work == "abs"]
    if all(len(pool) == 1 for pool in pools):
        return [replace(order, date=day) for (day,) in pools]
    made = [replace(order, date=day, parts="C") for day in days if "C" in order.parts]
    made.append(replace(order, date=month_of(days), parts="P"))
    after = "".join(part for part in order.parts if part in "MI")
    return [*made, *(replace(order, date=day, parts=f"P{after}") for day in days if after)]


def concentrated(orders: Iterable[Order]) -> list[Order]:
    """processQC orders of named ABs, those of one MODE and month as one: their QC jobs are one batch."""
    batches: dict[tuple[str, str], list[Order]] = {}
    for order in orders:
        batches.setdefault((order.mode, order.date[:7]), []).append(order)
    made = []
    for (_, month), found in batches.items():
        names = dict.fromkeys(name for order in found for name in order.options["abs"].split())
        alone = len({order.date for order in found}) == 1
        made.append(
            replace(
                found[0],
                date=found[0].date if alone else month,
                options={**found[0].options, "abs": " ".join(names)},
            )
        )
    return made


def month_of(dates: Iterable[str]) -> str:
    """The month all these DATEs begin with; UsageTrouble when it is not one."""
    days = tuple(dates)
    month = month_label(days[0][:7]) if days else ""
    if not month or not all(within(month, day) for day in days):
        raise UsageTrouble(f"{', '.join(days) or 'no DATE'}: not the DATEs of one month")
    return month


def _holds(folder: Path) -> bool:
    """Is there a file in it?"""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") and not entry.is_dir() for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
