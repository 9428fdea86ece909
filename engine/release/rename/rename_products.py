"""renameProducts: what moves and tools need of it, in one place."""

from __future__ import annotations

from engine.release.rename.naming import (
    LONGEST,
    Named,
    Naming,
    Value,
    keywords_needed,
    names,
    plain_name,
    plain_names,
    reverted,
    stem,
    version_letter,
)

__all__ = [
    "LONGEST",
    "Named",
    "Naming",
    "Value",
    "keywords_needed",
    "names",
    "plain_name",
    "plain_names",
    "reverted",
    "stem",
    "version_letter",
]
