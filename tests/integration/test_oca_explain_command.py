"""`dfos oca explain`: on files, and on a DATE of an account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from astropy.io import fits

from console.cli.oca import main
from engine.errors import BadFits, UsageTrouble
from engine.headers.hdr_file import fits_headers, hdr_text
from tests.integration.test_create_ab import DATE
from tests.integration.test_create_command import Dfos, dfos, site

__all__ = ["dfos", "site"]

RULES = """
if DPR.TYPE == "FLAT" then { DO.CATG = "FLAT"; }
if PRO.CATG is string then { DO.CATG = PRO.CATG; }
select execute(A) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT";
select execute(B) from inputFiles where SIG.TEMPLATE == 1 and DO.CATG == "FLAT" and LF.DO.CATG == "ARC";
action A {
  select file as BIAS from calibFiles where DO.CATG == "BIAS" and inputFile.DET.READ.CURNAME == DET.READ.CURNAME;
  select file as DARK from calibFiles where DO.CATG == "DARK";
  recipe xyz_flat;
}
"""


def written(path: Path, **cards: object) -> Path:
    """A FITS file; two underlines stand for a blank."""
    header = fits.Header()
    for key, value in cards.items():
        header[f"HIERARCH ESO {key.replace('__', ' ')}" if "__" in key else key.replace("_", "-")] = value
    path.parent.mkdir(exist_ok=True)
    fits.PrimaryHDU(header=header).writeto(path)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Rules, two raw files of a template, and seven calibrations."""
    (tmp_path / "xyz.oca").write_text(RULES)
    for number in (1, 2):
        raw = {"DPR__TYPE": "FLAT", "TPL__START": "t", "DET__READ__CURNAME": "fast", "MJD_OBS": 56000.0 + number}
        written(tmp_path / "raw" / f"XYZ.{number}.fits", **raw)
    for number in range(8):
        name = "slow" if number == 7 else "fast"
        bias = {"PRO__CATG": "BIAS", "DET__READ__CURNAME": name, "MJD_OBS": 56008.0 - number}
        written(tmp_path / "pool" / f"bias{number}.fits", **bias)
    (tmp_path / "pool" / "broken.fits").write_bytes(b"nothing")
    return tmp_path


def asked(place: Path, *more: str) -> list[str]:
    return ["explain", str(place / "raw" / "XYZ.1.fits"), "--rules", str(place / "xyz.oca"), *more]


@pytest.mark.row(120)
def test_a_file_its_group_and_its_calibrations(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked(place, "--raw", str(place / "raw"), "--pool", str(place / "pool"))) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 or str(place)[:30] in line for line in text.splitlines())
    assert "classification: 1 of 2 rules are true" in text
    assert "DO.CATG = 'FLAT'" in text
    assert "2 files, the first is XYZ.1" in text
    assert "bias6.fits +1.000 d" in text
    assert "bias7.fits +0.000 d:" in text
    assert "and 2 more (--all)" in text
    assert "MISSING: DARK: none of 1 found" in text
    assert "nothing of this kind among 8 files" in text
    assert "not B (xyz.oca" in text


def test_the_twin_as_json_and_everything(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = asked(place, "--raw", str(place / "raw"), "--pool", str(place / "pool"), "--json")
    assert main(given) == 0
    found = json.loads(capsys.readouterr().out)
    bias, dark = found["groups"][0]["associations"]
    assert bias["chosen"][0] == {
        "file": str(place / "pool" / "bias6.fits"),
        "days": 1.0,
        "ok": True,
        "virtual": False,
    }
    assert bias["refused"][0]["why"].startswith("inputFile.DET.READ.CURNAME == DET.READ.CURNAME: false")
    assert len(bias["refused"]) == 7
    assert dark["missing"]
    assert [rule["true"] for rule in found["classification"]] == [True]
    assert main([*given, "--all"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [rule["true"] for rule in found["classification"]] == [True, False]
    assert found["classification"][1]["terms"][0]["result"] == "missing"


def test_a_header_file_says_the_same_as_its_fits_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = place / "raw" / "XYZ.1.fits"
    header = raw.with_suffix(".hdr")
    header.write_bytes(hdr_text(fits_headers(raw)))
    outputs = []
    for path in (raw, header):
        assert main(["explain", str(path), "--rules", str(place / "xyz.oca"), "--json"]) == 0
        outputs.append(json.loads(capsys.readouterr().out) | {"file": ""})
    assert outputs[0] == outputs[1]


def test_what_cannot_be_read_is_named(place: Path) -> None:
    with pytest.raises(BadFits):
        main(["explain", str(place / "pool" / "broken.fits"), "--rules", str(place / "xyz.oca")])
    with pytest.raises(UsageTrouble, match="no such directory"):
        main(asked(place, "--pool", str(place / "nowhere")))


def test_nothing_in_a_header_moves_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "xyz.oca").write_text(RULES)
    raw = written(tmp_path / "raw" / "x.fits", PRO__CATG="ABCDE")
    raw.write_bytes(raw.read_bytes().replace(b"ABCDE", b"A\x1b[2J"))
    assert main(["explain", str(raw), "--rules", str(tmp_path / "xyz.oca")]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.row(120)
def test_on_a_date_it_says_what_createab_does(site: Path, dfos: Dfos) -> None:
    planned = json.loads(dfos("createAB", "-m", "CALIB", "-d", DATE, "--dry-run", "--json"))
    flat = planned["abs"][1]
    found = json.loads(dfos("oca", "explain", flat["name"].split("_")[0] + ".hdr", "-d", DATE, "--json"))
    (group,) = found["groups"]
    assert group["action"] == flat["action"] == "A_FLAT"
    assert len(group["members"]) == 2
    bias = group["associations"][0]
    assert bias["chosen"][0]["virtual"]
    assert Path(bias["chosen"][0]["file"]).name in flat["text"]
    assert not list((site / "ab").iterdir())
    text = dfos("oca", "explain", flat["name"].split("_")[0], "-d", DATE)
    assert ", virtual" in text


def test_a_file_that_is_not_of_the_date_is_refused(dfos: Dfos) -> None:
    dfos("oca", "explain", "MUSE.nothing", "-d", DATE, code=2)


def test_a_file_without_a_category_is_shown_the_nearest_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "xyz.oca").write_text(
        'if DPR.TECH == "X" and DPR.TYPE == "BIAS" and DPR.CATG == "CALIB" then { DO.CATG = "BIAS"; }\n'
        'if DPR.CATG == "CALIB" and DPR.TYPE == "FLAT" then { DO.CATG = "FLAT"; }\n'
        'if DPR.CATG == "SCIENCE" then { DO.CATG = "OBJECT"; }\n'
        'select execute(A) from inputFiles where DO.CATG == "OBJECT" and DPR.TECH == "Y"'
        " group by TPL.START as (T,tpl);\n"
        "action A { recipe r; }\n"
    )
    rules = ["--rules", str(tmp_path / "xyz.oca")]
    raw = written(tmp_path / "a.fits", DPR__CATG="CALIB", DPR__TYPE="FLATS", DPR__TECH="X")
    assert main(["explain", str(raw), *rules]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    start = next(number for number, line in enumerate(lines) if "nearest classification" in line)
    assert "--all" in lines[start] and lines[start + 1] == "xyz.oca:1:1: 2 of 3 terms hold"
    assert lines[start + 2] == "false   DPR.TYPE == \"BIAS\"  [DPR.TYPE 'FLATS']"
    assert lines[start + 3] == "xyz.oca:2:1: 1 of 2 terms hold" and "'FLATS'" in lines[start + 4]
    assert not any("OBJECT" in line or "SCIENCE" in line for line in lines)
    other = written(tmp_path / "b.fits", DPR__CATG="SCIENCE", DPR__TECH="Z")
    assert main(["explain", str(other), *rules, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["nearest_classification"] == [] and len(found["nearest_group"]) == 1
    assert found["nearest_group"][0]["failed"][0]["values"] == {"DPR.TECH": "Z"}
    assert main(["explain", str(written(tmp_path / "c.fits", K="1")), *rules]) == 0
    assert "no classification rule comes near" in capsys.readouterr().out
