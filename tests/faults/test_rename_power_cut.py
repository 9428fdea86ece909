"""Power cuts: before every mutating call of a rename and of its way back; recovered, the tree is as if undisturbed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.release.rename.order import Wish, ordered
from tests.released import NIGHT, picture, release_context
from tests.renamed import put


class PowerCut(BaseException):
    """The machine is gone."""


class Plug:
    """Pulls the plug before mutating call `at` (0: never)."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.calls = 0

    def __call__(self, verb: str, path: str) -> None:
        self.calls += 1
        if self.at and self.calls >= self.at:
            raise PowerCut(f"{verb} {path}")


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


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one."""
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    root = Path(tempfile.mkdtemp(prefix="dfos-", dir=shared if shared.is_dir() else tmp_path))
    yield root
    shutil.rmtree(root)


def _carried_out(root: Path, wish: Wish, plug: Plug) -> bool:
    context = release_context(root)
    try:
        with fs.probed(plug):
            asyncio.run(_once(context, wish))
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


async def _once(context: Context, wish: Wish) -> None:
    await recover(context)
    await ordered(context, wish.order(), {})


def _contents(root: Path) -> list[bytes]:
    kept = (".fits", ".hdr", ".pool~")
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name.endswith(kept))


@pytest.mark.row(85, 86, 92)
@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_before_every_call(name: str, memory: Path) -> None:
    scenario = SCENARIOS[name]
    template, whole = memory / "template", memory / "whole"
    context = release_context(template)
    scenario.prepare(context.tree.cal / NIGHT)
    status = context.tree.mon / "DFO_STATUS"
    status.write_text(f"cal_Renamed {NIGHT} 2014-10-23T00:00:00 rh\nnight_Finished 2014-01-01\n")
    context.db.close()
    before = _contents(template)

    shutil.copytree(template, whole)
    plug = Plug()
    assert _carried_out(whole, scenario.wish, plug)
    wanted = picture(whole / "account")
    assert _contents(whole) == before

    assert plug.calls > 5
    for at in range(1, plug.calls + 1):
        root = memory / "cut"
        shutil.copytree(template, root)
        assert not _carried_out(root, scenario.wish, Plug(at))
        assert _contents(root) == before, f"content lost by the cut before call {at}"
        assert _carried_out(root, scenario.wish, Plug())
        assert picture(root / "account") == wanted, f"cut before call {at} of {plug.calls}"
        again = Plug()
        assert _carried_out(root, scenario.wish, again)
        assert again.calls == 0, f"a second recovery changed something after the cut before call {at}"
        context = release_context(root)
        assert not unfinished(context.db, context.tree)
        context.db.close()
        shutil.rmtree(root)
