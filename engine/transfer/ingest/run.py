"""One ingestion over the files of a MODE and DATE: verified all, delivered in batches, asked about, noted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine import events as ev
from engine import threads
from engine.context import Context
from engine.core.ab import AB
from engine.core.sizes import counted
from engine.errors import ArchiveTrouble, BadAb, DfosError
from engine.questions import LATER, Parked, Question
from engine.stores.abs import read
from engine.stores.answers import Answers
from engine.transfer.archives.ngas_reply import Away
from engine.transfer.archives.protocol import Archive, Closed, Duplicate, Receipt, Refused, Sleep, Uncertain
from engine.transfer.expected import Gone
from engine.transfer.ingest import duplicates, jobs_ingest
from engine.transfer.ingest import log as ingest_log
from engine.transfer.ingest.files import Found, checked
from engine.transfer.ingest.progress import Progress
from engine.transfer.ingest.states import (
    CONVERTED,
    FAILED,
    INGESTED,
    INGESTING,
    QUEUED,
    VERIFIED,
    IngestStates,
    Item,
    Stage,
)

TRIES = 3
BATCH = 200  # files that share a commit
BATCH_BYTES = 256 << 20  # bytes after which a batch ends
_ROUNDS = 3  # times duplicates are asked about in one call


class IngestRun:
    """One call. `confirmed`, `bad`, `failed`, `missing`, `waiting` and `questions` say afterwards what became of it.

    `missing` products (`gone`) should stand there and do not: the others are handed over, the call is not done.
    """

    def __init__(
        self,
        context: Context,
        mode: str,
        date: str,
        archive: Archive,
        states: IngestStates,
        found: Sequence[Found],
        sleep: Sleep,
        gone: Sequence[Gone] = (),
    ) -> None:
        self.context = context
        self.call = jobs_ingest.Call(mode, date)
        self.archive = archive
        self.states = states
        self.sleep = sleep
        self.log = ingest_log.log_path(context.tree, mode, date)
        self.items: dict[str, Item] = {}
        self.paths = {one.path.name: one.path for one in found}
        self.questions: list[Question] = []
        self.bad: tuple[tuple[str, str], ...] = ()
        self.missing = tuple((one.name, one.why) for one in gone if not one.archived)
        self._found = found
        self._update: set[str] = set()
        self._uncertain: set[str] = set()  # handed over, and not known whether they arrived
        self._taken: list[Item] = []
        self._stopped = ""
        self._progress = Progress(context)

    @property
    def confirmed(self) -> tuple[str, ...]:
        """What the archive has confirmed."""
        return tuple(name for name, item in self.items.items() if item.state == INGESTED)

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """What will not go as it is."""
        bad = {name for name, _ in self.bad}
        return tuple((n, item.result) for n, item in self.items.items() if item.state == FAILED and n not in bad)

    @property
    def waiting(self) -> tuple[tuple[str, str], ...]:
        """What the next call tries again, and why it was not done by this one."""
        open_ = (VERIFIED, INGESTING, QUEUED, CONVERTED)
        held_up = "it is whole and waits for those that are not" if self.bad else "not handed over yet"
        return tuple((name, item.result or held_up) for name, item in self.items.items() if item.state in open_)

    async def all(self, *, skip_bad: bool = False) -> None:
        """The whole call."""
        doubled = await threads.to_end(jobs_ingest.collapse, self.context.tree)
        if doubled:
            self._notice("info", f"JOBS_INGEST: {doubled} calls stood there more than once and were merged")
        self._list()
        self._miss()
        ingest_log.mend(self.log, self.states.lines())
        todo = [item for item in self.items.values() if item.state not in (INGESTED, FAILED)]
        if todo:
            self._stage("running", f"{counted(len(self.items), 'product')}")
        await self._verified()
        if self.bad and not skip_bad:
            self._stage("failed", f"{len(self.bad)} of {len(self.items)} products are damaged, first {self.bad[0][0]}")
            self._notice("error", f"nothing is handed over: {too_many_words(self.bad)}")
            return
        bus = self.context.bus
        bus.publish(
            ev.PhaseStarted("ingest", f"{self.call.mode} {self.call.date}: {counted(len(self.items), 'product')}")
        )
        self._progress.begin("ingest", self.items.values(), lambda item: item.state == INGESTED)
        await self._delivered([item for item in self.items.values() if item.state in (VERIFIED, INGESTING)])
        await self._asked()
        for ab, count in await asyncio.to_thread(self._complete_abs):
            bus.publish(ev.AbChanged(ab, "INGESTED", f"{counted(count, 'product')} in the archive"))
        self._conclude()

    # --- what there is ------------------------------------------------------------------------

    def _list(self) -> None:
        """The files as they stand; one that is no longer what it was begins anew."""
        known, fresh = self.states.items(), []
        first = CONVERTED if self.states.stage("convert") else QUEUED
        for one in self._found:
            name = one.path.name
            item = known.get(name)
            if one.fault and (item is None or item.state != INGESTED):
                item = Item(name, one.size, one.mtime_ns, FAILED, result=one.fault)
                fresh.append(item)
            elif item is None or (not one.fault and (item.size, item.mtime_ns) != (one.size, one.mtime_ns)):
                item = Item(name, one.size, one.mtime_ns, first)
                fresh.append(item)
            elif item.state == FAILED:
                item = replace(item, state=first, result="")
            self.items[name] = replace(item, tries=0)
        gone = {name: item for name, item in known.items() if name not in self.items}
        self.items |= {name: item for name, item in gone.items() if item.state == INGESTED}  # replaced by its header
        keep = {name for name, _ in self.missing}
        self.states.forget(
            name for name, item in gone.items() if item.state not in (INGESTED, INGESTING) and name not in keep
        )
        self._uncertain = {name for name, item in self.items.items() if item.state == INGESTING}
        if fresh:
            self.states.save(fresh)

    def _miss(self) -> None:
        """Note what is missed, as FAILED, once; what the archive may hold already keeps its state."""
        known = self.states.items()
        items = [Item(name, 0, 0, FAILED, result=why) for name, why in self.missing]
        fresh = [item for item in items if item.name not in known or known[item.name].state not in (FAILED, INGESTING)]
        lines = [ingest_log.line_of(item, self.context.utc(), f"FAILED: {item.result}") for item in fresh]
        if fresh:
            self.states.save(fresh, lines)
            ingest_log.append(self.log, lines)
        for name, why in self.missing:
            self._notice("error", f"{name}: {why}")

    async def _verified(self) -> None:
        todo = [item for item in self.items.values() if item.state in (QUEUED, CONVERTED)]
        bad = [(item.name, item.result) for item in self.items.values() if item.state == FAILED]
        if todo:
            self.context.bus.publish(
                ev.PhaseStarted("verify", f"{self.call.mode} {self.call.date}: {counted(len(todo), 'file')}")
            )
            self._progress.begin("verify", todo, lambda item: False)
        for batch in _batches(todo):
            looked = await asyncio.to_thread(self._looked_at, batch)
            self._keep(looked, [(item, f"FAILED: {item.result}") for item in looked if item.state == FAILED])
            for item in looked:
                if item.state == FAILED:
                    bad.append((item.name, item.result))
                    self._notice("error", f"{item.name}: {item.result}")
                self._progress.step(item)
        self.bad = tuple(bad)

    def _looked_at(self, batch: Sequence[Item]) -> list[Item]:
        found = []
        for item in batch:
            try:
                problems, sha256 = checked(self.paths[item.name])
                if not problems and not _same(self.paths[item.name], item):
                    problems = ("it changed while it was verified",)
            except OSError as trouble:
                problems, sha256 = (f"cannot be read: {trouble.strerror}",), ""
            words = f"not verified: {'; '.join(problems)}" if problems else ""
            found.append(replace(item, state=FAILED if problems else VERIFIED, sha256=sha256, result=words))
        return found

    # --- handing over -------------------------------------------------------------------------

    async def _delivered(self, items: Sequence[Item]) -> None:
        for batch in _batches(items):
            if self._stopped:
                self._keep([replace(item, result=self._stopped) for item in batch])
            else:
                await self._batch(batch)

    async def _batch(self, batch: Sequence[Item]) -> None:
        """At most three tries, the pause between them growing; what is left then stays open, with the reason."""
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                await self.sleep(self.context.settings.archive.retry_s * 2 ** (attempt - 2))
            trying = [replace(item, state=INGESTING, tries=attempt, result="") for item in batch]
            self._keep(trying)
            ended = await asyncio.gather(*(self._one(item) for item in trying))
            self._note(trying, ended)
            batch = [item for item, how in zip(trying, ended, strict=True) if _again(how)]
            closed = next((how for how in ended if isinstance(how, Closed)), None)
            if closed:
                self._stopped = str(closed)
            if not batch or self._stopped:
                return
        reasons = [how for how in ended if _again(how)]
        if reasons and all(isinstance(how, Away) for how in reasons) and len(reasons) == len(ended):
            self._stopped = str(reasons[0])  # the archive takes nothing: the others are not even tried

    def _note(self, trying: Sequence[Item], ended: Sequence[Receipt | ArchiveTrouble]) -> None:
        """Note how an attempt ended, all in one commit, then say it."""
        items, said = [], []
        for item, how in zip(trying, ended, strict=True):
            if isinstance(how, Receipt):
                now, words = replace(item, state=INGESTED, receipt=how), INGESTED
            elif isinstance(how, Duplicate):
                now = replace(item, state=VERIFIED, result=f"asked: {how.what}")
                words = now.result
                self._taken.append(now)
            elif isinstance(how, Refused):
                now = replace(item, state=FAILED, result=str(how.what))
                words = f"FAILED: {how.what}"
            else:
                parked = f", tried {item.tries} times" if item.tries >= TRIES else ""
                state = INGESTING if item.name in self._uncertain else VERIFIED
                now = replace(item, state=state, result=how.what + parked)
                words = now.result
            items.append(now)
            said.append((now, words))
        self._keep(items, said)
        for item in items:
            if item.receipt:
                self.context.bus.publish(ev.ProductIngested(item.name, item.size, item.sha256))
            elif item.state == FAILED:
                self._notice("error", f"{item.name}: {item.result}")

    async def _one(self, item: Item) -> Receipt | ArchiveTrouble:
        path, as_name = self.paths[item.name], item.stored_as
        try:
            if not _same(path, item):
                raise Refused("the file changed after it was verified; ingest again")
            try:
                receipt = await self.archive.find(path, item.sha256, name=as_name)
            except Duplicate:
                if not self._may_update(item):
                    self._uncertain.discard(item.name)
                    raise
                receipt = None
            self._uncertain.discard(item.name)
            if receipt is None:
                update = item.name in self._update
                receipt = await self.archive.store(path, item.sha256, name=as_name, update=update)
            self._uncertain.add(item.name)
            if not await self.archive.confirms(receipt, deep=True):
                raise Uncertain("the archive does not confirm it when asked again")
        except ArchiveTrouble as trouble:
            if isinstance(trouble, Uncertain):
                self._uncertain.add(item.name)
            return trouble
        except OSError as trouble:
            return ArchiveTrouble(f"cannot be read: {trouble.strerror}")
        self._progress.step(item)
        return receipt

    def _may_update(self, item: Item) -> bool:
        """Its own earlier version may be followed by a new one where updates are enabled; else it is refused."""
        if item.name in self._update:
            return True
        when = duplicates.own_change(self.context.db, self.call.mode, self.call.date, item)
        if not when:
            return False
        if not self.context.settings.archive.enable_updates:
            raise Refused(f"it was ingested at {when} with other content, and archive.enable_updates is no")
        self._update.add(item.name)
        return True

    # --- duplicates ---------------------------------------------------------------------------

    async def _asked(self) -> None:
        for _ in range(_ROUNDS):
            taken, self._taken = self._taken, []
            if not taken or self._stopped:
                return
            names = {item.stored_as or item.name for item in self.items.values()}
            named = [(item, await self._free_name(item, names)) for item in taken]
            groups = [[one] for one in named] if len(named) <= duplicates.MANY else [named]
            asked = await asyncio.gather(*(self._answer(group) for group in groups))
            await self._delivered([item for items in asked for item in items])

    async def _free_name(self, item: Item, names: set[str]) -> str:
        try:
            name = await duplicates.free_name(self.archive, self.paths[item.name], item, names)
        except ArchiveTrouble:
            return ""
        names.add(name)
        return name

    async def _answer(self, group: list[tuple[Item, str]]) -> list[Item]:
        """The items that go on after an answer; an open question is remembered."""
        question = duplicates.question_about(self.context, self.call.mode, self.call.date, group)
        try:
            answer = await self.context.operator.ask(question)
        except Parked as parked:
            self.questions.append(parked.question)
            return []
        if answer.choice == LATER:
            self.questions.append(Answers(self.context.db).ask(question))
            return []
        question.checked(answer.choice, answer.comment)
        if answer.choice == duplicates.REFUSE:
            why = f"refused by {answer.who}: the name is taken"
            refused = [
                replace(
                    item,
                    state=FAILED,
                    result=f"{why}, {duplicates.earlier_owner(self.context.db, item.stored_as or item.name)}",
                )
                for item, _ in group
            ]
            self._keep(refused, [(item, f"FAILED: {item.result}") for item in refused])
            return []
        if answer.choice == duplicates.VERSION:
            self._update.update(item.name for item, _ in group)
            return [item for item, _ in group]
        renamed = [replace(item, stored_as=as_name, result="") for item, as_name in group]
        self._keep(renamed)
        return renamed

    # --- noting and saying --------------------------------------------------------------------

    def _keep(self, items: Sequence[Item], said: Iterable[tuple[Item, str]] = ()) -> None:
        now = self.context.utc()
        lines = [ingest_log.line_of(item, now, words) for item, words in said]
        self.states.save(items, lines, now)
        self.items.update((item.name, item) for item in items)
        ingest_log.append(self.log, lines)

    def _conclude(self) -> None:
        open_, failed = self.waiting, self.failed
        total = len(self.items)
        if self.questions:
            self._stage("parked", f"{len(self.questions)} questions open")
        elif open_:
            self._stage("parked", f"{len(open_)} of {total} products wait, first {open_[0][0]}: {open_[0][1]}")
        elif failed or self.bad or self.missing:
            self._stage("failed", f"not ingested: {too_many_words((*self.bad, *failed, *self.missing))}")
        else:
            self._stage("done", f"{counted(total, 'product')} in the archive")
        left = (*failed, *self.missing, *open_)
        if left:
            text = f"{len(left)} of {total + len(self.missing)} products not ingested, first {left[0][0]}: {left[0][1]}"
            self._notice("error", f"ingestProducts {self.call.mode} {self.call.date}: {text}")

    def _stage(self, state: str, text: str) -> None:
        self.states.mark(Stage("ingest", state, text, "", self.context.utc()))

    def _notice(self, level: str, text: str) -> None:
        self.context.bus.publish(ev.Notice(level, text))

    def _complete_abs(self) -> list[tuple[str, int]]:
        """The ABs all of whose products the archive has confirmed, with the number of these."""
        there, found = set(self.confirmed), []
        for ab in _moved_abs(self.context, self.call):
            products = [product.name for product in ab.products if product.state in ("REAL", "EXISTING")]
            if products and there.issuperset(products):
                found.append((ab.name, len(products)))
        return found


def too_many_words(found: Sequence[tuple[str, str]]) -> str:
    """The first of some files with its reason, and how many more there are."""
    first = f"{found[0][0]}: {found[0][1]}"
    return f"{first}, and {len(found) - 1} more" if len(found) > 1 else first


def _again(how: Receipt | ArchiveTrouble) -> bool:
    return isinstance(how, ArchiveTrouble) and not isinstance(how, Duplicate | Refused | Closed)


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _same(path: Path, item: Item) -> bool:
    state = path.stat()
    return (state.st_size, state.st_mtime_ns) == (item.size, item.mtime_ns)


def _moved_abs(context: Context, call: jobs_ingest.Call) -> Iterator[AB]:
    for path in sorted((context.tree.log / call.date).glob("*.ab")):
        try:
            ab = read(path)
        except (BadAb, DfosError):
            continue
        if (ab.mode, ab.date) == (call.mode, call.date):
            yield ab
