"""A picture in the terminal: half blocks everywhere, real pixels where the terminal has them.

Two pixels stand in one cell, upper and lower half, in the 256-colour palette (on a 16-colour
terminal it shrinks to its four greys). Without colour, or in ASCII, a ramp of characters takes
their place. Sixel and kitty graphics come from textual-image, which is only loaded when the app
decided for them (`terminal_graphics`, before Textual takes the terminal).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Container
from textual.strip import Strip

from screens.review.reviewed import Picture
from screens.widgets.lines import LineWidget

BLOCKS, ASCII, PIXELS = "blocks", "ascii", "pixels"
_RAMP = " .:-=+*#%@"
_CELL = (10, 20)  # pixels of a terminal cell when drawing real pixels; the terminal scales


def terminal_graphics() -> str:
    """PIXELS where the terminal knows sixel or kitty graphics, else BLOCKS.

    Asks the terminal, so call it once and before Textual starts.
    """
    from textual_image.renderable import Image, SixelImage, TGPImage

    return PIXELS if Image in (SixelImage, TGPImage) else BLOCKS


def palette_number(red: int, green: int, blue: int) -> int:
    """The nearest of the 256 colours: a grey of the ramp for greys, else of the colour cube."""
    if max(red, green, blue) - min(red, green, blue) < 12:
        grey = (red + green + blue) // 3
        if grey < 4:
            return 16
        return 231 if grey > 246 else 232 + min(23, max(0, (grey - 3) // 10))
    return 16 + 36 * ((red * 5 + 127) // 255) + 6 * ((green * 5 + 127) // 255) + (blue * 5 + 127) // 255


def fitted(picture: Picture, width: int, height: int) -> tuple[int, int]:
    """Width and height in pixels when drawn: whole-numbered magnification, or shrunk to fit."""
    if picture.width <= width and picture.height <= height:
        times = min(width // picture.width, height // picture.height)
        return picture.width * times, picture.height * times
    wide = picture.width * height > width * picture.height
    if wide:
        return width, max(1, picture.height * width // picture.width)
    return max(1, picture.width * height // picture.height), height


def pixels(picture: Picture, width: int, height: int) -> list[list[tuple[int, int, int]]] | None:
    """Rows of (red, green, blue) as drawn within width x height pixels; None when the bytes make no picture."""
    depth, rest = divmod(len(picture.rgb), max(1, picture.width * picture.height))
    if min(picture.width, picture.height, width, height) < 1 or rest or depth not in (1, 3):
        return None
    wide, high = fitted(picture, width, height)
    columns = [x * picture.width // wide * depth for x in range(wide)]
    data, stride = picture.rgb, picture.width * depth
    rows = []
    for y in range(high):
        start = y * picture.height // high * stride
        rows.append([(data[start + x], data[start + x + depth // 2], data[start + x + depth - 1]) for x in columns])
    return rows


def block_strips(rows: list[list[tuple[int, int, int]]]) -> list[Strip]:
    """The picture in half blocks, one strip for two rows of pixels."""
    strips = []
    for y in range(0, len(rows), 2):
        above = [palette_number(*pixel) for pixel in rows[y]]
        below = [palette_number(*pixel) for pixel in rows[y + 1]] if y + 1 < len(rows) else [-1] * len(above)
        segments: list[Segment] = []
        for pair in zip(above, below, strict=True):
            char = " " if pair[0] == pair[1] else "▀"
            style = _style(*pair)
            if segments and segments[-1].style is style:
                segments[-1] = Segment(segments[-1].text + char, style)
            else:
                segments.append(Segment(char, style))
        strips.append(Strip(segments, len(above)))
    return strips


def ramp_strips(rows: list[list[tuple[int, int, int]]]) -> list[Strip]:
    """The picture in characters: bright is dense, and the other way round for ink on white."""
    grey = [[sum(pixel) // 3 for pixel in row] for row in rows]
    mean = sum(map(sum, grey)) / max(1, sum(map(len, grey)))
    ramp = _RAMP[::-1] if mean > 160 else _RAMP
    strips = []
    for y in range(0, len(grey), 2):
        pair = grey[y : y + 2]
        text = "".join(ramp[sum(cell) * len(ramp) // (256 * len(pair))] for cell in zip(*pair, strict=True))
        strips.append(Strip([Segment(text)], len(text)))
    return strips


@lru_cache(maxsize=4096)
def _style(above: int, below: int) -> Style:
    back = Color.from_ansi(below) if below >= 0 else None
    return Style(color=Color.from_ansi(above), bgcolor=back)


class _Cells(LineWidget):
    """The picture drawn with cells."""

    def __init__(self, graphics: str) -> None:
        super().__init__()
        self._graphics = graphics
        self._picture: Picture | None = None
        self._note = ""
        self._strips: list[Strip] = []
        self._made_for: tuple[int, int] = (0, 0)

    def show(self, picture: Picture | None, note: str) -> None:
        """Show a picture, or `note` in its place."""
        self._picture, self._note, self._made_for = picture, note, (0, 0)
        self.redraw()

    def draw_line(self, y: int, width: int) -> Strip:
        """Line `y`: the picture in the middle, or the note."""
        if self._made_for != (width, self.size.height):
            self._make(width, self.size.height)
        above = (self.size.height - len(self._strips)) // 2
        if not 0 <= y - above < len(self._strips):
            return Strip([Segment(" " * width)], width)
        strip = self._strips[y - above]
        left = (width - strip.cell_length) // 2
        return Strip.join([Strip.blank(left), strip, Strip.blank(width - left - strip.cell_length)])

    def _make(self, width: int, height: int) -> None:
        self._made_for = (width, height)
        rows = pixels(self._picture, width, 2 * height) if self._picture else None
        if rows:
            self._strips = ramp_strips(rows) if self._graphics == ASCII else block_strips(rows)
        else:
            note = self._note or ("the picture cannot be drawn" if self._picture else "")
            text = self.glyphs.clean(note)[:width]
            self._strips = [Strip([Segment(text)], len(text))] if text else []


class PictureView(Container):
    """Shows one picture; `wanted` says how many pixels it can use. A picture never takes the focus."""

    DEFAULT_CSS = """
    PictureView { width: 1fr; height: 1fr; overflow: hidden; background: ansi_default; align: center middle; }
    PictureView > Image { width: auto; height: auto; }
    """

    def __init__(self, graphics: str = BLOCKS, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.graphics = graphics
        self._cells = _Cells(graphics)
        self.picture: Picture | None = None
        self.note = ""

    def compose(self) -> ComposeResult:
        """The drawing in cells; real pixels are mounted over it when there are any."""
        yield self._cells

    @property
    def wanted(self) -> tuple[int, int]:
        """Width and height in pixels of the largest picture that is of use here."""
        across, down = _CELL if self.graphics == PIXELS else (1, 2)
        return self.size.width * across, self.size.height * down

    def show(self, picture: Picture | None, note: str = "") -> None:
        """Show a picture; without one, `note` says why."""
        if (picture, note) == (self.picture, self.note):
            return
        self.picture, self.note = picture, note
        image = self._image(picture) if picture and self.graphics == PIXELS else None
        self._cells.display = image is None
        self._cells.show(None if image else picture, note)
        for old in self.query("Image"):
            old.remove()
        if image is not None:
            self.mount(image)

    def _image(self, picture: Picture) -> Any:
        from PIL import Image as Pillow
        from textual_image.widget import Image

        depth = len(picture.rgb) // max(1, picture.width * picture.height)
        mode = {1: "L", 3: "RGB"}.get(depth)
        if mode is None:
            return None
        return Image(Pillow.frombytes(mode, (picture.width, picture.height), picture.rgb))
