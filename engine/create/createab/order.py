"""createAB as a tool: look, plan, carry out as one transaction. A second call with nothing new writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from config.create import Create
from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock, trash
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.atomic.room import writable
from engine.context import Context
from engine.core.dates import date_label, mode_label
from engine.core.done import Done
from engine.core.sizes import counted
from engine.core.status import may_become
from engine.create.createab.completed import Edit, completed
from engine.create.createab.night import Night
from engine.create.createab.plan import AGAIN, CreatePlan, files
from engine.create.createab.survey import Looked, looked
from engine.errors import UsageTrouble
from engine.headers.virtual import pseudo_cards
from engine.questions import Choice, Question
from engine.stores import dfos_status
from engine.stores.abs import AbStore
from engine.stores.orders import Order

TOOL = "createAB"
RULES = "create.rules"
_BATCH = 200  # files of one step
Virtual = tuple[str, str, tuple[str, ...]]  # name, own cards, files of the raw header


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out `createAB` for an order; exit 1 when a header or an AB needs a look."""
    plan = await create(context, order.mode, order.date)
    return Done(1 if plan.findings else 0, plan.text)


async def create(context: Context, mode: str, date: str, edit: Edit | None = None) -> CreatePlan:
    """Make the ABs of a MODE and DATE; the plan that was carried out. `edit`, the AB_PGI, completes them before.

    Busy when another process works on this MODE and DATE, OpenJournal when an earlier run was cut; Parked when the
    rules have errors and nobody may be asked. UsageTrouble when the operator does not want ABs of such rules.
    """
    mode_label(mode), date_label(date)
    with lock.pool(context.tree, mode, date, TOOL, context.who):
        seen = await asyncio.to_thread(looked, context.tree, context.settings, mode, date)
        if edit:
            seen = replace(seen, plan=completed(seen.plan, seen.standing, edit))
        plan = seen.plan
        context.bus.publish(
            ev.PhaseStarted(
                "create", f"{mode} {date}: {counted(len(plan.decisions) + len(plan.added), 'AB')} by {plan.rules}"
            )
        )
        if plan.questions and plan.written:
            await _confirmed(context, plan)
        _told(context, plan)
        if not plan.empty:
            await _carried_out(context, seen)
            _shown(context, [one.made.name for one in plan.written])
        return plan


def _shown(context: Context, made: Collection[str]) -> None:
    """ABs that were made again forget how the old ones ended, and what waits for them is no longer blocked by that."""
    rows = context.board.rows
    failed = {f"{name} FAILED": name for name in made}
    for name in made:
        if name in rows and rows[name].state != "CREATED" and may_become(rows[name].state, "CREATED"):
            context.bus.publish(ev.AbChanged(name, "CREATED", "made again"))
    for row in [row for row in rows.values() if row.state == "BLOCKED" and row.reason in failed]:
        context.bus.publish(ev.AbChanged(row.ab, "PARENT", f"waits for {failed[row.reason]}"))


async def _confirmed(context: Context, plan: CreatePlan) -> None:
    """Rules that could be read in part only may make wrong ABs: the operator decides."""
    count = len(plan.questions)
    question = Question(
        id=f"{RULES}:{plan.mode}:{plan.date}:{count}",
        kind=RULES,
        subject=f"{plan.mode} {plan.date}",
        text=f"{plan.rules} has {count} error{'' if count == 1 else 's'}: parts of it were left out."
        f" Make {len(plan.written)} ABs with the rest?",
        choices=(
            Choice("no", "No", "nothing is written; correct the rules (dfos oca check)"),
            Choice("yes", "Yes", f"{len(plan.written)} ABs are made without the rules that could not be read"),
        ),
        safe="no",
        details=plan.questions[:20],
    )
    answer = await context.operator.ask(question)
    if answer.choice != "yes":
        raise UsageTrouble(
            "no ABs were made: the rules have errors", where=plan.rules, remedy="dfos oca check shows them all"
        )


def _told(context: Context, plan: CreatePlan) -> None:
    for text in (f"products: {plan.table}", *plan.notes, *plan.filtered.describe()):
        context.bus.publish(ev.Notice("info", f"createAB: {text}"))
    for text in plan.warnings:
        context.bus.publish(ev.Notice("warning", f"createAB: {text}"))
    for one in plan.decisions:
        if not one.made.complete and one.written:
            missing = ", ".join(short.rule.tag for short in one.made.found.shortages)
            context.bus.publish(ev.Notice("warning", f"{one.made.name}: INCOMPLETE, without {missing}"))
    for text in plan.findings:
        context.bus.publish(ev.Notice("error", f"createAB: {text}"))


async def _carried_out(context: Context, seen: Looked) -> None:
    plan, create = seen.plan, context.settings.create
    days = context.settings.move.trash_days
    journal = Journal(context.db, context.tree)
    tree = context.tree
    virtual = [tree.vcal / plan.date] if plan.mode == "CALIB" and plan.written else []
    writable([tree.ab, *virtual, tree.mon, tree.trash])
    transaction = journal.begin(
        "create",
        plan.mode,
        plan.date,
        context.who,
        lambda begun: steps(context.tree, plan, seen.night, create, begun, days),
        begun=context.utc(),
        summary=f"create {counted(len(plan.written), 'AB')} of {plan.mode} {plan.date}",
    )
    await journal.run(transaction, context.utc, telling(context.bus, "create"))


def steps(
    tree: DfoTree, plan: CreatePlan, night: Night, create: Create, transaction: Transaction, trash_days: int
) -> Iterator[Step]:
    """All steps: what is made again into the trash, virtual calibrations, ABs and logs, the AB_list, the status."""
    made = virtual_entries(plan, night)
    entries = list(_before(tree, plan, [name for name, _, _ in made]))
    yield from trash.preparing(tree, transaction, entries, trash.until(transaction.begun, trash_days))
    for path, _, _ in entries:
        kept = trash.place_of(tree, transaction.begun, transaction.label, path)
        data = {"source": str(path), "target": str(kept)}
        yield Step("keep what was there before", "place", data, f"keep {path.name} in the trash")
    yield from _virtual(tree.vcal / plan.date, made)
    texts = files(plan, create)
    while batch := list(islice(texts, _BATCH)):
        written = {"folder": str(tree.ab), "texts": batch}
        yield Step("write ABs", "write_all", written, f"write {len(batch)} ABs and logs")
    text = "".join(f"{line}\n" for line in plan.listing)
    path = AbStore(tree).ab_list(plan.mode, plan.date)
    yield Step("write the AB_list", "write", {"path": str(path), "text": text}, f"write {path.name}")
    yield from dfos_status.steps(tree, plan.mode, plan.date, [TOOL], transaction.who)


def _before(tree: DfoTree, plan: CreatePlan, virtual: Iterable[str]) -> Iterator[tuple[Path, str, int]]:
    """What is written over, with why it is kept and bytes: ABs that are made again, virtual calibrations."""
    for one in plan.of(AGAIN):
        path = tree.ab / one.made.name
        yield path, "the AB before createAB", path.stat().st_size
    for name in virtual:
        path = tree.vcal / plan.date / name
        if path.is_file():
            yield path, "the virtual calibration before createAB", path.stat().st_size


def _virtual(folder: Path, made: Iterable[Virtual]) -> Iterator[Step]:
    """The virtual calibrations of the ABs that are written: the raw header by reference, the own cards in full."""
    rest = iter(made)
    first = True
    while batch := list(islice(rest, _BATCH)):
        if first:
            yield Step("make room for virtual calibrations", "make_dir", {"path": str(folder)}, f"make {folder.name}")
            first = False
        data = {
            "folder": str(folder),
            "texts": [(name, cards) for name, cards, _ in batch],
            "headers": [list(sources) for _, _, sources in batch],
        }
        yield Step("write virtual calibrations", "virtual", data, f"write {len(batch)} virtual calibrations")


def virtual_entries(plan: CreatePlan, night: Night) -> list[Virtual]:
    """Every virtual calibration that the plan makes; SCIENCE has none."""
    return list(_entries(plan, night)) if plan.mode == "CALIB" else []


def _entries(plan: CreatePlan, night: Night) -> Iterator[Virtual]:
    for one in plan.written:
        sources = night.sources[one.made.raws[0].path].headers
        for frame in one.made.virtuals():
            own = {key: value for key, value in frame.header.items() if key.startswith("DFOS.") or key == "PRO.CATG"}
            extra = next(dict(product.keys) for product in one.made.products if product.catg == own["PRO.CATG"])
            yield f"{Path(frame.path).name.removesuffix('.fits')}.hdr", pseudo_cards({**own, **extra}), sources
