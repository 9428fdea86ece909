"""Power cuts: before every mutating call of an undo; recovered, the tree is that of an undisturbed undo."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.journal import Journal
from engine.atomic.recover import recover, unfinished
from engine.release.move.move_products import move
from engine.release.undo.undo import ordered
from engine.stores.orders import Order
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import SCENARIOS, TITLES, Scenario, contents, context_of
from tests.faults.power import survived
from tests.released import portrait


def _undone(root: Path, scenario: Scenario, probe: fs.Probe) -> None:
    """Finish what was cut, then undo unless that is done."""
    context = context_of(root, scenario)
    order = Order(scenario.mode, scenario.date, tool="undo", options={"yes": "yes"})
    journal = Journal(context.db, context.tree)
    try:
        with fs.probed(probe):
            asyncio.run(recover(context))
            if journal.history()[0].kind != "undo":
                asyncio.run(ordered(context, order, {}))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_before_every_call_of_an_undo(name: str, memory: Path) -> None:
    scenario, root = SCENARIOS[name], memory / "site"
    context = context_of(root, scenario)
    scenario.prepare(context)
    asyncio.run(move(context, scenario.mode, scenario.date))
    context.db.close()
    before, moved = contents(root / "account" / "cal", root / "account" / "sci"), portrait(root)

    tape = Tape([root])
    _undone(root, scenario, tape)
    tape.end()
    assert portrait(root) != moved
    assert before <= contents(root), "the undisturbed undo lost a product"
    assert len(tape.calls) > 40
    assert not tape.pending(len(tape.calls) + 1), "the undo ends before all of it is on disk"
    states = survived(
        tape,
        lambda probe: _undone(root, scenario, probe),
        lambda: portrait(root),
        kept=before,
        of=("nothing", "the latest", "everything", "one"),
    )
    matrix.record(f"undo of {TITLES[name]}", len(tape.calls), states)
