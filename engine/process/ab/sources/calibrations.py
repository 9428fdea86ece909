"""Part 1 of phoenix, step 3: the master calibrations of a pool are brought here, and HDR_PGI checks what came."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from engine.context import Context
from engine.core.ab import AB
from engine.errors import PluginTrouble, RecipeTrouble
from engine.events import AbMessage, Notice
from engine.pgi import Complaint, HdrPgi, checked_complaints
from engine.process.ab.hooks import LIMIT_S, in_time
from engine.process.ab.inputs import Inputs
from engine.process.ab.sources.fetch import Fetcher


async def checked(context: Context, abs_: Sequence[AB], plugin: HdrPgi | None) -> tuple[Complaint, ...]:
    """Fetch what is missing of the calibrations, then ask HDR_PGI; its complaints stand in the rows of their ABs.

    PluginTrouble when the plugin fails: then nothing has been started. Raw files are fetched when an AB runs.
    """
    fetcher = Fetcher(context)
    missing = await asyncio.to_thread(_missing, context, abs_)
    if missing and fetcher.active:
        try:
            await fetcher.provide(path for paths in missing.values() for path in paths)
        except RecipeTrouble as trouble:
            context.bus.publish(Notice("warning", trouble.what))
        finally:
            await fetcher.close()
        missing = await asyncio.to_thread(_missing, context, abs_)
    if plugin is None:
        return ()
    lines = tuple(missing)
    try:
        answer = await in_time(lambda: plugin.check(tuple(abs_), lines), LIMIT_S)
    except PluginTrouble:
        raise
    except Exception as trouble:
        raise PluginTrouble(f"HDR_PGI failed: {type(trouble).__name__}: {trouble}") from trouble
    complaints = checked_complaints("HDR_PGI", abs_, answer)
    for complaint in complaints:
        context.bus.publish(Notice("warning", f"{complaint.ab}: {complaint.what}"))
        context.bus.publish(AbMessage(complaint.ab, complaint.what))
    return complaints


def _missing(context: Context, abs_: Sequence[AB]) -> dict[str, list[Path]]:
    """Calibrations that are not on disk, as their ABs write them, each with where it belongs. Blocking."""
    inputs, tree = Inputs(context.tree), context.tree
    found: dict[str, list[Path]] = {}
    looked: set[str] = set()
    for ab in abs_:
        for calib in ab.calibs:
            if calib.path in looked or calib.state == "VIRTUAL":
                continue
            looked.add(calib.path)
            path = Path(os.path.normpath(tree.expand(calib.path)))
            if path.is_relative_to(tree.root) and inputs.find(calib.path) is None:
                target = inputs.target(calib.path)
                found[calib.path] = [target] if target else []
    return found
