"""A picture in cells: half blocks in greys, characters without colour."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rich.color import ColorSystem
from textual.app import App, ComposeResult

from screens.review.reviewed import Picture
from screens.widgets.picture import (
    ASCII,
    BLOCKS,
    PIXELS,
    PictureView,
    block_strips,
    fitted,
    palette_number,
    pixels,
    ramp_strips,
)
from tests.hand import hand_on


def grey(*rows: list[int]) -> Picture:
    return Picture("IMAGE_FOV", len(rows[0]), len(rows), bytes(value for row in rows for value in row))


def star(size: int = 20, background: int = 20) -> Picture:
    """One bright point in the middle of a dark field."""
    rows = [[background] * size for _ in range(size)]
    for y in range(size // 2 - 1, size // 2 + 1):
        for x in range(size // 2 - 1, size // 2 + 1):
            rows[y][x] = 255
    return grey(*rows)


def test_two_pixels_stand_in_one_cell() -> None:
    rows = pixels(grey([0, 255], [255, 255]), 2, 2)
    assert rows is not None
    (strip,) = block_strips(rows)
    assert strip.text == "▀ "
    half, full = strip
    assert half.style is not None and full.style is not None
    assert half.style.color is not None and half.style.bgcolor is not None and full.style.bgcolor is not None
    assert (half.style.color.number, half.style.bgcolor.number, full.style.bgcolor.number) == (16, 231, 231)


@pytest.mark.parametrize("value", range(0, 256, 5))
def test_greys_are_greys_of_the_palette_in_order(value: int) -> None:
    number = palette_number(value, value, value)
    assert number == 16 or number == 231 or 232 <= number <= 255
    order = [16, *range(232, 256), 231]
    brighter = palette_number(min(255, value + 12), min(255, value + 12), min(255, value + 12))
    assert order.index(brighter) >= order.index(number)


def test_colours_of_a_plot_stay_colours() -> None:
    assert palette_number(255, 0, 0) == 196
    assert palette_number(0, 0, 255) == 21


@pytest.mark.row(434)
def test_sixteen_colours_still_show_four_greys() -> None:
    rows = pixels(grey([0, 110, 190, 255], [0, 110, 190, 255]), 4, 2)
    assert rows is not None
    seen = {
        segment.style.bgcolor.downgrade(ColorSystem.STANDARD).number
        for segment in block_strips(rows)[0]
        if segment.style and segment.style.bgcolor
    }
    assert len(seen) == 4


def test_small_pictures_are_magnified_by_whole_numbers_and_large_ones_shrunk() -> None:
    assert fitted(star(10), 34, 26) == (20, 20)
    assert fitted(star(100), 34, 26) == (26, 26)
    assert fitted(grey([0] * 100), 34, 26) == (34, 1)
    assert fitted(grey(*[[0]] * 100), 34, 26) == (1, 26)


def test_without_colour_bright_is_dense_and_ink_on_white_stays_ink() -> None:
    dark = pixels(star(), 20, 20)
    assert dark is not None
    text = [strip.text for strip in ramp_strips(dark)]
    assert text[4][8:12] in (" %% ", " ## ", " ** ", " ++ ", " @@ ")
    plot = star(20, 255)
    white = pixels(Picture("QC", 20, 20, bytes(255 - v if v == 20 else v for v in plot.rgb)), 20, 20)
    assert white is not None
    assert set(ramp_strips(white)[0].text) == {" "}


@pytest.mark.parametrize(
    "broken",
    [Picture("", 0, 0, b""), Picture("", 3, 3, b"1234"), Picture("", 2, 1, b"1234"), Picture("", 2, -1, b"12")],
)
def test_bytes_that_make_no_picture_are_not_drawn(broken: Picture) -> None:
    assert pixels(broken, 10, 10) is None


class Frame(App[None]):
    def __init__(self, graphics: str) -> None:
        super().__init__()
        self.view = PictureView(graphics)

    def compose(self) -> ComposeResult:
        yield self.view


def text_of(app: App[None]) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize(("graphics", "chars"), [(BLOCKS, {" ", "▀"}), (ASCII, {" ", "="})])
async def test_the_picture_stands_in_the_middle(graphics: str, chars: set[str]) -> None:
    app = Frame(graphics)
    async with hand_on(app, (30, 12)) as pilot:
        assert app.view.wanted == (30, 24)
        app.view.show(star(20, 0))
        await pilot.pause()
        lines = text_of(app)
        assert {char for line in lines for char in line} <= chars
        await pilot.resize_terminal(60, 30)
        assert len(text_of(app)) == 30
        app.view.show(None, "no IMAGE_FOV among the products")
        await pilot.pause()
        assert any("no IMAGE_FOV among the products" in line for line in text_of(app))
        app.view.show(Picture("x", 3, 3, b"1"))
        await pilot.pause()
        assert any("cannot be drawn" in line for line in text_of(app))


async def test_real_pixels_are_asked_for_in_pixels_of_the_terminal() -> None:
    app = Frame(PIXELS)
    async with hand_on(app, (30, 12)):
        assert app.view.wanted == (300, 240)


def test_the_library_for_real_pixels_is_loaded_only_when_wanted() -> None:
    code = "import sys, screens.widgets.picture; print({'textual_image', 'PIL'} & set(sys.modules) or 'light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "light"
