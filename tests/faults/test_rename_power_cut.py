"""Power cuts: before every mutating call of a rename and of its way back; recovered, the tree is as if undisturbed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.release.rename.order import Wish, ordered
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.power import survived
from tests.released import NIGHT, portrait, release_context
from tests.renamed import put


@dataclass(frozen=True)
class Scenario:
    """A directory to be renamed, and how."""

    prepare: Callable[[Path], None]
    wish: Wish


def _fresh(place: Path) -> None:
    for minute in range(3):
        put(place, minute)
    put(place, 9, PRO__CATG="STRANGE")


def _renamed(place: Path) -> None:
    for minute, letter in enumerate("ABC"):
        put(place, minute, f"MU_MBIA_141022{letter}_SCI1.0.fits")


def _shifting(place: Path) -> None:
    """An older one joins (all letters shift), two are swapped, one is slimmed to its header."""
    for minute, letter in ((1, "B"), (2, "A"), (3, "C")):
        put(place, minute, f"MU_MBIA_141022{letter}_SCI1.0.fits")
    put(place, 4, "MU_MBIA_141022D_SCI1.0.hdr")
    put(place, 0)


SCENARIOS = {
    "fresh": Scenario(_fresh, Wish("CALIB", NIGHT)),
    "shifting": Scenario(_shifting, Wish("CALIB", NIGHT)),
    "back": Scenario(_renamed, Wish("CALIB", NIGHT, back=True)),
    "script": Scenario(_fresh, Wish("CALIB", NIGHT, only_script=True)),
}


def _carried_out(root: Path, wish: Wish, probe: fs.Probe) -> None:
    context = release_context(root)
    try:
        with fs.probed(probe):
            asyncio.run(_once(context, wish))
        assert not unfinished(context.db, context.tree)
    finally:
        context.db.close()


async def _once(context: Context, wish: Wish) -> None:
    await recover(context)
    await ordered(context, wish.order(), {})


def _contents(root: Path) -> list[bytes]:
    kept = (".fits", ".hdr", ".pool~")
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name.endswith(kept))


@pytest.mark.row(85, 86, 92)
@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_before_every_call(name: str, memory: Path) -> None:
    scenario, root = SCENARIOS[name], memory / "site"
    context = release_context(root)
    scenario.prepare(context.tree.cal / NIGHT)
    status = context.tree.mon / "DFO_STATUS"
    status.write_text(f"cal_Renamed {NIGHT} 2014-10-23T00:00:00 rh\nnight_Finished 2014-01-01\n")
    context.db.close()
    before = _contents(root)
    tape = Tape([root])
    _carried_out(root, scenario.wish, tape)
    tape.end()
    assert _contents(root) == before
    assert len(tape.calls) > 5
    assert not tape.pending(len(tape.calls) + 1), "the renaming ends before all of it is on disk"
    states = survived(tape, lambda probe: _carried_out(root, scenario.wish, probe), lambda: portrait(root), kept=before)
    matrix.record(f"renameProducts, {name}", len(tape.calls), states)
