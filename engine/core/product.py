"""A product and its single fate in a move (decisions 4, 7)."""

from __future__ import annotations

from dataclasses import dataclass

MOVE = "move"  # to its final directory and name
DELETE = "delete"  # not saved: retired to the trash
WITHHELD = "withheld"  # rejected, or taken away by a plugin: stays where it is
FATES = (MOVE, DELETE, WITHHELD)
SUFFIXES = (".fits", ".fits.fz", ".hdr")  # as written, compressed, and the headers alone after the clean-up


@dataclass(frozen=True, slots=True)
class Product:
    """A pipeline product on disk. `size` in bytes, `mjd_obs` in days (MJD)."""

    path: str
    pipefile: str
    catg: str
    ab: str
    raw_type: str
    size: int
    mjd_obs: float


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one product: `fate`, the final name where it moves, and why."""

    product: Product
    fate: str
    final: str
    why: str


def is_product(name: str) -> bool:
    """Is this the name of a product, in any of its forms? Hidden files are none."""
    return not name.startswith(".") and name.endswith(SUFFIXES)


def stem_of(name: str) -> str:
    """What all forms of a product have in common: `x` of `x.fits`, `x.fits.fz` and `x.hdr`; other names stay."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            return name[: -len(suffix)]
    return name
