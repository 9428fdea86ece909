"""updateAB as a tool: look, plan, carry out as one transaction. A second call with nothing new writes nothing."""

from __future__ import annotations

import asyncio
import difflib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.schema import Settings
from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock, trash
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.ab import AB
from engine.core.dates import date_label, mode_label
from engine.core.done import Done
from engine.core.sizes import counted
from engine.errors import MoveTrouble
from engine.release.move.survey import changed
from engine.release.record import with_manifest
from engine.release.update.survey import Listed, listed
from engine.release.update.update_ab import missing, updated
from engine.stores import dfos_status
from engine.stores.orders import Order

TOOL = "updateAB"


@dataclass(frozen=True, slots=True)
class Change:
    """One AB file that gets a new text."""

    name: str
    path: str
    before: str
    after: str

    def diff(self) -> list[str]:
        """What changes, as `-` and `+` lines."""
        old, new = self.before.splitlines(), self.after.splitlines()
        lines = difflib.unified_diff(old, new, n=0, lineterm="")
        return [line for line in lines if line[:1] in "+-" and not line.startswith(("--- ", "+++ "))]


@dataclass(frozen=True)
class UpdatePlan:
    """What updateAB will do with the ABs of one list.

    `same`: nothing changes in these; `warnings`: AB and what it names that is missing; `findings`: what keeps the
    update from being whole (exit 1); `notes`: what was left alone; `status`: the word that will be written, or ''.
    """

    mode: str
    date: str
    changes: tuple[Change, ...]
    same: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    status: str
    stamps: tuple[tuple[str, int, int], ...]

    @property
    def empty(self) -> bool:
        """True when nothing will be written."""
        return not self.changes and not self.status

    @property
    def text(self) -> str:
        """One line for the operator."""
        if self.empty:
            words = f"nothing to update, {_abs(len(self.same))} as they should be"
        else:
            words = f"{_abs(len(self.changes))} updated, {len(self.same)} unchanged"
        parts = [words]
        if self.findings:
            parts.append(f"{len(self.findings)} findings, first: {self.findings[0]}")
        if self.warnings:
            parts.append(f"{len(self.warnings)} warnings, first {self.warnings[0][0]}: {self.warnings[0][1]}")
        return "; ".join(parts)

    def describe(self) -> list[str]:
        """The plan in lines: the difference per AB, then what is noteworthy."""
        lines = []
        for change in self.changes:
            lines += [change.name, *(f"  {line}" for line in change.diff())]
        lines += [f"{name}: {text}" for name, text in self.warnings]
        return [*lines, *self.findings, *self.notes, *([f"status {self.status}"] if self.status else [])]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return {
            "mode": self.mode,
            "date": self.date,
            "changes": [{"ab": change.name, "path": change.path, "diff": change.diff()} for change in self.changes],
            "same": list(self.same),
            "warnings": [{"ab": name, "text": text} for name, text in self.warnings],
            "findings": list(self.findings),
            "notes": list(self.notes),
            "status": self.status,
        }


def planned(
    tree: DfoTree, settings: Settings, db: sqlite3.Connection | None, mode: str, date: str, stamp: str
) -> UpdatePlan:
    """What updateAB would do now; `stamp` is the UPDATED time (UTC, ISO). Reads only.

    `db` may be None where nothing was ever ingested. MoveTrouble when there is no list or no final directory.
    """
    seen = listed(tree, settings, db, mode, date)
    changes = []
    same = []
    warnings = []
    for ab, path in seen.abs:
        places = seen.places_of(ab)
        new = updated(ab, places, stamp)
        if new is ab:
            same.append(ab.name)
        else:
            changes.append(Change(ab.name, str(path), _text(ab), _text(new)))
        warnings += [(ab.name, text) for text in missing(new, places)]
    return UpdatePlan(
        mode,
        date,
        tuple(changes),
        tuple(same),
        tuple(warnings),
        tuple(_findings(seen)),
        tuple(_notes(seen)),
        _status(tree, seen, bool(changes)),
        seen.stamps,
    )


async def update(context: Context, mode: str, date: str) -> UpdatePlan:
    """Update the ABs of AB_list_<MODE>_<DATE>; the plan that was carried out.

    Busy when another process works on this MODE and DATE, OpenJournal when an earlier run was cut.
    """
    mode_label(mode), date_label(date)
    with lock.pool(context.tree, mode, date, TOOL, context.who):
        plan = await asyncio.to_thread(_planned_apart, context, mode, date)
        context.bus.publish(ev.PhaseStarted("update", f"{mode} {date}: {counted(len(plan.changes), 'AB')} to change"))
        for name, text in plan.warnings:
            context.bus.publish(ev.Notice("warning", f"{name}: {text}"))
        for text in plan.findings:
            context.bus.publish(ev.Notice("error", f"updateAB: {text}"))
        for text in plan.notes:
            context.bus.publish(ev.Notice("info", f"updateAB: {text}"))
        if not plan.empty:
            await _carried_out(context, plan)
        return plan


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out `updateAB` for an order; exit 1 when ABs of the list could not be updated."""
    plan = await update(context, order.mode, order.date)
    return Done(1 if plan.findings else 0, plan.text)


def _planned_apart(context: Context, mode: str, date: str) -> UpdatePlan:
    """The plan, made in a thread with a connection of its own."""
    from engine.stores.database import connect

    db = connect(context.tree.journal)
    try:
        return planned(context.tree, context.settings, db, mode, date, context.utc())
    finally:
        db.close()


async def _carried_out(context: Context, plan: UpdatePlan) -> None:
    stale = changed(plan.stamps)
    if stale:
        raise MoveTrouble(
            f"{len(stale)} ABs changed meanwhile, e.g. {stale[0]}",
            where=f"{plan.mode} {plan.date}",
            remedy="nothing was updated; call again",
        )
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "update",
        plan.mode,
        plan.date,
        context.who,
        lambda begun: with_manifest(
            context.tree, begun, steps(plan, context.tree, begun, context.settings.move.trash_days)
        ),
        begun=context.utc(),
        summary=f"update {_abs(len(plan.changes))} of {plan.mode} {plan.date}",
    )
    await journal.run(transaction, context.utc, telling(context.bus, "update"))


def steps(plan: UpdatePlan, tree: DfoTree, transaction: Transaction, trash_days: int) -> Iterator[Step]:
    """All steps: the ABs as they were get a second name in the trash, then their new text; the status comes last."""
    last_day = trash.until(transaction.begun, trash_days)
    old = [
        (Path(change.path), "the AB before updateAB", len(change.before.encode("utf-8", "surrogateescape")))
        for change in plan.changes
    ]
    yield from trash.preparing(tree, transaction, old, last_day)
    for path, _, _ in old:
        kept = trash.place_of(tree, transaction.begun, transaction.label, path)
        data = {"source": str(path), "target": str(kept)}
        yield Step("keep the ABs as they were", "place", data, f"keep {path.name} in the trash")
    for change in plan.changes:
        mode = Path(change.path).stat().st_mode & 0o777
        text: dict[str, object] = {"path": change.path, "text": change.after, "mode": mode}
        yield Step("update ABs", "write", text, f"update {change.name}")
    if plan.status:
        yield from dfos_status.steps(tree, plan.mode, plan.date, [TOOL], transaction.who)


def _text(ab: AB) -> str:
    return ab.render().decode("utf-8", "surrogateescape")


def _abs(count: int) -> str:
    return f"{count} AB{'' if count == 1 else 's'}"


def _findings(seen: Listed) -> Iterator[str]:
    for name in seen.lost:
        yield f"{name} is listed and stands neither in $DFO_AB_DIR nor in $DFO_LOG_DIR/{seen.date}"
    for text in seen.refused:
        yield f"not updated: {text}"
    for pipefile in seen.twice:
        yield f"several products say PIPEFILE {pipefile}"


def _notes(seen: Listed) -> Iterator[str]:
    for name in seen.strangers:
        yield f"{name} is not in the AB_list: untouched"
    for name in seen.waiting:
        yield f"{name} is not processed yet: untouched"


def _status(tree: DfoTree, seen: Listed, changes: bool) -> str:
    """The word to write: whenever ABs change, and where the date lacks it."""
    ladder = dfos_status.ladder()
    word = ladder.word(seen.mode, TOOL)
    if seen.date in ladder.no_status or not seen.abs:
        return ""
    there = {entry.word for entry in dfos_status.entries(tree, seen.date)}
    return word if changes or word not in there else ""
