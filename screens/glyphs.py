"""Symbols in two alphabets, and text made safe for a terminal.

Everything that came from a file, a recipe or an operator passes `Glyphs.clean` before it is
drawn: no control character or escape sequence reaches the terminal, and `Glyphs.fit` counts
cells, not characters, so that wide characters keep the columns straight.
"""

from __future__ import annotations

import locale
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from engine.core.status import STATES

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")
# Characters whose width terminals disagree about, or that change the width of their neighbour.
_UNSURE = frozenset([*range(0x1F1E6, 0x1F200), *range(0x1F3FB, 0x1F400)])
_DROPPED = frozenset([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])

_STAMPED = re.compile(r"(?:r\.)?[A-Z][A-Z0-9]*\.\d{4}-\d\d-(?=\d\dT)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet: `UNICODE`, or `ASCII` for terminals and locales that know nothing else."""

    ascii: bool
    rule: str
    dot: str
    cursor: str
    ellipsis: str
    wall: str
    full: str
    empty: str
    above: str
    below: str
    unknown: str

    def state(self, name: str) -> str:
        """The symbol of a state, one cell wide."""
        state = STATES.get(name)
        if state is None:
            return "?"
        return state.ascii if self.ascii else state.symbol

    def clean(self, text: str) -> str:
        """The text as one harmless line: control and direction characters are gone or shown as unknown."""
        if text.isascii() and text.isprintable():
            return text
        return _cleaned(text, self.ascii, self.unknown)

    def fit(self, text: str, width: int, right: bool = False) -> str:
        """The cleaned text in exactly `width` cells: padded, or cut with an ellipsis; `right` aligned if asked."""
        text = self.clean(text)
        size = len(text) if text.isascii() else cell_len(text)
        if size > width:
            return set_cell_size(text, width - 1) + self.ellipsis if width > 1 else set_cell_size(text, max(0, width))
        return " " * (width - size) + text if right else text + " " * (width - size)

    def fit_ends(self, text: str, width: int) -> str:
        """The cleaned text in exactly `width` cells; of a long one both ends stay, the middle is cut out.

        Of a file named by instrument and time, day, time and ending stay: those of one date differ in nothing else.
        """
        text = self.clean(text)
        size = width_of(text)
        if size <= width or width < 5:
            return self.fit(text, width)
        tail = (width - 1) // 2
        if stamped := _STAMPED.match(text):
            if size - stamped.end() >= width:
                return self.ellipsis + self.fit_ends(text[stamped.end() :], width - 1)
            tail = size - stamped.end()
        back = set_cell_size(text[::-1], tail)[::-1]
        return set_cell_size(text, width - 1 - tail) + self.ellipsis + back

    def bar(self, done: int, of: int, width: int) -> str:
        """A gauge of `width` cells."""
        filled = min(width, width * done // of) if of > 0 else 0
        return self.full * filled + self.empty * (width - filled)


UNICODE = Glyphs(False, "─", "·", "›", "…", "│", "█", "░", "↑", "↓", "�")
ASCII = Glyphs(True, "-", "*", ">", "~", "|", "#", ".", "^", "v", "?")


def glyphs(ascii_only: bool | None = None) -> Glyphs:
    """The alphabet asked for; None goes by the locale."""
    if ascii_only is None:
        ascii_only = "utf" not in locale.getencoding().lower()
    return ASCII if ascii_only else UNICODE


@lru_cache(maxsize=8192)
def _cleaned(text: str, ascii_only: bool, unknown: str) -> str:
    found = []
    for char in text:
        category = unicodedata.category(char)
        if char in _SPACES or category in ("Zs", "Zl", "Zp"):
            found.append(" ")
        elif category == "Cf" or ord(char) in _DROPPED:
            continue
        elif category[0] == "C" or ord(char) in _UNSURE or (ascii_only and ord(char) > 126):
            found.append(unknown)
        else:
            found.append(char)
    return "".join(found)


def width_of(text: str) -> int:
    """Cells of an already cleaned text."""
    return len(text) if text.isascii() else cell_len(text)


def duration(seconds: float) -> str:
    """How long, in at most six cells: `<1 s`, `04:11`, `1h02m`, `4d03h`; '' for nothing."""
    if seconds <= 0:
        return ""
    if seconds < 1:
        return "<1 s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    if whole < 100 * 3600:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def span(seconds: float) -> str:
    """How long, in words: `40 s`, `12 min`, `3 h 05 min`. Below a minute in steps of ten seconds."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole // 10 * 10 or whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"


def clock(at: float, seconds: bool = True) -> str:
    """UTC time of day; '' for none. `at` is seconds since 1970."""
    if at <= 0:
        return ""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(at: float, now: float) -> str:
    """UTC time of day, with the weekday when it is not the day of `now`."""
    then, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    day = "" if then.date() == today.date() else f"{_DAYS[then.weekday()]} "
    return f"{day}{then:%H:%M}"


def begun(at: float, now: float) -> str:
    """When it started, in at most 11 cells: `09:41:02`, or `10-22 23:57` when that was another day."""
    if at <= 0:
        return ""
    then, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%m-%d %H:%M}"


def wrapped(text: str, width: int) -> list[str]:
    """An already cleaned text in lines of at most `width` cells, broken at blanks where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and width_of(line) + 1 + width_of(word) > width:
            lines.append(line)
            line = ""
        while width_of(word) > max(1, width):
            head = set_cell_size(word, width).rstrip(" ") or word[0]
            lines.append(head)
            word = word[len(head) :]
        line = f"{line} {word}" if line else word
    return [*lines, line]
