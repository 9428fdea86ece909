"""ABs in execution order."""

from __future__ import annotations

from engine.core.ab import AB
from engine.core.cascade import Kind, cascade, kind_of
from engine.errors import BadCascade


def ordered_abs(abs_: list[AB], kinds: tuple[Kind, ...]) -> list[AB]:
    """Parents first, then by rank, then as given; as given when ABs wait for each other (the streams report it)."""
    ranks = {ab.name: kind.rank for ab in abs_ if (kind := kind_of(ab, kinds))}
    by_name = {ab.name: ab for ab in abs_}
    try:
        return [by_name[name] for name in cascade(abs_, ranks).order]
    except BadCascade:
        return abs_
