"""Which products an action will make, before it runs (decision 11a).

A product block of the rules says it, where there is one; else the table `config/recipes/<INSTRUMENT>.yaml` by recipe,
`$DFO_CONFIG_DIR/recipes/<INSTRUMENT>.yaml` of the account before the shipped one. A recipe in neither is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from config.errors import ConfigTrouble
from engine.core.pipelines import pipeline_names
from engine.create.oca.model import Action, Literal, ProductRule

Value = str | int | float | bool
BLOCK, TABLE, UNKNOWN = "rules", "table", "unknown"
FRAME = "frame"
_WORD = re.compile(r"[A-Za-z0-9_]+")
_EXT = re.compile(r"(?:[A-Za-z0-9]+_)?(\d{4})\.t?fits")
_LARGEST = 1_000_000  # bytes
_MOST = 5_000  # products of one category
_NO = ("false", "f", "no", "n", "0")


@dataclass(frozen=True, slots=True)
class Predicted:
    """One product: PRO.CATG, its number in the name, and what else the rules say of it.

    `of`: it is only made where a file with one of these tags goes in; empty: always. `each`: what it is made for each
    of: FRAME, every such file that goes in; every part of a split (an IFU).
    """

    catg: str
    number: int
    keys: tuple[tuple[str, Value], ...] = ()
    of: tuple[str, ...] = ()
    each: tuple[str | Split, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """What a recipe treats in `count` parts: one where the option `one` names it; one file with the option `merged`."""

    count: int
    one: str = ""
    merged: str = ""

    def times(self, params: Sequence[str]) -> int:
        """How many products that makes with these recipe parameters."""
        given = {name: value for name, _, value in (param.partition("=") for param in params)}
        if self.merged in given and given[self.merged].lower() not in _NO:
            return 1
        number = given.get(self.one, "")
        return 1 if number.isdecimal() and int(number) else self.count


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


def made_of(products: tuple[Predicted, ...], tags: Sequence[Set[str]], params: Sequence[str]) -> tuple[Predicted, ...]:
    """What is made of files, numbered without gaps. `tags`: the words for each of them; `params`: of the recipe."""
    if not any(one.of or one.each for one in products):
        return products
    kept: list[Predicted] = []
    for one in products:
        files = sum(not one.of or not words.isdisjoint(one.of) for words in tags)
        times = min(files, 1)
        for each in one.each:
            times *= files if isinstance(each, str) else each.times(params)
        kept += [one] * min(times, _MOST)
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
    splits = _splits(content.get("splits"), name)
    products = {str(recipe): _items(items, splits, f"{name}: {recipe}") for recipe, items in listed.items()}
    return Table(products, name)


def _splits(listed: Any, name: str) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for word, entry in listed.items() if isinstance(listed, Mapping) else ():
        known = isinstance(entry, Mapping) and set(entry) <= {"count", "one", "merged"}
        if not known or not isinstance(count := entry.get("count"), int) or not 0 < count <= _MOST:
            raise ConfigTrouble(f"{name}: splits: {word}: expected {{count: 24, one: --nifu, merged: --merge}}")
        found[str(word)] = Split(count, str(entry.get("one", "")), str(entry.get("merged", "")))
    return found


def _items(items: Any, splits: Mapping[str, Split], where: str) -> tuple[Predicted, ...]:
    """The products that are predicted: all but the optional ones; one with `count` so many times."""
    found: list[Predicted] = []
    for item in items if isinstance(items, list | tuple) else ():
        entry = item if isinstance(item, Mapping) else {"catg": item}
        catg, count, of, each = entry.get("catg"), entry.get("count", 1), _words(entry, "of"), _words(entry, "each")
        if not isinstance(catg, str) or not catg or len(catg.split()) != 1 or not isinstance(count, int):
            raise ConfigTrouble(f"{where}: {item!r} is no product: expected PRO.CATG or {{catg: X, optional: true}}")
        if unknown := [word for word in each if word != FRAME and word not in splits]:
            raise ConfigTrouble(f"{where}: {catg}: each {unknown[0]}: neither '{FRAME}' nor one of 'splits:'")
        parts = tuple(splits.get(word, word) for word in each)
        if not entry.get("optional"):
            times = max(1, min(count, 1000))
            found += [Predicted(catg, len(found) + n, of=of, each=parts) for n in range(times)]
    return tuple(found)


def _words(entry: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    words = entry.get(key, ())
    return (words,) if isinstance(words, str) else tuple(str(word) for word in words)
