"""Which action comes first, and what it will make: product blocks, the table of recipes, circles."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigTrouble
from engine.create.createab.build import catgs_of
from engine.create.createab.levels import ladder
from engine.create.createab.predict import BLOCK, TABLE, UNKNOWN, Table, made_of, predicted, table_of
from engine.create.oca.load import load
from engine.create.oca.model import Rules
from engine.create.oca.needs import organised

NEEDS = 'select file as {0} from calibFiles where DO.CATG == "{0}";'


def rules_of(tmp_path: Path, text: str) -> Rules:
    path = tmp_path / "x.oca"
    path.write_text(text)
    return load(path)


def actions(tmp_path: Path, **needs: str) -> Rules:
    """Actions by name with the categories each needs; action X makes X."""
    text = "\n".join(
        f"action {name} {{ {' '.join(NEEDS.format(one) for one in words.split())} recipe r_{name};"
        f' product {name} {{ PRO.CATG = "{name}"; }} }}'
        for name, words in needs.items()
    )
    return rules_of(tmp_path, text)


def order(rules: Rules) -> list[str]:
    return list(ladder(rules, {action.name: {action.name} for action in rules.actions}).order)


def test_what_others_need_comes_first(tmp_path: Path) -> None:
    rules = actions(tmp_path, SCIENCE="FLAT WAVE BIAS", WAVE="FLAT BIAS", FLAT="BIAS", BIAS="")
    assert order(rules) == ["BIAS", "FLAT", "WAVE", "SCIENCE"]
    assert dict(ladder(rules, {a.name: {a.name} for a in rules.actions}).level) == {
        "BIAS": 1,
        "FLAT": 2,
        "WAVE": 3,
        "SCIENCE": 4,
    }


def test_without_needs_the_file_decides(tmp_path: Path) -> None:
    assert order(actions(tmp_path, C="", A="", B="A")) == ["C", "A", "B"]


def test_actions_that_need_each_other_are_told_and_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    rules = actions(tmp_path, LAST="ONE", ONE="TWO", TWO="ONE FIRST", FIRST="")
    found = ladder(rules, {a.name: {a.name} for a in rules.actions})
    assert found.order == ("FIRST", "ONE", "LAST", "TWO")
    assert found.notes == ("ONE needs products of TWO, which needs it: only real ones are used",)


def test_ten_thousand_actions_in_a_row_and_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    names = [f"A{n}" for n in range(10_000)]
    row = actions(tmp_path, **{name: f"A{n + 1}" for n, name in enumerate(names[:-1])}, A9999="A0")
    found = ladder(row, {name: {name} for name in names})
    assert len(found.order) == 10_000 and len(found.notes) == 1


def test_an_association_that_is_switched_off_needs_nothing(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'action A { minRet = 0; maxRet = 0; select file as B from calibFiles where DO.CATG == "B"; recipe a; }\n'
        "action B { recipe b; }",
    )
    assert ladder(rules, {"B": {"B"}}).order == ("A", "B")


def test_patterns_find_what_they_match(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'action A { select file as X from calibFiles where DO.CATG like "MASTER[1]_%"; recipe a; }\n'
        "action B { recipe b; }",
    )
    assert ladder(rules, {"B": {"MASTER[1]_BIAS"}}).order == ("B", "A")
    assert ladder(rules, {"B": {"MASTER1_BIAS"}}).order == ("A", "B")


def test_a_product_block_wins_and_gives_the_numbers(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'action A { recipe a; product T { PRO.EXT = "tpl_0003.fits"; PRO.CATG = "TT"; N = 5; }'
        ' product U { } product V { PRO.EXT = "0000.fits"; } }\naction B { recipe b; }\naction C { recipe c; }'
        "\naction D { recipe none; }",
    )
    table = Table({"a": (), "b": table_items(tmp_path, "b: [X, Y]")["b"]})
    found, source = predicted(rules.actions[0], table)
    assert [(one.catg, one.number, one.keys) for one in found] == [("V", 0, ()), ("U", 1, ()), ("TT", 3, (("N", 5),))]
    assert source == BLOCK
    second, source = predicted(rules.actions[1], table)
    assert ([one.catg for one in second], source) == (["X", "Y"], TABLE)
    assert predicted(rules.actions[2], table) == ((), UNKNOWN)
    assert predicted(rules.actions[3], table) == ((), TABLE)


def table_items(tmp_path: Path, text: str) -> dict[str, tuple[object, ...]]:
    (tmp_path / "recipes").mkdir(exist_ok=True)
    (tmp_path / "recipes" / "OWN.yaml").write_text(f"products:\n  {text}\n")
    return dict(table_of("OWN", tmp_path).products)


def test_the_table_knows_optional_repeated_and_conditional_products(tmp_path: Path) -> None:
    items = table_items(tmp_path, "r: [A, {catg: B, optional: true}, {catg: C, count: 2}, {catg: D, of: [X, Y]}]")["r"]
    assert [one.catg for one in made_of(items, [{"Z"}], ())] == ["A", "C", "C"]  # type: ignore[arg-type]
    with_x = made_of(items, [{"X"}], ())  # type: ignore[arg-type]
    assert [(one.catg, one.number) for one in with_x] == [("A", 0), ("C", 1), ("C", 2), ("D", 3)]


SPLIT = """
splits:
  ifu: {count: 24, one: --nifu, merged: --merge}
  channel: {count: 24, one: --nifu}
products:
  r: [{catg: B, each: ifu}, {catg: T, of: [X], each: [frame, channel]}]
"""


def split(tmp_path: Path, text: str = SPLIT) -> Table:
    (tmp_path / "recipes").mkdir(exist_ok=True)
    (tmp_path / "recipes" / "OWN.yaml").write_text(text)
    return table_of("OWN", tmp_path)


@pytest.mark.parametrize(
    ("params", "each", "tables"),
    [
        ((), 24, 48),
        (("--nifu=0",), 24, 48),
        (("--nifu=-1", "--merge"), 1, 48),
        (("--merge=TRUE",), 1, 48),
        (("--nifu=-1", "--merge=false"), 24, 48),
        (("--nifu=7",), 1, 2),
        (("--merge", "--nifu=x"), 1, 48),
    ],
)
def test_a_recipe_that_works_part_by_part(tmp_path: Path, params: tuple[str, ...], each: int, tables: int) -> None:
    found = made_of(split(tmp_path).products["r"], [{"X"}, {"Y"}, {"X", "RAW"}], params)
    assert [one.catg for one in found] == ["B"] * each + ["T"] * tables  # one of three files is no X
    assert [one.number for one in found] == list(range(each + tables))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("each: ifu", "each: slice", "each slice: neither 'frame' nor one of 'splits:'"),
        ("count: 24, one: --nifu}", "count: 0}", "splits: channel: expected"),
        ("merged: --merge", "merge: x", "splits: ifu: expected"),
        ("{count: 24, one: --nifu}", "24", "splits: channel: expected"),
    ],
)
def test_a_wrong_split_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigTrouble, match=says):
        split(tmp_path, SPLIT.replace(old, new))


@pytest.mark.parametrize("text", ["r: [{catgs: A}]", "r: [5]", 'r: ["A B"]', "r: [{catg: A, count: many}]"])
def test_a_wrong_table_names_the_recipe(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigTrouble, match=r"OWN.yaml: r: .* is no product"):
        table_items(tmp_path, text)


def test_a_table_without_products_and_no_table_at_all(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "OWN.yaml").write_text("recipes: {}\n")
    with pytest.raises(ConfigTrouble, match="'products:' is missing"):
        table_of("OWN", tmp_path)
    assert table_of("../etc/passwd", tmp_path) == Table({}) == table_of("NOBODY", tmp_path)


def test_one_recipe_for_two_inputs_is_two_levels(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'select execute(FLAT) from inputFiles where DO.CATG == "FLAT";\n'
        'select execute(BIAS) from inputFiles where DO.CATG == "BIAS";\n'
        'action FLAT { select file as MB from calibFiles where DO.CATG == "MB"; recipe make; }\n'
        "action BIAS { recipe make; }",
    )
    items = table_items(tmp_path, "make: [{catg: MB, of: BIAS}, {catg: MF, of: FLAT}]")["make"]
    makes = {name: catgs_of(organised(rules)[name], items) for name in ("FLAT", "BIAS")}  # type: ignore[arg-type]
    assert makes == {"FLAT": {"MF"}, "BIAS": {"MB"}}
    assert ladder(rules, makes).order == ("BIAS", "FLAT")
