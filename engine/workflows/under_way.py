"""An order under way: what its phases share, and what has come of it so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.create.obtain import Pgis, restricted
from engine.pgi import SpecialPlugin
from engine.process.run.run_pool import Streams
from engine.questions import Question
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from engine.stores.refused import RefusedAbs


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


@dataclass
class UnderWay:
    """One order on its way through the phases. `failed` counts what ends it with exit code 1, `notes` become its line.

    `bad` are ABs that have failed or did not run, `parked` questions about ABs too large to be started without a
    word, `source_refused` files of the AB source that could not be read.
    """

    context: Context
    order: Order
    plugins: Plugins
    at_work: Callable[[Streams], None]
    failed: int = 0
    notes: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    parked: tuple[Question, ...] = ()
    source_refused: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.store = AbStore(self.context.tree)

    async def pool(self, *, whole: bool = False) -> list[AB]:
        """The ABs of the order as their files are now, of one target where it names one; those refused are told."""
        found = await asyncio.to_thread(self.store.load, self.order.mode, self.order.date)
        self.keep_refused((refused.where, refused.why) for refused in self.store.refused)
        for refused in self.store.refused:
            self.context.bus.publish(ev.AbRefused(refused.where, refused.why))
        return found if whole else self.wanted(found)

    def wanted(self, pool: list[AB]) -> list[AB]:
        """Those of the target that the order names; all without one."""
        return restricted(pool, self.order.only) if self.order.only and pool else pool

    def keep_refused(self, found: Iterable[tuple[str, str]]) -> None:
        """Remember which AB files cannot be read, for the status."""
        RefusedAbs(self.context.db).replace([*self.source_refused, *found])

    def phase(self, name: str, text: str) -> None:
        """Say that a phase begins."""
        self.context.bus.publish(ev.PhaseStarted(name, text))
