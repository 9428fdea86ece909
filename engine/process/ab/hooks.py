"""The plugins around one AB (processAB): when they are called, how long they may take, what their trouble means.

In this order (ab-lifecycle section 7, inferred there): START_MONITOR_PLUGIN; inputs are provided; PRE_PLUGIN; the
recipe and its judgement; FINAL_PLUGIN; products are named and placed; POST_PLUGIN; the AB is written;
END_MONITOR_PLUGIN. FINAL_PLUGIN changes PRO.CATGs, which belong into products before they are placed: placed products
are never edited. With RECIPE none only START_MONITOR_PLUGIN, FINAL_PLUGIN (no products) and END_MONITOR_PLUGIN are
called.

A monitor plugin's trouble is a warning, and one that hangs is not called again in that run. A PRE_PLUGIN's trouble
fails the AB. A FINAL_ or POST_PLUGIN's trouble is a warning in the AB's row; its proposal is not carried out, nothing
is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from config.schema import ModePlugins
from engine.context import Context
from engine.core.ab import AB
from engine.errors import DfosError, PluginHung, PluginTrouble
from engine.events import Notice
from engine.pgi import Aftermath, Products, checked_aftermath, checked_catgs, checked_prepared

_T = TypeVar("_T")
START, PRE, POST, FINAL, END = (
    "START_MONITOR_PLUGIN",
    "PRE_PLUGIN",
    "POST_PLUGIN",
    "FINAL_PLUGIN",
    "END_MONITOR_PLUGIN",
)
SLOTS = (START, PRE, POST, FINAL, END)
MONITOR_S = 30.0  # seconds a monitor plugin may take, unless plugins.options.<name>.timeout_s says otherwise
LIMIT_S = 600.0  # the same for the others
_GRACE_S = 5.0  # an executable ends itself at its limit, and says so better than we can


class Hooks:
    """The plugins of one run, by MODE. `by_slot` are the configured ones: `SLOT`, or `MODE.SLOT` for one MODE alone."""

    def __init__(self, context: Context, by_slot: Mapping[str, Any]) -> None:
        self._context = context
        self._plugins = {mode: _of_mode(context, by_slot, mode) for mode in ("CALIB", "SCIENCE")}
        self._hung: set[str] = set()

    def has(self, mode: str, *slots: str) -> bool:
        """Is one of these slots filled for ABs of a MODE ('' for any)?"""
        return any(slot in found for of, found in self._plugins.items() if mode in ("", of) for slot in slots)

    async def told(self, slot: str, ab: AB) -> None:
        """Tell a monitor plugin; whatever happens there is a warning."""
        found = self._plugins.get(ab.mode, {}).get(slot)
        if found is None or slot in self._hung:
            return
        try:
            await self._called(slot, ab, lambda: found.notify(ab))
        except PluginTrouble as trouble:
            again = ""
            if isinstance(trouble, PluginHung):
                self._hung.add(slot)
                again = "; it is not called again in this run"
            self._context.bus.publish(Notice("warning", f"{ab.name}: {slot}: {trouble}{again}"))

    async def prepared(self, ab: AB) -> AB:
        """The AB as PRE_PLUGIN wants it to run. PluginTrouble fails the AB."""
        found = self._plugins.get(ab.mode, {}).get(PRE)
        if found is None:
            return ab
        try:
            made = await self._called(PRE, ab, lambda: found.prepare(ab))
        except PluginTrouble as trouble:
            raise type(trouble)(f"{PRE}: {trouble.what}", where=trouble.where, remedy=trouble.remedy) from trouble
        return checked_prepared(PRE, ab, made)

    async def catgs(self, ab: AB, products: Products) -> dict[str, str]:
        """The PRO.CATGs that FINAL_PLUGIN gives, by product name; PluginTrouble is worth a warning."""
        found = self._plugins.get(ab.mode, {}).get(FINAL)
        if found is None:
            return {}
        options = options_of(self._context, self._name(FINAL, ab.mode))
        return checked_catgs(
            FINAL, ab, products, await self._called(FINAL, ab, lambda: found.finish(ab, products, options))
        )

    async def after(self, ab: AB, products: Products) -> Aftermath:
        """What POST_PLUGIN proposes; PluginTrouble is worth a warning."""
        found = self._plugins.get(ab.mode, {}).get(POST)
        if found is None:
            return Aftermath()
        return checked_aftermath(POST, ab, products, await self._called(POST, ab, lambda: found.after(ab, products)))

    def _name(self, slot: str, mode: str) -> str:
        return name_of(self._context, slot, mode)

    async def _called(self, slot: str, ab: AB, call: Callable[[], _T]) -> _T:
        name = self._name(slot, ab.mode)
        limit = _limit(self._context, slot, name)
        try:
            return await in_time(call, limit + _GRACE_S)
        except TimeoutError as trouble:
            raise PluginHung(
                f"{name} did not end within {limit:g} s and was left behind",
                remedy=f"see what it waits for, or set plugins.options.{name}.timeout_s",
            ) from trouble
        except DfosError as trouble:
            raise trouble if isinstance(trouble, PluginTrouble) else PluginTrouble(f"{name}: {trouble}") from trouble
        except Exception as trouble:  # a plugin's author may raise anything
            raise PluginTrouble(f"{name} failed: {type(trouble).__name__}: {trouble}") from trouble


def name_of(context: Context, slot: str, mode: str) -> str:
    """The configured name of the plugin in a slot of processAB, for one MODE."""
    plugins = context.settings.plugins
    own = _own(context, mode)
    return str((getattr(own, slot) if own else None) or getattr(plugins, slot))


def options_of(context: Context, name: str) -> dict[str, str]:
    """The options of a plugin; those that begin with a $VARIABLE of the account are paths, and written out."""
    given = {key.casefold(): value for key, value in context.settings.plugins.options.items()}.get(name.casefold(), {})
    return {key: str(context.tree.expand(text)) if text.startswith("$") else text for key, text in given.items()}


async def in_time(call: Callable[[], _T], limit_s: float) -> _T:
    """Call blocking code of somebody else in a thread of its own; TimeoutError when it takes longer than `limit_s`.

    The thread is then left behind, and keeps neither the run nor the end of this process waiting.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[tuple[_T | None, BaseException | None]] = loop.create_future()

    def settle(answer: _T | None, trouble: BaseException | None) -> None:
        if not over.done():
            over.set_result((answer, trouble))

    def run() -> None:
        answer, trouble = None, None
        try:
            answer = call()
        except BaseException as raised:  # noqa: BLE001 - handed over; it must not end a thread in silence
            trouble = raised
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle, answer, trouble)

    threading.Thread(target=run, name="plugin", daemon=True).start()
    async with asyncio.timeout(limit_s):
        answer, trouble = await over
    if isinstance(trouble, Exception):
        raise trouble
    if trouble is not None:
        raise RuntimeError(f"it ended itself with {type(trouble).__name__}")
    return answer  # type: ignore[return-value]


def _of_mode(context: Context, by_slot: Mapping[str, Any], mode: str) -> dict[str, Any]:
    own = _own(context, mode)
    found: dict[str, Any] = {}
    for slot in SLOTS:
        stated = getattr(own, slot) if own else None
        plugin = by_slot.get(f"{mode}.{slot}") if stated is not None else by_slot.get(slot)
        if plugin is not None:
            found[slot] = plugin
    return found


def _own(context: Context, mode: str) -> ModePlugins | None:
    return next((own for of, own in context.settings.plugins.per_mode.items() if of == mode), None)


def _limit(context: Context, slot: str, name: str) -> float:
    default = MONITOR_S if slot in (START, END) else LIMIT_S
    try:
        limit = float(options_of(context, name).get("timeout_s", default))
    except ValueError:
        return default
    return limit if 0 < limit < float("inf") else default
