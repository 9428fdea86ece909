"""What is asked of the QC process and what it answers: plain values that cross as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Value = str | int | float | None  # None: it could not be measured


@dataclass(frozen=True, slots=True)
class Subject:
    """An AB as a QC procedure sees it: (path, PRO.CATG) of products, (path, tag) of inputs and calibrations.

    `wanted`: how many products the AB predicted. `exposures`: how many inputs were to be combined, 0 where
    that is not counted. `offsets`: an OFFSET_LIST is among the inputs. `keywords`: header keywords to be read
    from the first product, by the name the value gets; the first keyword that is there counts.
    """

    procedure: str
    ab: str
    root: str
    products: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...] = ()
    calibs: tuple[tuple[str, str], ...] = ()
    wanted: int = 0
    exposures: int = 0
    offsets: bool = False
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, prefix: str) -> list[str]:
        """The paths of products whose PRO.CATG begins with `prefix`, in order."""
        return [path for path, catg in self.products if catg.startswith(prefix)]

    @staticmethod
    def from_plain(data: Mapping[str, Any]) -> Subject:
        """The inverse of `asdict` after JSON."""
        pairs = {name: tuple((path, tag) for path, tag in data[name]) for name in ("products", "inputs", "calibs")}
        keys = {name: tuple(names) for name, names in data["keywords"].items()}
        return Subject(**{**data, **pairs, "keywords": keys})


@dataclass(slots=True)
class Measured:
    """What a procedure found: values by name, rows per detector and per source, and what could not be measured."""

    values: dict[str, Value] = field(default_factory=dict)
    detectors: list[dict[str, Value]] = field(default_factory=list)
    sources: list[dict[str, Value]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
