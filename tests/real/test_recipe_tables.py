"""The tables of what recipes make: whole, with their sources, and of use for the installed rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.create.oca.load import load
from engine.create.oca.logic import constant, walk
from tests.oca_rules import INSTALLED

TABLES = Path(__file__).parents[2] / "config" / "recipes"
INSTRUMENTS = {"giraf": "GIRAFFE"}


def table(instrument: str) -> dict[str, list[object]]:
    name = INSTRUMENTS.get(instrument, instrument.upper())
    found = yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(found) <= {"products", "splits"}
    return dict(found["products"])


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_entry_is_a_category_with_a_source_in_the_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert any(source in text for source in ("esorex --man-page", "recipes' tags", "manual pages of the recipes"))
    assert "Left out" in text
    for recipe, items in yaml.safe_load(text)["products"].items():
        entries = [item if isinstance(item, dict) else {"catg": item} for item in items]
        names = [entry["catg"] for entry in entries]
        assert names and len(set(names)) == len(names), recipe
        assert all(set(entry) <= {"catg", "of", "optional", "each"} for entry in entries), recipe
        assert all(name == name.strip().upper() for name in names), recipe


@pytest.mark.real("oca")
@pytest.mark.parametrize("instrument", INSTALLED)
def test_a_recipe_of_the_rules_is_in_the_table_or_named_as_left_out(instrument: str) -> None:
    known = table(instrument)
    text = (TABLES / f"{INSTRUMENTS.get(instrument, instrument.upper())}.yaml").read_text(encoding="utf-8")
    for action in load(INSTALLED[instrument]).actions:
        assert action.recipe in known or action.recipe in text.partition("\nproducts:")[0], action.recipe


MUSE_STATIC = (
    "ASTROMETRY_REFERENCE BADPIX_TABLE EXTINCT_TABLE FILTER_LIST LINE_CATALOG STD_FLUX_TABLE "
    "TELLURIC_REGIONS VIGNETTING_MASK"
)
GIRAFFE_STATIC = "ATMOSPHERIC_EXTINCTION FLUX_STANDARDS GRATING_DATA LINE_CATALOG LINE_MASK SLIT_GEOMETRY_MASTER"


@pytest.mark.real("oca")
@pytest.mark.parametrize(("instrument", "static"), [("muse", MUSE_STATIC), ("giraf", GIRAFFE_STATIC)])
def test_only_static_calibrations_are_made_by_no_recipe(instrument: str, static: str) -> None:
    items = [item for listed in table(instrument).values() for item in listed]
    made = {str(item["catg"] if isinstance(item, dict) else item) for item in items}
    conditions = [each.where for action in load(INSTALLED[instrument]).actions for each in action.associations]
    found = [constant(node) for where in conditions for node in walk(where)]
    asked = {text for known in found if known for key, _, text in [known] if key.name in ("DO.CATG", "PRO.CATG")}
    assert asked - made == set(static.split())
