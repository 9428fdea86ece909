"""dfos undo: the last transaction of a MODE and DATE taken back, whatever it was.

Plan, ask, execute: the journal says what was done, a survey what stands now; what cannot be taken back whole is
not taken back at all. Killed at any moment, the undo is finished by recovery.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import fs, lock
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.dates import date_label, mode_label
from engine.core.done import Done
from engine.core.sizes import counted, size_text
from engine.errors import MoveTrouble, OpenJournal
from engine.questions import Choice, Question
from engine.release import manifest
from engine.release.lineage import BY_HAND, Lineage, renamed_words
from engine.release.manifest import UNREAD, Entry
from engine.release.undo.created import CREATE, created_plan, tried
from engine.release.undo.ledger import Ledger, Line, ledger_of
from engine.release.undo.undo_plan import UNDOES, Now, UndoPlan, names_of, undo_plan, undo_steps
from engine.stores.answers import Answers
from engine.stores.orders import Order
from engine.transfer.ingest.states import INGESTED, INGESTING, Item, owners, results

__all__ = ["SURE", "UndoPlan", "execute", "last", "looked", "ordered", "planned", "recorded"]

SURE = "undo.sure"
KEEP = "keep_created"  # the option of an order
_PASSED_OVER = ("emptyTrash", "refreshVCAL", "status")  # they touch no product; what they took is missed
_SCRIPT = "put the names right with rn_files beside the products"
_FINAL = {"cleanup": "products were replaced by their headers once the archive had confirmed them"}


async def planned(context: Context, mode: str, date: str, *, read: bool = True, keep_created: bool = False) -> UndoPlan:
    """What undoing the last transaction of MODE and DATE would do. Reads only.

    `keep_created`: runs of createAB are passed over. `read`: every file is compared with its SHA-256, which takes as
    long as reading them all; else by size. OpenJournal when a transaction of this MODE and DATE is unfinished.
    """
    known = recorded(context.db, Journal(context.db, context.tree), mode, date, keep_created=keep_created)
    return await asyncio.to_thread(looked, context.tree, known, read)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database says about the last transaction of a MODE and DATE; None where there is none to undo.

    `archived`: state of ingestion by name, of products that the archive has or may have. Of a run of createAB:
    `tried`: when its ABs were tried last (seconds since 1970; None: at work), `earlier`: the run before it that could
    be undone without it.
    """

    mode: str
    date: str
    transaction: Transaction | None
    steps: tuple[Step, ...]
    archived: Mapping[str, str]
    tried: Mapping[str, float | None] = field(default_factory=dict)
    earlier: str = ""


def recorded(db: sqlite3.Connection, journal: Journal, mode: str, date: str, *, keep_created: bool = False) -> Recorded:
    """Read the database for `looked`; it may be open for reading only."""
    mode_label(mode), date_label(date)
    for old in journal.unfinished(mode, date):
        raise OpenJournal(
            f"{old.label} of {old.who} from {old.begun} is unfinished: {old.summary}",
            where=f"{mode} {date}",
            remedy="let it be finished first: call again with --recover",
        )
    transaction = last(journal, mode, date, keep_created=keep_created)
    steps = tuple(journal.steps(transaction)) if transaction else ()
    if transaction and transaction.kind == CREATE:
        before = last(journal, mode, date, keep_created=True)
        return Recorded(mode, date, transaction, steps, {}, tried(db), before.label if before else "")
    archived = {item.name: item.state for item in results(db, mode, date) if _held(db, item, mode, date)}
    return Recorded(mode, date, transaction, steps, archived)


def _held(db: sqlite3.Connection, item: Item, mode: str, date: str) -> bool:
    """The archive has this product, may have it, or has an earlier version of it."""
    mine = (mode, date, item.name)
    return item.state in (INGESTED, INGESTING) or any(
        (owner.mode, owner.date, owner.name) == mine for owner in owners(db, item.name)
    )


def looked(tree: DfoTree, known: Recorded, read: bool) -> UndoPlan:
    """The plan, from what the database says and what stands now. Reads files for a long time: call it in a thread."""
    transaction, steps = known.transaction, known.steps
    if transaction is None:
        return UndoPlan(known.mode, known.date)
    if transaction.kind in _FINAL:
        return UndoPlan(
            transaction.mode,
            transaction.date,
            transaction.label,
            transaction.number,
            transaction.summary,
            transaction.begun,
            transaction.who,
            refusals=(_FINAL[transaction.kind],),
        )
    paper = str(manifest.file_of(tree, transaction))
    entries = _entries(tree, steps, paper)
    ledger = ledger_of(steps, frozenset({paper}))
    stands = _stands(ledger, entries, read)
    if transaction.kind == CREATE:
        return created_plan(tree, transaction, ledger, stands, known.tried, known.earlier)
    touched = {Path(path).name for path in names_of(ledger)[0]}
    mine = {name: state for name, state in known.archived.items() if name in touched}
    renamed = _by_hand(tree, transaction, entries, stands, read)
    return undo_plan(tree, transaction, ledger, entries, stands, mine, _still_there(ledger.added), renamed)


def _by_hand(
    tree: DfoTree, transaction: Transaction, entries: Mapping[str, Entry], stands: Mapping[str, Now], read: bool
) -> dict[str, str]:
    """What is said of products that were renamed by hand since, by the path where they should stand."""
    place = tree.final(transaction.mode) / transaction.date
    gone = [Path(path) for path in entries if path not in stands and Path(path).parent == place]
    if not gone:
        return {}
    lineage, words = Lineage(tree, transaction.mode, transaction.date), dict[str, str]()
    for path in gone:
        entry = entries[str(path)]
        if now := lineage.by_hand(path, entry.size, entry.sha256 if read else UNREAD):
            words[str(path)] = renamed_words(now)
    return words


def last(journal: Journal, mode: str, date: str, *, keep_created: bool = False) -> Transaction | None:
    """The newest transaction of MODE and DATE that has not been undone; None when there is none.

    `keep_created`: runs of createAB are passed over.
    """
    passed_over = (*_PASSED_OVER, CREATE) if keep_created else _PASSED_OVER
    undone: set[int] = set()
    for transaction in journal.history():
        if (transaction.mode, transaction.date) != (mode, date) or not transaction.sealed:
            continue
        if transaction.kind == "undo":
            undone.add(int(journal.steps(transaction)[0].data[UNDOES]))
        elif transaction.kind not in passed_over and transaction.number not in undone:
            return transaction
    return None


def _entries(tree: DfoTree, steps: Iterable[Step], paper: str) -> dict[str, Entry]:
    """The manifest of the transaction by the path after it, from its own journal: a file could have been edited."""
    for step in steps:
        if step.act == "write" and step.data["path"] == paper:
            found, _ = manifest.entries_of(tree, step.data["text"])
            return {entry.after: entry for entry in found if entry.after}
    return {}


def _stands(ledger: Ledger, entries: Mapping[str, Entry], read: bool) -> dict[str, Now]:
    """What stands now under all names that matter; MoveTrouble when one cannot be read."""
    leaving, wanted = names_of(ledger)
    returns = dict(ledger.moved)
    seen: dict[str, Now] = {}
    for path in leaving:
        entry = entries.get(path)
        deep = path in ledger.texts or path in ledger.virtual or (read and entry is not None and entry.sha256 != UNREAD)
        _look(seen, path, deep)
        if path not in seen and path.endswith(".fits"):
            _look(seen, path.removesuffix(".fits") + ".hdr", False)
    for path in wanted - leaving:
        _look(seen, path, True)
        if path in seen and path in returns:
            _look(seen, returns[path], True)
    return seen


def _look(seen: dict[str, Now], path: str, deep: bool) -> None:
    place = Path(path)
    try:
        status = place.lstat()
        regular = place.is_file() and not place.is_symlink()
        seen[path] = Now(status.st_size, fs.sha256(place) if deep and regular else "", regular)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as trouble:
        raise MoveTrouble(
            f"cannot be read: {trouble.strerror}", where=path, remedy="nothing was undone; check its permissions"
        ) from trouble


def _still_there(lines: Iterable[Line]) -> frozenset[Line]:
    found = []
    for line in lines:
        path = Path(line.path)
        if path.is_file() and line.line.encode() in path.read_bytes().splitlines():
            found.append(line)
    return frozenset(found)


async def execute(context: Context, plan: UndoPlan) -> Transaction:
    """Carry out a plan. Every file is read and compared first; MoveTrouble lists all that is in the way, and when
    the tree is no longer what the plan was made from. Nothing was touched then."""
    with lock.pool(context.tree, plan.mode, plan.date, "undo", context.who):
        context.bus.publish(
            ev.PhaseStarted("undo", f"{plan.transaction}: {_counted(plan)}; comparing with its manifest")
        )
        fresh = await planned(context, plan.mode, plan.date, keep_created=plan.kind != CREATE)
        _refuse(fresh)
        if fresh.digest != plan.digest:
            raise MoveTrouble(
                "the tree has changed since the plan was made",
                where=f"{plan.mode} {plan.date}",
                remedy="nothing was undone; look at the plan again",
            )
        for note in plan.notes:
            context.bus.publish(ev.Notice("warning", note))
        journal = Journal(context.db, context.tree)
        transaction = journal.begin(
            "undo",
            plan.mode,
            plan.date,
            context.who,
            lambda begun: undo_steps(plan, context.tree, begun, context.settings.move.trash_days),
            begun=context.utc(),
            summary=f"undo {plan.transaction}: {_summed(plan)}",
        )
        await journal.run(transaction, context.utc, telling(context.bus, "undo"))
        context.bus.publish(ev.Notice("info", f"{plan.transaction} is undone: {_counted(plan)}"))
        return transaction


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """The order `undo`: plan, ask, execute. Option `yes`: it was decided already, nobody is asked; `digest`: that of
    the plan somebody looked at; `keep_created` yes: runs of createAB are passed over."""
    keep = order.options.get(KEEP) == "yes"
    plan = await planned(context, order.mode, order.date, read=False, keep_created=keep)
    if plan.empty:
        return Done(0, "nothing to undo")
    if plan.refusals:  # by size alone: reading every file may tell more
        _refuse(await planned(context, order.mode, order.date, keep_created=keep))
    if order.options.get("digest", plan.digest) != plan.digest:
        raise MoveTrouble(
            "the tree has changed since this undo was looked at",
            where=f"{plan.mode} {plan.date}",
            remedy="nothing was changed; look at it again",
        )
    question = _question(context, plan)
    if order.options.get("yes") != "yes":
        answer = await context.operator.ask(question)
        question.checked(answer.choice, answer.comment)
        if answer.choice != "yes":
            Answers(context.db).close(question.id)
            return Done(0, f"{plan.transaction} stays as it is, nothing was changed")
    Answers(context.db).close(question.id)  # for this time only
    await execute(context, plan)
    notes = "".join(f"; {note}" for note in plan.notes)
    return Done(0, f"{plan.transaction} undone: {_counted(plan)}{notes}")


def _refuse(plan: UndoPlan) -> None:
    if plan.refusals:
        text = "; ".join(plan.refusals)
        raise MoveTrouble(
            f"{plan.transaction} cannot be undone: {text}",
            where=f"{plan.mode} {plan.date}",
            remedy="; ".join(
                ["nothing was changed", *([f"{_SCRIPT}, then call again"] if BY_HAND in text else []), *plan.remedies]
            ),
        )


def _question(context: Context, plan: UndoPlan) -> Question:
    days = context.settings.move.trash_days
    created = plan.kind == CREATE
    trash = f", {counted(len(plan.away), 'file')} it wrote to the trash for {days} days" if plan.away else ""
    return Question(
        id=f"{SURE}:{plan.transaction}:{plan.digest[:12]}",
        kind=SURE,
        subject=f"{plan.mode} {plan.date}",
        text=f"Undo {plan.transaction} of {plan.who} from {plan.begun} UT ({plan.summary})?",
        choices=(
            Choice("no", "No", "nothing is changed"),
            Choice("yes", "Yes, undo", f"{_counted(plan)}{'' if created else ' go back to where they were'}{trash}"),
        ),
        safe="no",
        auto=None,
        details=tuple(plan.describe()[:200]),
        asked_by=context.who,
        asked_at=context.utc(),
    )


def _summed(plan: UndoPlan) -> str:
    return _counted(plan) if plan.kind == CREATE else f"{counted(len(plan.back), 'file')} back to where they were"


def _counted(plan: UndoPlan) -> str:
    if plan.kind == CREATE:
        again = f", {counted(len(plan.again), 'AB')} as before" if plan.again else ""
        return f"{counted(len(plan.taken), 'AB')} taken back{again}"
    products = len(plan.products)
    others = counted(len(plan.back) - products, "other file")
    return f"{counted(products, 'product')} and {others} ({size_text(plan.size)})"
