"""pgi_phoenix_MUSE_renameP, SPECIAL_PLUGIN of renameProducts: looks for "unknown PRO.CATG" messages.

From the page: useful in the initial phase, now probably obsolete. It counts them by category.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from engine.pgi import NameReview

_UNKNOWN = re.compile(r"unknown PRO\.CATG.*? PRO\.CATG (\S+)")


def judge_names(mode: str, date: str, names: Mapping[str, str], messages: tuple[str, ...]) -> NameReview:
    """One note for every unknown category; those files keep their names, the others are renamed."""
    found = Counter(match[1].rstrip(",") for message in messages if (match := _UNKNOWN.search(message)))
    return NameReview(notes=tuple(f"unknown PRO.CATG {catg} in {number} files" for catg, number in found.items()))
