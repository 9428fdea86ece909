"""The hooks of renameProducts within a move: PRE_PLUGIN before names are made, SPECIAL_PLUGIN before they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine import events as ev
from engine.context import Context
from engine.errors import PluginTrouble
from engine.pgi import RenamePrePlugin, RenameSpecialPlugin
from engine.release.move.move_plan import named_of
from engine.release.move.plan import MovePlan
from engine.release.move.survey import Found, Snapshot
from engine.release.rename.hooks import amended, judged
from engine.release.rename.naming import Naming as Names
from engine.release.rename.naming import keywords_needed


@dataclass(frozen=True, slots=True)
class Naming:
    """The configured plugins; None where none is. PluginTrouble when one fails: nothing was moved then."""

    before: RenamePrePlugin | None = None
    after: RenameSpecialPlugin | None = None

    async def amended(self, context: Context, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the key values that the PRE_PLUGIN proposes for names; fates are not touched by it."""
        if self.before is None:
            return snapshot
        sound = [found for found in (*snapshot.products, *snapshot.pool) if not found.problem]
        wanted = keywords_needed(context.settings.rename, snapshot.mode)
        name = context.settings.rename.pre_plugin
        items = [named_of(found) for found in sound]
        answer = await asyncio.to_thread(amended, self.before, name, snapshot.mode, snapshot.date, items, wanted)
        fresh = {item.product.path: item for item in answer}

        def named(found: Found) -> Found:
            return replace(found, named=fresh.get(found.product.path))

        products, pool = (tuple(map(named, side)) for side in (snapshot.products, snapshot.pool))
        return replace(snapshot, products=products, pool=pool)

    async def withheld(self, context: Context, plan: MovePlan) -> frozenset[str]:
        """PIPEFILEs that keep their name, as the SPECIAL_PLUGIN proposes."""
        if self.after is None or plan.conflicts:
            return frozenset()
        name = context.settings.rename.special_plugin
        names = Names({fate.product.pipefile: fate.final for fate in plan.fates if fate.final}, plan.unknown)
        review = await asyncio.to_thread(judged, self.after, name, plan.mode, plan.date, names)
        for note in review.notes:
            context.bus.publish(ev.Notice("info", f"{name}: {note}"))
        if review.complaints:
            raise PluginTrouble("; ".join(review.complaints), where=name, remedy="nothing was moved")
        return frozenset(review.withheld)


NO_HOOKS = Naming()


def naming_of(plugins: Mapping[str, Any]) -> Naming:
    """The hooks among the plugins of an instance, by slot."""
    return Naming(plugins.get("RENAME_PRE_PLUGIN"), plugins.get("RENAME_SPECIAL_PLUGIN"))
