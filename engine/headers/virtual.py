"""A virtual calibration: the raw header of its parent, and what its product will have, under the product's name.

The keys of its own are written as cards `HIERARCH ESO ...` and stand in front, so that they are found first where the
raw header has them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.atomic import fs
from engine.errors import BadFits
from engine.headers.cards import CARD
from engine.headers.quick import lines_of

Value = str | int | float | bool
_BEGIN = b"SIMPLE  =                    T".ljust(CARD)


def pseudo_cards(keys: Mapping[str, Value]) -> str:
    """The cards of these keys, a line each; a long text goes on in CONTINUE cards."""
    return "".join(f"{line}\n" for key, value in keys.items() for line in _lines(key, value))


def write_virtual(folder: Path, entries: Iterable[tuple[str, str, Sequence[str]]]) -> None:
    """Virtual calibrations in `folder`: name, own cards, and the files of the raw header, best first.

    Files that hold this already are left alone. BadFits when no header can be read any more.
    """
    texts: dict[tuple[str, ...], bytes] = {}
    files = []
    for name, cards, sources in entries:
        key = tuple(sources)
        if key not in texts:
            texts[key] = _raw_text(key)
        files.append((name, virtual_text(cards, texts[key])))
    fs.replace_all(folder, files)


def virtual_text(cards: str, raw: bytes) -> bytes:
    """The text of a virtual calibration; `raw` are the lines of the raw header without its first."""
    return _BEGIN + b"\n" + cards.encode("ascii", "replace") + raw + b"END\n"


def _raw_text(sources: Sequence[str]) -> bytes:
    first: BadFits | None = None
    for path in sources:
        try:
            cards = lines_of(path)
        except BadFits as trouble:
            first = first or trouble
        else:
            return b"".join(card.rstrip() + b"\n" for card in cards[1:] if card.strip())
    raise first or BadFits("there is no raw header for a virtual calibration")


def _lines(key: str, value: Value) -> Iterator[str]:
    name = f"HIERARCH ESO {key.replace('.', ' ')} =" if "." in key else f"{key:<8}="
    if not isinstance(value, str):
        yield f"{name} {'T' if value is True else 'F' if value is False else repr(value)}"
        return
    text = "".join(char if " " <= char <= "~" else "?" for char in value).replace("'", "''")
    room = CARD - len(name) - len(" '&'")
    while len(text) > room + 1:
        cut = room - 1 if text[:room].count("'") % 2 else room  # a doubled quote stays together
        yield f"{name} '{text[:cut]}&'"
        name, text, room = "CONTINUE ", text[cut:], CARD - len("CONTINUE  '&'")
    yield f"{name} '{text}'"
