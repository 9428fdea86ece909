"""Products from the work directory to $DFS_PRODUCT, under the names the AB predicts.

Every step may be repeated: killed anywhere in it, the same call arrives at the same tree. What an
earlier run left under these names is retired to the trash first; nothing is overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs
from engine.atomic import place as placing
from engine.core.ab import AB, Expected
from engine.headers.cards import keywords, set_cards
from engine.process.ab.evidence import Made
from engine.process.ab.retire import Retiring, retire
from engine.process.qc.record import qc_files

_GAP = 16  # numbers that no product has, before none is looked for any more
NOTE = "delivery.json"  # in the work directory, once the products are judged good


@dataclass(frozen=True, slots=True)
class Delivery:
    """One product: its name in the work directory, the recipe's PRO.CATG, its final name and PRO.CATG."""

    name: str
    made_catg: str
    final: str
    catg: str


def delivery_plan(ab: AB, made: Iterable[Made], renamed: Mapping[str, str] | None = None) -> tuple[Delivery, ...]:
    """The final name of every product: `<root>_nnnn.fits` in the order of the AB's PRODUCTS lines.

    Several products of one category go by name; those the AB does not predict are numbered behind.
    `renamed`: PRO.CATGs a plugin gives, by name in the work directory; an AB that ran before predicts those.
    """
    renamed = renamed or {}
    left = sorted(made, key=lambda product: (product.catg, product.name))
    plan: list[Delivery] = []
    names = predicted(ab)
    for name, expected in zip(names, ab.products, strict=True):
        found = next((m for m in left if expected.catg in (m.catg, renamed.get(m.name))), None)
        if found:
            left.remove(found)
            plan.append(Delivery(found.name, found.catg, name, found.catg))
    first = max((int(name[-9:-5]) + 1 for name in names), default=0)
    for number, product in enumerate(left, first):
        plan.append(Delivery(product.name, product.catg, f"{ab.root}_{number:04d}.fits", product.catg))
    return tuple(plan)


def predicted(ab: AB) -> list[str]:
    """The names of the AB's PRODUCTS lines as the products will get them."""
    return [
        expected.name if _numbered(expected.name, ab.root) else f"{ab.root}_{number:04d}.fits"
        for number, expected in enumerate(ab.products)
    ]


def with_catgs(plan: Sequence[Delivery], catgs: Mapping[str, str]) -> tuple[Delivery, ...]:
    """The plan with new PRO.CATGs by final name (the FINAL_PLUGIN's proposal)."""
    return tuple(replace(item, catg=catgs.get(item.final, item.catg)) for item in plan)


def write_note(workdir: Path, plan: Sequence[Delivery]) -> None:
    """Remember the plan beside the products, before anything is changed."""
    fs.replace(workdir / NOTE, json.dumps([asdict(item) for item in plan]).encode())


def read_note(workdir: Path) -> tuple[Delivery, ...]:
    """The plan of an interrupted delivery; empty when there is none."""
    try:
        return tuple(Delivery(**item) for item in json.loads((workdir / NOTE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return ()


def place_of(ab: AB, tree: DfoTree) -> Path:
    """`$DFS_PRODUCT/<RAW_TYPE>/<DATE>`."""
    return tree.product / ab.raw_type / ab.date


def deliver(ab: AB, tree: DfoTree, workdir: Path, plan: Sequence[Delivery], retiring: Retiring) -> bool:
    """Name the products in their headers (PIPEFILE, PRO.CATG) and place them. Blocking, durable, repeatable.

    True when one of them has other content than what stood there, or nothing did.
    """
    place = place_of(ab, tree)
    fs.make_dir(place)
    for item in plan:
        source = workdir / item.name
        values: dict[str, str | int | float | bool] = {"PIPEFILE": item.final}
        if item.catg != item.made_catg:
            values["PRO.CATG"] = item.catg
        if keywords(source, values) != values:
            set_cards(source, values)
    old = _old(ab, tree, place, {item.final: workdir / item.name for item in plan})
    retire(tree, ab.name, old, "made again by a later run", retiring)
    fresh = not all(os.path.lexists(place / item.final) for item in plan)
    for item in plan:
        placing.place(workdir / item.name, place / item.final)
    return fresh


def with_products(ab: AB, plan: Sequence[Delivery]) -> AB:
    """The AB with PRODUCTS lines as they are now, PROD_PATH and PROCESS_STATUS SUCCESSFUL."""
    here = "REAL" if ab.mode == "CALIB" else "EXISTING"
    absent = "VIRTUAL" if ab.mode == "CALIB" else "MISSING"
    made = {item.final: item for item in plan}
    lines = []
    for name, expected in zip(predicted(ab), ab.products, strict=True):
        item = made.pop(name, None)
        if item:
            lines.append(Expected(item.final, item.catg, here).columns())
        else:
            lines.append(Expected(expected.name, expected.catg, absent).columns())
    lines += [Expected(item.final, item.catg, here).columns() for item in made.values()]
    if lines:
        ab = ab.with_values("PRODUCTS", lines)
    return ab.with_value("PROD_PATH", f"$DFS_PRODUCT/{ab.raw_type}/{ab.date}").with_value(
        "PROCESS_STATUS", "SUCCESSFUL"
    )


def _old(ab: AB, tree: DfoTree, place: Path, ours: Mapping[str, Path]) -> list[Path]:
    """What earlier attempts left: products under any of our names or numbered on from there, scores, plots."""
    old = []
    number = last = 0
    names = {f"{ab.root}_{n:04d}.fits" for n in range(max(len(ab.products), len(ours)))} | ours.keys()
    names |= {product.name for product in ab.products if _numbered(product.name, ab.root)}
    highest = max((int(name[-9:-5]) for name in names), default=-1)
    while number <= max(highest, last) + _GAP and number < 10_000:
        path = f"{place}/{ab.root}_{number:04d}.fits"
        if os.path.lexists(path):
            last = number
            old.append(Path(path))
        number += 1
    old = [path for path in old if path.name not in ours or not _same(ours[path.name], path)]
    return [*old, *(path for path in qc_files(tree, ab) if path.exists())]


def _numbered(name: str, root: str) -> bool:
    middle = name.removeprefix(f"{root}_").removesuffix(".fits")
    return name == f"{root}_{middle}.fits" and len(middle) == 4 and middle.isdigit()


def _same(one: Path, other: Path) -> bool:
    try:
        if one.samefile(other):
            return True
        return one.stat().st_size == other.stat().st_size and fs.sha256(one) == fs.sha256(other)
    except FileNotFoundError:
        return False
