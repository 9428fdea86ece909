"""`dfos config`: value, origin, meaning; nearest spelling; classic files as YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from config.errors import ConfigTrouble
from config.explain import explain
from config.load import Loaded, load
from console.cli import config as command


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "dfos.yaml").write_text("profile: MUSE_DEEP\ngate:\n  interval_s: 5\n")
    return load(tmp_path)


@pytest.mark.row(12)
def test_a_key_tells_value_origin_meaning_and_what_is_legal(loaded: Loaded) -> None:
    lines = explain(loaded, "gate.interval_s").splitlines()
    assert lines[0] == "gate.interval_s = 5.0"
    assert lines[1].endswith("dfos.yaml:3 (account)")
    assert "seconds between two looks" in lines[2]
    assert "a number, more than 0" in lines[3]


def test_a_group_lists_its_keys_with_their_origins(loaded: Loaded) -> None:
    text = explain(loaded, "gate")
    assert "gate.watch" in text
    assert "config/instruments/MUSE_DEEP.yaml:" in text
    assert "kinds.scipost.streams" in explain(loaded, "kinds")
    assert explain(loaded, "").count("\n") > 60


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("gate.intervall_s", "interval_s"), ("certificatio", "certification"), ("kinds.scipots", "kinds.scipost")],
)
def test_an_unknown_key_names_the_nearest(loaded: Loaded, key: str, nearest: str) -> None:
    with pytest.raises(ConfigTrouble, match=f"did you mean '{nearest}'"):
        explain(loaded, key)


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["schema"]) == 0
    assert "kinds" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.row(436)
def test_import_prints_yaml_to_stdout_and_notes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.moveProducts"
    path.write_text("RAW_TYPE FFLAT | CALIB | SELECT\nDELETE FFLAT | FF_EXTPIXELS\nDELETE X | Y\n")
    assert command.main(["import", str(path)]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["move"]["delete"][0] == {"raw_type": "FFLAT", "catg": "FF_EXTPIXELS"}
    assert "config.moveProducts:3" in err


def test_import_of_a_dfosrc_keeps_its_scalars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".dfosrc"
    path.write_text("export DFO_INSTRUMENT=MUSE\nexport DFO_RAW_DIR=/data/raw\n")
    assert command.main(["import", str(path)]) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out) == {"instrument": "MUSE"}
    assert "/data/raw" in out


@pytest.mark.row(23)
@pytest.mark.parametrize("option", ["-h", "-v"])
def test_help_and_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main([option])
    assert caught.value.code == 0
    assert "dfos config" in capsys.readouterr().out
