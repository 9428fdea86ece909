"""ingestProducts: verify every product of a MODE and DATE, hand it to the archive, ask whether it arrived.

Success is what the archive answers afterwards (decision 18). Science is converted first where a tool is
configured. All files are verified before any is handed over; one bad file stops the set. Every state is on disk
before the next step, so a killed run goes on where it was; files share a commit in batches, and what a crash
may cost is a question to the archive. The call leaves JOBS_INGEST when every product is confirmed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from engine import events as ev
from engine.atomic import lock
from engine.context import Context
from engine.core.dates import date_label, mode_label
from engine.core.sizes import counted
from engine.errors import AnswerNeeded, ArchiveTrouble, BadFits, DfosError, UsageTrouble
from engine.questions import Question
from engine.stores.attempts import Attempts
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.protocol import Archive, Sleep
from engine.transfer.expected import gone
from engine.transfer.ingest import jobs_ingest
from engine.transfer.ingest.convert import FOLDER, converted
from engine.transfer.ingest.files import Found, checked, products
from engine.transfer.ingest.log import log_path
from engine.transfer.ingest.run import IngestRun, too_many_words
from engine.transfer.ingest.states import INGESTED, IngestStates, results


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the products of a MODE and DATE, with the reason where there is one (name, why).

    `confirmed` by the archive; `bad` did not verify; `failed` are refused; `missing` should stand there and do not;
    `waiting` will be tried by the next call; `questions` are open. `verified` counts the files of a call that only
    looks.
    """

    confirmed: tuple[str, ...] = ()
    bad: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    questions: tuple[Question, ...] = ()
    verified: int = 0

    @property
    def exit_code(self) -> int:
        """0, or the one of the table: a damaged FITS file, an open question, archive trouble."""
        if self.bad:
            return BadFits.exit_code
        if self.questions:
            return AnswerNeeded.exit_code
        return ArchiveTrouble.exit_code if self.failed or self.missing or self.waiting else 0

    @property
    def text(self) -> str:
        """One line about it."""
        if self.verified:
            found = f": {too_many_words(self.bad)}" if self.bad else ""
            lost = f", {len(self.missing)} missing: {too_many_words(self.missing)}" if self.missing else ""
            return f"{counted(self.verified, 'file')} verified, {len(self.bad)} damaged{found}{lost}"
        words = [f"{counted(len(self.confirmed), 'product')} in the archive"]
        left = ((self.bad, "not verified"), (self.failed, "refused"), (self.missing, "missing"), (self.waiting, "wait"))
        for names, what in left:
            if names:
                words.append(f"{len(names)} {what} ({too_many_words(names)})")
        if self.questions:
            words.append(f"{len(self.questions)} questions open (dfos questions)")
        return ", ".join(words)


def log_file(context: Context, mode: str, date: str) -> Path:
    """`list_ingest_<MODE>_<DATE>.txt` of $DFO_LST_DIR."""
    return log_path(context.tree, mode, date)


async def ingest(
    context: Context,
    mode: str,
    date: str,
    archive: Archive | None = None,
    *,
    convert: bool = True,
    skip_bad: bool = False,
    sleep: Sleep = asyncio.sleep,
) -> Ingested:
    """Ingest what is not confirmed yet. Products that failed earlier are tried again.

    `convert=False` is the ingestion alone (call_IT): what stands in DATE/conv, if there is one; `skip_bad` hands
    the good files over although others did not verify. DfosError when there is nothing to ingest, UsageTrouble
    when this MODE is not delivered, Busy when another process works on this date.
    """
    mode_label(mode), date_label(date)
    if not context.settings.archive.delivers(mode):
        raise UsageTrouble(
            f"{mode} products are not delivered here: archive.ingest.{mode} is no", remedy="dfos config explain archive"
        )
    archive = archive or archive_of(context, sleep)
    with lock.pool(context.tree, mode, date, "ingestProducts", context.who):
        try:
            states = IngestStates(context.db, mode, date)
            found = await _found(context, mode, date, states, convert=convert)
            archived = [item.name for item in states.items().values() if item.state == INGESTED]
            missed = await asyncio.to_thread(gone, context.tree, mode, date, archived)
            run = IngestRun(context, mode, date, archive, states, found, sleep, missed)
            await run.all(skip_bad=skip_bad)
            if memory := Attempts.following(context.bus):
                memory.flush()  # the states of ABs are on disk before the call is done with: it alone tells them again
        except (OSError, sqlite3.Error) as trouble:
            raise DfosError(
                f"the ingestion stopped: {trouble}",
                where=f"{mode} {date}",
                remedy="nothing is lost; put this right and ingest again, it goes on where it was",
            ) from trouble
        result = Ingested(run.confirmed, run.bad, run.failed, run.missing, run.waiting, tuple(run.questions))
        if not result.exit_code:
            jobs_ingest.remove(context.tree, jobs_ingest.Call(mode, date))
        return result


async def verify_only(context: Context, mode: str, date: str) -> Ingested:
    """`-f`: look at every file of the date, converted ones too; nothing is noted and nobody is contacted."""
    mode_label(mode), date_label(date)
    place = context.tree.final(mode) / date
    found = [*products(place), *products(place / FOLDER, graphics=True)]
    if not found:
        raise _nothing(place)
    context.bus.publish(ev.PhaseStarted("verify", f"{mode} {date}: {counted(len(found), 'file')}"))
    bad = []
    for number, one in enumerate(found, 1):
        problems = (one.fault,) if one.fault else (await asyncio.to_thread(checked, one.path))[0]
        if problems:
            bad.append((one.path.name, "; ".join(problems)))
            context.bus.publish(ev.Notice("error", f"{one.path.name}: {bad[-1][1]}"))
        context.bus.publish(ev.Progressed("verify", number, len(found), f"{len(bad)} bad" if bad else ""))
    archived = [item.name for item in results(context.db, mode, date) if item.state == INGESTED]
    missed = await asyncio.to_thread(gone, context.tree, mode, date, archived)
    missing = tuple((one.name, one.why) for one in missed if not one.archived)
    for name, why in missing:
        context.bus.publish(ev.Notice("error", f"{name}: {why}"))
    return Ingested(bad=tuple(bad), missing=missing, verified=len(found))


async def _found(context: Context, mode: str, date: str, states: IngestStates, *, convert: bool) -> list[Found]:
    """The files that are delivered; science is converted before, where it shall be and was not yet."""
    place = context.tree.final(mode) / date
    sources = products(place)
    ready = place / FOLDER
    if mode == "SCIENCE" and convert and context.settings.archive.converts and sources:
        ready = await converted(context, date, [one.path for one in sources], states)
    found = products(ready, graphics=True) if mode == "SCIENCE" and ready.is_dir() else sources
    if not found and not any(item.state == INGESTED for item in states.items().values()):
        raise _nothing(place)
    return found


def _nothing(place: Path) -> DfosError:
    return DfosError(
        "there are no products to ingest",
        where=str(place),
        remedy="is the disk there? Otherwise moveProducts comes first",
    )
