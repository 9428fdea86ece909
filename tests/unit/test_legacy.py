"""config.moveProducts as observatories have it: read as it is, bad lines located, same meaning in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.errors import ConfigTrouble
from config.legacy import read_create, read_create_ab, read_move_products, to_yaml
from config.load import load

CLASSIC = b"""\
# config.moveProducts
# Section 1: general
TOOL_MODE\tINTER\t\t# INTER or AUTO
SPECIAL_PLUGIN   pgi_moveProducts

# Section 2
RAW_TYPE FFLAT | CALIB | SELECT
RAW_TYPE | BIAS\t|CALIB|ALL |
RAW_TYPE OBJECT SCIENCE NONE

# Section 3
DELETE FFLAT | FF_EXTPIXELS   # only EXTPIXELS products are deleted
# Section 4.1
FORMAT png | YES
gif | NO
# Section 5
RENAME CALIB | YES
RENAME SCIENCE | NO
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigTrouble) as caught:
        read_move_products(text.encode(), "config.moveProducts")
    return list(caught.value.problems)


@pytest.mark.row(41, 42, 43, 46, 48, 50, 53)
def test_the_sections_are_read_as_they_are() -> None:
    found = read_move_products(CLASSIC, "config.moveProducts")
    assert found.move == {
        "tool_mode": "INTER",
        "special_plugin": "pgi_moveProducts",
        "raw_types": [
            {"raw_type": "FFLAT", "mode": "CALIB", "save": "SELECT"},
            {"raw_type": "BIAS", "mode": "CALIB", "save": "ALL"},
            {"raw_type": "OBJECT", "mode": "SCIENCE", "save": "NONE"},
        ],
        "delete": [{"raw_type": "FFLAT", "catg": "FF_EXTPIXELS"}],
        "graphics": [{"format": "png", "save": True}, {"format": "gif", "save": False}],
        "rename": {"CALIB": True, "SCIENCE": False},
    }
    assert found.lines["rename.SCIENCE"] == 18
    assert found.notices == ()


@pytest.mark.row(436)
def test_the_same_meaning_in_yaml(tmp_path: Path) -> None:
    found = read_move_products(CLASSIC, "config.moveProducts")
    text = to_yaml(found.move, "config.moveProducts")
    assert yaml.safe_load(text) == {"move": found.move}
    one, two = tmp_path / "classic", tmp_path / "yaml"
    for folder in (one, two):
        folder.mkdir()
        (folder / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    (one / "config.moveProducts").write_bytes(CLASSIC)
    (two / "dfos.yaml").write_text("profile: MUSE_DEEP\n" + text)
    assert load(one).settings == load(two).settings
    assert load(one).settings.move.special_plugin == "pgi_moveProducts"


@pytest.mark.row(436)
@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("RAW_TYPE FFLAT | CALIB | SELECT", "raw_types", [{"raw_type": "FFLAT", "mode": "CALIB", "save": "SELECT"}]),
        ("DELETE FFLAT | FF_EXTPIXELS", "delete", [{"raw_type": "FFLAT", "catg": "FF_EXTPIXELS"}]),
        ("DELETE FFLAT | ALL", "delete", [{"raw_type": "FFLAT", "catg": "ALL"}]),
        ("RENAME CALIB | YES", "rename", {"CALIB": True}),
        ("TOOL_MODE AUTO", "tool_mode", "AUTO"),
        ("SPECIAL_PLUGIN NONE", "special_plugin", "NONE"),
        (".png YES", None, None),
    ],
)
def test_the_examples_of_the_page(line: str, key: str | None, value: object) -> None:
    if key is None:
        assert "unknown key" in problems(line)[0]
        return
    move = read_move_products(line.encode(), "f").move
    assert move[key] == value
    assert yaml.safe_load(to_yaml(move, "f"))["move"][key] == value


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("RAW_TYP X | CALIB | ALL", 1, "did you mean 'RAW_TYPE'?"),
        ("\n\nRAW_TYPE X | CALIB", 3, "RAW_TYPE has 2 values; expected: RAW_TYPE <raw type> | <CALIB or SCIENCE>"),
        ("RAW_TYPE X | CALIP | ALL", 1, "did you mean 'CALIB'?"),
        ("RAW_TYPE X | CALIB | SELCT", 1, "did you mean 'SELECT'?"),
        ("RAW_TYPE X | CALIB | ALL\nRAW_TYPE X | CALIB | NONE", 2, "twice"),
        ("TOOL_MODE AUTO\nTOOL_MODE INTER", 2, "stands already in line 1"),
        ("TOOL_MODE MAYBE", 1, "none of INTER, AUTO"),
        ("FORMAT ps | YES", 1, "'ps' is not supported"),
        ("ps | NO", 1, "'ps' is not supported"),
        ("FORMAT tif | YES", 1, "none of gif, png, jpg"),
        ("FORMAT png | YES\nGRAPHICS png | NO", 2, "twice"),
        ("RENAME GEN | YES", 1, "none of CALIB, SCIENCE"),
        ("RENAME CALIB | YES rename CALIB products", 1, "RENAME has 5 values"),
        ("TOOL_MODE", 1, "TOOL_MODE has 0 values"),
    ],
)
def test_a_bad_line_is_named_with_what_is_legal(text: str, line: int, word: str) -> None:
    found = problems(text)
    assert found[0].startswith(f"config.moveProducts:{line}: ")
    assert word in found[0]


def test_all_bad_lines_in_one_go() -> None:
    assert len(problems("FOO 1\nTOOL_MODE x\nRENAME CALIB | YES\nDELETE x\n")) == 3


def test_what_has_no_effect_is_told() -> None:
    found = read_move_products(
        b"RAW_TYPE A | CALIB | ALL\nDELETE A | X\nDELETE AA | Y\nCDB_INGEST CALIB | NO\nDELETE AA | Y\n", "f"
    )
    text = "\n".join(found.notices)
    assert "f:2: DELETE has no effect, SAVE_MODE of 'A' is ALL" in text
    assert "f:3: DELETE of RAW_TYPE 'AA', which section 2 lacks" in text
    assert "f:4: CDB_INGEST" in text
    assert "f:5: DELETE AA Y stands there twice" in text


def test_a_file_without_delete_lines_drops_nothing() -> None:
    assert read_move_products(b"RAW_TYPE A | CALIB | SELECT\n", "f").move["delete"] == []


@pytest.mark.parametrize("data", [b"TOOL_MODE \xff", b"TOOL_MODE\n\0", b"#" * 1_000_001])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigTrouble, match=r"f:\d+: "):
        read_move_products(data, "f")


@pytest.mark.row(98)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CONF_VERSION 1.4\nNOCHECK YES # hidden\n", True),
        ("nocheck", True),
        ("NOCHECK | NO |", False),
        ("DRS_TYPE CPL\n# NOCHECK YES\nPROD_STEP2 A\nPROD_STEP2 B\n", None),
        ("", None),
    ],
)
def test_nocheck_is_read_from_config_create_ab(text: str, wanted: bool | None, tmp_path: Path) -> None:
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\n")
    (tmp_path / "config.createAB").write_text(text)
    assert read_create_ab(text.encode(), "x").move.get("nocheck") is wanted
    loaded = load(tmp_path)
    assert loaded.settings.update.nocheck is bool(wanted)
    if wanted is not None:
        assert "config.createAB:" in loaded.origins["update.nocheck"].where


def test_a_bad_nocheck_is_located() -> None:
    for text, said in (("\nNOCHECK maybe", "x:2: NOCHECK 'MAYBE'"), ("NOCHECK\nNOCHECK", "x:2: 'nocheck' stands")):
        with pytest.raises(ConfigTrouble) as caught:
            read_create_ab(text.encode(), "x")
        assert caught.value.problems[0].startswith(said)
    assert "VCAL_REMOVE YES is deprecated" in read_create_ab(b"VCAL_REMOVE YES", "x").notices[0]


def test_config_create_ab_is_read_as_it_is() -> None:
    text = b"CONF_VERSION 1.4 # ours\nDRS_TYPE | CON\nN_MCAL_LIST 5\n"
    text += b"PROD_STEP2 A\nPROD_STEP2 B\nRAW_MINNUM BIAS 5\nODD x\n"
    found = read_create(text, "config.createAB")
    assert found.move == {
        "conf_version": "1.4",
        "drs_type": "CON",
        "mcal_days": 5,
        "second_step": ["A", "B"],
        "unwanted": [{"raw_type": "BIAS", "raw_minnum": 5}],
    }
    assert found.lines["second_step"] == 4
    assert found.notices == ("config.createAB:7: 'ODD' is not known of config.createAB: left out",)


@pytest.mark.parametrize(
    "line", ["DRS_TYPE XXX", "N_VCAL_LIST many", "RAW_MINNUM BIAS", "CONF_VERSION", "DRS_TYPE A B"]
)
def test_wrong_lines_of_config_create_ab_are_named(line: str) -> None:
    with pytest.raises(ConfigTrouble, match=r"config\.createAB:1: "):
        read_create(line.encode(), "config.createAB")
