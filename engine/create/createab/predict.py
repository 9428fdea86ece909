"""Which products an action will make, before it runs (decision 11a).

A product block of the rules says it, where there is one; else the table `config/recipes/<INSTRUMENT>.yaml` by recipe,
`$DFO_CONFIG_DIR/recipes/<INSTRUMENT>.yaml` of the account before the shipped one. A recipe in neither is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from config.errors import ConfigTrouble
from engine.core.pipelines import pipeline_names
from engine.create.oca.model import Action, Literal, ProductRule

Value = str | int | float | bool
BLOCK, TABLE, UNKNOWN = "rules", "table", "unknown"
_WORD = re.compile(r"[A-Za-z0-9_]+")
_EXT = re.compile(r"(?:[A-Za-z0-9]+_)?(\d{4})\.t?fits")
_LARGEST = 1_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Predicted:
    """One product: PRO.CATG, its number in the name, and what else the rules say of it.

    `of`: it is only made where a file with one of these tags goes in; empty: always.
    """

    catg: str
    number: int
    keys: tuple[tuple[str, Value], ...] = ()
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The products by recipe, and the file that says so ('' for none)."""

    products: Mapping[str, tuple[Predicted, ...]]
    file: str = ""


def table_of(instrument: str, config_dir: Path | None = None) -> Table:
    """The table of an instrument; an empty one where there is none. ConfigTrouble names what is wrong with it."""
    if not _WORD.fullmatch(instrument):
        return Table({})
    own = config_dir / "recipes" / f"{instrument}.yaml" if config_dir else None
    if own is not None and own.is_file():
        return _read(own.read_bytes()[: _LARGEST + 1], str(own))
    shipped = resources.files("config") / "recipes" / f"{instrument}.yaml"
    return _read(shipped.read_bytes(), f"config/recipes/{instrument}.yaml") if shipped.is_file() else Table({})


def table_for(name: str) -> Table:
    """The shipped table of the instrument that a rule file is named after: muse.oca, giraf.oca, HAWKI.RLS, uves_x.h."""
    word = re.split(r"[._-]", name, maxsplit=1)[0].lower()
    for place in sorted((resources.files("config") / "recipes").iterdir(), key=lambda one: one.name):
        instrument = place.name.removesuffix(".yaml")
        if word in pipeline_names(instrument):
            return table_of(instrument)
    return Table({})


def predicted(action: Action, table: Table) -> tuple[tuple[Predicted, ...], str]:
    """The products of an action in the order of their numbers, and where that is known from: rules, table, unknown."""
    if action.products:
        return _of_block(action.products), BLOCK
    if action.recipe.lower() in ("", "none"):
        return (), TABLE
    found = table.products.get(action.recipe)
    return (found, TABLE) if found is not None else ((), UNKNOWN)


def made_of(products: tuple[Predicted, ...], tags: Iterable[str]) -> tuple[Predicted, ...]:
    """Those of the products that are made where files with these tags go in, numbered without gaps."""
    if not any(one.of for one in products):
        return products
    there = set(tags)
    kept = (one for one in products if not one.of or there & set(one.of))
    return tuple(replace(one, number=number) for number, one in enumerate(kept))


def _of_block(rules: tuple[ProductRule, ...]) -> tuple[Predicted, ...]:
    found: dict[int, Predicted] = {}
    for place, rule in enumerate(rules):
        keys = {one.key: one.value.value for one in rule.assigns if isinstance(one.value, Literal)}
        ext = _EXT.fullmatch(str(keys.get("PRO.EXT", "")))
        number = int(ext[1]) if ext else place
        while number in found:
            number += 1
        catg = str(keys.get("PRO.CATG", "")).strip() or rule.name
        rest = tuple((key, value) for key, value in keys.items() if key not in ("PRO.EXT", "PRO.CATG"))
        found[number] = Predicted(catg, number, rest)
    return tuple(found[number] for number in sorted(found))


def _read(data: bytes, name: str) -> Table:
    from config.yaml_file import read_yaml

    if len(data) > _LARGEST:
        raise ConfigTrouble(f"{name}:1: longer than {_LARGEST} bytes; this is no table of recipes")
    content = read_yaml(data, name).data
    listed = content.get("products")
    if not isinstance(listed, Mapping):
        raise ConfigTrouble(f"{name}:1: 'products:' is missing: recipe names with lists of PRO.CATG")
    return Table({str(recipe): _items(items, f"{name}: {recipe}") for recipe, items in listed.items()}, name)


def _items(items: Any, where: str) -> tuple[Predicted, ...]:
    """The products that are predicted: all but the optional ones; one with `count` so many times."""
    found: list[Predicted] = []
    for item in items if isinstance(items, list | tuple) else ():
        entry = item if isinstance(item, Mapping) else {"catg": item}
        catg, count, of = entry.get("catg"), entry.get("count", 1), entry.get("of", ())
        tags = (of,) if isinstance(of, str) else tuple(str(tag) for tag in of)
        if not isinstance(catg, str) or not catg or len(catg.split()) != 1 or not isinstance(count, int):
            raise ConfigTrouble(f"{where}: {item!r} is no product: expected PRO.CATG or {{catg: X, optional: true}}")
        if not entry.get("optional"):
            found += [Predicted(catg, len(found) + n, of=tags) for n in range(max(1, min(count, 1000)))]
    return tuple(found)
