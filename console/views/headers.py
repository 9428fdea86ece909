"""The primary header of a product for a screen. Reads a few kB of the file, whatever its size."""

from __future__ import annotations

import os
from pathlib import Path

from config.tree import DfoTree
from engine.errors import DfosError
from engine.headers.cards import CARD, hdu_at


def cards_of(tree: DfoTree, path: Path) -> list[str]:
    """The cards without the empty ones, up to END. DfosError for a file outside the account, BadFits for no FITS."""
    real = path.resolve()
    places = (tree.root, tree.product, tree.cal, tree.sci)
    if not any(real.is_relative_to(place.resolve()) for place in places):
        raise DfosError("this file is not one of the account", where=str(path))
    handle = os.open(real, os.O_RDONLY | os.O_CLOEXEC)
    try:
        hdu = hdu_at(handle, 0, str(path))
    finally:
        os.close(handle)
    if hdu is None:
        raise DfosError("this file is empty", where=str(path))
    text = hdu.header.decode("ascii", "replace")
    cards = (text[at : at + CARD].rstrip() for at in range(0, len(text), CARD))
    return [card for card in cards if card]
