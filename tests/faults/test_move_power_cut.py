"""Power cuts: before every mutating call of whole moves; recovered, the tree is that of an undisturbed move."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.context import Context
from engine.release.move.move_products import move
from tests.builders import PSEUDO, make_ab, make_tree
from tests.released import NIGHT, bias, biases, dpc_of, keen, picture, processed, release_context, target

OTHER = "MUSE.2014-10-25T01:00:00.000"
RECREATE = {"move__recreate": "recreate", "move__recreate__sure": "yes"}


class PowerCut(BaseException):
    """The machine is gone."""


class Plug:
    """Pulls the plug before mutating call `at` (0: never); what was not synced yet is torn."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.calls = 0

    def __call__(self, verb: str, path: str) -> None:
        self.calls += 1
        if self.at and self.calls >= self.at:
            if self.calls == self.at and verb == "fsync" and path.endswith((".dfos~", ".txt")):
                content = Path(path).read_bytes()
                Path(path).write_bytes(content[:-10])
            raise PowerCut(f"{verb} {path}")


@dataclass(frozen=True)
class Scenario:
    """A MODE and DATE ready to be moved, and how the operator answers."""

    mode: str
    date: str
    prepare: Callable[[Context], None]
    answers: dict[str, str]


def _calib(context: Context) -> None:
    biases(context)


def _calib_again(context: Context) -> None:
    """Two biases moved before; one joins between them (letters shift), one is made anew."""
    processed(context, bias(0))
    processed(context, bias(20))
    asyncio.run(move(context, "CALIB", NIGHT))
    processed(context, bias(10, "MASTER_BIAS", "BIAS_RESIDUALS"))
    processed(context, bias(0), OBJECT="made anew")


def _science(context: Context) -> None:
    target(context, exposures=1)


def _science_again(context: Context) -> None:
    """A target moved before; its combination is made anew and that of another target joins."""
    combined = dpc_of(target(context, exposures=1))
    asyncio.run(move(context, "SCIENCE", PSEUDO))
    processed(context, combined, OBJECT="made anew")
    processed(context, make_ab(OTHER, "combine", products=("DATACUBE_FINAL", "IMAGE_FOV"), target="M83"))


SCENARIOS = {
    "calib": Scenario("CALIB", NIGHT, _calib, {}),
    "calib-keep": Scenario("CALIB", NIGHT, _calib_again, {"move__recreate": "keep"}),
    "calib-recreate": Scenario("CALIB", NIGHT, _calib_again, RECREATE),
    "science": Scenario("SCIENCE", PSEUDO, _science, {}),
    "science-keep": Scenario("SCIENCE", PSEUDO, _science_again, {"move__recreate": "keep"}),
    "science-recreate": Scenario("SCIENCE", PSEUDO, _science_again, RECREATE),
}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: hundreds of moves with all their syncs."""
    shared = Path("/dev/shm")  # noqa: S108 - a memory disk
    root = Path(tempfile.mkdtemp(prefix="dfos-", dir=shared if shared.is_dir() else tmp_path))
    yield root
    shutil.rmtree(root)


def _at(root: Path, scenario: Scenario) -> Context:
    return release_context(root, keen(**scenario.answers))


def _moved(root: Path, scenario: Scenario, plug: Plug) -> bool:
    """Move with the plug; True when it got to its end."""
    context = _at(root, scenario)
    try:
        with fs.probed(plug):
            asyncio.run(move(context, scenario.mode, scenario.date))
    except PowerCut:
        return False
    finally:
        context.db.close()
    return True


def _recovered(root: Path, scenario: Scenario) -> int:
    """What the next start does: finish what was cut, then move what had not begun. The number of mutating calls."""
    context, plug = _at(root, scenario), Plug()
    with fs.probed(plug):
        asyncio.run(recover(context))
        asyncio.run(move(context, scenario.mode, scenario.date))
    assert not unfinished(context.db, context.tree)
    context.db.close()
    return plug.calls


@pytest.mark.row(68)
@pytest.mark.parametrize("name", SCENARIOS)
def test_power_cut_before_every_call(name: str, memory: Path) -> None:
    scenario = SCENARIOS[name]
    template = memory / "template"
    context = _at(template, scenario)
    scenario.prepare(context)
    context.db.close()
    before = _products(template)

    whole = memory / "whole"
    shutil.copytree(template, whole)
    plug = Plug()
    assert _moved(whole, scenario, plug)
    wanted = picture(whole / "account")
    assert before <= set(_products(whole)), "the undisturbed move lost a product"

    assert plug.calls > 50
    for at in range(1, plug.calls + 1):
        root = memory / "cut"
        shutil.copytree(template, root)
        assert not _moved(root, scenario, Plug(at))
        assert before <= set(_products(root)), f"content lost by the cut before call {at}"
        _recovered(root, scenario)
        assert picture(root / "account") == wanted, f"cut before call {at} of {plug.calls}"
        if at % 7 == 0:
            assert _recovered(root, scenario) == 0, f"second recovery after the cut before call {at}"
            assert picture(root / "account") == wanted
        shutil.rmtree(root)


@pytest.mark.parametrize("at", range(60, 75, 3))
def test_cut_again_during_recovery(at: int, memory: Path) -> None:
    scenario = SCENARIOS["calib-keep"]
    root, whole = memory / "cut", memory / "whole"
    context = _at(root, scenario)
    scenario.prepare(context)
    context.db.close()
    shutil.copytree(root, whole)
    assert _moved(whole, scenario, Plug())
    assert not _moved(root, scenario, Plug(at))
    for again in range(1, 400):
        context = _at(root, scenario)
        try:
            with fs.probed(Plug(again)):
                asyncio.run(recover(context))
            break
        except PowerCut:
            continue
        finally:
            context.db.close()
    assert picture(root / "account") == picture(whole / "account")


def test_power_cut_across_filesystems(memory: Path, tmp_path: Path) -> None:
    """$DFO_CAL_DIR on another filesystem than the products, where the machine has two."""

    def at(name: str) -> Context:
        tree = make_tree(memory / name)
        cal = tmp_path / name
        cal.mkdir(exist_ok=True)
        variables = {**tree.variables, "DFO_CAL_DIR": str(cal)}
        return release_context(memory / name, tree=replace(tree, cal=cal, variables=variables))

    def cut(name: str, plug: Plug) -> bool:
        context = at(name)
        try:
            with fs.probed(plug):
                asyncio.run(recover(context))
                asyncio.run(move(context, "CALIB", NIGHT))
        except PowerCut:
            return False
        finally:
            context.db.close()
        return True

    context = at("template")
    processed(context, bias(0))
    context.db.close()
    shutil.copytree(memory / "template", memory / "whole")
    plug = Plug()
    assert cut("whole", plug)
    wanted = picture(memory / "whole" / "account") | picture(tmp_path / "whole")
    assert "2014-10-22/MU_MBIA_141022A_SCI1.0.fits" in wanted
    for number in range(1, plug.calls + 1):
        shutil.copytree(memory / "template", memory / "cut")
        assert not cut("cut", Plug(number))
        assert cut("cut", Plug())
        found = picture(memory / "cut" / "account") | picture(tmp_path / "cut")
        assert found == wanted, f"cut before call {number} of {plug.calls}"
        shutil.rmtree(memory / "cut")
        shutil.rmtree(tmp_path / "cut")


def test_a_finished_move_leaves_nothing_to_recover(memory: Path) -> None:
    scenario = SCENARIOS["science"]
    context = _at(memory, scenario)
    scenario.prepare(context)
    asyncio.run(move(context, scenario.mode, scenario.date))
    before, plug = picture(context.tree.root), Plug()
    with fs.probed(plug):
        assert asyncio.run(recover(context)) == []
    assert plug.calls == 0
    assert picture(context.tree.root) == before


def _products(root: Path) -> set[bytes]:
    """The content of every product, wherever it stands (trash included)."""
    return {path.read_bytes() for path in root.rglob("*.fits") if not path.name.startswith(".")} | {
        path.read_bytes() for path in root.rglob(".*.pool~")
    }
