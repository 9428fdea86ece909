"""The ABs that a call names (`processAB -a`), made ready to run: also those that ran before, and historical ones.

An AB that has moved is copied back from $DFO_LOG_DIR/<DATE>; that file and its moved products stay untouched. Blocking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB, Expected, tag_of
from engine.errors import UsageTrouble
from engine.process.ab.consumers import products_read
from engine.process.ab.deliver import predicted
from engine.process.ab.inputs import ab_of
from engine.stores.abs import AbStore, read


@dataclass(frozen=True, slots=True)
class Chosen:
    """What runs, parents first as far as they were asked for; a line for each AB that does not; what still waits.

    `stays` has a line for each done AB that was to run again and cannot: it is as it was.
    """

    abs: tuple[AB, ...]
    notes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()


def located(tree: DfoTree, name: str) -> Path:
    """The file of an AB by name or path: $DFO_AB_DIR, then $DFO_LOG_DIR/<DATE>. UsageTrouble when there is none."""
    if "/" in name:
        return Path(name)
    tag_of(name)
    places = [tree.ab / name, *sorted(tree.log.glob(f"*/{name}"), reverse=True)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UsageTrouble(
            f"{name} is neither in $DFO_AB_DIR nor in $DFO_LOG_DIR/<DATE>", remedy="check the name, or give its path"
        )
    return found


def done_of(tree: DfoTree, names: Iterable[str]) -> list[AB]:
    """The named ABs in $DFO_AB_DIR that are SUCCESSFUL."""
    places = [tree.ab / Path(name).name for name in names]
    return [ab for place in places if place.is_file() and (ab := read(place)).status == "SUCCESSFUL"]


def choose(
    tree: DfoTree,
    names: Iterable[str],
    *,
    force: bool = False,
    parents: bool = False,
    stale: Collection[str] = (),
    kept: Mapping[str, str] | None = None,
) -> Chosen:
    """Make the named ABs CREATED where they are to run: a FAILED one always, a SUCCESSFUL one with `force` or if stale.

    With `parents` everything they need and that is not done runs too; without, it is named in `waiting`. `kept` are
    done ABs that stay as they are, with the reason.
    """
    store = AbStore(tree)
    chosen: dict[str, AB] = {}
    notes: list[str] = []
    stays: list[str] = []
    for ab in [_brought(store, located(tree, name)) for name in names]:
        if kept and ab.name in kept:
            stays.append(f"{ab.name} stays as it is: {kept[ab.name]}")
        elif ab.status == "SUCCESSFUL" and not force and ab.name not in stale:
            notes.append(f"{ab.name} is done already (--force runs it again)")
        else:
            chosen[ab.name] = _created(store, ab)
    waiting: dict[str, None] = {}
    queue = list(chosen.values())
    for ab in queue:
        for name in _parents(ab):
            place = store.path(name)
            if name in chosen or not place.is_file():
                continue
            parent = read(place)
            if parent.status == "SUCCESSFUL" and not (parents and name in stale):
                continue
            if parents:
                chosen[name] = _created(store, parent)
                queue.append(parent)
            else:
                waiting[f"{ab.name} waits for {name}, which is {parent.status}"] = None
    return Chosen(tuple(chosen.values()), tuple(notes), tuple(waiting), tuple(stays))


def _parents(ab: AB) -> list[str]:
    """Names of the ABs that make what an AB reads: those it waits for, and those its inputs are named after."""
    named = (ab_of(name) for name in products_read(ab))
    return [name for name in dict.fromkeys([*ab.waitfor, *named]) if name != ab.name]


def _created(store: AbStore, ab: AB) -> AB:
    if ab.status == "CREATED":
        return ab
    fresh = ab.with_value("PROCESS_STATUS", "CREATED")
    store.write(fresh)
    return fresh


def _brought(store: AbStore, path: Path) -> AB:
    """The AB of a file, in $DFO_AB_DIR; one from elsewhere is copied there as it was before it ran."""
    ab = read(path)
    here = store.path(ab.name)
    if not here.exists():
        ab = as_new(ab)
        store.write(ab)
    elif not here.samefile(path):
        if read(here).render() not in (ab.render(), as_new(ab).render()):
            raise UsageTrouble(
                f"another {ab.name} stands in $DFO_AB_DIR",
                where=str(path),
                remedy="run that one, or move it away first",
            )
        ab = read(here)
    return ab


def as_new(ab: AB) -> AB:
    """An AB that ran and moved, as it was before: CREATED, its products predicted under the names of its root."""
    absent = "VIRTUAL" if ab.mode == "CALIB" else "MISSING"
    lines = [
        Expected(name, product.catg, absent).columns() for name, product in zip(predicted(ab), ab.products, strict=True)
    ]
    ab = ab.with_values("PRODUCTS", lines) if lines else ab
    return ab.with_value("PROCESS_STATUS", "CREATED").with_value("PROD_PATH", f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}")


def pools(tree: DfoTree, names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """The named ABs by MODE and DATE, in their order."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        ab = read(located(tree, name))
        found.setdefault((ab.mode, ab.date), []).append(name)
    return found
