"""The observing plan of the demo."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demo import night


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(2, 40), st.integers(0, 8), st.integers(0, 9))
def test_every_frame_has_a_time_of_its_own(targets: int, exposures: int, sky: int, seed: int):
    fields = night.targets(targets, seed)
    taken = night.observations(fields, exposures, sky, seed)
    roots = [shot.root for shot in (*taken, *night.biases(seed))]
    assert len(set(roots)) == len(roots)
    for field in fields:
        own = [shot for shot in taken if shot.target == field]
        assert [shot.type for shot in own].count("OBJECT") == exposures
        assert [shot.type for shot in own].count("SKY") == sky
        assert [shot.number for shot in own if shot.type == "OBJECT"] == list(range(1, exposures + 1))


@pytest.mark.row(316)
def test_a_target_is_spread_over_several_obs_and_nights():
    taken = night.observations(night.targets(2, 1), 4, 1, 1)
    own = [shot for shot in taken if shot.target and shot.target.name == "HUDF-A"]
    assert len({shot.ob for shot in own}) == 2 and len({shot.night for shot in own}) == 2


def test_the_first_exposure_points_well_and_the_others_do_not():
    shots = [shot for shot in night.observations(night.targets(1, 1), 3, 0, 1) if shot.type == "OBJECT"]
    assert (shots[0].error_east, shots[0].error_north) == (0.0, 0.0)
    assert all(abs(shot.error_east) + abs(shot.error_north) > 0 for shot in shots[1:])
