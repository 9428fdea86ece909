"""The tables of recipes cover the rule files that Debian's pipelines install; what they do not know they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.create.createab.build import catgs_of
from engine.create.createab.levels import ladder
from engine.create.createab.predict import UNKNOWN, predicted, table_of
from engine.create.oca.load import load
from engine.create.oca.model import Rules
from engine.create.oca.needs import organised

pytestmark = pytest.mark.real
HOME = Path(__file__).parents[2]
INSTRUMENTS = {
    "AMBER": "amber",
    "GIRAFFE": "giraf",
    "HAWKI": "hawki",
    "MUSE": "muse",
    "NACO": "naco",
    "UVES": "uves",
    "VIMOS": "vimos",
    "VISIR": "visir",
}


def rules_of(instrument: str) -> Rules:
    name = INSTRUMENTS[instrument]
    return load(max(Path("/usr/share/cpl-plugins").glob(f"{name}-*/gasgano/config/{name}.oca")))


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_recipe_is_in_the_table_or_known_to_be_unknown(instrument: str) -> None:
    table = table_of(instrument)
    assert table.products, f"config/recipes/{instrument}.yaml"
    actions = rules_of(instrument).actions
    unknown = {action.recipe for action in actions if predicted(action, table)[1] == UNKNOWN}
    comments = [line for line in (HOME / table.file).read_text().splitlines() if line.lstrip().startswith("#")]
    assert [recipe for recipe in sorted(unknown) if not any(recipe in line for line in comments)] == []
    assert not {action.recipe for action in actions}.isdisjoint(table.products)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_action_has_its_level(instrument: str) -> None:
    rules, table = rules_of(instrument), table_of(instrument)
    makes = {
        action.name: catgs_of(organised(rules).get(action.name, set()), predicted(action, table)[0])
        for action in rules.actions
    }
    found = ladder(rules, makes)
    assert sorted(found.order) == sorted({action.name for action in rules.actions})
    assert len(found.notes) <= (instrument == "VIMOS"), "only VIMOS has actions that need each other"
