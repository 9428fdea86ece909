"""`.hdr` files: the headers of all HDUs of a FITS file as text, and the way back.

Written: one card per line of 80 columns, LF, an END line after each header, all HDUs in file order.
Read: lines with or without trailing blanks, LF or CRLF, records of 80 bytes without line ends (padded to FITS
blocks or not), headers without END, several headers in one file, the output of dfits, and one file per HDU
(`x.hdr`, `x_1.hdr`, ...) as dataclient left them. A file from the archive's header download holds the primary
header only: that an extension is missing here does not mean that the product had none (decision 23).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engine.errors import BadFits
from engine.headers.cards import CARD, Value, hdu_at, header_values

Cards = tuple[bytes, ...]
"""The cards of one header, 80 bytes each, without END."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_FIRST = (b"SIMPLE  =", b"XTENSION=")
_END = b"END"
_BANNER = b"===="  # dfits: `====> file x.fits (main) <====`


def fits_headers(path: Path) -> list[Cards]:
    """The cards of every HDU of a FITS file. BadFits when it cannot be read, or something follows its last HDU."""
    where = str(path)
    try:
        file = os.open(where, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return list(_headers(file, os.fstat(file).st_size, where))
        finally:
            os.close(file)
    except OSError as trouble:
        raise BadFits(f"cannot be read: {trouble.strerror}", where=where) from None


def _headers(file: int, size: int, where: str) -> Iterator[Cards]:
    offset = 0
    while offset < size:
        part = hdu_at(file, offset, where)
        if part is None or part.end > size:
            raise BadFits("it is truncated or something follows its last HDU", where=where)
        yield tuple(_until_end(part.header))
        offset = part.end
    if not offset:
        raise BadFits("the file is empty", where=where)


def _until_end(header: bytes) -> Iterator[bytes]:
    for at in range(0, len(header), CARD):
        card = header[at : at + CARD]
        if card.rstrip(b" ") == _END:
            return
        yield card


def hdr_text(headers: Iterable[Cards]) -> bytes:
    """The text of a `.hdr` file. BadFits when it would not give back the same cards, e.g. with control characters."""
    whole = list(headers)
    text = b"".join(card + b"\n" for cards in whole for card in (*cards, _END.ljust(CARD)))
    for number, cards in enumerate(whole):
        for card in cards:
            if len(card) != CARD or _CONTROL.search(card):
                raise BadFits(f"HDU {number} has a card that no text can hold: {card[:20]!r}")
    if parsed(text) != whole:
        raise BadFits("its headers do not come back from text unchanged, e.g. XTENSION stands among the cards")
    return text


def hdr_headers(path: Path) -> list[Cards]:
    """The cards of every header of a `.hdr` file, or of the series of files that begins with it. BadFits."""
    headers = parsed(_content(path), str(path))
    if len(headers) > 1:
        return headers
    number = 1
    while (one := path.with_name(f"{path.stem}_{number}{path.suffix}")).is_file():
        more = parsed(_content(one), str(one))
        if not more[0][0].startswith(_FIRST[1]):
            break  # another product
        headers += more
        number += 1
    return headers


def hdr_keywords(path: Path, names: Iterable[str], hdu: int = 0) -> dict[str, Value]:
    """The values of the named keywords in one header of a `.hdr` file, as `keywords` gives them of the FITS file."""
    headers = hdr_headers(path)
    if not 0 <= hdu < len(headers):
        raise BadFits(f"has no HDU {hdu}", where=str(path), remedy="it may hold the primary header only")
    return header_values(b"".join(headers[hdu]), names)


def parsed(text: bytes, where: str = "") -> list[Cards]:
    """The cards of every header in the text of a `.hdr` file, in any form. BadFits when there is none."""
    headers: list[list[bytes]] = []
    ended = True
    for number, line in enumerate(_lines(text), 1):
        card = line.rstrip(b" ")
        if len(card) > CARD:
            raise BadFits(f"line {number} is longer than {CARD} characters", where=where)
        if card.startswith(_BANNER) or card == _END:
            ended = True
        elif card.startswith(_FIRST):
            if not ended:
                _trim(headers[-1])
            headers.append([card.ljust(CARD)])
            ended = False
        elif not ended:
            headers[-1].append(card.ljust(CARD))
        elif card:
            raise BadFits(f"line {number} belongs to no FITS header", where=where, remedy="is this a .hdr file?")
    if not headers:
        raise BadFits("there is no FITS header in it", where=where)
    if not ended:
        _trim(headers[-1])
    return [tuple(cards) for cards in headers]


def _trim(cards: list[bytes]) -> None:
    """Blanks behind a header without END are no cards."""
    while not cards[-1].strip():
        cards.pop()


def _lines(text: bytes) -> Sequence[bytes]:
    lines = re.split(rb"\r\n|\n|\r", text.rstrip(b"\r\n\0"))
    if len(lines) > 1:
        return lines
    return [text[at : at + CARD].rstrip(b"\r\n\0") for at in range(0, len(text), CARD)]


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read()
    except OSError as trouble:
        raise BadFits(f"cannot be read: {trouble.strerror}", where=str(path)) from None
