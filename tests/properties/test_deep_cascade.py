"""Laws of the deep cascade: its size, its order, and that the plugin is idempotent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.ab import AB
from engine.core.cascade import cascade
from engine.create.create_deep import DeepRun, DeepTarget, Frame, deep_abs
from engine.pgis.pgi_phoenix_MUSE_AB_deep import propose

sizes = st.lists(st.tuples(st.integers(2, 7), st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=3)


def run_of(shape: list[tuple[int, int, int]], order: list[int], crowded: bool) -> DeepRun:
    """Targets of (OBJECT, SKY, OBs) frames; `order` shuffles which frame is taken when."""
    count = iter(order)
    targets = []
    for index, (objects, skies, obs) in enumerate(shape):
        frames = []
        for number in range(objects + skies):
            minute = next(count)
            frames.append(
                Frame(
                    f"MUSE.2014-10-22T{minute // 60:02d}:{minute % 60:02d}:00.000",
                    "2014-10-22",
                    "OBJECT" if number < objects else "SKY",
                    56952 + minute / 1440,
                    600.0,
                    str(1000 + number % obs),
                    "094.A-0116(B)",
                )
            )
        targets.append(DeepTarget(f"T{index}", tuple(frames[:objects]), tuple(frames[objects:])))
    return DeepRun("094.A-0116B", "2094-01-16", tuple(targets), {}, {"align": ("--srcmin=4",)}, crowded=crowded)


@pytest.mark.row(314, 315, 316)
@settings(max_examples=40)
@given(sizes, st.permutations(range(40)), st.booleans())
def test_the_cascade_of_n_objects_and_m_skies(shape: list[tuple[int, int, int]], order: list[int], crowded: bool):
    created = deep_abs(run_of(shape, order, crowded))
    proposed = propose(created)
    for index, (objects, skies, _) in enumerate(shape):
        own = [ab for ab in proposed if ab.target == f"T{index}"]
        assert len(own) == 2 * objects + 2 * skies + 2
        assert [ab.recipe for ab in own].count("muse_exp_combine") == 1
        assert [ab.recipe for ab in own].count("muse_create_sky") == skies
        (dpc,) = (ab for ab in own if ab.tag == "dpc")
        assert not any("_sky" in entry.path for entry in dpc.sof)  # SKY is never combined
        assert [entry.tag for entry in dpc.sof] == ["PIXTABLE_REDUCED"] * objects + ["OFFSET_LIST"]
    assert len(proposed) == len(created) + len(shape)
    assert propose(proposed) == proposed
    assert_runnable(proposed)


@settings(max_examples=25)
@given(sizes, st.permutations(range(40)), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(shape: list[tuple[int, int, int]], order: list[int], dice):
    created = list(deep_abs(run_of(shape, order, False)))
    straight = {ab.name: ab.render() for ab in propose(tuple(created))}
    dice.shuffle(created)
    shuffled = propose(tuple(created))
    assert {ab.name: ab.render() for ab in shuffled} == straight


def assert_runnable(abs_: tuple[AB, ...]) -> None:
    """Every input is a raw frame or a product that an AB waited for makes; nothing waits in a circle."""
    made = {f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}/{product.name}": ab.name for ab in abs_ for product in ab.products}
    assert len(made) == sum(len(ab.products) for ab in abs_)
    for ab in abs_:
        for entry in ab.sof:
            if not entry.path.startswith("$DFO_RAW_DIR/"):
                assert made[entry.path] in ab.waitfor
    assert len(cascade(abs_, {}).order) == len(abs_)
