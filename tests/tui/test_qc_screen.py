"""The QC panel of an AB: scores with limits, the history as a small plot, the QCFLAG in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.views.qc import bit_line
from engine.process.qc.flag import Decoded
from screens.glyphs import ASCII, UNICODE, Glyphs, width_of
from screens.monitor.qc import QcScreen
from screens.shown import QcPanel, ScoreLine
from screens.widgets.plot import plot_lines
from tests.hand import hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, screen_text

AB = "MUSE.2014-10-22T23:57:32.118_pst.ab"
HISTORY = tuple((56_900.0 + day, 22.5 + 0.1 * (day % 5)) for day in range(30))
PANEL = QcPanel(
    AB,
    "PIXTABLE_OBJECT  WFM-NOAO-N",
    (
        ScoreLine("ABMAGlim", "21.4", "22 to 23.5", "o", "below the limit", 22.0, 23.5, 21.4, HISTORY),
        ScoreLine("size", "319 x 321, 90 % valid", ">= 100", ".", "", 100.0, None, 92160.0),
        ScoreLine("NUM_SAT", "-", "< 300", "-", "the header has no QC NUM SAT"),
    ),
    "001000000",
    ("3 HAS_SKY: no dedicated SKY",),
    ("r.MUSE_cs.html",),
)


@pytest.mark.row(371, 374, 379)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
async def test_scores_limits_and_history_at_80_columns(link: FakeLink, library: FakeLibrary, glyphs: Glyphs) -> None:
    library.panels[AB] = PANEL
    app = Host(QcScreen(AB, link, library, glyphs, lambda: NOW), link)
    async with hand_on(app) as pilot:
        said = screen_text(app)
        assert all(len(line) <= 80 for line in said)
        assert "1 score RED, 1 not scored" in said[1]
        assert "QCFLAG 001000000" in said[2]
        assert any("ABMAGlim" in line and "22 to 23.5" in line and "RED" in line for line in said)
        assert any(line.endswith("X") for line in said)
        assert any("30 earlier values" in line for line in said)
        await pilot.press("down", "down")
        assert "no value to draw" in "\n".join(screen_text(app))
        await pilot.press("f")
        assert "ABMAGlim  30 earlier" in "\n".join(screen_text(app))
        await pilot.press("b")
        said = screen_text(app)
        assert any("HAS_SKY: no dedicated SKY" in line for line in said)
        assert any("r.MUSE_cs.html" in line for line in said)


async def test_an_ab_without_qc_says_why(link: FakeLink, library: FakeLibrary) -> None:
    app = Host(QcScreen(AB, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        for key in ("enter", "f", "down", "v"):
            await pilot.press(key)
        await pilot.pause()
        said = "\n".join(screen_text(app))
        assert "no QC yet" in said
        assert "no score" in said


async def test_what_is_drawn_is_named_and_files_are_told_apart_at_80_columns(
    link: FakeLink, library: FakeLibrary
) -> None:
    place = "/data/of/an/account/with/a/long/path/products/PIXTABLE_OBJECT/2014-10-22"
    names = [f"r.{AB.removesuffix('.ab')}.{end}" for end in ("png", "hist.png", "spec.png")]
    score = ScoreLine("products", "1 of 1", "none missing", ".", "", None, 0.0, 0.0, (), "missing")
    library.panels[AB] = QcPanel(AB, "x", (score,), "", (), tuple(f"{place}/{name}" for name in names))
    app = Host(QcScreen(AB, link, library, UNICODE, lambda: NOW), link)
    async with hand_on(app) as pilot:
        assert "products  drawn: missing = 0" in "\n".join(screen_text(app))
        await pilot.press("b")
        said = "\n".join(screen_text(app))
        assert all(name in said for name in names)


def test_a_bit_that_is_set_does_not_read_as_its_opposite() -> None:
    good, bad = (Decoded(5, "SKY_FLAT", flagged, "processed with twilight sky flat") for flagged in (False, True))
    assert bit_line(good) == " 5 0 SKY_FLAT: processed with twilight sky flat"
    assert bit_line(bad) == " 5 1 SKY_FLAT: FLAGGED, not so: processed with twilight sky flat"


number = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.tuples(number, number), max_size=30),
    st.none() | number,
    st.none() | number,
    st.none() | number,
    st.integers(0, 120),
    st.integers(0, 12),
)
def test_a_plot_of_anything_fits(points, now, low, high, width, height) -> None:  # type: ignore[no-untyped-def]
    lines = plot_lines(points, now, low, high, width, height, ASCII)
    assert len(lines) in (1, height)
    if len(lines) > 1:
        assert all(sum(width_of(text) for text, _ in line) <= width for line in lines)
        drawn = "".join(text for line in lines for text, _ in line)
        assert ("X" in drawn) == (now is not None and math.isfinite(now))
