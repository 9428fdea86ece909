"""One file as rules see it: its header, and over it what the rules said about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from engine.create.oca.values import Value, number, plain

NAME_KEY = "RFXNAME"
"""The pseudo key under which rules may ask the name of a file."""

_LATEST = 1e9  # days; an MJD-OBS beyond is none
_SUFFIXES = frozenset({".fits", ".tfits", ".hdr", ".fz", ".gz", ".z"})


class Frame:
    """A file with its header (keys without HIERARCH ESO, words joined by dots). Two frames are never equal.

    `virtual`: a product that is expected, not there yet. `header` is what the file says and stays as it is;
    `overlay` is what rules assigned; `values` is both, the overlay above. `name` is the file's name without
    directory and suffix, `mjd` its MJD-OBS in days, None where it has none. `order` sorts files by time, then name.
    """

    __slots__ = ("_overlay", "header", "mjd", "name", "order", "path", "values", "virtual")

    def __init__(self, path: str, header: Mapping[str, object], *, virtual: bool = False) -> None:
        self.path = path
        self.name = bare_name(path)
        self.virtual = virtual
        self.header: dict[str, Value] = {
            key: value for key, given in header.items() if (value := plain(given)) is not None
        }
        self._overlay: dict[str, Value] = {}
        self.values: dict[str, Value] = {**self.header, NAME_KEY: self.name}
        time = number(self.header.get("MJD-OBS"))
        self.mjd = float(time) if time is not None and abs(time) < _LATEST else None
        self.order = (math.inf if self.mjd is None else self.mjd, self.name, self.path)

    @property
    def overlay(self) -> Mapping[str, Value]:
        """What rules assigned, key by key; `assign` adds to it."""
        return MappingProxyType(self._overlay)

    def get(self, key: str) -> Value | None:
        """The value of a key as rules see it; None when it is missing."""
        return self.values.get(key)

    def assign(self, key: str, value: Value) -> None:
        """Lay a value over the header, for whoever asks from now on."""
        self._overlay[key] = self.values[key] = value

    def forget(self) -> None:
        """Take away everything that was assigned."""
        if self._overlay:
            self._overlay = {}
            self.values = {**self.header, NAME_KEY: self.name}

    def __repr__(self) -> str:
        return f"Frame({self.path!r})"


def bare_name(path: str) -> str:
    """The name of a file without directory and without the suffixes of FITS and header files."""
    name = PurePosixPath(path).name
    while (dot := name.rfind(".")) > 0 and name[dot:].lower() in _SUFFIXES:
        name = name[:dot]
    return name
