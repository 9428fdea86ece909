"""Settings put together from layers, key by key, and where each value came from.

Later layers win. Groups merge, lists and values replace. A group left empty says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.fields import annotation_at, is_mapping, is_model
from config.yaml_file import Path

DEFAULT, TEMPLATE, NAMING, PROFILE, CLASSIC, ACCOUNT, ENVIRONMENT, COMMAND = (
    "default",
    "template",
    "naming table",
    "instrument profile",
    "config.moveProducts",
    "account",
    "environment",
    "command line",
)
LAYERS = (DEFAULT, TEMPLATE, NAMING, PROFILE, CLASSIC, ACCOUNT, ENVIRONMENT, COMMAND)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the layer, and `file:line`, a variable, or the option as written."""

    layer: str
    where: str

    def __str__(self) -> str:
        return f"{self.where} ({self.layer})"


@dataclass(slots=True)
class Layers:
    """The values so far and the origin of every key and list item."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    given: list[tuple[str, str, Mapping[str, Any], Mapping[Path, int] | None]] = field(default_factory=list)

    def under(self, layer: str, name: str, data: Mapping[str, Any], lines: Mapping[Path, int]) -> Layers:
        """The same layers with one more at the place where `layer` belongs, below those that come after it."""
        rank = LAYERS.index(layer)
        lower = [entry for entry in self.given if LAYERS.index(entry[0]) <= rank]
        upper = [entry for entry in self.given if LAYERS.index(entry[0]) > rank]
        again = Layers()
        for entry in (*lower, (layer, name, data, lines), *upper):
            again.add(*entry)
        return again

    def add(self, layer: str, name: str, data: Mapping[str, Any], lines: Mapping[Path, int] | None = None) -> None:
        """Put `data` on top; `lines` are the lines of its keys in the file `name`."""
        self.given.append((layer, name, data, lines))

        def origin(path: Path) -> Origin:
            while path and lines is not None and path not in lines:
                path = path[:-1]
            number = (lines or {}).get(path)
            return Origin(layer, f"{name}:{number}" if number else name)

        for path, value in _flat(data, ()):
            self._put(path, value, origin)
            for below in _items(value, path):
                self.origins[below] = origin(below)

    def _put(self, path: Path, value: Any, origin: Any) -> None:
        annotation = annotation_at(path)[0]
        group = is_model(annotation) or is_mapping(annotation)
        if group and (value is None or value == {}):
            return
        here = self.data
        for depth, part in enumerate(path[:-1], 1):
            if not isinstance(here.get(str(part)), dict):
                self._forget(path[:depth])
                here[str(part)] = {}
            self.origins[path[:depth]] = origin(path[:depth])
            here = here[str(part)]
        self._forget(path)
        here[str(path[-1])] = value
        self.origins[path] = origin(path)

    def _forget(self, path: Path) -> None:
        if path not in self.origins:
            return
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]

    def where(self, path: Path) -> str:
        """`file:line` of a key, or of the nearest group above it; '' when nobody set anything there."""
        while path:
            if path in self.origins:
                return self.origins[path].where
            path = path[:-1]
        return ""


def _flat(data: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*path, key))
        else:
            yield (*path, key), value


def _items(value: Any, path: Path) -> Iterator[Path]:
    """The paths inside a list: its items and their keys."""
    inside = enumerate(value) if isinstance(value, tuple) else value.items() if isinstance(value, Mapping) else ()
    for key, item in inside:
        yield (*path, key)
        yield from _items(item, (*path, key))


def leaves(data: Mapping[str, Any]) -> dict[Path, Any]:
    """Every value by path; a list is one value, an empty group too."""
    return dict(_flat(data, ()))
