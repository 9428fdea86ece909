"""Names in ABs that products do not bear any more, followed to the names they bear now. Reads only.

An AB keeps the names of the day it was written. A rename after that, back to PIPEFILE or to other version letters,
is told by the manifests of the date, and by rn_files where it was done by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB
from engine.release.lineage import Lineage
from engine.release.update.update_ab import Places, product_names


def followed(
    tree: DfoTree, places: Places, mode: str, date: str, abs_: Iterable[tuple[AB, Path]]
) -> Mapping[str, Places]:
    """The places as they are for each AB (with its file) that uses an earlier name; others have `places`."""
    found = {}
    for name, (names, parents) in earlier(tree, places.names, mode, date, abs_).items():
        parents = parents if places.checked else {}
        found[name] = replace(places, names={**places.names, **names}, parents={**places.parents, **parents})
    return found


def earlier(
    tree: DfoTree, names: Mapping[str, str], mode: str, date: str, abs_: Iterable[tuple[AB, Path]]
) -> dict[str, tuple[Mapping[str, str], Mapping[str, str]]]:
    """By AB that uses earlier names: the current name by the one it uses, and the current path of calibrations by
    `<directory>/<name>`. `names` are those of the final directory by any that products have."""
    follow = _Follow(tree, mode, date)
    found: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {}
    for ab, path in abs_:
        run = follow.own.run_of(path)
        now, parents = dict(follow.products(ab, run, names)), dict(follow.calibrations(ab, run))
        if now or parents:
            found[ab.name] = (now, parents)
    return found


class _Follow:
    """One look at the account; what was read of a date is kept."""

    def __init__(self, tree: DfoTree, mode: str, date: str) -> None:
        self._tree = tree
        self.own = Lineage(tree, mode, date)
        self._lineage = cache(lambda folder: self.own if (mode, date) == ("CALIB", folder) else self._other(folder))
        self._stands = cache(_standing)

    def _other(self, folder: str) -> Lineage:
        return Lineage(self._tree, "CALIB", folder)

    def products(self, ab: AB, run: int | None, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Current name by the name as written."""
        for product in ab.products:
            for name in self.own.called(product.name, run):
                if now := names.get(name):
                    if now != names.get(product.name):
                        yield product.name, now
                    break

    def calibrations(self, ab: AB, run: int | None) -> Iterator[tuple[str, str]]:
        """Current path by `<directory>/<name as written>`, of what stands in a final directory."""
        for value in (*ab.values("MCALIB"), *ab.values("MASSOC")):
            path = self._tree.expand(value.split()[1])
            if path.parent.parent != self._tree.cal:
                continue
            stands = self._stands(path.parent)
            for name in self._lineage(path.parent.name).called(path.name, run):
                if now := stands.get(name):
                    if now != stands.get(path.name):
                        yield f"{path.parent.name}/{path.name}", self._tree.shorten(path.with_name(now))
                    break


def _standing(place: Path) -> Mapping[str, str]:
    if not place.is_dir():
        return {}
    return product_names((path.name, "") for path in place.iterdir() if not path.is_dir() and path.name[0] != ".")[0]
