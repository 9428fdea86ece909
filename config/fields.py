"""The schema as a tree to walk: which keys exist, what is legal, in words for the operator."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.errors import ConfigTrouble
from config.legacy import nearest
from config.schema import Settings

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "yes or no"}


def is_model(annotation: Any) -> bool:
    """True for a group of named keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_mapping(annotation: Any) -> bool:
    """True for a group whose names the account chooses, e.g. `kinds`."""
    return get_origin(annotation) is dict


def annotation_at(path: Sequence[str | int]) -> tuple[Any, FieldInfo | None]:
    """Type and field of a key; (None, None) when the schema has no such key."""
    annotation: Any = Settings
    info: FieldInfo | None = None
    for part in path:
        if is_model(annotation):
            info = annotation.model_fields.get(part)
            annotation = info.annotation if info else None
        elif is_mapping(annotation):
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) is tuple:
            annotation = get_args(annotation)[0]
        else:
            annotation = None
        if annotation is None:
            return None, None
    return annotation, info


def known_keys(annotation: Any) -> list[str]:
    """The legal keys of a group; [] when the account chooses them."""
    if is_model(annotation):
        return list(annotation.model_fields)
    if is_mapping(annotation) and get_origin(get_args(annotation)[0]) is Literal:
        return list(get_args(get_args(annotation)[0]))
    return []


def path_of(
    key: str, where: str, separator: str = ".", data: Mapping[str, Any] | None = None, blind: bool = False
) -> tuple[str, ...]:
    """A written key as a path; ConfigTrouble with the nearest spelling when the schema has none.

    `data` are the values so far, for names the account chose; `blind` ignores case (environment variables).
    """
    parts, path = key.split(separator), list[str]()
    annotation: Any = Settings
    here: Any = data
    while parts:
        if is_model(annotation) or (is_mapping(annotation) and _nests(annotation)):
            part = parts.pop(0)
        elif is_mapping(annotation):  # names in `plugins.options.NAME` may hold points
            part, parts = separator.join(parts), []
        else:
            raise ConfigTrouble(f"{where}: '{'.'.join(path)}' has no keys below it; set it whole, e.g. [a, b]")
        known = known_keys(annotation) or (list(here) if blind and isinstance(here, Mapping) else [])
        if blind:
            part = next((name for name in known if name.casefold() == part.casefold()), part)
        if known_keys(annotation) and part not in known:
            group = ".".join(path) or "the top level"
            raise ConfigTrouble(
                f"{where}: unknown key '{'.'.join([*path, part])}'{nearest(part, known)}"
                f" (known in {group}: {', '.join(known)})"
            )
        path.append(part)
        annotation = annotation_at(path)[0]
        here = here.get(part) if isinstance(here, Mapping) else None
    return tuple(path)


def _nests(annotation: Any) -> bool:
    value = get_args(annotation)[1]
    return is_model(value) or is_mapping(value)


def legal(annotation: Any, info: FieldInfo | None = None) -> str:
    """What may stand there, in words: 'a whole number, at least 1', 'one of INTER, AUTO'."""
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        return "a list of groups with " + ", ".join(known_keys(item)) if is_model(item) else "a list of texts"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(legal(part) for part in get_args(annotation))
    if is_model(annotation):
        return "keys: " + ", ".join(known_keys(annotation))
    if is_mapping(annotation):
        return "keys, each with " + legal(get_args(annotation)[1])
    text = _WORDS.get(annotation, "a value")
    for rule in info.metadata if info else ():
        if (least := getattr(rule, "ge", None)) is not None:
            text += f", at least {least}"
        if (above := getattr(rule, "gt", None)) is not None:
            text += f", more than {above}"
        if (pattern := getattr(rule, "pattern", None)) is not None:
            text += f" like {pattern}"
    return text
