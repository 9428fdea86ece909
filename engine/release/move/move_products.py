"""moveProducts: distribute certified products to their final places under their final names.

Plan, ask, execute: `survey` reads the tree, `move_plan` decides, `execute` carries it out through
the journal. Killed at any moment, the move is finished by recovery to the same tree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import fs, lock
from engine.atomic.journal import Journal
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.dates import date_label, mode_label
from engine.core.product import DELETE, MOVE, WITHHELD
from engine.core.sizes import counted
from engine.errors import AnswerNeeded, MoveTrouble, OpenJournal, PluginTrouble
from engine.release import manifest
from engine.release.certify import certify
from engine.release.move.hooks import NO_HOOKS, Naming
from engine.release.move.move_plan import MovePlan, move_plan
from engine.release.move.move_steps import steps
from engine.release.move.recreate import RECREATED, STOP, recreated
from engine.release.move.room import too_full
from engine.release.move.survey import Snapshot, changed, survey
from engine.release.proof import proven
from engine.release.seen import content_of, key_of, unseen
from engine.stores.abs import AbStore
from engine.stores.contents import Contents, Held, Note

__all__ = ["MovePlan", "Moved", "Snapshot", "execute", "move", "move_plan", "planned", "survey"]

# Is shown the plan; gives the products that stay (PIPEFILE: why). May also take files away itself.
SpecialPlugin = Callable[[MovePlan], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did: products moved, retired, left; ABs that stay and why; whether the operator stopped it."""

    moved: int = 0
    retired: int = 0
    withheld: int = 0
    stay: tuple[tuple[str, str], ...] = ()
    unfinished: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 1 when ABs of the date failed or were not finished."""
        return 1 if self.unfinished else 0


async def planned(
    context: Context, mode: str, date: str, *, recreate: bool = False, only: str = "", naming: Naming = NO_HOOKS
) -> MovePlan:
    """The plan of a move as it would be now, with the verdicts that would be given by score.

    Reads only, asks nobody; SPECIAL_PLUGINs are not called.
    """
    mode_label(mode), date_label(date)
    snapshot = await naming.amended(context, await survey(context, mode, date, only, _scores(context)))
    return move_plan(snapshot, context.settings, stamp=context.utc(), recreate=recreate)


async def move(
    context: Context,
    mode: str,
    date: str,
    *,
    scores: Mapping[str, str] | None = None,
    plugin: SpecialPlugin | None = None,
    only: str = "",
    recreate: bool | None = None,
    digest: str = "",
    naming: Naming = NO_HOOKS,
) -> Moved:
    """Move all certified products of MODE and DATE, asking for what is not certified yet.

    `scores` are score digests by AB (default: those on the board). `plugin` is the SPECIAL_PLUGIN. `recreate`
    says what becomes of a final directory that exists (None: the operator is asked); `digest` is that of a plan
    somebody has looked at: MoveTrouble when the plan is another one now. `naming` are the hooks of renameProducts.
    AnswerNeeded when ABs stay uncertified or the operator must decide: nothing was touched then.
    Busy when another process works on this MODE and DATE, OpenJournal when a move was cut before.
    """
    mode_label(mode), date_label(date)
    _refuse_missing_plugin(context, plugin)
    with lock.pool(context.tree, mode, date, "moveProducts", context.who):
        _refuse_open(context, mode, date)
        await _certified(context, mode, date, scores, only)
        snapshot = await naming.amended(context, await survey(context, mode, date, only))
        plan = move_plan(snapshot, context.settings, stamp=context.utc(), recreate=bool(recreate))
        if digest and plan.digest != digest:
            raise MoveTrouble(
                "the tree or the configuration has changed since the plan was made",
                where=f"{mode} {date}",
                remedy="nothing was moved; make the plan again and look at it",
            )
        _refuse_anew(plan)
        if plan.empty and not plan.conflicts:
            return _nothing(context, plan)
        if plan.of(MOVE) and not digest:
            choice = await recreated(context, snapshot, plan, recreate)
            if choice == STOP:
                context.bus.publish(ev.Notice("info", f"moveProducts {mode} {date}: stopped, nothing was changed"))
                return Moved(stopped=True)
            recreate = choice == RECREATED
        withheld: Mapping[str, str] = {}
        if plugin is not None and not plan.conflicts:
            withheld = await _proposed(context, plugin, plan)
            snapshot = await naming.amended(context, await survey(context, mode, date, only))
            withheld = {**_taken_away(plan), **withheld}
        if plugin is not None or plan.recreate != bool(recreate):
            plan = move_plan(
                snapshot, context.settings, stamp=context.utc(), recreate=bool(recreate), withheld=withheld
            )
        unnamed = await naming.withheld(context, plan)
        if unnamed:
            plan = move_plan(
                snapshot,
                context.settings,
                stamp=context.utc(),
                recreate=bool(recreate),
                withheld=withheld,
                unnamed=unnamed,
            )
        _refuse_anew(plan)
        if plan.empty and not plan.conflicts:
            return _nothing(context, plan)
        return await _execute(context, plan)


async def execute(context: Context, plan: MovePlan) -> Moved:
    """Carry out a plan. Refused when it has conflicts or uncertified ABs, or when the tree has changed since."""
    with lock.pool(context.tree, plan.mode, plan.date, "moveProducts", context.who):
        _refuse_open(context, plan.mode, plan.date)
        return await _execute(context, plan)


async def _execute(context: Context, plan: MovePlan) -> Moved:
    _refuse(plan, context.tree)
    try:
        sums = await asyncio.to_thread(_proven, plan, context.tree)
    except OSError as trouble:
        raise MoveTrouble(
            f"cannot be read: {trouble.strerror}", where=str(trouble.filename), remedy="nothing was moved"
        ) from trouble
    await _refuse_unseen(context, plan, sums)
    bus = context.bus
    moves, deletes, withheld = (len(plan.of(fate)) for fate in (MOVE, DELETE, WITHHELD))
    bus.publish(ev.PhaseStarted("move", f"{plan.mode} {plan.date}: {counted(moves, 'product')} to {plan.final_dir}"))
    bus.publish(ev.PlanMade(plan.mode, plan.date, moves, deletes, withheld, plan.size))
    for text in plan.notes:
        bus.publish(ev.Notice("info", f"moveProducts: {text}"))
    for text in plan.unknown:
        bus.publish(ev.Notice("warning", f"renameProducts: {text}"))
    for text in plan.warnings:
        bus.publish(ev.Notice("warning", f"moveProducts: {text}"))
    _tell_stay(context, plan)
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "move",
        plan.mode,
        plan.date,
        context.who,
        lambda transaction: steps(plan, context.tree, transaction, context.settings.move.trash_days, sums),
        begun=context.utc(),
        summary=f"move {counted(moves, 'product')} of {plan.mode} {plan.date} to"
        f" {context.tree.shorten(Path(plan.final_dir))}, retire {deletes}",
    )
    await journal.run(transaction, context.utc, telling(bus, "move"))
    for text in _report(plan):
        bus.publish(ev.Notice("info", text))
    return Moved(moves, deletes, withheld, plan.stay, plan.unfinished, plan.unknown)


def _report(plan: MovePlan) -> Iterator[str]:
    """What was done, tool by tool, in the order of the tool page."""
    virtual = sum("/VCAL/" in entry.path for entry in plan.retired_last)
    carried = len(plan.carried) + len(plan.pages)
    yield (
        f"moveProducts: {counted(len(plan.of(MOVE)), 'product')}, {carried} logs and plots in place,"
        f" {counted(len(plan.of(DELETE)), 'product')} not saved, {counted(virtual, 'virtual calibration')} became real"
    )
    named = [fate for fate in plan.of(MOVE) if fate.final != fate.product.pipefile]
    yield f"renameProducts: {len(named)} names given, {len(plan.pool)} earlier names changed"
    again = sum(entry.target.endswith(".ab") for entry in plan.logged)
    yield f"updateAB: {counted(len(plan.abs), 'AB')} updated, {again} that moved earlier"
    yield f"ingestProducts: {'queued in JOBS_INGEST' if plan.call else 'nothing to queue'}"


def _refuse(plan: MovePlan, tree: DfoTree) -> None:
    where = f"{plan.mode} {plan.date}"
    if plan.undecided:
        raise _uncertified(where, plan.undecided)
    if plan.conflicts:
        more = f" and {len(plan.conflicts) - 3} more" if len(plan.conflicts) > 3 else ""
        raise MoveTrouble(
            f"nothing was moved: {'; '.join(plan.conflicts[:3])}{more}",
            where=where,
            remedy="put this right and call again",
        )
    stale = changed(plan.stamps)
    if stale:
        raise MoveTrouble(
            f"{len(stale)} files changed since the plan was made, e.g. {stale[0]}",
            where=where,
            remedy="nothing was moved; make the plan again",
        )
    full = too_full(plan, tree)
    if full:
        raise MoveTrouble("; ".join(full), where=where, remedy="nothing was moved; make room there and call again")


def _proven(plan: MovePlan, tree: DfoTree) -> dict[str, str]:
    """SHA-256 by path of all that moves. What was certified must still be whole; otherwise nothing moves."""
    sums, troubles = proven(Path(fate.product.path) for fate in plan.of(MOVE))
    if troubles:
        more = f" and {len(troubles) - 3} more" if len(troubles) > 3 else ""
        raise MoveTrouble(
            f"nothing was moved: {'; '.join(troubles[:3])}{more}",
            where=f"{plan.mode} {plan.date}",
            remedy="run the AB again (dfos retry), or reject it",
        )
    known = manifest.standing(manifest.of_date(tree, plan.date, plan.mode)) if plan.pool else {}
    for change in plan.pool:
        entry = known.get(change.source)
        same = entry is not None and entry.size == change.size and entry.sha256 != manifest.UNREAD
        sums[change.source] = entry.sha256 if entry and same else fs.sha256(Path(change.source))
    for carry in plan.carried:
        path = Path(carry.source)
        if path.is_file() and not path.is_symlink():
            sums[carry.source] = fs.sha256(path)
    return sums


async def _refuse_unseen(context: Context, plan: MovePlan, sums: Mapping[str, str]) -> None:
    """Every verdict must have been given on what moves now, byte by byte; otherwise it is asked anew.

    A verdict from before contents were noted counts, for these products alone from now on.
    """
    contents = Contents(context.db)
    notes = {question: contents.about(question) for _, question, _ in plan.certified}
    present = await asyncio.to_thread(_present, plan, sums, [note for note in notes.values() if note])
    adopted: list[tuple[str, Note]] = []
    doubted: list[tuple[str, Note]] = []
    words = []
    for ab, question, covers in plan.certified:
        files = {key: held for name in covers for key, held in present.get(name, {}).items()}
        note = notes[question]
        if note is None:
            adopted.append((question, Note(question, files)))
        elif why := unseen(note, files):
            again = {key: replace(held, mtime_ns=-1) for key, held in note.files.items()}  # to be read when asked
            doubted.append((question, Note(question, again)))
            words.append(f"{ab}: {why}")
    contents.keep([*adopted, *doubted])
    if words:
        for text in words:
            context.bus.publish(ev.Notice("warning", f"{text}, since its verdict was given: it does not count"))
        await _certified(context, plan.mode, plan.date, None, plan.only)
        raise MoveTrouble(
            f"products changed after they were certified: {words[0]}",
            where=f"{plan.mode} {plan.date}",
            remedy="nothing was moved; they have verdicts anew, call again",
        )


def _present(plan: MovePlan, sums: Mapping[str, str], notes: Iterable[Note]) -> dict[str, dict[str, Held]]:
    """The products of the plan by AB. Of those that do not move, only what is not as noted is read here."""
    found: dict[str, dict[str, Held]] = {}
    noted = {key: held for note in notes for key, held in note.files.items()}
    times = {path: (size, mtime_ns) for path, size, mtime_ns in plan.stamps}
    judged_now = {name for _, _, covers in plan.certified for name in covers}
    for fate in plan.fates:
        product = fate.product
        if product.ab in judged_now and product.path in times:
            size, mtime_ns = times[product.path]
            key = key_of(product.path)
            held = noted.get(key)
            if product.path in sums or held is None or (held.size, held.mtime_ns) != (size, mtime_ns):
                held = Held(size, mtime_ns, sums.get(product.path) or content_of(Path(product.path)))
            found.setdefault(product.ab, {})[key] = held
    return found


def _refuse_anew(plan: MovePlan) -> None:
    """What was certified a moment ago must be so still: a SPECIAL_PLUGIN, or anybody, may have changed products."""
    for name in plan.undecided:
        raise MoveTrouble(
            dict(plan.stay).get(name, "not certified yet"),
            where=name,
            remedy="nothing was moved; see what changes its products, then call again: it is certified anew",
        )


def _uncertified(where: str, names: tuple[str, ...]) -> AnswerNeeded:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return AnswerNeeded(
        f"not certified yet: {', '.join(names[:2])}{more}; uncertified products never move",
        where=where,
        remedy="certify in the console, or see dfos questions and dfos answer",
    )


def _refuse_open(context: Context, mode: str, date: str) -> None:
    for old in Journal(context.db, context.tree).unfinished(mode, date):
        raise OpenJournal(
            f"{old.label} of {old.who} from {old.begun} is unfinished: {old.summary}",
            where=f"{mode} {date}",
            remedy="let it be finished first: call again with --recover",
        )


def _refuse_missing_plugin(context: Context, plugin: SpecialPlugin | None) -> None:
    name = context.settings.move.special_plugin
    if name not in ("", "NONE") and plugin is None:
        raise PluginTrouble(
            f"SPECIAL_PLUGIN {name} is configured but was not found",
            where="move.special_plugin",
            remedy="install it in $DFO_BIN_DIR, or set it to NONE; nothing was moved",
        )


def _tell_stay(context: Context, plan: MovePlan) -> None:
    for name, why in plan.stay:
        context.bus.publish(ev.Notice("warning" if name in plan.unfinished else "info", f"{name} stays: {why}"))


def _nothing(context: Context, plan: MovePlan) -> Moved:
    context.bus.publish(ev.Notice("info", f"moveProducts {plan.mode} {plan.date}: nothing to move"))
    _tell_stay(context, plan)
    return Moved(withheld=len(plan.of(WITHHELD)), stay=plan.stay, unfinished=plan.unfinished)


def _scores(context: Context) -> dict[str, str]:
    """The score digests on the board, by AB."""
    return {name: row.score for name, row in context.board.rows.items()}


async def _certified(context: Context, mode: str, date: str, scores: Mapping[str, str] | None, only: str) -> None:
    pool = AbStore(context.tree).load(mode, date)
    if scores is None:
        scores = _scores(context)
    result = await certify(context, pool, scores, only)
    if result.parked:
        raise _uncertified(f"{mode} {date}", tuple(question.subject for question in result.parked))


async def _proposed(context: Context, plugin: SpecialPlugin, plan: MovePlan) -> Mapping[str, str]:
    name = context.settings.move.special_plugin
    try:
        withheld = await plugin(plan)
    except PluginTrouble:
        raise
    except Exception as trouble:
        raise PluginTrouble(f"failed: {trouble!r}", where=name, remedy="nothing was moved; see its log") from trouble
    known = {fate.product.pipefile for fate in plan.fates}
    strange = sorted(set(withheld) - known)
    if strange:
        raise PluginTrouble(f"withholds {strange[0]}, which is no product here", where=name, remedy="nothing was moved")
    return withheld


def _taken_away(plan: MovePlan) -> dict[str, str]:
    """What the plugin removed itself, which it may (step 2.7). It stays away, even if the power fails."""
    gone = [path for fate in plan.fates if not (path := Path(fate.product.path)).exists()]
    for folder in dict.fromkeys(path.parent for path in gone):
        if folder.is_dir():
            fs.sync_dir(folder)
    return {path.name: "taken away" for path in gone}
