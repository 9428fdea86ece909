"""What consoles may order about moving, ingesting, exporting and recovering: one method per verb."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.views.plan import data_of
from engine import threads
from engine.errors import DfosError
from engine.release.move import saved_plan
from engine.release.move.hooks import naming_of
from engine.release.move.move_products import MovePlan, planned
from engine.stores.orders import Order

if TYPE_CHECKING:
    from console.hosting.host import Host


class ReleaseVerbs:
    """The part of the verbs that is about releasing products."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def _do_plan(self, who: str, mode: str, date: str, recreate: int = 0) -> dict[str, Any]:
        begun = self._context(who, mode, date).clock()
        plan = await self._planned(who, mode, date, bool(recreate))
        saved = {row.raw_type: row.save for row in self._host.settings.move.raw_types if row.mode == mode}
        return await asyncio.to_thread(data_of, plan, saved, begun)

    async def _do_save_plan(self, who: str, mode: str, date: str, recreate: int, digest: str, path: str) -> str:
        plan = await self._planned(who, mode, date, bool(recreate))
        await threads.to_end(_keep, plan, digest, Path(path))
        return f"saved in {path}"

    async def _do_move(self, who: str, mode: str, date: str, digest: str, recreate: int = 0) -> str:
        options = {"digest": digest, "recreate": "yes" if recreate else "no"}
        run_id = self._host.orders.run_of(mode, date)
        self._host.give(Order(mode, date, "M", run_id=run_id, who=who, options=options))
        return f"the move of {mode} {date} is ordered"

    async def _do_recover(self, who: str, mode: str, date: str) -> str:
        self._host.give(Order(mode, date, tool="recover", recover=True, who=who))
        return f"what was cut of {mode} {date} is being finished"

    async def _do_undo(self, who: str, mode: str, date: str, digest: str, keep_created: int = 0) -> str:
        options = {"yes": "yes", "digest": digest, "keep_created": "yes" if keep_created else ""}
        self._host.give(Order(mode, date, tool="undo", who=who, options=options))
        return f"the last run of {mode} {date} is being undone"

    async def _do_restore(self, who: str, mode: str, date: str, label: str) -> str:
        self._host.give(Order(mode, date, tool="restore", who=who, options={"what": label}))
        return f"{label} is being brought back from the trash"

    async def _do_expunge(self, who: str, mode: str, date: str, label: str) -> str:
        self._host.give(Order(mode, date, tool="emptyTrash", who=who, options={"transactions": label, "yes": "yes"}))
        return f"{label} is being deleted from the trash"

    async def _planned(self, who: str, mode: str, date: str, recreate: bool) -> MovePlan:
        naming = naming_of(self._host.plugins.by_slot)
        return await planned(self._context(who, mode, date), mode, date, recreate=recreate, naming=naming)

    def _context(self, who: str, mode: str, date: str) -> Any:
        return self._host.context(Order(mode, date, "M", who=who).checked())


def _keep(plan: MovePlan, digest: str, path: Path) -> None:
    if plan.digest != digest:
        raise DfosError("the tree has changed since you looked", remedy="plan again, then save")
    saved_plan.write(plan, path)
