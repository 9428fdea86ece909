"""Laws of the configuration: hostile bytes never crash, classic and YAML mean the same, later layers win."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.dfosrc import read_dfosrc
from config.errors import ConfigTrouble
from config.layers import ACCOUNT, Layers, leaves
from config.legacy import read_move_products, to_yaml
from config.yaml_file import read_yaml

NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=12).filter(
    lambda name: name.casefold() not in ("gif", "png", "jpg", "ps")
)
FLAGS = st.sampled_from(["YES", "NO"])
GAPS = st.sampled_from([" | ", " ", "\t|\t", "|", "  "])


@st.composite
def classic(draw: st.DrawFn) -> str:
    lines = []
    if draw(st.booleans()):
        lines.append(("TOOL_MODE", draw(st.sampled_from(["INTER", "AUTO"]))))
    if draw(st.booleans()):
        lines.append(("SPECIAL_PLUGIN", draw(NAMES)))
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        modes, saves = st.sampled_from(["CALIB", "SCIENCE"]), st.sampled_from(["ALL", "NONE", "SELECT"])
        lines.append(("RAW_TYPE", name, draw(modes), draw(saves)))
    lines += [("DELETE", one, two) for one, two in draw(st.lists(st.tuples(NAMES, NAMES), max_size=4))]
    lines += [("FORMAT", name, draw(FLAGS)) for name in draw(st.lists(st.sampled_from(["gif", "png"]), unique=True))]
    lines += [
        ("RENAME", mode, draw(FLAGS)) for mode in draw(st.lists(st.sampled_from(["CALIB", "SCIENCE"]), unique=True))
    ]
    lines = draw(st.permutations(lines))
    return "\n".join(f"{line[0]} {draw(GAPS).join(line[1:])} # comment | x" for line in lines)


@pytest.mark.row(436)
@given(classic())
def test_classic_to_yaml_and_back_is_the_same(text: str) -> None:
    move = read_move_products(text.encode(), "f").move
    assert yaml.safe_load(to_yaml(move, "f"))["move"] == move

    def thawed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: thawed(inner) for key, inner in value.items()}
        return [thawed(inner) for inner in value] if isinstance(value, tuple) else value

    assert thawed(read_yaml(to_yaml(move, "f").encode(), "f").data) == {"move": move}


@given(st.one_of(st.binary(max_size=300), st.text("ab:-[]{}#&*!|>'\"\t\n %@", max_size=80).map(str.encode)))
@settings(max_examples=200)
def test_any_bytes_are_settings_or_a_located_trouble(data: bytes) -> None:
    for reader in (read_yaml, read_move_products):
        try:
            reader(data, "f")
        except ConfigTrouble as trouble:
            assert trouble.problems
            assert all(problem.startswith("f:") for problem in trouble.problems)


@given(
    st.one_of(st.binary(max_size=200), st.text("export A=$(){}`'\"\\;&|<># \nif fi then", max_size=120).map(str.encode))
)
@settings(max_examples=200)
def test_any_bytes_are_variables_notices_or_problems(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rc"
        path.write_bytes(data)
        found = read_dfosrc([path], {"HOME": "/h"})
    assert set(found.origins) == set(found.variables)
    assert all(text.startswith(str(path)) for text in (*found.notices, *found.problems))
    assert not any(ord(char) < 32 for value in found.variables.values() for char in value)


VALUES = st.recursive(
    st.integers(0, 9),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1, max_size=3)


@given(TREES, TREES)
def test_a_later_layer_wins_key_by_key_and_every_leaf_knows_its_layer(one: dict[str, Any], two: dict[str, Any]) -> None:
    layers = Layers()
    layers.add("one", "one", one)
    layers.add("two", "two", two)
    merged = leaves(layers.data)
    for path, value in leaves(two).items():
        assert merged[path] == value
        assert layers.origins[path].layer == "two"
    for path, value in merged.items():
        if path not in leaves(two):
            assert leaves(one)[path] == value
            assert layers.origins[path].layer == "one"


@given(TREES)
def test_a_layer_on_itself_changes_nothing(tree: dict[str, Any]) -> None:
    layers = Layers()
    layers.add(ACCOUNT, "f", tree)
    layers.add(ACCOUNT, "f", tree)
    assert layers.data == tree
