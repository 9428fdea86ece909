"""Headers as bytes: astropy is the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadFits
from engine.headers.cards import keywords, set_cards
from engine.headers.verify import verify


def cube(path: Path, cards: int = 0) -> Path:
    primary = fits.PrimaryHDU()
    header = primary.header
    header["PIPEFILE"] = ("OFFSET_LIST.fits", "Filename of data product")
    header["HIERARCH ESO PRO CATG"] = "OFFSET_LIST"
    header["HIERARCH ESO PRO DATANCOM"] = 3
    header["MJD-OBS"] = 56952.998288403
    header["OBJECT"] = "O'Neill's star"
    for i in range(cards):
        header[f"HIERARCH ESO TEST K{i}"] = i
    image = fits.ImageHDU(numpy.arange(35.0, dtype="f4").reshape(5, 7), name="DATA")
    fits.HDUList([primary, image]).writeto(path, checksum=True)
    return path


def test_reads_what_astropy_reads(tmp_path: Path) -> None:
    path = cube(tmp_path / "a.fits")
    names = ["PIPEFILE", "PRO.CATG", "PRO.DATANCOM", "MJD-OBS", "OBJECT", "SIMPLE", "NOT.THERE"]
    found = keywords(path, names)
    header = fits.getheader(path)
    assert found == {
        "PIPEFILE": header["PIPEFILE"],
        "PRO.CATG": header["ESO PRO CATG"],
        "PRO.DATANCOM": 3,
        "MJD-OBS": header["MJD-OBS"],
        "OBJECT": "O'Neill's star",
        "SIMPLE": True,
    }
    assert keywords(path, ["EXTNAME"], hdu=1) == {"EXTNAME": "DATA"}


@pytest.mark.parametrize("cards", [0, 20, 29, 30, 31, 60])
def test_set_cards_keeps_everything_else(tmp_path: Path, cards: int) -> None:
    path = cube(tmp_path / "a.fits", cards)
    before = path.read_bytes()
    set_cards(
        path, {"PIPEFILE": "r.MUSE.2014-10-22T23:57:32.118_dal_0000.fits", "ORIGFILE": "MU_X.fits", "PRO.CATG": "Y"}
    )
    after = path.read_bytes()
    changed = [i for i in range(0, 2880, 80) if before[i : i + 80] != after[i : i + 80]]
    names = {after[i : i + 20].split(b"=")[0].strip() for i in changed}
    if len(before) == len(after):
        assert names <= {b"PIPEFILE", b"ORIGFILE", b"HIERARCH ESO PRO CAT", b"CHECKSUM", b"END"}
    assert before[-2 * 2880 :] == after[-2 * 2880 :]
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["PIPEFILE"].startswith("r.MUSE")
        assert hdus[0].header["ORIGFILE"] == "MU_X.fits"
        assert hdus[0].header.comments["PIPEFILE"].startswith("Filename"[:1])
        assert hdus[1].data[4, 6] == 34
    assert verify(path).problems == ()


def test_setting_the_same_value_touches_nothing(tmp_path: Path) -> None:
    path = cube(tmp_path / "a.fits")
    stamp = path.stat().st_mtime_ns
    set_cards(path, {"PRO.CATG": "OFFSET_LIST"})
    assert path.stat().st_mtime_ns == stamp


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
@settings(max_examples=60)
def test_any_printable_value_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = cube(tmp_path_factory.mktemp("x") / "a.fits")
    set_cards(path, {"PRO.CATG": text})
    assert keywords(path, ["PRO.CATG"]) == {"PRO.CATG": text.rstrip()}
    own = fits.Card.fromstring(fits.Card("HIERARCH ESO PRO CATG", text).image).value  # astropy ends a text at '/
    assert fits.getheader(path)["ESO PRO CATG"] == own and ("'" in text or own == text.rstrip())
    assert verify(path).problems == ()


@pytest.mark.parametrize(
    "values", [{"NAXIS": 3}, {"END": "x"}, {"OBJECT": "a\nb"}, {"OBJECT": "x" * 90}, {"OBJECT": "é"}]
)
def test_refuses_what_would_break_the_file(tmp_path: Path, values: dict[str, str]) -> None:
    path = cube(tmp_path / "a.fits")
    before = path.read_bytes()
    with pytest.raises(BadFits):
        set_cards(path, values)
    assert path.read_bytes() == before


def test_a_wrong_checksum_stays_wrong(tmp_path: Path) -> None:
    path = cube(tmp_path / "a.fits")
    data = bytearray(path.read_bytes())
    at = data.index(b"OFFSET_LIST.fits")
    data[at : at + 1] = b"0"
    path.write_bytes(data)
    set_cards(path, {"PRO.CATG": "B"})
    assert verify(path).problems == ("HDU 0: CHECKSUM does not match",)


def test_verify_finds_every_damage(tmp_path: Path) -> None:
    good = cube(tmp_path / "a.fits").read_bytes()
    bad = tmp_path / "b.fits"

    def problems(data: bytes) -> str:
        bad.write_bytes(data)
        return " ".join(verify(bad).problems)

    assert problems(good) == ""
    assert "truncated" in problems(good[:-2880])
    assert "truncated" in problems(good[:-1])
    assert "ends within a header" in problems(good[:4000])
    assert "DATASUM" in problems(good[:-2880] + b"\1" + good[-2879:])
    assert "behind the last HDU" in problems(good + b"\0" * 2880)
    assert "empty" in problems(b"")
    assert "not a FITS" in problems(b"hello" * 1000)
    assert "cannot be opened" in " ".join(verify(tmp_path / "none").problems)
    fits.PrimaryHDU(numpy.zeros((3, 3))).writeto(bad, overwrite=True)
    assert verify(bad).problems == ("HDU 0: no CHECKSUM and no DATASUM",)


@given(st.binary(max_size=6000))
@settings(max_examples=80)
def test_verify_never_raises(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("x") / "a.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + data)
    assert verify(path).problems
