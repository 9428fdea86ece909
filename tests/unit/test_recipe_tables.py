"""The shipped tables of what recipes make: each can be read, names its source, and says what arms and modes give."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.create.createab.build import makes_of
from engine.create.createab.levels import ladder
from engine.create.createab.predict import made_of, predicted, table_of
from engine.create.oca.read import read

TABLES = sorted((Path(__file__).parents[2] / "config" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_can_be_read_and_names_its_source(path: Path) -> None:
    table = table_of(path.stem)
    assert table.products and path.read_text(encoding="utf-8").startswith("# What the recipes of")
    for recipe, products in table.products.items():
        numbers = [one.number for one in products]
        assert numbers == sorted(set(numbers)), recipe


def catgs(instrument: str, recipe: str, *tags: str) -> list[str]:
    action = read(f"action A {{ recipe {recipe}; }}").actions[0]
    return [one.catg for one in made_of(predicted(action, table_of(instrument))[0], [set(tags)], ())]


def test_recipes_of_xshooter_make_what_the_arm_gives() -> None:
    assert catgs("XSHOOTER", "xsh_mbias", "BIAS_UVB") == ["MASTER_BIAS_UVB"]
    assert catgs("XSHOOTER", "xsh_mdark", "DARK_NIR") == ["MASTER_DARK_NIR"]
    assert "MASTER_FLAT_SLIT_NIR" in catgs("XSHOOTER", "xsh_mflat", "FLAT_SLIT_JH_NIR")
    assert not any("IFU" in catg for catg in catgs("XSHOOTER", "xsh_mflat", "FLAT_SLIT_UVB"))


def test_recipes_of_fors_make_what_the_mode_gives() -> None:
    lss, mxu = (catgs("FORS2", "fors_calib", f"LAMP_{mode}") for mode in ("LSS", "MXU"))
    assert "DISP_COEFF_LSS" in lss and "CURV_COEFF_LSS" not in lss and "CURV_COEFF_MXU" in mxu
    assert all(catg.endswith("_LSS") for catg in lss)


def test_the_cascade_of_an_arm_follows_from_the_table() -> None:
    chain = ["BIAS", "FMTCHK", "ORDERDEF", "FLAT_SLIT"]
    asked = ["", "MASTER_BIAS", "ORDER_TAB_GUESS", "ORDER_TAB_CENTR"]
    recipes = ["xsh_mbias", "xsh_predict", "xsh_orderpos", "xsh_mflat"]
    text = ""
    for kind, needs, recipe in reversed([*zip(chain, asked, recipes, strict=True)]):
        select = f'select file as X from calibFiles where DO.CATG == "{needs}_UVB";' if needs else ""
        text += f'select execute({kind}) from inputFiles where RAW.TYPE == "{kind}_UVB";'
        text += f"action {kind} {{ {select} recipe {recipe}; }}"
    rules = read(text)
    assert list(ladder(rules, makes_of(rules, table_of("XSHOOTER"))).order) == chain
