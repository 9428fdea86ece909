"""Text made safe for a terminal, in exactly the cells it was given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.core.status import STATES
from screens.glyphs import ASCII, UNICODE, Glyphs, begun, duration, glyphs, moment, span, wrapped

BOTH = pytest.mark.parametrize("alphabet", [ASCII, UNICODE])
ANY = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)


@BOTH
@given(text=ANY, width=st.integers(0, 30), right=st.booleans())
def test_any_text_fills_exactly_its_cells_and_is_harmless(alphabet: Glyphs, text: str, width: int, right: bool) -> None:
    fitted = alphabet.fit(text, width, right)
    assert cell_len(fitted) == width
    assert all(ord(char) >= 32 and not 0x7F <= ord(char) < 0xA0 for char in fitted)
    fitted.encode()  # no lone surrogates
    assert fitted.isascii() or not alphabet.ascii


@given(text=ANY, width=st.integers(2, 30))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, width: int) -> None:
    clean = UNICODE.clean(text)
    lines = wrapped(clean, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(clean.split())


def test_every_state_has_a_symbol_of_one_cell_in_both_alphabets() -> None:
    for name in STATES:
        assert cell_len(UNICODE.state(name)) == 1
        assert ASCII.state(name).isascii() and len(ASCII.state(name)) == 1
    assert UNICODE.state("NEVER_HEARD_OF") == "?"


def test_the_locale_chooses_the_alphabet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ANSI_X3.4-1968")
    assert glyphs() is ASCII
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert glyphs() is UNICODE
    assert glyphs(True) is ASCII


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (-3, ""),
        (0.04, "<1 s"),
        (1, "00:01"),
        (59.9, "00:59"),
        (251, "04:11"),
        (3720, "1h02m"),
        (100 * 3600, "4d04h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_name_the_day_when_it_is_another() -> None:
    now = 1_414_060_000.0
    assert begun(now, now) == "10:26:40" and begun(now - 86_400, now) == "10-22 10:26" and begun(0, now) == ""
    assert moment(now, now) == "10:26" and moment(now + 86_400, now) == "Fri 10:26"
    assert (span(47), span(720), span(11_100)) == ("40 s", "12 min", "3 h 05 min")


def test_a_gauge_never_leaves_its_width() -> None:
    assert [UNICODE.bar(done, of, 4) for done, of in ((0, 4), (2, 4), (9, 4), (1, 0))] == [
        "░░░░",
        "██░░",
        "████",
        "░░░░",
    ]
