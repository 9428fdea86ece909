"""The tool `recover`: nothing but finishing what was cut of a MODE and DATE, which every order does first when told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.atomic.recover import unfinished
from engine.context import Context
from engine.core.done import Done
from engine.errors import UsageTrouble
from engine.stores.orders import Order


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """All that was cut has been finished by now. UsageTrouble when it was ordered without leave to recover."""
    if unfinished(context.db, context.tree, order.mode, order.date):
        raise UsageTrouble("what was cut is still open", remedy="call with --recover")
    return Done(0, "what was cut is finished; nothing is open")
