"""Law: every product has exactly one fate, and the plan accounts for every file once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from config.schema import Dropped, Move, Saved
from config.tree import DIRECTORIES, DfoTree
from engine.core.product import DELETE, FATES, MOVE, WITHHELD, Product
from engine.release.move.move_plan import move_plan
from engine.release.move.survey import Extra, Found, Snapshot
from engine.release.standing import READY, REJECTED, UNDECIDED, UNFINISHED, Standing
from engine.stores.verdicts import Verdict
from tests.builders import make_ab, make_settings
from tests.released import NIGHT, RENAME

ROOT = Path("/account")
TREE = DfoTree(
    root=ROOT,
    variables={variable: str(ROOT / name) for variable, name in DIRECTORIES.items()},
    **{name: ROOT / name for name in DIRECTORIES.values()},
)
VERDICT = Verdict("accepted", "", "rh", "2025-01-01T00:00:00")
CATGS = st.sampled_from(["MASTER_BIAS", "BIAS_RESIDUALS", "STRANGE"])
STATES = st.sampled_from([READY, REJECTED, UNDECIDED, UNFINISHED])
RAW_TYPES = st.sampled_from(["BIAS", "DARK", "UNKNOWN"])


def _found(name: str, catg: str, ab: str, raw_type: str, place: Path, mjd: int) -> Found:
    product = Product(str(place / name), name, catg, ab, raw_type, 10, float(mjd))
    return Found(product, {"DET.READ.CURNAME": "SCI1.0"}, mjd)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    abs_, products, extras, standings = [], [], [], {}
    for minute in draw(st.lists(st.integers(0, 59), unique=True, max_size=8)):
        raw_type = draw(RAW_TYPES)
        stem = f"MUSE.2014-10-22T22:{minute:02d}:00.000"
        catgs = draw(st.lists(CATGS, max_size=3))
        ab = make_ab(stem, "bias", mode="CALIB", date=NIGHT, status="SUCCESSFUL", products=catgs, RAW_TYPE=raw_type)
        known = draw(st.booleans()) or not catgs
        if known:
            abs_.append(ab)
            standings[ab.name] = Standing(draw(STATES), "because", ab.name, VERDICT)
        place = TREE.product / raw_type / NIGHT
        for item, catg in zip(ab.products, catgs, strict=True):
            products.append(_found(item.name, catg, ab.name if known else "", raw_type, place, minute))
        extras.append(Extra(str(place / f"{ab.root}.png"), ab.name if known else "", 5, 1))
    final = TREE.cal / NIGHT
    moved = draw(st.integers(0, 3))
    pool = [
        _found(f"r.MUSE.2014-10-22T21:{n:02d}:00.000_tpl_0000.fits", "MASTER_BIAS", "", "", final, n)
        for n in range(moved)
    ]
    pool = [
        Found(
            Product(str(final / f"OLD_{n}.fits"), item.product.pipefile, item.product.catg, "", "", 10, float(n)),
            item.keys,
            n,
        )
        for n, item in enumerate(pool)
    ]
    return Snapshot(
        tree=TREE,
        mode="CALIB",
        date=NIGHT,
        only="",
        abs=tuple(abs_),
        logged=(),
        standings=standings,
        products=tuple(products),
        pool=tuple(pool),
        final={Path(item.product.path).name: 10 for item in pool},
        extras=tuple(extras),
        logs_there={},
        plots_there={},
        parents={},
        vcal={},
    )


SETTINGS = make_settings(
    move=Move(
        raw_types=(
            Saved(raw_type="BIAS", mode="CALIB", save="SELECT"),
            Saved(raw_type="DARK", mode="CALIB", save="NONE"),
        ),
        delete=(Dropped(raw_type="BIAS", catg="BIAS_RESIDUALS"),),
        rename={"CALIB": True},
    ),
    rename=RENAME,
)


@given(snapshots(), st.booleans())
def test_every_product_has_exactly_one_fate(snapshot: Snapshot, recreate: bool) -> None:
    plan = move_plan(snapshot, SETTINGS, stamp="2025-01-01T00:00:00", recreate=recreate)
    assert [fate.product for fate in plan.fates] == [found.product for found in snapshot.products]
    assert all(fate.fate in FATES for fate in plan.fates)
    for fate in plan.fates:
        assert bool(fate.final) == (fate.fate == MOVE)
        assert fate.fate == MOVE or fate.why, "what does not move says why"
        standing = snapshot.standings.get(fate.product.ab)
        if standing is None or standing.standing != READY:
            assert fate.fate == WITHHELD, "nothing uncertified moves or is deleted"
        elif fate.product.raw_type == "DARK":
            assert fate.fate == DELETE


@given(snapshots(), st.booleans())
def test_no_file_is_a_source_twice_and_no_name_a_target_twice(snapshot: Snapshot, recreate: bool) -> None:
    plan = move_plan(snapshot, SETTINGS, stamp="2025-01-01T00:00:00", recreate=recreate)
    sources = [fate.product.path for fate in plan.fates if fate.fate != WITHHELD]
    sources += [carry.source for carry in (*plan.carried, *plan.pool)]
    sources += [entry.path for entry in (*plan.retired_first, *plan.retired_last)]
    assert max(Counter(sources).values(), default=0) <= 1
    targets = [f"{plan.final_dir}/{fate.final}" for fate in plan.of(MOVE)]
    targets += [carry.target for carry in (*plan.carried, *plan.pool)]
    assert plan.conflicts or max(Counter(targets).values(), default=0) <= 1


@given(snapshots())
def test_an_ab_moves_only_with_its_products_and_never_uncertified(snapshot: Snapshot) -> None:
    plan = move_plan(snapshot, SETTINGS, stamp="2025-01-01T00:00:00")
    moving, staying = {ab.name for ab in plan.abs}, {name for name, _ in plan.stay}
    assert moving | staying == {ab.name for ab in snapshot.abs} and not moving & staying
    assert all(snapshot.standings[name].standing == READY for name in moving)
    assert all(fate.fate == WITHHELD for fate in plan.fates if fate.product.ab in staying)
    assert ("cal_Finished" in plan.statuses) <= (not plan.unfinished)
