"""A naming table is checked when it is loaded: every mistake with file, line and rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigTrouble
from config.load import load

HEAD = "rename:\n  instrument_code: XX\n"


def troubles(folder: Path, body: str, account: str = "") -> list[str]:
    (folder / "naming").mkdir(exist_ok=True)
    (folder / "naming" / "OWN.yaml").write_text(HEAD + body)
    (folder / "dfos.yaml").write_text("profile: MUSE_DEEP\nrename: {table: OWN}\n" + account)
    with pytest.raises(ConfigTrouble) as caught:
        load(folder)
    return caught.value.problems


def row(text: str, scheme: str = "calib", more: str = "") -> str:
    return f"{more}  {scheme}:\n    - {{{text}}}\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (row("code: XBIA, pro_catg: A"), "OWN.yaml:4: rename.calib: code XBIA: CALIBNAME codes begin with M or P"),
        (row("code: MBIA, pro_catg: A", "science"), "USERSCINAME codes begin with S"),
        (row("code: MBIA, pro_catg: A", "gen"), "GEN codes begin with G"),
        (row("code: MBI, pro_catg: A"), "calib.0.code: 'MBI' is not legal: expected text like ^[A-Z0-9]{4}$"),
        (row("code: MBIA, pro_catg: A") + "    - {code: MBIA, pro_catg: B}\n", "OWN.yaml:5: rename.calib: code MBIA"),
        (row("code: MBIA, pro_catg: A") + "    - {code: MDRK, pro_catg: A}\n", "code MDRK is never reached"),
        (row('code: MBIA, pro_catg: "A_{CCD"'), "is no category with {NAMES}"),
        (row("code: MBIA, pro_catg: null"), "pro_catg: nothing is not legal"),
        (row('code: MBIA, pro_catg: A, params: ["{CCD}"]'), "{CCD} is no header keyword, capture or field"),
        (row('code: MBIA, pro_catg: A, params: ["{WLNE}"]', more="  fields: {WLEN: {keys: [A.B]}}\n"), "did you mean"),
        (row('code: MBIA, pro_catg: A, params: ["{A.B:zz}"]'), "{A.B:zz} is no format"),
        (row('code: MBIA, pro_catg: A, params: ["{A.B"]'), "is not text with {NAMES}"),
        (row("code: MBIA, pro_catg: A, setup: slit"), "there is no setup 'slit'"),
        (row('code: MBIA, pro_catg: A, setup: s, params: ["x"]', more="  setups: {s: [x]}\n"), "give one of them"),
        (row("code: MBIA, pro_catg: A, when: {colour: red}"), "when: 'colour' is no header keyword"),
        (
            row(
                'code: MBIA, pro_catg: A, params: ["{W}"]',
                more="  fields: {W: {by: CCD, keys_by: {RED: [A.B]}}}\n",
            ),
            "{W} is chosen by 'CCD', which its PRO.CATG does not give",
        ),
        ("  fields: {W: {source: x}}\n", "fields.W: give keys, or by and keys_by"),
        ("  fields: {W: {keys: [a b]}}\n", "'a b' is no header keyword"),
        ('  fields: {W: {keys: [A.B], format: "{:.0f}x{:.0f}"}}\n', "does not fit 1 values"),
        (
            '  fields: {W: {keys: [A.B], format: "{0.__class__}"}}\n',
            "OWN.yaml:3: rename.fields.W: format '{0.__class__}' is not",
        ),
        ('  fields: {W: {keys: [A.B], format: "{:.0f}", map: {x: y}}}\n', "map and format"),
        ('  characters: {ab: "-"}\n', "expected one character"),
        ('  characters: {"+": "/"}\n', "what a name may hold"),
        ("  table: MUSE\n", "a naming table holds 'rename:' and its keys"),
        ("  colour: red\n", "unknown key 'rename.colour'"),
    ],
)
def test_mistakes_are_told_with_file_and_rule(tmp_path: Path, body: str, words: str) -> None:
    found = troubles(tmp_path, body)
    assert any(words in problem for problem in found), found
    assert all("OWN.yaml:" in problem for problem in found), found


def test_a_code_for_several_categories_must_say_so(tmp_path: Path) -> None:
    (tmp_path / "naming").mkdir()
    shared = row("code: MBIA, pro_catg: A, shared: true") + "    - {code: MBIA, pro_catg: B, shared: true}\n"
    (tmp_path / "naming" / "OWN.yaml").write_text(HEAD + shared)
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\nrename: {table: OWN}\n")
    loaded = load(tmp_path)
    assert [code.pro_catg for code in loaded.settings.rename.calib] == ["A", "B"]
    assert loaded.origins["rename.calib"].where.endswith("OWN.yaml:3")


def test_the_account_wins_over_the_table_it_chose(tmp_path: Path) -> None:
    text = 'profile: MUSE_DEEP\nrename: {table: UVES, instrument_code: U2, setups: {bin: ["{CCD}"]}}\n'
    (tmp_path / "dfos.yaml").write_text(text)
    rename = load(tmp_path).settings.rename
    assert (rename.instrument_code, rename.setups["bin"]) == ("U2", ("{CCD}",))
    assert rename.setups["set"] == ("{CCD}{WLEN}{MODE}", "{BIN}")
    assert load(tmp_path, sets=["rename.table=KMOS"]).settings.rename.calib[0].code == "PDRK"


def test_a_table_nobody_has_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\nrename: {table: UVSE}\n")
    with pytest.raises(ConfigTrouble, match=r"dfos.yaml:2: rename.table: .* did you mean 'UVES'\?"):
        load(tmp_path)
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\nrename: {table: ../../x}\n")
    with pytest.raises(ConfigTrouble, match="there is no naming table"):
        load(tmp_path)


def test_an_own_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert any(": not YAML" in problem for problem in troubles(tmp_path, "  calib: [\n  }"))
