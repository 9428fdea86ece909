"""Laws of renaming: back to PIPEFILE is identity, the order of arrival does not matter, names are safe and unique."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.product import Product
from engine.release.rename.rename_products import LONGEST, Named, names, reverted
from tests.released import RENAME
from tests.renamed import held, night, put, rename

VALUES = st.sampled_from(["SCI1.0", "SCI 2.0", "a/b", "H+K", "../x"]) | st.text(min_size=1, max_size=20)


@st.composite
def pools(draw: st.DrawFn) -> list[Named]:
    seconds = draw(st.lists(st.integers(0, 59), unique=True, max_size=40))
    pool = []
    for second in seconds:
        pipefile = f"r.MUSE.2014-10-22T22:00:{second:02d}.000_tpl_0000.fits"
        catg = draw(st.sampled_from(["MASTER_BIAS", "MASTER_BIAS", "STRANGE"]))
        product = Product(f"/p/{pipefile}", pipefile, catg, "", "BIAS", 1, float(draw(st.integers(1, 5))))
        pool.append(Named(product, "tpl", {"DET.READ.CURNAME": draw(VALUES)}))
    return pool


@given(pools())
def test_rename_then_back_to_pipefile_is_identity(pool: list[Named]) -> None:
    made = names(pool, RENAME, "CALIB", "2014-10-22")
    if made.conflicts:
        return
    back = reverted(made.final)
    assert len(back) == len(pool)
    assert {back[made.final[item.product.pipefile]] for item in pool} == {item.product.pipefile for item in pool}


@given(pools(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(pool: list[Named], rng: object) -> None:
    shuffled = list(pool)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert names(pool, RENAME, "CALIB", "2014-10-22").final == names(shuffled, RENAME, "CALIB", "2014-10-22").final


@given(pools())
def test_names_without_conflict_are_unique_short_and_stay_in_their_directory(pool: list[Named]) -> None:
    made = names(pool, RENAME, "CALIB", "2014-10-22")
    if made.conflicts:
        return
    final = list(made.final.values())
    assert len(set(final)) == len(final)
    assert all(
        len(name) <= LONGEST and name.isascii() and "/" not in name and not name.startswith(".") for name in final
    )


@given(pools(), st.integers(0, 39))
def test_renaming_after_one_product_left_only_moves_later_letters_up(pool: list[Named], index: int) -> None:
    made = names(pool, RENAME, "CALIB", "2014-10-22")
    if made.conflicts or index >= len(pool):
        return
    less = names(pool[:index] + pool[index + 1 :], RENAME, "CALIB", "2014-10-22")
    for pipefile, name in less.final.items():
        before = made.final[pipefile]
        assert (len(name), name) <= (len(before), before)


@pytest.mark.row(92)
@given(pools(), st.integers(0, 60), st.integers(0, 9))
def test_one_older_file_shifts_the_letters_consistently(pool: list[Named], second: int, day: int) -> None:
    """Whoever was before it keeps the letter, whoever is after it gets the next one; setups do not mix."""
    pipefile = f"r.MUSE.2014-10-22T21:00:{second:02d}.000_tpl_0000.fits"
    product = Product(f"/p/{pipefile}", pipefile, "MASTER_BIAS", "", "BIAS", 1, day / 2 + 0.25)
    joining = Named(product, "tpl", {"DET.READ.CURNAME": "SCI1.0"})
    before, after = (names(items, RENAME, "CALIB", "2014-10-22") for items in (pool, [*pool, joining]))
    if before.conflicts or after.conflicts:
        return
    for item in pool:
        old, new = before.final[item.product.pipefile], after.final[item.product.pipefile]
        rivals = item.keys["DET.READ.CURNAME"] == "SCI1.0" and item.product.catg == "MASTER_BIAS"
        later = (item.product.mjd_obs, item.product.pipefile) > (product.mjd_obs, product.pipefile)
        assert (old != new) == (rivals and later)


@pytest.mark.row(86)
@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, 59), st.sampled_from(["SCI1.0", "SCI2.0"])), unique_by=lambda x: x[0], max_size=6
    ),
)
def test_rename_and_back_on_disk_is_identity_on_names_and_bytes(minutes: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context, place = night(Path(folder), 0)
        for minute, setup in minutes:
            put(place, minute, DET__READ__CURNAME=setup)
        place.mkdir(exist_ok=True)
        before = held(place)
        asyncio.run(rename(context))
        assert sorted(held(place).values()) == sorted(before.values())
        assert all(name.startswith("MU_MBIA_") for name in held(place))
        asyncio.run(rename(context, back=True))
        assert held(place) == before
        context.db.close()
