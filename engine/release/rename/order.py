"""renameProducts as a tool of its own: look, plan, hooks, one journalled transaction.

The ABs are not touched: updateAB follows the names by PIPEFILE (ab-lifecycle section 11).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from config.schema import Settings
from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock
from engine.atomic.journal import Journal
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.done import Done
from engine.core.sizes import counted
from engine.errors import MoveTrouble
from engine.release.record import with_manifest
from engine.release.rename.hooks import amended, judged
from engine.release.rename.look import GEN, Seen, look
from engine.release.rename.naming import keywords_needed, names, plain_names
from engine.release.rename.rename_plan import RenamePlan, rename_plan, steps
from engine.stores.orders import Order

_SHOWN = 20  # unknown products told one by one


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: MODE (CALIB, SCIENCE, GEN), DATE, back to PIPEFILE, only the script."""

    mode: str
    date: str
    back: bool = False
    only_script: bool = False

    @classmethod
    def of(cls, order: Order) -> Wish:
        """The wish in an order; general calibrations are ordered as CALIB with the option `gen`."""
        given = {name: order.options.get(name) == "yes" for name in ("gen", "back", "only_script")}
        return cls(GEN if given["gen"] else order.mode, order.date, given["back"], given["only_script"])

    def order(self) -> Order:
        """The order for it."""
        wanted = {"gen": self.mode == GEN, "back": self.back, "only_script": self.only_script}
        mode = "CALIB" if self.mode == GEN else self.mode
        options = {name: "yes" for name, wish in wanted.items() if wish}
        return Order(mode, self.date, tool="renameProducts", options=options)


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out one order. Exit code 1 when products have an unknown PRO.CATG; MoveTrouble when nothing may move."""
    wish = Wish.of(order)
    with lock.pool(context.tree, order.mode, order.date, "renameProducts", context.who):
        plan = await asyncio.to_thread(planned, context.tree, context.settings, wish, plugins, context.utc())
        unknown = _tell(context, plan)
        refuse(plan)
        if plan.empty and plan.changes:  # only the script was asked for
            products = f"{len(plan.changes)} product{'s' * (len(plan.changes) != 1)}"
            return Done(1 if unknown else 0, f"rn_files holds the names of {products} already, nothing renamed")
        if plan.empty:
            return Done(1 if unknown else 0, f"nothing to rename, {_counts(plan)}")
        await execute(context, order, plan, wish)
    code = 1 if unknown else 0
    if wish.only_script:
        return Done(code, f"rn_files written in {plan.place}, nothing renamed")
    what = "called by their PIPEFILE again" if wish.back else "renamed"
    return Done(
        code, f"{counted(len(plan.changes), 'product')} {what}, {_counts(plan)}; their ABs follow with updateAB"
    )


def planned(tree: DfoTree, settings: Settings, wish: Wish, plugins: Mapping[str, Any], utc: str) -> RenamePlan:
    """The plan for what stands there now, with the proposals of the plugins. Changes nothing; may block.

    `plugins` are the configured ones by slot; `utc` dates rn_files.
    """
    tables, mode, date = settings.rename, wish.mode, wish.date
    seen = look(tree, tables, mode, date)
    sound = [item for item in seen.products if not item.problem]
    if wish.back:
        naming = plain_names(item.named.product for item in sound)
        return rename_plan(seen, naming, utc=utc, back=True, only_script=wish.only_script)
    pre = plugins.get("RENAME_PRE_PLUGIN")
    wanted = keywords_needed(tables, mode)
    pool = amended(pre, tables.pre_plugin, mode, date, [item.named for item in _once(sound)], wanted)
    naming = names([*pool, *(item.named for item in _twins(sound))], tables, mode, date)
    if naming.conflicts or len(sound) < len(seen.products):
        return rename_plan(seen, naming, utc=utc, only_script=wish.only_script)
    review = judged(plugins.get("RENAME_SPECIAL_PLUGIN"), tables.special_plugin, mode, date, naming)
    plan = rename_plan(
        seen,
        naming,
        utc=utc,
        only_script=wish.only_script,
        withheld=review.withheld,
        notes=(f"{tables.special_plugin}: {text}" for text in review.notes),
    )
    return _complained(plan, tables.special_plugin, review.complaints)


async def execute(context: Context, order: Order, plan: RenamePlan, wish: Wish) -> None:
    """Carry out a plan through the journal; MoveTrouble when the directory has changed since it was made."""
    stale = [path for path, *stamp in plan.stamps if _stamp(path) != stamp]
    if stale:
        raise MoveTrouble(
            f"{len(stale)} files changed since the plan was made, e.g. {stale[0]}",
            where=plan.place,
            remedy="nothing was renamed; call again",
        )
    number = len(plan.changes)
    way = "back to PIPEFILE" if wish.back else "to their final names"
    words = "write rn_files" if wish.only_script else f"rename {number} products {way}"
    context.bus.publish(ev.PhaseStarted("rename", f"{words} in {plan.place}"))
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "rename",
        order.mode,
        order.date,
        context.who,
        lambda begun: with_manifest(context.tree, begun, steps(plan, context.tree, begun)),
        begun=context.utc(),
        summary=f"{words} of {wish.mode} {wish.date} in {plan.place}",
    )
    await journal.run(transaction, context.utc, telling(context.bus, "rename"))


def refuse(plan: RenamePlan) -> None:
    """MoveTrouble when the plan has conflicts: then nothing is renamed at all (decision 8)."""
    if plan.conflicts:
        more = f" and {len(plan.conflicts) - 3} more" if len(plan.conflicts) > 3 else ""
        raise MoveTrouble(
            f"nothing was renamed: {'; '.join(plan.conflicts[:3])}{more}",
            where=f"{plan.mode} {plan.date}",
            remedy="put this right and call again; all of them: renameProducts --dry-run",
        )


def _complained(plan: RenamePlan, name: str, complaints: tuple[str, ...]) -> RenamePlan:
    from dataclasses import replace

    return replace(plan, conflicts=(*plan.conflicts, *(f"{name}: {text}" for text in complaints)))


def _tell(context: Context, plan: RenamePlan) -> int:
    """Publish what the operator should know; the number of products with an unknown PRO.CATG."""
    for text in plan.notes[:_SHOWN]:
        context.bus.publish(ev.Notice("warning", f"renameProducts: {text}"))
    if len(plan.notes) > _SHOWN:
        rest = f"renameProducts: {len(plan.notes) - _SHOWN} more; all of them: renameProducts --dry-run"
        context.bus.publish(ev.Notice("warning", rest))
    return sum(why == "unknown PRO.CATG" for _, why in plan.kept)


def _counts(plan: RenamePlan) -> str:
    kept = f", {len(plan.kept)} keep theirs" if plan.kept else ""
    return f"{plan.same} bore their name already{kept}"


def _once(sound: Iterable[Seen]) -> list[Seen]:
    return list({item.named.product.pipefile: item for item in sound}.values())


def _twins(sound: Iterable[Seen]) -> list[Seen]:
    """Further files with a PIPEFILE that another one has; names() refuses them."""
    sound = list(sound)
    kept = {id(item) for item in _once(sound)}
    return [item for item in sound if id(item) not in kept]


def _stamp(path: str) -> list[int]:
    try:
        status = os.lstat(path)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
