"""Products nobody needs any more go to the trash, with an index that says why; their ABs say RETIRED.

Everything here may be repeated after a crash.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import fs, trash
from engine.atomic import place as placing
from engine.core.ab import AB, RETIRED
from engine.errors import BadAb
from engine.process.ab.consumers import Consumers
from engine.stores.abs import AbStore, read


@dataclass(frozen=True, slots=True)
class Retiring:
    """How files are retired: for which attempt, when (ISO, UTC), by whom, for how many days."""

    attempt: int
    utc: str
    who: str
    days: int


def retire(tree: DfoTree, ab: str, paths: Iterable[Path], why: str, retiring: Retiring) -> None:
    """Move files to the trash on behalf of an attempt at `ab`. Blocking, durable."""
    old = list(paths)
    if not old:
        return
    utc, transaction = retiring.utc, f"{ab}.{retiring.attempt}"
    directory = tree.trash / utc[:10] / transaction
    fs.make_dir(directory)
    whole = {entry[0]: entry for entry in _indexed(tree, directory)}
    for path in old:
        target = trash.place_of(tree, utc, transaction, path)
        whole[target] = (target, path, why, path.lstat().st_size)
    index = trash.index(tree, whole.values(), directory, trash.until(utc, retiring.days), retiring.who)
    fs.replace(directory / trash.INDEX, index)
    for path in old:
        target = trash.place_of(tree, utc, transaction, path)
        fs.make_dir(target.parent)
        placing.shift(path.parent, target.parent, [(path.name, target.name)])
    for place in dict.fromkeys(path.parent for path in old):
        fs.sync_dir(place)


def _indexed(tree: DfoTree, directory: Path) -> list[tuple[Path, Path, str, int]]:
    """What the index of an earlier, interrupted call names."""
    try:
        files = json.loads((directory / trash.INDEX).read_bytes())["files"]
        return [(directory / e["trash"], tree.lengthen(e["origin"]), e["why"], int(e["size"])) for e in files]
    except (OSError, ValueError, KeyError, TypeError):
        return []


class Spent:
    """Inputs that a POST_PLUGIN calls spent: each is retired when the last AB that reads it is done."""

    def __init__(self, store: AbStore, consumers: Consumers) -> None:
        self._store = store
        self._consumers = consumers
        self._turn = threading.Lock()
        self._past: set[str] = set()

    def retire(self, ab: AB, names: Iterable[str], retiring: Retiring) -> None:
        """Retire those of the inputs `names` of a finished AB that nobody else waits for. Blocking."""
        tree = self._store.tree
        with self._turn:  # of two that end together, the later one finds both past
            self._past.add(ab.name)
            paths = {entry.path.rpartition("/")[2]: tree.expand(entry.path) for entry in ab.sof}
            for name in names:
                waiting = [other for other in self._consumers.of(name) if not self._done(other)]
                if not waiting and paths[name].is_relative_to(tree.product):
                    self._away(ab, paths[name], retiring)

    def awaited(self, names: Iterable[str], maker: str) -> dict[str, str]:
        """Those of the products `names` of an AB that another AB still has to read, and the first reader. Blocking."""
        found = {}
        for name in names:
            readers = [other for other in self._consumers.of(name) if other != maker and not self._done(other)]
            if readers:
                found[name] = readers[0]
        return found

    def _done(self, name: str) -> bool:
        if name in self._past:
            return True
        try:
            return read(self._store.path(name)).status == "SUCCESSFUL"
        except BadAb:
            return False

    def _away(self, ab: AB, path: Path, retiring: Retiring) -> None:
        if path.is_file():
            retire(self._store.tree, ab.name, [path], f"read by {ab.name}, the last that needed it", retiring)
        maker = path.name.rpartition("_")[0].removeprefix("r.") + ".ab"
        if self._store.path(maker).is_file():
            made = read(self._store.path(maker))
            told = retired_lines(made, {path.name})
            if told != made:
                self._store.write(told)


def retired_lines(ab: AB, names: Container[str]) -> AB:
    """The AB with these products called RETIRED."""
    if not any(product.name in names and product.state != RETIRED for product in ab.products):
        return ab
    lines = [
        (replace(product, state=RETIRED) if product.name in names else product).columns() for product in ab.products
    ]
    return ab.with_values("PRODUCTS", lines)
