"""Which products of a MODE and DATE should stand in their final directory, and do not.

The manifests of the date and the PRODUCTS lines of its ABs in $DFO_LOG_DIR say what should. A product may stand
under any name it ever had, packed or not; one that was cleaned up by its header, once the archive had confirmed it.
Reads only, and no file of data.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from config.tree import DfoTree
from engine.errors import BadAb, DfosError
from engine.release.lineage import NOW, Lineage
from engine.release.rename.naming import stem
from engine.stores.abs import read

_STANDS = ("REAL", "EXISTING")


@dataclass(frozen=True, slots=True)
class Gone:
    """A product that is missed: its name, why it is missed, whether the archive has it nevertheless."""

    name: str
    why: str
    archived: bool = False


def gone(tree: DfoTree, mode: str, date: str, archived: Collection[str]) -> list[Gone]:
    """What is missed, by name. `archived` are the names (of this MODE and DATE) that the archive has confirmed."""
    place = tree.final(mode) / date
    lineage = Lineage(tree, mode, date)
    there = [path.name for path in place.iterdir() if not path.name.startswith(".")] if place.is_dir() else []
    whole = {stem(name) for name in there if name.endswith((".fits", ".fits.fz", ".tfits"))}
    headers = {stem(name) for name in there if name.endswith(".hdr")}
    held = {stem(name) for name in archived}
    cleaned = {stem(name) for name in _cleaned(tree, mode, date)}
    found: dict[str, Gone] = {}
    for name, names, why, ours in _expected(tree, mode, date, lineage):
        stems = {stem(one) for one in names}
        if stems & whole or stems & cleaned or name in found:
            continue
        confirmed = bool(stems & held)
        if stems & headers:
            if ours and not confirmed:
                found[name] = Gone(name, f"only its header stands there (.hdr), the archive never confirmed it; {why}")
        else:
            found[name] = Gone(name, f"it is gone from {tree.shorten(place)}; {why}", confirmed)
    return [found[name] for name in sorted(found)]


def _expected(tree: DfoTree, mode: str, date: str, lineage: Lineage) -> Iterator[tuple[str, list[str], str, bool]]:
    """Name, all names it may stand under, who says so, whether a run of ours put it there."""
    for life in lineage.standing():
        yield life.last.name, lineage.names_of(life), f"{lineage.labels[life.stays[-1][0]]} put it there", True
    for path in sorted((tree.log / date).glob("*.ab")):
        try:
            ab = read(path)
        except (BadAb, DfosError):
            continue
        if (ab.mode, ab.date) != (mode, date):
            continue
        run = lineage.run_of(path)
        for product in ab.products:
            if product.state not in _STANDS:
                continue
            if lineage.life_of(product.name, NOW if run is None else run) is None:
                names = [product.name, *lineage.called(product.name, run)]
                yield product.name, names, f"{ab.name} names it {product.state}", False


def _cleaned(tree: DfoTree, mode: str, date: str) -> Iterator[str]:
    """What a clean-up has taken away, with a header or a converted product in its stead."""
    try:
        text = (tree.lst / f"list_cleanup_{mode}_{date}.txt").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    for line in text.splitlines():
        _, _, rest = line.partition(" ")
        if line.startswith("#") or not rest:
            continue
        try:
            yield str(json.JSONDecoder().raw_decode(rest)[0]) if rest[0] == '"' else rest.split(" ", 1)[0]
        except ValueError:
            continue
