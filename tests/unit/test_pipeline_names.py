"""Whose recipes and rules are taken: pipelines are named after the instrument, long names by their first letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from engine.core.pipelines import pipeline_names
from engine.process.ab.pipeline import plugin_dir


@pytest.mark.parametrize(
    ("instrument", "folder"),
    [("GIRAFFE", "giraf-2.16.10"), ("UVES", "uves-6.1.10"), ("MUSE", ""), ("../..", ""), ("", "")],
)
def test_the_newest_recipes_of_an_instrument(tmp_path: Path, instrument: str, folder: str) -> None:
    for name in ("giraf-2.16.10", "giraf-2.9.1", "uves-6.1.8", "uves-6.1.10"):
        (tmp_path / name).mkdir()
    assert plugin_dir(instrument, [str(tmp_path)]) == (str(tmp_path / folder) if folder else "")


def test_a_whole_name_comes_before_a_short_one(tmp_path: Path) -> None:
    for name in ("giraf-2.16.10", "giraffe-1.0"):
        (tmp_path / name).mkdir()
    assert plugin_dir("GIRAFFE", [str(tmp_path)]) == str(tmp_path / "giraffe-1.0")
    assert pipeline_names("GIRAFFE") == ("giraffe", "giraf") and pipeline_names("a b") == ()


@pytest.mark.parametrize("instrument", ["AMBER", "GIRAFFE", "HAWKI", "MUSE", "NACO", "UVES", "VIMOS", "VISIR"])
def test_every_instrument_with_a_table_of_recipes_has_a_profile(instrument: str) -> None:
    settings = load(None, {}, [f"profile={instrument}"]).settings
    assert (settings.instrument, settings.kinds) == (instrument, {})
