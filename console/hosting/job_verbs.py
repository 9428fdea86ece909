"""What consoles may order about jobs that wait in files, and about orders that wait in the engine's queue."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from console.hosting.job_orders import is_ordered, linked, queued_orders
from console.views.jobs import unqueue
from console.views.orders import take_back
from engine import events as ev
from engine import threads
from engine.create.jobs import job_files
from engine.errors import UsageTrouble
from engine.stores.orders import Order
from engine.workflows.under_way import Ended

if TYPE_CHECKING:
    from console.hosting.host import Host


class JobVerbs:
    """The part of the verbs that is about jobs and orders."""

    _host: Host

    async def _do_job(self, who: str, queue: str, mode: str, date: str, line: str = "") -> str:
        if queue in job_files.QUEUES:
            return await self._job_file(who, queue, line)
        if queue == "JOBS_INGEST":
            self._host.give(Order(mode, date, "I", recover=True, who=who))
        else:
            self._host.give(Order(mode, date, tool="exportProducts", recover=True, who=who))
        return f"{queue}: {mode} {date} is ordered"

    async def _do_unqueue(self, who: str, queue: str, mode: str, date: str, line: str = "") -> str:
        taken = await threads.to_end(unqueue, self._host.tree, queue, mode, date, line)
        text = f"{queue}: {taken} taken out by {who}"
        self._host.bus.publish(ev.Notice("info", text))
        return text

    async def _do_take_back(self, who: str, number: int) -> str:
        said = take_back(self._host.db, int(number))
        self._host.settle(int(number), Ended(130, f"taken back by {who} before it began"))
        self._host.bus.publish(ev.Notice("info", f"{said}, by {who}"))
        return said

    async def _job_file(self, who: str, queue: str, line: str) -> str:
        """The calls of a job file as orders, in turn; with the end of the last one the line goes."""
        host = self._host
        orders, lost = await asyncio.to_thread(queued_orders, host.tree, queue, line)
        if is_ordered(host.orders, queue, line):
            raise UsageTrouble(f"{line} is ordered already", remedy="dfos jobs --orders shows how far it is")
        for text in lost:
            host.bus.publish(ev.Notice("warning", text))
        passed = f"; {len(lost)} lines passed over, first {lost[0]}" if lost else ""
        if not orders:
            raise UsageTrouble(f"{line}: nothing to do{passed}", remedy="take it out of the file")
        before: list[int] = []
        for order in orders[:-1]:
            before.append(host.give(replace(order, recover=True, who=who)).number)
        host.give(linked(replace(orders[-1], recover=True, who=who), queue, line, before))
        many = f"{len(orders)} orders are" if len(orders) > 1 else "1 order is"
        return f"{line}: {many} given{passed}"
