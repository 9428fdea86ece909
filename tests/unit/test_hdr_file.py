"""Headers as text: written, read back card by card; every form that is about is read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import pytest
from astropy.io import fits
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.core.product import is_product, stem_of
from engine.errors import BadFits
from engine.headers.cards import keywords
from engine.headers.hdr_file import fits_headers, hdr_headers, hdr_keywords, hdr_text, parsed

NAMES = ["PIPEFILE", "PRO.CATG", "MJD-OBS", "OBJECT", "LONGSTR", "EXTNAME", "NAXIS", "SIMPLE", "TFIELDS", "NOT.THERE"]


def product(path: Path, compressed: bool = False) -> Path:
    primary = fits.PrimaryHDU()
    header = primary.header
    header["PIPEFILE"] = ("A.fits", "Filename of data product")
    header["HIERARCH ESO PRO CATG"] = "OBJECT_REDUCED"
    header["MJD-OBS"] = 56952.998288403
    header["OBJECT"] = "O'Neill's star"
    header["LONGSTR"] = "a long / text with a 'quote' & more " * 6
    header.add_history("made by a test")
    header.add_blank()
    header.add_blank()
    for i in range(90):
        header[f"HIERARCH ESO TEST K{i}"] = i
    pixels = numpy.arange(400, dtype="i2").reshape(20, 20)
    image: fits.hdu.base.ExtensionHDU = fits.CompImageHDU(pixels) if compressed else fits.ImageHDU(pixels)
    image.header["EXTNAME"] = "DATA"
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=[1, 2])], name="TAB")
    fits.HDUList([primary, image, table]).writeto(path, checksum=True)
    return path


def forms(text: bytes) -> dict[str, bytes]:
    """The text of a `.hdr` file in every form that tools have left."""
    lines = text.splitlines()
    records = b"".join(lines)
    blocks = b"".join(
        (b"".join(one) + b"END".ljust(80)).ljust(-(-80 * (len(one) + 1) // 2880) * 2880) for one in parsed(text)
    )
    without = [line for line in lines if line.rstrip() != b"END"]
    return {
        "as written": text,
        "trailing blanks cut": b"\n".join(line.rstrip() for line in lines) + b"\n",
        "last line without end": b"\n".join(line.rstrip() for line in lines),
        "CRLF": b"\r\n".join(lines) + b"\r\n",
        "CRLF, cut": b"\r\n".join(line.rstrip() for line in lines),
        "records of 80": records,
        "records of 80, last one cut": records.rstrip(),
        "records of 80 and a line end": records + b"\n",
        "FITS blocks": blocks,
        "without the last END": text[: text.rindex(b"END")],
        "without any END": b"\n".join(without),
        "records without any END": b"".join(without),
        "blank lines between": text.replace(b"\nXTENSION", b"\n\n\nXTENSION"),
        "dfits": b"====> file a.fits (main) <====\n" + text.replace(b"\nXTENSION", b"\n====> xtension 1\nXTENSION"),
    }


@pytest.mark.row(111)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_form_gives_every_card(tmp_path: Path, compressed: bool) -> None:
    path = product(tmp_path / ("a.fits.fz" if compressed else "a.fits"), compressed)
    headers = fits_headers(path)
    text = hdr_text(headers)
    assert [len(line) for line in text.splitlines()] == [80] * (sum(map(len, headers)) + 3)
    written = tmp_path / "a.hdr"
    for form, content in forms(text).items():
        written.write_bytes(content)
        assert hdr_headers(written) == headers, form
        for hdu in range(3):
            assert hdr_keywords(written, NAMES, hdu) == keywords(path, NAMES, hdu), form
    with fits.open(path, disable_image_compression=True) as hdus:
        assert hdr_keywords(written, ["LONGSTR", "OBJECT"]) == {
            "LONGSTR": hdus[0].header["LONGSTR"],
            "OBJECT": "O'Neill's star",
        }
        assert len(headers) == len(hdus)


def test_astropy_reads_what_is_written(tmp_path: Path) -> None:
    path = product(tmp_path / "a.fits")
    (tmp_path / "a.hdr").write_bytes(hdr_text(fits_headers(path)))
    assert fits.Header.fromtextfile(tmp_path / "a.hdr").tostring() == fits.getheader(path).tostring()


def test_a_file_per_hdu_is_one_product(tmp_path: Path) -> None:
    headers = fits_headers(product(tmp_path / "a.fits"))
    for number, cards in enumerate(headers):
        (tmp_path / (f"a_{number}.hdr" if number else "a.hdr")).write_bytes(hdr_text([cards]))
    assert hdr_headers(tmp_path / "a.hdr") == headers
    (tmp_path / "a_1.hdr").write_bytes(hdr_text(headers[:1]))
    assert hdr_headers(tmp_path / "a.hdr") == headers[:1], "a_1 is another product"
    with pytest.raises(BadFits, match="no HDU 1"):
        hdr_keywords(tmp_path / "a.hdr", NAMES, 1)


card = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).map(
    lambda text: text.encode().ljust(80)
)


@given(st.lists(st.lists(card, max_size=60), min_size=1, max_size=4), st.binary(max_size=3))
@settings(max_examples=80)
def test_what_comes_out_is_what_went_in_or_it_is_refused(bodies: list[list[bytes]], odd: bytes) -> None:
    firsts = [b"SIMPLE  =                    T".ljust(80), *[b"XTENSION= 'IMAGE   '".ljust(80)] * 3]
    headers = [tuple([first, *body]) for first, body in zip(firsts, bodies, strict=False)]
    headers[0] = (*headers[0], b"COMMENT " + odd.ljust(72))
    try:
        text = hdr_text(headers)
    except BadFits:
        strange = (b"END", b"XTENSION=", b"SIMPLE  =", b"====")
        cards = [one for cards in headers for one in cards[1:]]
        assert any(one.startswith(strange) or min(one) < 32 or 127 in one for one in cards)
    else:
        for content in forms(text).values() if all(one.strip() for cards in headers for one in cards) else [text]:
            assert parsed(content) == headers


@given(st.binary(max_size=400))
@settings(max_examples=80)
def test_anything_else_is_refused(data: bytes) -> None:
    assume(b"SIMPLE  =" not in data and b"XTENSION=" not in data)
    with pytest.raises(BadFits):
        parsed(data)


def test_what_is_no_header_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    with pytest.raises(BadFits, match="cannot be read"):
        hdr_headers(path)
    path.write_bytes(b"SIMPLE  =                    T\n" + b"x" * 81)
    with pytest.raises(BadFits, match="line 2 is longer"):
        hdr_headers(path)
    path.write_bytes(b"dear reader\n")
    with pytest.raises(BadFits, match="line 1 belongs to no FITS header"):
        hdr_headers(path)
    good = product(tmp_path / "a.fits").read_bytes()
    for number, data in enumerate((b"", good[:-2880], good + b"x", b"text" * 900)):
        path = tmp_path / f"{number}.fits"
        path.write_bytes(data)
        with pytest.raises(BadFits):
            fits_headers(path)
    with pytest.raises(BadFits):
        fits_headers(tmp_path)
    with pytest.raises(BadFits):
        keywords(tmp_path, ["A"])
    os.mkfifo(tmp_path / "pipe.fits")
    with pytest.raises(BadFits):
        keywords(tmp_path / "pipe.fits", ["A"])
    with pytest.raises(BadFits):
        hdr_headers(tmp_path / "pipe.fits")


def test_one_product_has_three_forms() -> None:
    assert {stem_of(name) for name in ("M.BIAS.fits", "M.BIAS.fits.fz", "M.BIAS.hdr")} == {"M.BIAS"}
    assert all(is_product(name) for name in ("a.fits", "a.fits.fz", "a.hdr"))
    assert not any(is_product(name) for name in (".a.fits", ".fits", "a.png", "a.fits.gz", "a.fits.dfos~", ""))
    assert stem_of("a.png") == "a.png"
