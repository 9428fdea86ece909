"""Power cuts: before every mutating call of an updateAB; recovered, the tree is that of an undisturbed one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.release.update.order import update
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import contents
from tests.faults.power import survived
from tests.integration.test_update_order import night
from tests.released import NIGHT, portrait, release_context


def _updated(root: Path, probe: fs.Probe) -> None:
    context = release_context(root)
    try:
        with fs.probed(probe):
            asyncio.run(recover(context))
            asyncio.run(update(context, "CALIB", NIGHT))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


def test_power_cut_before_every_call_of_an_update(memory: Path) -> None:
    root = memory / "site"
    context = release_context(root)
    night(context)
    context.db.close()
    before = contents(root)
    tape = Tape([root])
    _updated(root, tape)
    tape.end()
    assert len(tape.calls) > 15
    assert not tape.pending(len(tape.calls) + 1), "updateAB ends before all of it is on disk"
    states = survived(tape, lambda probe: _updated(root, probe), lambda: portrait(root), kept=before)
    matrix.record("updateAB CALIB", len(tape.calls), states)
