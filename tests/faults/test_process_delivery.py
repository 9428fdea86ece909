from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB
from engine.headers.cards import keywords
from engine.headers.verify import verify
from engine.process.ab.deliver import (
    Delivery,
    deliver,
    delivery_plan,
    place_of,
    read_note,
    with_catgs,
    with_products,
    write_note,
)
from engine.process.ab.evidence import LogEvidence, Wanted, judge
from engine.process.ab.retire import Retiring
from engine.stores.abs import AbStore, read
from tests.builders import make_ab, make_tree
from tests.fakes import make_fits

_RETIRING = Retiring(2, "2014-10-23T10:00:00", "rh", 30)


class PowerCut(Exception):
    """The machine is off."""


def _scene(root: Path) -> tuple[DfoTree, AB, Path]:
    """A work directory with a finished run, and products of an earlier attempt in place."""
    tree = make_tree(root)
    ab = make_ab(kind="scipost", products=["DATACUBE_FINAL", "IMAGE_FOV"])
    AbStore(tree).write(ab)
    work = root / "work"
    work.mkdir()
    made = []
    for catg in ("DATACUBE_FINAL", "IMAGE_FOV"):
        make_fits(work / f"{catg}.fits", catg, 2)
        made.append(f'{{"name": "{catg}.fits", "category": "{catg}"}}')
    (work / "products.json").write_text(f"[{', '.join(made)}]")
    (work / "esorex.log").write_text("")
    place = place_of(ab, tree)
    place.mkdir(parents=True)
    for number in range(3):
        make_fits(place / f"{ab.root}_{number:04d}.fits", "OLD")
    make_fits(place / "r.ANOTHER_0000.fits", "OTHER")
    return tree, ab, work


def _finish(tree: DfoTree, ab: AB, work: Path) -> None:
    """What processAB does from the judgement on; may be repeated."""
    note = read_note(work)
    changed = {item.name: item.catg for item in note}
    verdict = judge(work, None, LogEvidence(), Wanted({"DATACUBE_FINAL": 1}), changed=changed)
    assert verdict.state == "DONE", verdict.reason
    plan: tuple[Delivery, ...] = note or with_catgs(
        delivery_plan(ab, verdict.products), {f"{ab.root}_0000.fits": "DATACUBE_DEEP"}
    )
    write_note(work, plan)
    deliver(ab, tree, work, plan, _RETIRING)
    AbStore(tree).write(with_products(ab, plan))


def _picture(tree: DfoTree, ab: AB) -> Iterator[tuple[str, object]]:
    """What counts: the products and what they say, the AB, everything retired."""
    for path in sorted(place_of(ab, tree).iterdir()):
        if not path.name.startswith("."):
            assert not verify(path).problems
            yield path.name, keywords(path, ["PRO.CATG", "PIPEFILE"])
    found = read(AbStore(tree).path(ab.name))
    yield "ab", found.render()
    yield "trash", sorted(path.name for path in tree.trash.rglob("*.fits"))


def _steps(root: Path) -> int:
    count = 0

    def probe(verb: str, path: str) -> None:
        nonlocal count
        count += 1

    tree, ab, work = _scene(root)
    with fs.probed(probe):
        _finish(tree, ab, work)
    return count


def test_a_power_cut_at_any_step_of_a_delivery_ends_at_the_same_tree(tmp_path: Path) -> None:
    steps = _steps(tmp_path / "count")
    assert steps > 20
    tree, ab, work = _scene(tmp_path / "whole")
    _finish(tree, ab, work)
    wanted = list(_picture(tree, ab))
    assert dict(wanted)["trash"] == [f"{ab.root}_{number:04d}.fits" for number in range(3)]
    assert dict(wanted)[f"{ab.root}_0000.fits"] == {
        "PRO.CATG": "DATACUBE_DEEP",
        "PIPEFILE": f"{ab.root}_0000.fits",
    }
    for cut in range(1, steps + 1):
        tree, ab, work = _scene(tmp_path / str(cut))
        left = cut

        def probe(verb: str, path: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise PowerCut

        with pytest.raises(PowerCut), fs.probed(probe):
            _finish(tree, ab, work)
        if left == 0 and read(AbStore(tree).path(ab.name)).status == "SUCCESSFUL":
            continue  # the AB was written: recovery has nothing more to do
        _finish(tree, ab, work)
        assert list(_picture(tree, ab)) == wanted, f"cut at step {cut}"
