"""phoenix: the phases composed. C creates ABs, P processes them, M certifies and moves, I ingests.

Every phase may be repeated: what is done stays done, so an order that was interrupted or parked is
simply carried out again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.core.ab import AB
from engine.core.cascade import cascade, circling
from engine.core.dates import is_month, within
from engine.core.product import MOVE
from engine.core.status import STATES, waits_for
from engine.create.obtain import Pgis, obtain, restricted
from engine.errors import AnswerNeeded, DfosError, OpenJournal, UsageTrouble, of_system
from engine.pgi import SpecialPlugin, checked_withheld
from engine.process.ab.again import choose, done_of
from engine.process.ab.forced import kept
from engine.process.ab.hooks import options_of
from engine.process.ab.stale import stale_of
from engine.process.plan.large import asked
from engine.process.run.run_pool import Outcome, Streams, process_pool, reset
from engine.questions import Parked, Question
from engine.release.certify import Certified, certify
from engine.release.move.hooks import naming_of
from engine.release.move.move_products import MovePlan, move
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from engine.stores.refused import RefusedAbs
from engine.transfer.ingest.ingest_products import ingest, verify_only
from engine.transfer.ingest.jobs_ingest import Call, queued
from engine.workflows import tools


@dataclass(frozen=True, slots=True)
class Plugins:
    """The plugins of the instance by what calls them; None where none is configured."""

    create: Pgis = field(default_factory=Pgis)
    special: SpecialPlugin | None = None
    by_slot: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an order ended: exit code, one line, and the ids of the questions it waits for."""

    exit_code: int
    text: str
    questions: tuple[str, ...] = ()


async def carry_out(
    context: Context, order: Order, plugins: Plugins, pipeline: str, standin: bool, at_work: Callable[[Streams], None]
) -> Ended:
    """Carry out one order to its end, publishing RunStarted and RunEnded.

    `pipeline` names what runs the recipes; `at_work` is handed the streams as soon as they can be
    paused or stopped. Errors of ours become the order's end, with their exit code.
    """
    parts = order.tool or ", ".join(_WORDS[part] for part in "CPMI" if part in order.parts)
    context.bus.publish(
        ev.RunStarted(
            parts,
            order.pool,
            context.settings.instance,
            pipeline,
            standin,
            socket.gethostname(),
            order.who,
            os.getpid(),
        )
    )
    try:
        ended = await _Run(context, order, plugins, at_work).carry_out()
    except AnswerNeeded as trouble:
        ids = (trouble.question.id,) if isinstance(trouble, Parked) else ()
        ended = Ended(3, str(trouble), ids)
    except DfosError as trouble:
        ended = Ended(trouble.exit_code, str(trouble))
    except Exception as trouble:  # noqa: BLE001 - one order must never end the engine
        ended = Ended(DfosError.exit_code, f"{order.pool}: {_unforeseen(trouble)}")
    context.bus.publish(ev.RunEnded(ended.exit_code, ended.text))
    return ended


UNKNOWN_DATE = "no ABs and no products of this DATE are known here"
_HARMLESS = frozenset({"create", "status"})  # what was cut here is finished without a word: it writes what is new only
_WORDS = {"C": "create ABs", "P": "process", "M": "certify and move", "I": "ingest"}


def _unforeseen(trouble: BaseException) -> str:
    """Trouble nobody foresaw, in words: the file system's with its path and a remedy, else a fault of ours."""
    while isinstance(trouble, BaseExceptionGroup):
        trouble = trouble.exceptions[0]
    if isinstance(trouble, OSError) and (told := of_system(trouble)):
        return told
    return f"internal error: {type(trouble).__name__}: {trouble}; please report it"


class _Run:
    """One order on its way through the phases."""

    def __init__(self, context: Context, order: Order, plugins: Plugins, at_work: Callable[[Streams], None]) -> None:
        self.context = context
        self.order = order
        self.plugins = plugins
        self.at_work = at_work
        self.store = AbStore(context.tree)
        self.failed = 0
        self.parked: tuple[Question, ...] = ()  # about ABs too large to be started without a word
        self.bad: set[str] = set()
        self.notes: list[str] = []
        self.source_refused: tuple[tuple[str, str], ...] = ()

    async def carry_out(self) -> Ended:
        """All parts of the order in their sequence."""
        order = self.order
        await self._recovered()
        if "P" in order.parts and order.options.get("qc") != "no":
            await self._defined()
        if order.tool:
            done = await tools.ordered(self.context, order, self.plugins.by_slot)
            return Ended(done.exit_code, f"{order.pool}: {done.text}")
        if "C" in order.parts:
            self._phase("create", f"the ABs of {order.pool}")
            found = await obtain(self.context, order.mode, order.date, order.run_id, order.only, self.plugins.create)
            self.source_refused = found.refused
            self.failed += len(found.refused)
            if found.refused:
                self.notes.append(f"{len(found.refused)} AB files of the source refused")
            self.failed += found.findings
            self.notes += found.notes
            await self._inputs_checked()
            if order.parts == "C":
                self._keep_refused(())
                self.notes.append(f"{len(found.new)} ABs created, {len(found.kept)} kept; nothing was executed")
        if "P" in order.parts:
            if order.options.get("qc") != "only":
                outcome = await self._processed()
                if outcome.how != "ended":
                    return Ended(130, f"{order.pool}: {outcome.how}; {self._summary(outcome)}")
            await self._checked()
            if self.parked:
                text = f"{order.pool}: {'; '.join(self.notes)}; waits for an answer about large ABs (dfos questions)"
                return Ended(3, text, tuple(question.id for question in self.parked))
        if "M" in order.parts:
            parked = await self._released()
            if parked:
                text = f"{order.pool}: waits for verdicts (C in the console, or dfos questions); nothing has moved"
                return Ended(3, text, tuple(question.id for question in parked))
        if "I" in order.parts:
            ended = await self._ingested()
            if ended:
                return ended
        text = f"{order.pool}: {'; '.join(self.notes) or 'nothing to do'}"
        return Ended(1 if self.failed else 0, text)

    async def _recovered(self) -> None:
        order = self.order
        cut = unfinished(self.context.db, self.context.tree, order.mode)
        left = [item for item in cut if within(order.date, item.transaction.date)]
        if not left:
            return
        words = "; ".join(item.words[0] for item in left)
        harmless = bool(order.parts) and all(item.transaction.kind in _HARMLESS for item in left)
        if not order.recover and not harmless:
            raise OpenJournal(
                f"an earlier run of {order.pool} stopped half-way: {words}",
                remedy="call again with --recover to finish it",
            )
        for date in sorted({item.transaction.date for item in left}):
            await recover(self.context, order.mode, date)
        if not harmless:
            self.notes.append(f"{len(left)} interrupted moves finished")

    async def _defined(self) -> None:
        """All problems of the files that QC is defined by, before anything is touched."""
        from engine.process.qc.definitions import problems

        found = await asyncio.to_thread(problems, self.context.settings, self.context.tree.config)
        if found:
            raise UsageTrouble("; ".join(found), remedy="nothing was done; put this right and call again")

    async def _inputs_checked(self) -> None:
        """Master calibrations are brought here, and HDR_PGI says what is wrong with them."""
        plugin = self.plugins.by_slot.get("HDR_PGI")
        if plugin is None and not self.context.settings.sources:
            return
        from engine.process.ab.sources.calibrations import checked

        abs_ = [ab for ab in await self._pool() if ab.status == "CREATED"]
        complaints = await checked(self.context, abs_, plugin)
        if complaints:
            names = len({complaint.ab for complaint in complaints})
            self.notes.append(f"{names} ABs lack calibrations, first {complaints[0].ab}: {complaints[0].what}")

    # --- P --------------------------------------------------------------------------------

    async def _pool(self, *, whole: bool = False) -> list[AB]:
        found = await asyncio.to_thread(self.store.load, self.order.mode, self.order.date)
        self._keep_refused((refused.where, refused.why) for refused in self.store.refused)
        for refused in self.store.refused:
            self.context.bus.publish(ev.AbRefused(refused.where, refused.why))
        return found if whole else self._wanted(found)

    def _wanted(self, pool: list[AB]) -> list[AB]:
        return restricted(pool, self.order.only) if self.order.only and pool else pool

    async def _processed(self) -> Outcome:
        abs_ = await self._chosen() if "abs" in self.order.options else await self._renewed()
        large = await asked(self.context, abs_)
        self.parked += large.parked
        self._phase("process", f"{len(abs_)} ABs of {self.order.pool}")
        outcome = await process_pool(
            self.context, abs_, plugins=self.plugins.by_slot, at_work=self.at_work, refused=large.refused
        )
        self.bad = {*outcome.failed, *outcome.blocked, *outcome.interrupted, *outcome.waiting}
        self.failed += len(self.bad) + len(self.store.refused)
        self.notes.append(self._summary(outcome))
        if outcome.blocked:
            circles = cascade(abs_, {}, circles=True).circles
            self.notes += [circling(circle) for circle in circles if not set(outcome.blocked).isdisjoint(circle)]
        return outcome

    async def _chosen(self) -> list[AB]:
        """Exactly the ABs that the order names, ready to run, with what stands in their way."""
        options, tree, plugins = self.order.options, self.context.tree, self.plugins.by_slot
        names = options["abs"].split()
        force, parents = options.get("force") == "yes", options.get("parents") == "yes"
        stale = stale_of(self.context.board, self.order.mode, self.order.date)
        done = await asyncio.to_thread(done_of, tree, names)
        held = await kept(self.context, [ab for ab in done if force or ab.name in stale], plugins, parents=parents)
        self.parked = held.parked
        found = await asyncio.to_thread(
            choose, tree, names, force=force, parents=parents, stale=stale, kept=held.refused
        )
        self.failed += len(found.stays)
        self.notes += found.stays
        self.notes += found.notes
        self.notes += found.waiting
        return list(found.abs)

    async def _renewed(self) -> list[AB]:
        """The ABs of the pool; those that are stale, and all that depends on them, run again."""
        order, tree = self.order, self.context.tree
        abs_ = await self._pool()
        names = {ab.name for ab in abs_}
        stale = [name for name in stale_of(self.context.board, order.mode, order.date) if name in names]
        for name in stale:
            await asyncio.to_thread(reset, tree, self.context.settings, name, order.mode, order.date)
        if not stale:
            return abs_
        self.notes.append(f"{len(stale)} stale ABs run again")
        return await self._pool()

    async def _checked(self) -> None:
        """ABs first, then QC: whatever has been processed and has no scores yet, or what processQC names."""
        from engine.process.qc.order import checked, passed_over
        from engine.process.run.reached import note

        pool = await self._pool(whole=True)
        if self.order.options.get("qc") != "no":
            daily = is_month(self.order.date)
            options, plugins = self.order.options, self.plugins.by_slot
            words = await checked(self.context, self._wanted(pool), options, plugins, daily=daily)
            self.notes += [words] if words else []
            self.failed += len(passed_over(pool, options))
        if pool and not self.store.refused:
            await note(self.context, pool)

    def _keep_refused(self, found: Iterable[tuple[str, str]]) -> None:
        RefusedAbs(self.context.db).replace([*self.source_refused, *found])

    def _summary(self, outcome: Outcome) -> str:
        words = [f"{len(outcome.done)} ABs done"]
        counts = {
            "FAILED": outcome.failed,
            "BLOCKED": outcome.blocked,
            "INTERRUPTED": outcome.interrupted,
        }
        words += [f"{len(names)} {STATES[state].word}" for state, names in counts.items() if names]
        waits = Counter(self._waits_for(name) for name in outcome.waiting)
        words += [f"{count} {word}" for word, count in waits.items()]
        if self.store.refused:
            words.append(f"{len(self.store.refused)} AB files refused")
        return ", ".join(words)

    def _waits_for(self, name: str) -> str:
        """What an AB waits for that did not start, in a few words: an AB, a stream, memory, disk."""
        row = self.context.board.rows.get(name)
        return waits_for(row.state, row.reason) if row else STATES["PARENT"].word

    # --- M --------------------------------------------------------------------------------

    async def _released(self) -> tuple[Question, ...]:
        order = self.order
        pool = await self._pool(whole=True)
        abs_ = self._wanted(pool)
        open_ = [ab for ab in abs_ if ab.status == "CREATED" and not ab.runs_no_recipe]
        if open_ and "P" not in order.parts and not order.reason:
            raise UsageTrouble(
                f"{len(open_)} of {len(abs_)} ABs of {order.pool} are not processed yet, e.g. {open_[0].name}",
                remedy="process them first (-P), or force it with a reason (--force REASON)",
            )
        stale = sorted({ab.name for ab in abs_}.intersection(stale_of(self.context.board, order.mode, order.date)))
        if stale and "P" not in order.parts and not order.reason:
            raise UsageTrouble(
                f"{len(stale)} ABs of {order.pool} are stale, e.g. {stale[0]}: an input was made anew after they ran",
                remedy="process them again (-P), or force it with a reason (--force REASON)",
            )
        digest = order.options.get("digest", "")
        if not abs_ and not digest:
            known = self.store.knows(order.mode, order.date)
            self.notes.append("nothing to move" if known else f"nothing to move: {UNKNOWN_DATE}")
            return ()
        self._phase("certify", f"{order.pool}")
        scores = {name: row.score for name, row in self.context.board.rows.items()}
        certified: Certified = await certify(self.context, pool, scores, only=order.only)
        if certified.parked:
            return certified.parked
        plugin = self._withheld if self.plugins.special else None
        recreate = {"yes": True, "no": False}.get(order.options.get("recreate", ""))
        moved = await move(
            self.context,
            order.mode,
            order.date,
            scores=scores,
            plugin=plugin,
            only=order.only,
            recreate=recreate,
            digest=digest,
            naming=naming_of(self.plugins.by_slot),
        )
        self.failed += len(set(moved.unfinished) - self.bad)
        self.notes.append("move stopped, nothing changed" if moved.stopped else f"{moved.moved} products moved")
        await self._exported()
        return ()

    async def _exported(self) -> None:
        """Logs and plots go to the web server at once; where it cannot be reached, the export stays queued."""
        from engine.transfer.export.export import export
        from engine.transfer.export.queue import Call as Export
        from engine.transfer.export.queue import queued as waiting

        if Export(self.order.mode, self.order.date) in waiting(self.context.tree):
            self._phase("export", f"{self.order.mode} {self.order.date}")
            try:
                self.notes.append((await export(self.context, self.order.mode, self.order.date)).text)
            except DfosError as trouble:  # what has moved has moved; the call stays in JOBS_EXPORT
                self.context.bus.publish(ev.Notice("warning", f"the export stays queued: {trouble}"))

    async def _withheld(self, plan: MovePlan) -> dict[str, str]:
        """What the SPECIAL_PLUGIN takes away, of the products that would move."""
        name = self.context.settings.move.special_plugin
        if self.plugins.special is None:
            return {}
        pipefiles = {fate.product.path: fate.product.pipefile for fate in plan.of(MOVE)}
        options = options_of(self.context, name)
        found = await asyncio.to_thread(
            self.plugins.special.keep, self.order.mode, self.order.date, tuple(pipefiles), options
        )
        return {pipefiles[file]: f"withheld by {name}" for file in checked_withheld(name, tuple(pipefiles), found)}

    # --- I --------------------------------------------------------------------------------

    async def _ingested(self) -> Ended | None:
        """The ingestion of the date; how the order ends when the archive has not confirmed everything."""
        order, options = self.order, self.order.options
        call = Call(order.mode, order.date)
        if order.parts != "I" and call not in queued(self.context.tree):
            return None
        if options.get("verify") == "yes":
            seen = await verify_only(self.context, order.mode, order.date)
            return Ended(seen.exit_code, f"{order.pool}: {seen.text}")
        self._phase("ingest", f"{order.mode} {order.date}")
        done = await ingest(
            self.context,
            order.mode,
            order.date,
            convert=options.get("convert") != "no",
            skip_bad=options.get("skip_bad") == "yes",
        )
        self.notes.append(done.text)
        if not done.exit_code:
            return None
        return Ended(
            done.exit_code, f"{order.pool}: {'; '.join(self.notes)}", tuple(question.id for question in done.questions)
        )

    def _phase(self, name: str, text: str) -> None:
        self.context.bus.publish(ev.PhaseStarted(name, text))
