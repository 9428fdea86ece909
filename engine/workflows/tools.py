"""The tools that work on one MODE and DATE by themselves, as orders.

Each lives in its own module, which gives `async ordered(context, order, plugins) -> Done`. `plugins` are the
configured ones by slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from engine.context import Context
from engine.core.done import Done
from engine.errors import UsageTrouble
from engine.stores.orders import Order

TOOLS: dict[str, str] = {
    "createAB": "engine.create.createab.order",
    "refreshVCAL": "engine.create.createab.refresh_vcal",
    "createJob": "engine.create.jobs.create_job",
    "undo": "engine.release.undo.undo",
    "emptyTrash": "engine.release.undo.empty_trash",
    "restore": "engine.release.undo.restore",
    "updateAB": "engine.release.update.order",
    "renameProducts": "engine.release.rename.order",
    "exportProducts": "engine.transfer.export.export",
    "cleanupProducts": "engine.transfer.cleanup.cleanup_products",
    "recover": "engine.workflows.finish",
}


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out the tool an order names. UsageTrouble when there is no such tool."""
    module = TOOLS.get(order.tool)
    if module is None:
        raise UsageTrouble(f"'{order.tool}' is no tool that can be ordered", remedy=f"use one of {', '.join(TOOLS)}")
    done: Done = await import_module(module).ordered(context, order, plugins)
    return done
