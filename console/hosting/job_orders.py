"""Job files as orders of the engine: what `dfos exec`, `dfos jobs` and the jobs screen order of one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from engine.create.jobs import job_files
from engine.create.jobs.job_files import EXEC_QC, JobFile
from engine.errors import BadAb
from engine.stores.abs import read
from engine.stores.orders import ENDED, Order, Orders

if TYPE_CHECKING:
    from config.tree import DfoTree

_QUEUE, _LINE, _BEFORE = "queue", "line", "before"  # options of the last order of a line: where the line stands


def orders_of(tree: DfoTree, found: JobFile) -> tuple[list[Order], list[str]]:
    """One order per stretch of calls of one tool, MODE and DATE; in words what is passed over. Blocking."""
    lost = [f"{line.where}: {line.why}, passed over: {line.text}" for line in found.strange]
    known = list(_known(tree, found, lost))
    orders = []
    for (tool, mode, date), calls in groupby(known, key=lambda item: item[:3]):
        names = " ".join(dict.fromkeys(call[3] for call in calls))
        how = {"qc": "only", "file": "yes"} if tool == EXEC_QC else {"qc": "no"}
        orders.append(Order(mode, date, "P", options={"abs": names, **how}))
    return orders, lost


def queued_orders(tree: DfoTree, queue: str, line: str) -> tuple[list[Order], list[str]]:
    """The same, of a line of JOBS_NIGHT or JOBS_AUTO. UsageTrouble when it is not there or names no job. Blocking."""
    return orders_of(tree, job_files.job_of(tree, job_files.entry_of(tree, queue, line)))


def linked(order: Order, queue: str, line: str, before: list[int]) -> Order:
    """The last order of a line: when it has ended, and those numbered `before` have, the line goes (`ended_line`)."""
    more = {_QUEUE: queue, _LINE: line, _BEFORE: " ".join(map(str, before))}
    return replace(order, options={**order.options, **more})


def is_ordered(orders: Orders, queue: str, line: str) -> bool:
    """True while the last order of this line has not ended."""
    return any((o.options.get(_QUEUE), o.options.get(_LINE)) == (queue, line) for o in orders.waiting())


def ended_line(orders: Orders, order: Order) -> tuple[str, str] | None:
    """(queue, line) of the job that has ended well with this order, or with failed ABs; None when it has not."""
    queue, line = order.options.get(_QUEUE), order.options.get(_LINE)
    if queue not in job_files.QUEUES or not line:
        return None
    ends = [orders.numbered(number) for number in (*_numbers(order.options), order.number)]
    well = all(end["state"] == ENDED and end["exit_code"] in (0, 1) for end in ends)
    return (queue, line) if well else None


def _numbers(options: Mapping[str, str]) -> list[int]:
    return [int(number) for number in options.get(_BEFORE, "").split()]


def what_of(order: Order) -> str:
    """What an order that names ABs does."""
    names = order.options["abs"].split()
    tool = "processQC" if order.options.get("qc") == "only" else "processAB"
    return f"{tool} of {len(names)} AB{'' if len(names) == 1 else 's'}, first {names[0]}"


def _known(tree: DfoTree, found: JobFile, lost: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """(tool, MODE, DATE, AB) of the calls whose AB is there; `lost` gets the others."""
    for call in found.calls:
        place = tree.ab / call.ab
        if call.place and os.path.realpath(tree.expand(call.place)) != os.path.realpath(tree.ab):
            lost.append(f"{found.path.name}: {call.place}/{call.ab} is not in $DFO_AB_DIR, passed over")
            continue
        if not place.exists():
            moved = next(tree.log.glob(f"*/{call.ab}"), None)
            why = "has moved already (processAB -a runs it again)" if moved else "is not in $DFO_AB_DIR"
            lost.append(f"{found.path.name}: {call.ab} {why}, passed over")
            continue
        try:
            ab = read(place)
        except BadAb as trouble:
            lost.append(str(trouble))
            continue
        yield call.tool, ab.mode, ab.date, ab.name
