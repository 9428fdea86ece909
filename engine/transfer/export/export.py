"""exportProducts: logs and plots of a MODE and DATE to the web servers (moveProducts 2.18).

The line in JOBS_EXPORT is the queue; it goes when every server has every file. A server that cannot be reached
leaves it there with the reason, and what was moved stays moved. Every file is whole under its name or not there;
what a server has is noted, so that the next export sends only what is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.export import Target
from config.schema import Settings
from engine import events as ev
from engine.atomic import lock
from engine.context import Context
from engine.core.dates import date_label, mode_label
from engine.core.done import Done
from engine.errors import DfosError, UsageTrouble
from engine.stores.orders import Order
from engine.transfer.export.host_keys import RemoteTrouble
from engine.transfer.export.plan import Plan, plan, shown, survey
from engine.transfer.export.queue import Call, Waiting, Waits, append, queued, remove
from engine.transfer.export.server import Outcome, Server


@dataclass(frozen=True, slots=True)
class Exported:
    """How an export ended, server by server. `refused` are files that are never sent (path, why).

    `queued`: the call stands in JOBS_EXPORT still.
    """

    outcomes: tuple[Outcome, ...]
    refused: tuple[tuple[Path, str], ...] = ()
    queued: bool = False

    @property
    def exit_code(self) -> int:
        """0; 1 when single files could not be delivered; 16 when a server could not be used."""
        if any(outcome.trouble for outcome in self.outcomes):
            return RemoteTrouble.exit_code
        return 1 if any(outcome.failed for outcome in self.outcomes) else 0

    @property
    def text(self) -> str:
        """One line for the operator."""
        words = [outcome.text for outcome in self.outcomes]
        if self.refused:
            words.append(f"{len(self.refused)} are never sent")
        return "; ".join([*words, "the export stays queued"] if self.queued else words)


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """The order `exportProducts`; option `target` names one server."""
    found = await export(context, order.mode, order.date, order.options.get("target") or None)
    return Done(found.exit_code, found.text)


def targets_of(settings: Settings, name: str | None) -> dict[str, Target]:
    """The servers an export goes to; UsageTrouble when there is none, or none of that name."""
    known = settings.export.targets
    if name is not None:
        if name not in known:
            raise UsageTrouble(f"there is no web server '{name}'", remedy=f"known: {', '.join(known) or 'none'}")
        return {name: known[name]}
    if not settings.export.active:
        raise UsageTrouble("no web server is configured", remedy="export.targets in dfos.yaml names them")
    return {name: known[name] for name in settings.export.active}


async def export(context: Context, mode: str, date: str, target: str | None = None) -> Exported:
    """Bring the logs (CALIB: and plots) of a MODE and DATE to every active server, or to `target`.

    What does not succeed stays queued; a server that cannot be used is no exception but a `trouble`. UsageTrouble
    when no server is configured, Busy when another process exports this, DfosError when there are no logs.
    """
    mode_label(mode), date_label(date)
    targets, call = targets_of(context.settings, target), Call(mode, date)
    path = context.tree.state / "LOCKS" / f"EXPORT_{mode}_{date}"
    with lock.held(path, "exportProducts", context.who, f"the export of {mode} {date}"):
        try:
            made = plan(mode, date, await asyncio.to_thread(survey, context.tree, mode, date))
        except DfosError as trouble:
            _wait(context, call, str(trouble))
            raise
        _tell(context, made)
        outcomes = [await Server(context, made, name, one).run() for name, one in targets.items()]
        left = _settled(context, call, made, outcomes, set(targets) >= set(context.settings.export.active))
        return Exported(tuple(outcomes), made.refused, left)


def _tell(context: Context, made: Plan) -> None:
    stay = f", {made.stay} fits, hdr and ps stay" if made.stay else ""
    text = f"{made.mode} {made.date}: {len(made.files)} files, {made.total_bytes / 1e6:.1f} MB{stay}"
    context.bus.publish(ev.PhaseStarted("export", text))
    for path, why in made.refused:
        context.bus.publish(ev.Notice("warning", f"not exported: {shown(context.tree.shorten(path))}: {why}"))


def _settled(context: Context, call: Call, made: Plan, outcomes: list[Outcome], everywhere: bool) -> bool:
    """Take the call out of the queue when every server has everything; True while it stands there."""
    missed = [outcome for outcome in outcomes if not outcome.complete]
    if missed:
        append(context.tree, call)
        _wait(context, call, "; ".join(outcome.trouble or outcome.text for outcome in missed))
    elif everywhere:

        def more() -> bool:
            return plan(call.mode, call.date, survey(context.tree, call.mode, call.date)).files != made.files

        remove(context.tree, call, unless=more)
        Waiting(context.db).done(call)
    return call in queued(context.tree)


def _wait(context: Context, call: Call, why: str) -> None:
    """Note why a queued call still waits, and how long it is left alone: twice as long after every try in vain."""
    if call not in queued(context.tree):
        return
    settings, waiting = context.settings.export, Waiting(context.db)
    tries = waiting.of(call).tries + 1
    pause = min(settings.retry_most_s, settings.retry_s * 2.0 ** min(tries - 1, 30))
    waiting.failed(call, Waits(tries, context.utc(), why, context.clock() + pause))
