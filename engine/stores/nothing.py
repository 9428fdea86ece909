"""Why there are no ABs of a MODE and DATE to work on, and what comes next. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from config.tree import DfoTree
from engine.core.dates import MODES
from engine.core.sizes import counted
from engine.errors import BadAb, UsageTrouble
from engine.stores.abs import AbStore, read

UNKNOWN_DATE = "no ABs and no products of this DATE are known here"


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why $DFO_AB_DIR has no AB of a pool (MODE and DATE), and what to do.

    `ended`: all is done, its ABs have moved; else somebody expects ABs that are not there.
    """

    pool: str
    why: str
    remedy: str
    ended: bool = False

    @property
    def text(self) -> str:
        """Both, in one line."""
        return f"{self.why} ({self.remedy})"

    @property
    def trouble(self) -> UsageTrouble:
        """The same for whoever cannot do without ABs."""
        return UsageTrouble(self.why, where=self.pool, remedy=self.remedy)

    def refused(self) -> None:
        """UsageTrouble unless all is done."""
        if not self.ended:
            raise self.trouble


def nothing_of(tree: DfoTree, mode: str, date: str) -> Nothing:
    """What is known of a MODE and DATE that has no AB in $DFO_AB_DIR: moved, not made yet, the other MODE, nothing."""
    store, pool = AbStore(tree), f"{mode} {date}"
    here = store.load("", date)
    if moved := sum(found == mode for found in _moved(tree, date)):
        why = f"its {counted(moved, 'AB')} {'have' if moved > 1 else 'has'} moved to {tree.shorten(tree.log / date)}"
        return Nothing(pool, why, "processAB -a runs one again", ended=True)
    if store.refused:
        first, count = store.refused[0], len(store.refused)
        many = f"{count} AB files cannot" if count > 1 else "an AB file cannot"
        why = f"there are no ABs, and {many} be read, first {first.where}: {first.why}"
        return Nothing(pool, why, "correct it, or remove it and make it again")
    other = next(name for name in MODES if name != mode)
    if count := sum(ab.mode == other for ab in here):
        return Nothing(pool, f"there are no ABs, but {counted(count, 'AB')} of {other}", f"is it -m {other}?")
    if _raws(tree, date):
        return Nothing(pool, "there are no ABs yet", f"createAB -m {mode} -d {date} makes them")
    if store.knows(mode, date):
        return Nothing(pool, "there are no ABs", "createAB or phoenix -C makes them")
    return Nothing(pool, UNKNOWN_DATE, "check the DATE; createAB makes them, or phoenix -C")


def _moved(tree: DfoTree, date: str) -> Iterator[str]:
    """The MODE of every AB that has moved."""
    for path in sorted((tree.log / date).glob("*.ab")):
        with suppress(BadAb):
            yield read(path).mode


def _raws(tree: DfoTree, date: str) -> bool:
    """Are there raw files or headers of this DATE?"""
    headers = tree.variables.get("DFO_HDR_DIR", "")
    places = [tree.raw, *([tree.expand(headers)] if headers else [])]
    return any(next((place / date).glob("[!.]*"), None) is not None for place in places)
