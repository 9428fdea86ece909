"""FITS headers as bytes: read keywords, set keywords, touch nothing else.

Cards that are not named keep their bytes; pixels are never read nor written. CHECKSUM is kept
right by arithmetic (header sum + DATASUM); one that was wrong before stays wrong (decision 22).
Keywords are named as the observatory does: `PRO.CATG` is `HIERARCH ESO PRO CATG`.
Standard: FITS 4.0, sections 4.1-4.4 and appendix J (checksum).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.atomic import fs
from engine.errors import BadFits

Value = str | int | float | bool | None
BLOCK = 2880
CARD = 80
_END = b"END".ljust(CARD)
_FIRST = 12 * BLOCK  # bytes read at once, 432 cards: most headers whole
_LONGEST = 200 * BLOCK * 10  # bytes; the largest header we accept, about 70,000 cards
_INTEGER = re.compile(r"[+-]?\d+")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_PROTECTED = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|END|EXTEND|CHECKSUM|DATASUM|Z[A-Z]+\d*")


@dataclass(frozen=True, slots=True)
class Hdu:
    """One HDU in a file: where its header begins, the header's bytes (whole blocks), and its data size in bytes."""

    offset: int
    header: bytes
    data_size: int

    @property
    def data_offset(self) -> int:
        """Where the data begin."""
        return self.offset + len(self.header)

    @property
    def end(self) -> int:
        """Where the next HDU begins."""
        return self.data_offset + -(-self.data_size // BLOCK) * BLOCK


def hdu_at(file: int, offset: int, where: str) -> Hdu | None:
    """The HDU that begins at `offset` of an open file; None at the end of the file. BadFits when it is damaged."""
    header = os.pread(file, _FIRST, offset)
    if not header or (offset and header[:8] not in (b"XTENSION", b"SIMPLE  ")):
        return None
    if not offset and not header.startswith(b"SIMPLE  ="):
        raise BadFits("not a FITS file", where=where)
    searched = 0
    while (end := _end(header, searched)) < 0:
        if len(header) > _LONGEST:
            raise BadFits("no END card in the header", where=where)
        searched = len(header) // CARD * CARD
        more = os.pread(file, len(header), offset + len(header))
        if not more:
            break
        header += more
    size = (end // BLOCK + 1) * BLOCK
    if end < 0 or len(header) < size:
        raise BadFits("the file ends within a header", where=where, remedy="it is truncated; make it again")
    header = header[:size]
    return Hdu(offset, header, _data_size(header, where))


def keywords(path: Path, names: Iterable[str], hdu: int = 0) -> dict[str, Value]:
    """The values of the named keywords in one HDU; keywords that are not there are left out.

    BadFits when the file cannot be read as FITS.
    """
    where = str(path)
    try:
        # A pipe that nobody writes to would keep us for ever.
        file = os.open(where, os.O_RDONLY | os.O_NONBLOCK)
        try:
            part = _nth(file, hdu, where)
        finally:
            os.close(file)
    except OSError as trouble:
        raise BadFits(f"cannot be read: {trouble.strerror}", where=where) from None
    return header_values(part.header, names)


def header_values(header: bytes, names: Iterable[str]) -> dict[str, Value]:
    """The values of the named keywords in a header that is read already; what is not there is left out."""
    found: dict[str, Value] = {}
    for name in names:
        at = find_card(header, card_prefix(name))
        if at >= 0:
            found[name] = card_value(header, at)
    return found


def set_cards(path: Path, values: Mapping[str, str | int | float | bool], hdu: int = 0) -> None:
    """Set keywords in one HDU, durably: in place where they stand, before END otherwise.

    A CHECKSUM that was right stays right. BadFits for structural keywords, values that are not
    printable ASCII or do not fit a card, and files that are no FITS.
    """
    where = str(path)
    cards = {card_prefix(name): (name, value) for name, value in values.items()}
    for name in values:
        if _PROTECTED.fullmatch(name):
            raise BadFits(f"{name} describes the file's structure and may not be set", where=where)
    file = os.open(path, os.O_RDWR)
    try:
        part = _nth(file, hdu, where)
        changed = part.header
        for prefix, (name, value) in cards.items():
            changed = _with(changed, prefix, name, value, where)
        if changed == part.header:
            return
        changed = _checksummed(part.header, changed)
        fs.acting("header", path)
        if len(changed) == len(part.header):
            # One call, so that a killed process leaves the old header or the new one.
            os.pwrite(file, changed, part.offset)
            os.fsync(file)
        else:
            _grown(path, file, part, changed)
    finally:
        os.close(file)


def ones_complement(data: bytes, start: int = 0) -> int:
    """The 32-bit ones' complement sum of FITS appendix J, continued from `start`."""
    return fold(start + sum(struct.unpack(f">{len(data) // 4}I", data)))


def fold(total: int) -> int:
    """End-around carry to 32 bits."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _nth(file: int, number: int, where: str) -> Hdu:
    part = hdu_at(file, 0, where)
    for _ in range(number):
        part = hdu_at(file, part.end, where) if part else None
    if part is None:
        raise BadFits(f"has no HDU {number}", where=where)
    return part


def _end(header: bytes, start: int = 0) -> int:
    at = header.find(_END, start)
    while at >= 0 and at % CARD:
        at = header.find(_END, at + 1)
    return at


def card_prefix(name: str) -> bytes:
    """How the card of a keyword begins."""
    if "." in name:
        return b"HIERARCH ESO " + name.replace(".", " ").encode("ascii")
    return name.encode("ascii").ljust(8) + b"="


def find_card(header: bytes, prefix: bytes) -> int:
    """Where the card with this prefix stands in a header; -1 when it does not."""
    at = header.find(prefix)
    while at >= 0:
        if at % CARD == 0 and (prefix.endswith(b"=") or header[at + len(prefix) : at + CARD].lstrip()[:1] == b"="):
            follows = header[at + len(prefix) : at + len(prefix) + 1]
            if prefix.endswith(b"=") or follows in (b" ", b"="):
                return at
        at = header.find(prefix, at + 1)
    return -1


def card_value(header: bytes, at: int) -> Value:
    """The value of the card at `at`, long strings joined."""
    card = header[at : at + CARD].decode("ascii", "replace")
    text = card[card.index("=") + 1 :].strip()
    if not text.startswith("'"):
        return _plain(text.partition("/")[0].strip())
    value = _string(text)
    while value.endswith("&") and header[at + CARD : at + CARD + 8] == b"CONTINUE":
        at += CARD
        value = value[:-1] + _string(header[at + 8 : at + CARD].decode("ascii", "replace").strip())
    return value


def _string(text: str) -> str:
    if not text.startswith("'"):
        return ""
    out, start = list[str](), 1
    while (quote := text.find("'", start)) >= 0 and text[quote + 1 : quote + 2] == "'":
        out.append(text[start : quote + 1])
        start = quote + 2
    out.append(text[start:quote] if quote >= 0 else text[start:])
    return "".join(out).rstrip()


def _plain(text: str) -> Value:
    if text in ("T", "F"):
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text.replace("D", "E").replace("d", "e"))
    except ValueError:
        return text or None


def _data_size(header: bytes, where: str) -> int:
    def number(name: str, default: int | None = None) -> int:
        at = find_card(header, card_prefix(name))
        value = card_value(header, at) if at >= 0 else default
        if not isinstance(value, int) or isinstance(value, bool) or (value < 0 and name != "BITPIX"):
            raise BadFits(f"{name} is {value!r}", where=where, remedy="the header is damaged; make the file again")
        return value

    axes = number("NAXIS")
    if axes > 999:
        raise BadFits(f"NAXIS is {axes}", where=where)
    if not axes:
        return 0
    size = 1
    for axis in range(1, axes + 1):
        size *= number(f"NAXIS{axis}")
    return abs(number("BITPIX")) // 8 * number("GCOUNT", 1) * (number("PCOUNT", 0) + size)


def _with(header: bytes, prefix: bytes, name: str, value: str | int | float | bool, where: str) -> bytes:
    at = find_card(header, prefix)
    if at >= 0:
        old = header[at : at + CARD].decode("ascii", "replace")
        if card_value(header, at) == value:
            return header
        if header[at + CARD : at + CARD + 8] == b"CONTINUE":
            raise BadFits(f"{name} is written over several cards and cannot be set in place", where=where)
        return header[:at] + _card(name, value, _comment(old), where) + header[at + CARD :]
    end = len(header) - BLOCK + _end(header[-BLOCK:])
    last = header[:end].rstrip(b" ")
    room = -(-len(last) // CARD) * CARD
    new = header[:room] + _card(name, value, "", where)
    tail = b"END".ljust(CARD)
    size = max(len(header), -(-(len(new) + CARD) // BLOCK) * BLOCK)
    if len(new) <= end:
        return new + header[len(new) : end] + header[end:]
    return (new + tail).ljust(size)


def _comment(card: str) -> str:
    text = card[card.index("=") + 1 :]
    if text.lstrip().startswith("'"):
        quoted = re.match(r"\s*'(?:[^']|'')*'", text)
        text = text[quoted.end() :] if quoted else ""
    return text.partition("/")[2].strip()


def _card(name: str, value: str | int | float | bool, comment: str, where: str) -> bytes:
    if isinstance(value, bool):
        text = ("T" if value else "F").rjust(20)
    elif isinstance(value, str):
        if not _PRINTABLE.fullmatch(value):
            raise BadFits(f"the value of {name} is not printable ASCII", where=where)
        text = "'" + value.replace("'", "''").ljust(8) + "'"
        text = text if "." in name else text.ljust(20)
    else:
        text = repr(value).upper().rjust(20) if "." not in name else repr(value).upper()
    card = f"HIERARCH ESO {name.replace('.', ' ')} = {text}" if "." in name else f"{name:<8}= {text}"
    if len(card) > CARD:
        raise BadFits(f"the value of {name} does not fit a card: {value!r}", where=where)
    if comment:
        card = f"{card} / {comment}"
    return card[:CARD].ljust(CARD).encode("ascii", "replace")


def _checksummed(old: bytes, new: bytes) -> bytes:
    at, data = find_card(old, card_prefix("CHECKSUM")), find_card(old, card_prefix("DATASUM"))
    if at < 0 or data < 0:
        return new
    try:
        datasum = int(str(card_value(old, data)))
    except ValueError:
        return new
    if ones_complement(old, datasum) not in (0xFFFFFFFF, 0):
        return new
    at = find_card(new, card_prefix("CHECKSUM"))
    quote = new.index(b"'", at)
    zeroed = new[: quote + 1] + b"0" * 16 + new[quote + 17 :]
    code = _encode(0xFFFFFFFF - ones_complement(zeroed, datasum))
    return zeroed[: quote + 1] + code + zeroed[quote + 17 :]


def _encode(value: int) -> bytes:
    """The 16 characters of appendix J for a complemented checksum."""
    excluded = {*range(0x3A, 0x41), *range(0x5B, 0x61)}
    out = bytearray(16)
    for byte in range(4):
        quarter, rest = divmod(value >> (24 - 8 * byte) & 0xFF, 4)
        characters = [quarter + rest + 0x30, quarter + 0x30, quarter + 0x30, quarter + 0x30]
        while any(char in excluded for char in characters):
            for i in (0, 2):
                if characters[i] in excluded or characters[i + 1] in excluded:
                    characters[i] += 1
                    characters[i + 1] -= 1
        for i, char in enumerate(characters):
            out[4 * i + byte] = char
    return bytes(out[-1:] + out[:-1])


def _grown(path: Path, file: int, part: Hdu, header: bytes) -> None:
    temporary = fs.hidden(path)
    size = os.fstat(file).st_size
    with temporary.open("wb") as out:
        _copy(file, out.fileno(), 0, part.offset)
        out.write(header)
        out.flush()
        _copy(file, out.fileno(), part.data_offset, size - part.data_offset)
        os.fsync(out.fileno())
    temporary.chmod(os.fstat(file).st_mode & 0o7777)
    temporary.replace(path)
    fs.sync_dir(path.parent)


def _copy(source: int, target: int, offset: int, count: int) -> None:
    while count > 0:
        block = os.pread(source, min(count, 1 << 20), offset)
        if not block:
            return
        os.write(target, block)
        offset += len(block)
        count -= len(block)
