"""ingestProducts: verify every product of a MODE and DATE, hand it to the archive, ask whether it arrived.

Success is what the archive answers afterwards (decision 18). Every state is on disk before the
next step, so a killed run goes on where it was, file by file. The call leaves JOBS_INGEST when
every product is confirmed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from engine import events as ev
from engine.atomic import fs, lock
from engine.context import Context
from engine.core.ab import AB
from engine.core.dates import date_label, mode_label
from engine.errors import ArchiveTrouble, BadAb, DfosError
from engine.stores.abs import read
from engine.transfer import jobs_ingest
from engine.transfer.archives import Archive, Duplicate, archive_of
from engine.transfer.ingest_states import FAILED, INGESTED, INGESTING, QUEUED, VERIFIED, IngestStates, Item

TRIES = 3


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the products: confirmed by the archive, or failed with the reason (name, why)."""

    confirmed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or the one of archive trouble."""
        return ArchiveTrouble.exit_code if self.failed else 0


def log_file(context: Context, mode: str, date: str) -> Path:
    """`list_ingest_<MODE>_<DATE>.txt` of $DFO_LST_DIR: name, size, SHA-256, time, attempt, result."""
    return context.tree.lst / f"list_ingest_{mode}_{date}.txt"


async def ingest(context: Context, mode: str, date: str, archive: Archive | None = None) -> Ingested:
    """Ingest what is not confirmed yet. Products that failed earlier are tried again.

    DfosError when there is no product directory, Busy when another process works on this date.
    """
    mode_label(mode), date_label(date)
    archive = archive or archive_of(context)
    with lock.pool(context.tree, mode, date, "ingestProducts", context.who):
        try:
            run = _Run(context, mode, date, archive)
            await run.all()
        except (OSError, sqlite3.Error) as trouble:
            raise DfosError(
                f"the ingestion stopped: {trouble}",
                where=f"{mode} {date}",
                remedy="nothing is lost; put this right and ingest again, it goes on where it was",
            ) from trouble
        return run.result()


class _Run:
    """One ingestion run over the products of a date."""

    def __init__(self, context: Context, mode: str, date: str, archive: Archive) -> None:
        self.context = context
        self.call = jobs_ingest.Call(mode, date)
        self.place = context.tree.final(mode) / date
        self.archive = archive
        self.states = IngestStates(context.db, mode, date)
        self.log = log_file(context, mode, date)
        self.items: dict[str, Item] = {}

    async def all(self) -> None:
        bus = self.context.bus
        self._list()
        self._mend_log()
        bus.publish(ev.PhaseStarted("ingest", f"{self.call.mode} {self.call.date}: {len(self.items)} products"))
        started, already = self.context.clock(), sum(item.state == INGESTED for item in self.items.values())
        for number, name in enumerate(list(self.items), 1):
            if self.items[name].state != INGESTED:
                await self._one(self.items[name])
            bus.publish(ev.Progressed("ingest", number, len(self.items), self._left(started, number - already, number)))
        for ab, count in await asyncio.to_thread(self._complete_abs):
            bus.publish(ev.AbChanged(ab, "INGESTED", f"{count} products in the archive"))
        failed = self.result().failed
        if failed:
            text = f"{len(failed)} of {len(self.items)} products not ingested, first {failed[0][0]}: {failed[0][1]}"
            bus.publish(ev.Notice("error", f"ingestProducts {self.call.mode} {self.call.date}: {text}"))
        else:
            jobs_ingest.remove(self.context.tree, self.call)

    def result(self) -> Ingested:
        confirmed = tuple(name for name, item in self.items.items() if item.state == INGESTED)
        failed = tuple((name, item.result) for name, item in self.items.items() if item.state != INGESTED)
        return Ingested(confirmed, failed)

    def _list(self) -> None:
        """The products as they stand; one that is no longer what it was is queued again."""
        files = sorted(self.place.glob("*.fits")) if self.place.is_dir() else []
        files = [path for path in files if not path.name.startswith(".")]
        if not files:
            raise DfosError(
                "there are no products to ingest",
                where=str(self.place),
                remedy="is the disk there? Otherwise moveProducts comes first",
            )
        known, fresh = self.states.items(), []
        for path in files:
            status = path.stat()
            item = known.get(path.name)
            if item is None or (item.size, item.mtime_ns) != (status.st_size, status.st_mtime_ns):
                item = Item(path.name, status.st_size, status.st_mtime_ns, QUEUED)
                fresh.append(item)
            elif item.state == FAILED:
                item = replace(item, state=QUEUED, tries=0, result="")
            self.items[path.name] = item
        if fresh:
            self.states.save(fresh)

    async def _one(self, item: Item) -> None:
        path = self.place / item.name
        if item.state == QUEUED:
            problems = await asyncio.to_thread(_problems, path)
            if problems:
                self._failed(item, "not verified: " + "; ".join(problems))
                return
            item = self._keep(replace(item, state=VERIFIED, sha256=await asyncio.to_thread(fs.sha256, path)))
        while item.state in (VERIFIED, INGESTING):
            item = await self._tried(item, path)

    async def _tried(self, item: Item, path: Path) -> Item:
        """One attempt. What an interrupted attempt had brought there already is not sent twice."""
        item = self._keep(replace(item, state=INGESTING, tries=item.tries + 1))
        try:
            receipt = await self.archive.find(path, item.sha256)
            receipt = receipt or await self.archive.store(path, item.sha256)
            if not await self.archive.confirms(receipt, deep=True):
                raise ArchiveTrouble("the archive does not confirm it when asked again", where=item.name)
        except Duplicate as trouble:
            return self._failed(item, trouble.what)
        except ArchiveTrouble as trouble:
            if item.tries >= TRIES:
                return self._failed(item, f"{trouble.what}, tried {item.tries} times")
            return self._keep(replace(item, state=VERIFIED, result=trouble.what), trouble.what)
        item = self._keep(replace(item, state=INGESTED, result="", receipt=receipt), "INGESTED")
        self.context.bus.publish(ev.ProductIngested(item.name, item.size, item.sha256))
        return item

    def _failed(self, item: Item, why: str) -> Item:
        self.context.bus.publish(ev.Notice("error", f"{item.name}: {why}"))
        return self._keep(replace(item, state=FAILED, result=why), f"FAILED: {why}")

    def _keep(self, item: Item, result: str = "") -> Item:
        line = ""
        if result:
            words = " ".join(result.split())
            line = f"{item.name} {item.size} {item.sha256 or '-'} {self.context.utc()} {item.tries} {words}"
        self.states.save([item], [line] if line else [], self.context.utc())
        self.items[item.name] = item
        if line:
            fs.append(self.log, line.encode() + b"\n")
        return item

    def _mend_log(self) -> None:
        """Bring the log file in line with the database: a crash may have cut its last line, or come before it."""
        fs.make_dir(self.log.parent)
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        lines, wanted = text.splitlines(), self.states.lines()
        if lines and not text.endswith("\n") and any(line.startswith(lines[-1]) for line in wanted):
            lines.pop()
        present = set(lines)
        missing = [line for line in wanted if line not in present]
        mended = "".join(f"{line}\n" for line in [*lines, *missing])
        if mended != text:
            fs.replace(self.log, mended.encode())

    def _left(self, started: float, done: int, number: int) -> str:
        if done < 1:
            return ""
        seconds = (self.context.clock() - started) / done * (len(self.items) - number)
        return f"{seconds:.0f} s left"

    def _complete_abs(self) -> list[tuple[str, int]]:
        """The ABs all of whose products the archive has confirmed, with the number of these."""
        there = {name for name, item in self.items.items() if item.state == INGESTED}
        found = []
        for ab in _moved_abs(self.context, self.call):
            products = [product.name for product in ab.products if product.state in ("REAL", "EXISTING")]
            if products and there.issuperset(products):
                found.append((ab.name, len(products)))
        return found


def _problems(path: Path) -> tuple[str, ...]:
    from engine.headers.verify import verify

    return tuple(verify(path).problems)


def _moved_abs(context: Context, call: jobs_ingest.Call) -> Iterable[AB]:
    for path in sorted((context.tree.log / call.date).glob("*.ab")):
        try:
            ab = read(path)
        except BadAb:
            continue
        if (ab.mode, ab.date) == (call.mode, call.date):
            yield ab
