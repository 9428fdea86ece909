"""Laws of renaming: back to PIPEFILE is identity, the order of arrival does not matter, names are safe and unique."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.core.product import Product
from engine.release.rename_products import LONGEST, Named, names, reverted
from tests.released import RENAME

VALUES = st.sampled_from(["SCI1.0", "SCI 2.0", "a/b", "H+K", "../x"]) | st.text(min_size=1, max_size=20)


@st.composite
def pools(draw: st.DrawFn) -> list[Named]:
    seconds = draw(st.lists(st.integers(0, 59), unique=True, max_size=40))
    pool = []
    for second in seconds:
        pipefile = f"r.MUSE.2014-10-22T22:00:{second:02d}.000_tpl_0000.fits"
        catg = draw(st.sampled_from(["MASTER_BIAS", "MASTER_BIAS", "STRANGE"]))
        product = Product(f"/p/{pipefile}", pipefile, catg, "", "BIAS", 1, float(draw(st.integers(0, 5))))
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
