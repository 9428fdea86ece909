"""Names change after ABs were written: back to PIPEFILE, other version letters, by hand. The ABs follow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.context import Context
from engine.core.ab import AB, parse
from engine.errors import MoveTrouble
from engine.release.lineage import NOW, Lineage
from engine.release.move.move_products import move
from engine.release.undo.undo import ordered
from engine.release.update.order import planned, update
from engine.release.verify_date import verify_date
from engine.stores.abs import AbStore
from engine.stores.orders import Order
from tests.builders import make_ab
from tests.released import NIGHT, bias, keen, processed, release_context
from tests.renamed import put, rename

PLAIN = [f"{bias(minute).root}_0000.fits" for minute in (0, 10)]
A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")


def flat(minute: int, parent: str) -> AB:
    """A bias AB that names a master bias by its product path."""
    path = f"$DFS_PRODUCT/BIAS/{NIGHT}/{parent}"
    calibs = [("VIRTUAL", path, "MASTER_BIAS")]
    name = f"MUSE.2014-10-22T22:{minute:02d}:00.000"
    return make_ab(name, "bias", mode="CALIB", date=NIGHT, calibs=calibs, products=("MASTER_BIAS",))


async def moved(root: Path) -> tuple[Context, list[AB]]:
    """Two ABs that moved, the second one made with a product of the first."""
    context = release_context(root, keen(move__recreate="keep"))
    abs_ = [processed(context, bias(0)), processed(context, flat(10, PLAIN[0]))]
    AbStore(context.tree).write_list("CALIB", NIGHT, abs_)
    await move(context, "CALIB", NIGHT)
    return context, abs_


def by_hand(script: Path) -> None:
    """All products by their PIPEFILE again, as the head of the script says."""
    subprocess.run([script, "-r"], check=True)


def told(context: Context, abs_: list[AB]) -> list[tuple[str, str]]:
    """State and name of what the ABs name: their products, then the calibrations of the last."""
    read = [parse((context.tree.log / NIGHT / ab.name).read_bytes(), ab.name) for ab in abs_]
    products = [(product.state, product.name) for ab in read for product in ab.products]
    return products + [(calib.state, Path(calib.path).name) for calib in read[-1].calibs]


@pytest.mark.row(94)
async def test_back_to_pipefile_and_forth_the_abs_follow(tmp_path: Path) -> None:
    context, abs_ = await moved(tmp_path)
    final = [("REAL", A), ("REAL", B), ("REAL", A)]
    plain = [("REAL", PLAIN[0]), ("REAL", PLAIN[1]), ("REAL", PLAIN[0])]
    assert told(context, abs_) == final
    await rename(context, back=True)
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == plain
    assert planned(context.tree, context.settings, context.db, "CALIB", NIGHT, "now").changes == ()
    await rename(context)
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == final


async def test_rn_files_by_hand_the_abs_follow(tmp_path: Path) -> None:
    context, abs_ = await moved(tmp_path)
    script = context.tree.cal / NIGHT / "rn_files"
    by_hand(script)
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == [("REAL", PLAIN[0]), ("REAL", PLAIN[1]), ("REAL", PLAIN[0])]


async def test_without_manifests_rn_files_tells(tmp_path: Path) -> None:
    context, abs_ = await moved(tmp_path)
    for path in context.tree.lst.glob("manifest_*"):
        path.unlink()
    await rename(context, back=True)
    for path in context.tree.lst.glob("manifest_*"):
        path.unlink()
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == [("REAL", PLAIN[0]), ("REAL", PLAIN[1]), ("REAL", PLAIN[0])]


async def test_a_letter_that_went_to_another_product_is_not_mistaken(tmp_path: Path) -> None:
    """The second one was B; an older one joined, and B is that one now."""
    context, abs_ = await moved(tmp_path)
    put(context.tree.cal / NIGHT, 5, **{"MJD-OBS": 56972.0 + 22 / 24 + 5 / 1440})
    await rename(context)
    assert {path.name for path in (context.tree.cal / NIGHT).glob("*.fits")} == {A, B, C}
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == [("REAL", A), ("REAL", C), ("REAL", A)]


async def test_an_ab_that_lost_its_names_finds_them_again(tmp_path: Path) -> None:
    """As earlier versions left it: the final name as VIRTUAL, while the product stands under its PIPEFILE."""
    context, abs_ = await moved(tmp_path)
    await rename(context, back=True)
    for ab in abs_:
        path = context.tree.log / NIGHT / ab.name
        path.write_bytes(path.read_bytes().replace(b"REAL", b"VIRTUAL"))
    await update(context, "CALIB", NIGHT)
    assert told(context, abs_) == [("REAL", PLAIN[0]), ("REAL", PLAIN[1]), ("REAL", PLAIN[0])]


async def test_lives(tmp_path: Path) -> None:
    context, _ = await moved(tmp_path)
    await rename(context, back=True)
    lineage = Lineage(context.tree, "CALIB", NIGHT)
    assert sorted(life.last.name for life in lineage.standing()) == sorted(PLAIN)
    assert lineage.called(A, 1)[:2] == lineage.called(A, NOW)[:2] == [PLAIN[0], A]
    assert lineage.called("nobody.fits", 1) == []


@pytest.mark.row(68)
async def test_rn_files_by_hand_is_recognised_by_verify_and_undo(tmp_path: Path) -> None:
    context, _ = await moved(tmp_path)
    place = context.tree.cal / NIGHT
    by_hand(place / "rn_files")
    words = "called by its PIPEFILE (rn_files was run by hand); ./rn_files gives the final names back"
    report = verify_date(context.tree, NIGHT)
    assert [(one.kind, Path(one.path).name) for one in report.findings] == [("renamed", A), ("renamed", B)]
    assert all(one.detail.endswith(words) for one in report.findings) and PLAIN[0] in report.findings[0].detail
    order = Order("CALIB", NIGHT, tool="undo", options={"yes": "yes"})
    with pytest.raises(MoveTrouble) as caught:
        await ordered(context, order, {})
    assert words in str(caught.value) and "gone" not in caught.value.what
    assert caught.value.remedy.endswith("rn_files beside the products, then call again")
    changed = bytearray((place / PLAIN[1]).read_bytes())
    changed[-1] ^= 1
    (place / PLAIN[1]).write_bytes(changed)
    kinds = [(one.kind, Path(one.path).name) for one in verify_date(context.tree, NIGHT).findings]
    assert kinds == [("renamed", A), ("missing", B), ("unknown", PLAIN[1])], "not by its name alone"
    changed[-1] ^= 1
    (place / PLAIN[1]).write_bytes(changed)
    by_hand_forth(place / "rn_files")
    assert verify_date(context.tree, NIGHT).findings == []
    assert (await ordered(context, order, {})).exit_code == 0


async def test_rn_files_forward_after_back_is_recognised(tmp_path: Path) -> None:
    context, _ = await moved(tmp_path)
    await rename(context, back=True)
    by_hand_forth(context.tree.cal / NIGHT / "rn_files")
    report = verify_date(context.tree, NIGHT)
    assert sorted(one.kind for one in report.findings) == ["renamed", "renamed"]
    assert all(one.detail.endswith("./rn_files -r gives the PIPEFILE names back") for one in report.findings)


def by_hand_forth(script: Path) -> None:
    """The final names again."""
    subprocess.run([script], check=True)


@pytest.mark.parametrize("updated", [False, True])
async def test_a_move_after_going_back_follows_too(updated: bool, tmp_path: Path) -> None:
    context, abs_ = await moved(tmp_path)
    await rename(context, back=True)
    if updated:
        await update(context, "CALIB", NIGHT)
    processed(context, bias(5))
    await move(context, "CALIB", NIGHT)
    assert {path.name for path in (context.tree.cal / NIGHT).glob("*.fits")} == {A, B, C}
    assert told(context, abs_) == [("REAL", A), ("REAL", C), ("REAL", A)]


async def test_a_calibration_keeps_its_product_when_letters_shift(tmp_path: Path) -> None:
    """The second AB was made with B; an older one joins in a move, B is that one now and C what it was made with."""
    context = release_context(tmp_path, keen(move__recreate="keep"))
    abs_ = [processed(context, bias(0)), processed(context, bias(10)), processed(context, flat(20, PLAIN[1]))]
    await move(context, "CALIB", NIGHT)
    assert told(context, abs_)[-1] == ("REAL", B)
    processed(context, bias(5))
    await move(context, "CALIB", NIGHT)
    assert told(context, abs_)[1] == told(context, abs_)[-1] == ("REAL", C)
