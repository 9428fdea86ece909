"""Power cuts: before every mutating call of an undo; recovered, the tree is that of an undisturbed undo."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.release.move.move_products import move
from engine.release.undo.undo import ordered
from engine.stores.orders import Order
from tests.faults.test_move_power_cut import SCENARIOS, Plug, PowerCut, Scenario, _at, _products, memory
from tests.released import picture

__all__ = ["memory"]


def _undone(root: Path, scenario: Scenario, plug: Plug) -> bool:
    """Undo with the plug; True when it got to its end."""
    context = _at(root, scenario)
    try:
        with fs.probed(plug):
            order = Order(scenario.mode, scenario.date, tool="undo", options={"yes": "yes"})
            asyncio.run(ordered(context, order, {}))
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


def _recovered(root: Path, scenario: Scenario) -> int:
    """Finish what was cut; the number of mutating calls."""
    context, plug = _at(root, scenario), Plug()
    with fs.probed(plug):
        asyncio.run(recover(context))
    assert not unfinished(context.db, context.tree)
    context.db.close()
    return plug.calls


@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_before_every_call_of_an_undo(name: str, memory: Path) -> None:
    scenario = SCENARIOS[name]
    root, template = memory / "account", memory / "template"  # the journal holds paths: always in the same place
    context = _at(root, scenario)
    scenario.prepare(context)
    asyncio.run(move(context, scenario.mode, scenario.date))
    context.db.close()
    before, moved = _products(root), picture(root / "account")

    shutil.copytree(root, template)
    plug = Plug()
    assert _undone(root, scenario, plug)
    wanted = picture(root / "account")
    assert wanted != moved
    assert before <= _products(root), "the undisturbed undo lost a product"
    assert plug.calls > 40
    for at in range(1, plug.calls + 1):
        shutil.rmtree(root)
        shutil.copytree(template, root)
        assert not _undone(root, scenario, Plug(at))
        assert before <= _products(root), f"content lost by the cut before call {at}"
        _recovered(root, scenario)
        found = picture(root / "account")
        if found == moved:  # cut before the intent was written: nothing had begun
            assert _undone(root, scenario, Plug())
            found = picture(root / "account")
        assert found == wanted, f"cut before call {at} of {plug.calls}"
        if at % 7 == 0:
            assert _recovered(root, scenario) == 0, f"second recovery after the cut before call {at}"
            assert picture(root / "account") == wanted
