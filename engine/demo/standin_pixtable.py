"""Pixel tables of the stand-in, in the pipeline's own layout: one image extension per column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.demo.standin_errors import RecipeFailed
from engine.demo.standin_frames import Call, Frame, image
from engine.demo.standin_params import Value

Array = np.ndarray[Any, Any]
_COLUMNS = ("xpos", "ypos", "lambda", "data", "stat", "origin")


@dataclass(frozen=True)
class PixTable:
    """One row per pixel. Places in spaxels, or (reduced) native spherical, radians; waves in Angstrom."""

    xpos: Array
    ypos: Array
    waves: Array
    data: Array
    stat: Array
    origin: Array

    @property
    def rows(self) -> int:
        """How many pixels."""
        return int(self.data.size)

    def limits(self) -> dict[str, Value]:
        """The LIMITS keywords and what else a reader of pixel tables asks for."""
        low_high = {"X": self.xpos, "Y": self.ypos, "LAMBDA": self.waves}
        cards: dict[str, Value] = {"ESO DRS MUSE PIXTABLE TYPE": "GEOFULL"}
        for name, values in low_high.items():
            cards[f"ESO DRS MUSE PIXTABLE LIMITS {name} LOW"] = float(values.min())
            cards[f"ESO DRS MUSE PIXTABLE LIMITS {name} HIGH"] = float(values.max())
        for name, low, high in (("IFU", 1, 1), ("SLICE", 1, 48)):
            cards[f"ESO DRS MUSE PIXTABLE LIMITS {name} LOW"] = low
            cards[f"ESO DRS MUSE PIXTABLE LIMITS {name} HIGH"] = high
        return cards

    def scaled(self, factor: Array | float) -> PixTable:
        """The table in other units."""
        return replace(self, data=self.data * factor, stat=self.stat * factor**2)


def to_hdus(table: PixTable, place_unit: str, unit: str) -> list[Any]:
    """The extensions of a pixel table."""

    def column(values: Array, name: str, kind: str, text: str = "") -> Any:
        return image(values.astype(kind)[:, None], name, text)

    return [
        column(table.xpos, "xpos", "f4", place_unit),
        column(table.ypos, "ypos", "f4", place_unit),
        column(table.waves, "lambda", "f4", "Angstrom"),
        column(table.data, "data", "f4", unit),
        column(np.zeros(table.rows), "dq", "i4"),
        column(table.stat, "stat", "f4", f"({unit})**2" if "*" in unit else f"{unit}**2"),
        column(table.origin, "origin", "i4"),
    ]


def load(call: Call, frame: Frame) -> tuple[PixTable, Any, str]:
    """A pixel table, its primary header, and the unit of its places (`pix` or `rad`)."""
    with call.open(frame) as file:
        try:
            columns = [np.array(file[name].data, dtype=float).ravel() for name in _COLUMNS]
            unit = str(file["xpos"].header.get("BUNIT", ""))
        except KeyError as trouble:
            raise RecipeFailed(f"{frame.path.name} is no pixel table: {trouble}") from None
        header = file[0].header.copy()
    for key in ("DATE-OBS", "RA", "DEC"):
        if key not in header:
            raise RecipeFailed(f"{frame.path.name} lacks {key}")
    xpos, ypos, waves, data, stat, origin = columns
    return PixTable(xpos, ypos, waves, data, stat, origin.astype(int)), header, unit
