"""Reading few keywords of many headers: every form of a header gives the same; hostile ones give a clear refusal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import BadFits
from engine.headers.hdr_file import hdr_keywords
from engine.headers.quick import Wanted, quick
from engine.headers.virtual import pseudo_cards, virtual_text
from tests.effort import effort, ends
from tests.nights import fits_bytes, header_text

KEYS = {
    "INSTRUME": "MUSE",
    "MJD-OBS": 56850.5,
    "DPR.CATG": "CALIB",
    "DET.CHIPS": 24,
    "TEL.OK": True,
    "OBJECT": "it's / this",
    "INS.MODE": "WFM  ",
}
WANTED = Wanted.of([*KEYS, "NOT.THERE", "Ünicode"])
RIGHT = {**KEYS, "INS.MODE": "WFM"}


def escaped() -> str:
    return header_text(KEYS)


FORMS = {
    "lines": escaped().encode(),
    "short lines": "".join(f"{line.rstrip()}\n" for line in escaped().splitlines()).encode(),
    "CRLF": escaped().replace("\n", "\r\n").encode(),
    "CR": escaped().replace("\n", "\r").encode(),
    "records": escaped().replace("\n", "").encode(),
    "FITS blocks": escaped().replace("\n", "").encode().ljust(2880),
    "no END": escaped().partition("END")[0].encode(),
    "no line end": escaped().rstrip("\n").rstrip().encode(),
    "dfits": b"====> file x.fits (main) <====\n" + escaped().encode(),
    "two headers": escaped().encode() + b"XTENSION= 'IMAGE   '\nHIERARCH ESO DPR CATG = 'OTHER'\nEND\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_header_gives_the_same(form: str, tmp_path: Path) -> None:
    path = tmp_path / "x.hdr"
    path.write_bytes(FORMS[form])
    assert quick(str(path), WANTED).values == RIGHT
    path.write_bytes(FORMS[form].replace(FORMS["lines"].splitlines()[0], b"", 1).lstrip(b"\r\n"))
    assert form == "dfits" or quick(str(path), WANTED).values == RIGHT, "without SIMPLE"
    path.write_bytes(FORMS[form])
    assert hdr_keywords(path, KEYS) == RIGHT


def test_fits_files_and_compressed_ones(tmp_path: Path) -> None:
    data = escaped().replace("\n", "").encode()
    plain = tmp_path / "x.fits"
    plain.write_bytes(data + b" " * (-len(data) % 2880) + b"anything behind it")
    assert quick(str(plain), WANTED).values == RIGHT
    table = data.replace(b"SIMPLE  =                    T", b"XTENSION= 'BINTABLE'          ")
    empty = fits_bytes({})
    packed = tmp_path / "x.fits.fz"
    packed.write_bytes(empty + table + b" " * (-len(table) % 2880))
    assert quick(str(packed), WANTED).values == RIGHT


@pytest.mark.parametrize(
    "data", [b"", b"\0\1\2", b"hello", b"SIMPLE  = T\n\0\0\nEND\n", b"SIMPLE  = T\n" + b"y" * 300 + b"\n"]
)
def test_what_is_no_header_is_refused(data: bytes, tmp_path: Path) -> None:
    for name in ("x.hdr", "x.fits"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadFits):
            quick(str(tmp_path / name), WANTED)


def test_directories_pipes_and_missing_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hdr")
    (tmp_path / "dir.hdr").mkdir()
    for name in ("pipe.hdr", "dir.hdr", "none.hdr"):
        with pytest.raises(BadFits):
            quick(str(tmp_path / name), WANTED)


def test_a_truncated_fits_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(fits_bytes(KEYS)[:500])
    with pytest.raises(BadFits, match="ends within a header"):
        quick(str(path), WANTED)


def test_five_megabytes_take_no_time_and_the_end_counts(tmp_path: Path) -> None:
    filler = "".join(f"{f'HIERARCH ESO TEL FILL{n} VAL = {n}':<80}\n" for n in range(65_000))
    path = tmp_path / "x.hdr"
    path.write_text(escaped().partition("END")[0] + filler + f"{'HIERARCH ESO NOT THERE = 5':<80}\nEND\nrubbish\n")
    assert path.stat().st_size > 5_000_000
    with ends():
        assert quick(str(path), WANTED).values == {**RIGHT, "NOT.THERE": 5}
    assert effort(lambda: quick(str(path), WANTED)) < 15 * 65_000, "a few for every card"


def test_a_keyword_that_begins_with_end_is_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.hdr"
    path.write_text("SIMPLE  = T\nENDTIME = 5\nEND     = 6\nEXPTIME = 7.0\nEND\nEXPTIME = 8.0\n")
    assert quick(str(path), Wanted.of(["EXPTIME"])).values == {"EXPTIME": 7.0}


def test_what_stands_twice_is_told_and_blank_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "x.hdr"
    path.write_text("SIMPLE  = T\nEXPTIME = 1.0\nEXPTIME = 1.0\nOBJECT  = '  '\nDATE    = 'a'\nDATE    = 'b'\nEND\n")
    found = quick(str(path), Wanted.of(["EXPTIME", "OBJECT", "DATE"]))
    assert found.values == {"EXPTIME": 1.0, "DATE": "a"} and found.twice == ("DATE",)


@pytest.mark.parametrize("text", ["short", "x" * 200, "it's " * 40, "'" * 90, "ünï\ncode", "", "a & b"])
def test_pseudo_keys_come_back_whatever_they_hold(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.x_0000.hdr"
    path.write_bytes(
        virtual_text(pseudo_cards({"DFOS.AB": text, "PRO.CATG": "X", "N": 3, "OK": True}), b"INSTRUME= 'M'\n")
    )
    found = quick(str(path), Wanted.of(["DFOS.AB", "PRO.CATG", "N", "OK", "INSTRUME"])).values
    expected = "".join(char if " " <= char <= "~" else "?" for char in text).rstrip()
    assert found.get("DFOS.AB", "") == expected
    assert {key: found[key] for key in ("PRO.CATG", "N", "OK", "INSTRUME")} == {
        "PRO.CATG": "X",
        "N": 3,
        "OK": True,
        "INSTRUME": "M",
    }
