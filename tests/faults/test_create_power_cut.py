"""Power cuts: before every mutating call of a createAB that makes new ABs, and one again; recovered, all is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.create.createab.order import create
from engine.stores.abs import AbStore
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import contents
from tests.faults.power import survived
from tests.integration.test_create_ab import DATE, MJD, account, make, simple
from tests.released import portrait


def _created(root: Path, probe: fs.Probe) -> None:
    context = account(root)
    try:
        with fs.probed(probe):
            asyncio.run(recover(context))
            asyncio.run(create(context, "CALIB", DATE))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


def test_power_cut_before_every_call_of_create_ab(memory: Path) -> None:
    root = memory / "site"
    context = account(root)
    made = simple(context)
    make(context)
    store = AbStore(context.tree)
    bias = store.load("CALIB", DATE)[0]
    store.write(bias.with_value("PROCESS_STATUS", "FAILED"))
    made.template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    context.db.close()
    lists = {store.ab_list("CALIB", DATE).read_bytes(), (context.tree.mon / "DFO_STATUS").read_bytes()}
    before = {data for data in contents(root) if data not in lists}
    tape = Tape([root])
    _created(root, tape)
    tape.end()
    assert len(tape.calls) > 15
    assert not tape.pending(len(tape.calls) + 1), "createAB ends before all of it is on disk"
    states = survived(tape, lambda probe: _created(root, probe), lambda: portrait(root), kept=before)
    matrix.record("createAB CALIB", len(tape.calls), states)
