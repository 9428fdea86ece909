"""The few keywords that rules ask for, out of many headers, quickly.

Reads the primary header only, of a FITS file or of a `.hdr` file in any form (decision 23), and no further than its
END. A compressed FITS file whose primary header holds nothing of this has it in the next HDU.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import BadFits
from engine.headers.cards import BLOCK, CARD, card_value, hdu_at

Value = str | int | float | bool

_FIRST = 128 << 10  # bytes read at once of a text; most primary headers are shorter
_LARGEST = 64 << 20  # bytes of a .hdr file that is looked through for its END
_BEGIN = b"SIMPLE  ="
_CARD = re.compile(rb"(?:[A-Z0-9_-]{1,8} *|HIERARCH [A-Z0-9_ -]+ )= ")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keywords to look for, by the beginning of their card."""

    names: Mapping[bytes, str]

    @classmethod
    def of(cls, keys: Iterable[str]) -> Wanted:
        """Keywords as rules write them: `DPR.CATG`, `MJD-OBS`; what no card can hold is never found."""
        return cls({_prefix(key): key for key in keys if key.isascii()})


@dataclass(frozen=True, slots=True)
class Header:
    """What was found: values by keyword (blank ones left out), and keywords that stand twice with other values."""

    values: dict[str, Value]
    twice: tuple[str, ...] = ()


def quick(path: str, wanted: Wanted) -> Header:
    """The wanted keywords of a file; where one stands twice, the first counts. BadFits when it is no header."""
    return read_cards(lines_of(path), wanted)


def lines_of(path: str) -> Sequence[bytes]:
    """The cards of the primary header, END left out, without trailing blanks trimmed. BadFits."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to would keep us for ever
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise BadFits("is no file", where=path)
            if not path.endswith(".hdr"):
                return _of_fits(file, path)
            return _of_text(file, min(status.st_size, _LARGEST), path)
        finally:
            os.close(file)
    except OSError as trouble:
        raise BadFits(f"cannot be read: {trouble.strerror}", where=path) from None


def read_cards(cards: Sequence[bytes], wanted: Wanted) -> Header:
    """The wanted keywords among cards."""
    names = wanted.names
    values: dict[str, Value] = {}
    twice: list[str] = []
    for number, card in enumerate(cards):
        name = names.get(card.partition(b"=")[0].rstrip())
        if name is None:
            continue
        value = _value(cards, number)
        if value is None or value == "":
            continue
        if name not in values:
            values[name] = value
        elif values[name] != value and name not in twice:
            twice.append(name)
    return Header(values, tuple(twice))


def _value(cards: Sequence[bytes], number: int) -> Value | None:
    card = cards[number]
    if b"=" not in card:
        return None
    if b"&" not in card:
        return card_value(card, 0)
    whole = card.ljust(CARD)  # a long string goes on in CONTINUE cards
    for more in cards[number + 1 :]:
        if not more.startswith(b"CONTINUE"):
            break
        whole += more.ljust(CARD)
    return card_value(whole, 0)


def _prefix(key: str) -> bytes:
    return (b"HIERARCH ESO " + key.replace(".", " ").encode()) if "." in key else key.encode()


def _of_fits(file: int, path: str) -> Sequence[bytes]:
    part = hdu_at(file, 0, path)
    if part is None:
        raise BadFits("the file is empty", where=path)
    cards = _split(part.header)
    if path.endswith(".fz") and not any(card.startswith((b"HIERARCH ESO", b"INSTRUME=")) for card in cards):
        following = hdu_at(file, part.end, path)  # the compressed image holds the header
        return _split(following.header) if following else cards
    return cards


def _split(header: bytes) -> Sequence[bytes]:
    cards = [header[at : at + CARD] for at in range(0, len(header), CARD)]
    first = max(0, len(cards) - BLOCK // CARD)
    for at in range(first, len(cards)):
        if cards[at].rstrip() == b"END":
            return cards[:at]
    return cards


def _of_text(file: int, size: int, path: str) -> Sequence[bytes]:
    data = os.read(file, _FIRST)
    if not data:
        raise BadFits("the file is empty", where=path)
    begin = data.find(_BEGIN)
    if begin < 0 and _CARD.match(data):
        begin = 0  # some tools leave the first line out
    if begin < 0 or (begin and data[begin - 1 : begin] not in (b"\n", b"\r")):
        raise BadFits("there is no FITS header in it", where=path, remedy="is this a .hdr file?")
    lined = any(end in data[begin : begin + 4 * CARD] for end in (b"\n", b"\r"))
    while (end := _end(data, begin, lined, len(data) >= size)) < 0 and len(data) < size:
        more = os.read(file, max(_FIRST, len(data)))
        if not more:
            break
        data += more
    text = data[begin : end if end >= 0 else len(data)]
    if b"\0" in text.rstrip(b"\0"):
        raise BadFits("binary data in a header", where=path)
    if not lined:
        return [text[at : at + CARD] for at in range(0, len(text), CARD)]
    lines = text.split(b"\n") if b"\n" in text else text.split(b"\r")
    for number, line in enumerate(lines, 1):
        if len(line) > CARD + 1 and len(line.rstrip()) > CARD:
            raise BadFits(f"line {number} is longer than {CARD} characters", where=path)
    return [line.rstrip(b"\r") for line in lines] if b"\r" in text else lines


def _end(data: bytes, begin: int, lined: bool, whole: bool) -> int:
    """Where END begins; -1 when it is not there (yet)."""
    at = data.find(b"END", begin)
    while at >= 0:
        after = data[at + 3 : at + 4]
        starts = data[at - 1 : at] in (b"\n", b"\r") if lined else (at - begin) % CARD == 0
        if starts and (after in (b" ", b"\n", b"\r") or (whole and not after)) and data[at + 8 : at + 9] != b"=":
            return at
        at = data.find(b"END", at + 3)
    return -1
