"""Power cuts: before every mutating call of an undo of createAB; recovered, the account is as before the run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.atomic import fs
from engine.atomic.journal import Journal
from engine.atomic.recover import recover, unfinished
from engine.release.undo.undo import ordered
from engine.stores.orders import Order
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import contents
from tests.faults.power import survived
from tests.integration.test_create_ab import DATE, account, make, simple
from tests.integration.test_undo_create import again, stands
from tests.released import portrait


def _undone(root: Path, probe: fs.Probe) -> None:
    """Finish what was cut, then undo unless that is done."""
    context = account(root)
    journal = Journal(context.db, context.tree)
    try:
        with fs.probed(probe):
            asyncio.run(recover(context))
            if journal.history()[0].kind != "undo":
                asyncio.run(ordered(context, Order("CALIB", DATE, tool="undo", options={"yes": "yes"}), {}))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


def _cut_everywhere(root: Path, what: str, *, later: bool) -> None:
    context = account(root)
    made = simple(context)
    if later:
        make(context)
        again(context, made)
    before = stands(context)
    make(context)
    status = (context.tree.mon / "DFO_STATUS").read_bytes()
    context.db.close()
    kept = contents(root) - {status}
    tape = Tape([root])
    _undone(root, tape)
    tape.end()
    assert stands(context) == before, "undone, the account is not what it was"
    assert kept <= contents(root), "the undisturbed undo lost something"
    assert len(tape.calls) > 20
    assert not tape.pending(len(tape.calls) + 1), "the undo ends before all of it is on disk"
    states = survived(tape, lambda probe: _undone(root, probe), lambda: portrait(root), kept=kept)
    matrix.record(what, len(tape.calls), states)


def test_power_cut_before_every_call_of_an_undo_of_the_first_run(memory: Path) -> None:
    _cut_everywhere(memory / "site", "undo of createAB CALIB", later=False)


def test_power_cut_before_every_call_of_an_undo_of_a_later_run(memory: Path) -> None:
    _cut_everywhere(memory / "site", "undo of createAB CALIB, ABs that were made again", later=True)
