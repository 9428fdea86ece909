"""cleanupProducts: the FITS files of a DATE that the archive has confirmed give way to their headers.

Everything is looked at and asked before anything is touched: the status of the date, every file against its
receipt, the archive itself, now and deeply, the ABs that still wait, the plugin. One reason against it, and
nothing happens (ab-lifecycle section 13). Then one transaction: headers, the list of what goes, the FITS.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import events as ev
from engine.atomic import acts, lock
from engine.atomic.journal import Journal, Step
from engine.atomic.recover import recover, telling
from engine.context import Context
from engine.core.dates import MODES, date_label, mode_label
from engine.core.done import Done
from engine.errors import ArchiveTrouble, DfosError, MoveTrouble, OpenJournal, PluginTrouble
from engine.pgi import CleanupPlugin, checked_withheld
from engine.stores import dfos_status
from engine.stores.orders import Order
from engine.transfer.archives.archives import archive_of
from engine.transfer.archives.protocol import Archive, Receipt
from engine.transfer.cleanup.cleanup_plan import CleanupPlan, cleanup_plan, record, steps
from engine.transfer.cleanup.survey import Seen, look
from engine.transfer.expected import gone
from engine.transfer.ingest.states import INGESTED, IngestStates

TOOL = "cleanupProducts"
BOTH, OVERRIDE, DRY = "both", "override", "dry_run"
_AT_ONCE = 100  # receipts the archive is asked about together


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: MODEs, DATE, whether an unfinished date will do (-O), whether only the plan is wanted."""

    modes: tuple[str, ...]
    date: str
    override: bool = False
    dry_run: bool = False


def list_file(context: Context, mode: str, date: str) -> Path:
    """`list_cleanup_<MODE>_<DATE>.txt` of $DFO_LST_DIR: time, name, size, SHA-256, receipt of all that was removed."""
    return context.tree.lst / f"list_cleanup_{mode}_{date}.txt"


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out one order; with the option `both` for both MODEs, or for none of them."""
    modes = MODES if order.options.get(BOTH) else (order.mode,)
    wish = Wish(modes, order.date, bool(order.options.get(OVERRIDE)), bool(order.options.get(DRY)))
    if order.recover:
        for mode in modes:
            await recover(context, mode, order.date)
    return await clean_up(context, wish, plugins.get("CLEANUP_PLUGIN"))


async def clean_up(
    context: Context, wish: Wish, plugin: CleanupPlugin | None = None, archive: Archive | None = None
) -> Done:
    """Replace FITS by headers. Exit code 1 when some stay.

    MoveTrouble or ArchiveTrouble lists every reason for which nothing was touched; OpenJournal when something of
    this DATE is unfinished, Busy when another process works on it.
    """
    date_label(wish.date)
    _refuse_open(context, wish.date)
    if wish.modes == MODES:
        with _locked(context, MODES[0], wish.date), _locked(context, MODES[1], wish.date):
            return await _all(context, wish, plugin, archive)
    with _locked(context, wish.modes[0], wish.date):
        return await _all(context, wish, plugin, archive)


def _locked(context: Context, mode: str, date: str) -> Any:
    return lock.pool(context.tree, mode_label(mode), date, TOOL, context.who)


async def _all(context: Context, wish: Wish, plugin: CleanupPlugin | None, archive: Archive | None) -> Done:
    plans = []
    for mode in wish.modes:
        context.bus.publish(ev.PhaseStarted("clean up", f"{mode} {wish.date}: reading every product"))
        plans.append(await _planned(context, mode, wish, plugin))
    archive = archive or archive_of(context)
    plans = [await _confirmed(context, plan, archive) for plan in plans]
    _refuse(context, plans, wish)
    if wish.dry_run:
        for plan in plans:
            for line in plan.describe():
                context.bus.publish(ev.Notice("info", f"{plan.mode} {plan.date}: {line}"))
        return Done(0, f"nothing was touched; {_words(plans, 'would be')}")
    utc, busy = context.utc(), [plan for plan in plans if not plan.empty]
    prepared = [_prepared(context, plan, utc) for plan in busy]
    for plan, made in zip(busy, prepared, strict=True):
        await _execute(context, plan, made, utc)
    for plan in plans:
        for name, why in plan.stays:
            context.bus.publish(ev.Notice("warning", f"{name} stays FITS: {why}"))
    text = _words(plans, "was" if sum(len(plan.going) for plan in plans) == 1 else "were")
    context.bus.publish(ev.Notice("info", f"{TOOL} {wish.date}: {text}"))
    return Done(1 if any(plan.stays for plan in plans) else 0, text)


async def _planned(context: Context, mode: str, wish: Wish, plugin: CleanupPlugin | None) -> CleanupPlan:
    try:
        seen = await asyncio.to_thread(look, context.tree, mode, wish.date, context.settings.cleanup.layout)
    except OSError as trouble:
        raise MoveTrouble(
            f"cannot be read: {trouble.strerror}", where=str(trouble.filename), remedy="nothing was touched"
        ) from trouble
    items = IngestStates(context.db, mode, wish.date).items()
    archived = [name for name, item in items.items() if item.state == INGESTED]
    missed = await asyncio.to_thread(gone, context.tree, mode, wish.date, archived)
    missing = tuple(f"{one.name}: {one.why}" for one in missed)
    if not seen.fits and not seen.conv and not seen.graphics:
        return CleanupPlan(mode, wish.date, refused=missing)
    ladder = dfos_status.ladder()
    status = dfos_status.current(context.tree, wish.date)[mode]
    finished = ladder.height(mode, status) >= ladder.height(mode, ladder.word(mode, "moveProducts"))
    spared = await asyncio.to_thread(_spared, context, seen, plugin)
    plan = cleanup_plan(seen, items, status=status, finished=finished or wish.override, spared=spared)
    return replace(plan, refused=(*plan.refused, *missing))


def _spared(context: Context, seen: Seen, plugin: CleanupPlugin | None) -> set[str]:
    """What the plugin keeps; it is shown the files of one directory at a time, so that names are unique."""
    name = context.settings.plugins.CLEANUP_PLUGIN
    if plugin is None:
        if name.casefold() not in ("", "none"):
            raise PluginTrouble(f"CLEANUP_PLUGIN {name} is configured but was not found", remedy="nothing was touched")
        return set()
    found: set[str] = set()
    for group in (seen.fits, seen.conv):
        files = tuple(context.tree.shorten(fits.path) for fits in group)
        if files:
            try:
                spared = plugin.spare(seen.mode, seen.date, files)
            except DfosError:
                raise
            except Exception as trouble:
                raise PluginTrouble(f"failed: {trouble!r}", where=name, remedy="nothing was touched") from trouble
            found |= {str(context.tree.expand(file)) for file in checked_withheld(name, files, spared)}
    return found


async def _confirmed(context: Context, plan: CleanupPlan, archive: Archive) -> CleanupPlan:
    """The plan, with what the archive does not confirm now as reasons against it."""
    doubts: list[str] = []
    for at in range(0, len(plan.asked), _AT_ONCE):
        some = plan.asked[at : at + _AT_ONCE]
        answers = await asyncio.gather(*(_asked(archive, receipt) for _, receipt in some))
        doubts += [f"{name}: {why}" for (name, _), why in zip(some, answers, strict=True) if why]
        context.bus.publish(
            ev.Progressed("clean up", min(at + _AT_ONCE, len(plan.asked)), len(plan.asked), "asked the archive")
        )
    return replace(plan, unarchived=(*plan.unarchived, *doubts))


async def _asked(archive: Archive, receipt: Receipt) -> str:
    try:
        held = await archive.confirms(receipt, deep=True)
    except (ArchiveTrouble, OSError) as trouble:
        return f"the archive cannot be asked: {getattr(trouble, 'what', trouble)}"
    return "" if held else "the archive does not confirm it any more"


def _refuse(context: Context, plans: list[CleanupPlan], wish: Wish) -> None:
    reasons = [f"{plan.mode}: {text}" for plan in plans for text in (*plan.refused, *plan.unarchived)]
    if not reasons:
        return
    for text in reasons:
        context.bus.publish(ev.Notice("error", f"{TOOL} {wish.date}: {text}"))
    kind = ArchiveTrouble if any(plan.unarchived for plan in plans) else MoveTrouble
    raise kind(
        "nothing was touched: " + "\n".join(reasons),
        where=wish.date,
        remedy="put every line right, e.g. ingestProducts for what is not ingested, and call again",
    )


def _refuse_open(context: Context, date: str) -> None:
    for old in Journal(context.db, context.tree).unfinished():
        if old.date == date:
            raise OpenJournal(
                f"{old.label} of {old.who} from {old.begun} is unfinished: {old.summary}",
                where=f"{old.mode} {date}",
                remedy="let it be finished first: call again with --recover",
            )


def _prepared(context: Context, plan: CleanupPlan, utc: str) -> list[Step]:
    """The steps of a plan, each of them allowed; MoveTrouble otherwise."""
    path = list_file(context, plan.mode, plan.date)
    if os.path.lexists(path) and not path.is_file():
        raise MoveTrouble("no file stands where the list goes", where=str(path), remedy="nothing was touched")
    earlier = path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""
    made, known = list(steps(plan, path, record(plan, earlier, utc))), set[str]()
    for step in made:
        acts.checked(context.tree, step.act, step.data, known)
    return made


async def _execute(context: Context, plan: CleanupPlan, made: list[Step], utc: str) -> None:
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "cleanup",
        plan.mode,
        plan.date,
        context.who,
        lambda _: made,
        begun=utc,
        summary=f"replace {len(plan.going)} FITS of {plan.mode} {plan.date} by their headers",
    )
    try:
        await journal.run(transaction, context.utc, telling(context.bus, "clean up"))
    except OSError as trouble:
        raise MoveTrouble(
            f"the disk says: {trouble.strerror}",
            where=str(trouble.filename or ""),
            remedy="nothing is lost; put this right, then call again with --recover",
        ) from trouble


def _words(plans: list[CleanupPlan], verb: str) -> str:
    going = sum(len(plan.going) for plan in plans)
    links, stays = sum(len(plan.links) for plan in plans), sum(len(plan.stays) for plan in plans)
    if not going and not links and not stays:
        return "nothing to clean up"
    freed = sum(plan.freed for plan in plans)
    words = [f"{going} FITS {verb} replaced by headers, {freed} bytes freed"]
    words += [f"{links} graphics linked"] if links else []
    words += [f"{stays} FITS stay"] if stays else []
    return "; ".join(words)
