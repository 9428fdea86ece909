"""One YAML file as plain data, with the line of every key; hostile files end in a located trouble.

Only mappings, lists and plain scalars. Tags, repeated keys, endless aliases, binary data, tabs and
other encodings are refused. Sequences become tuples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from config.errors import ConfigTrouble

LIMIT = 1_000_000  # bytes of a file
NODES = 20_000  # values in a file, aliases counted each time they are used
DEPTH = 40
Path = tuple[str | int, ...]
_PREFIX = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """Plain data and, for every key and list item, the line it stands in (1 is the first)."""

    data: dict[str, Any]
    lines: dict[Path, int]


@dataclass(slots=True)
class _Walk:
    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    nodes: int = 0


def read_yaml(data: bytes, name: str) -> YamlFile:
    """The mapping in `data`; ConfigTrouble lists what is wrong as `name:line: ...`."""
    value, walk = _convert(_composed(_decoded(data, name), name), name)
    if value is None:
        value = {}
    if not walk.problems and not isinstance(value, dict):
        walk.problems.append(f"{name}:1: holds no keys; expected lines like 'certification:'")
    if walk.problems:
        raise ConfigTrouble(*walk.problems)
    return YamlFile(value, walk.lines)


def read_value(text: str, name: str) -> Any:
    """One value as written behind an environment variable or `--set`; ConfigTrouble names it."""
    value, walk = _convert(_composed(text, name), name)
    if walk.problems:
        raise ConfigTrouble(*walk.problems)
    return value


def _decoded(data: bytes, name: str) -> str:
    if len(data) > LIMIT:
        raise ConfigTrouble(f"{name}:1: longer than {LIMIT} bytes; this is not a configuration file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = data[: trouble.start].count(b"\n") + 1
        raise ConfigTrouble(f"{name}:{line}: not UTF-8 text; save the file as UTF-8") from None
    for number, line_text in enumerate(text.split("\n"), 1):
        if any(ord(char) < 32 and char not in "\t\r" for char in line_text):
            raise ConfigTrouble(f"{name}:{number}: binary data; restore the file from its source")
    return text


def _composed(text: str, name: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        _shallow(text, name)  # composing recurses in C, where too deep is a crash
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as trouble:
        mark = trouble.problem_mark or trouble.context_mark
        number = mark.line + 1 if mark else 1
        lines = text.split("\n")
        line = lines[number - 1] if number <= len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(trouble.problem):
            raise ConfigTrouble(f"{name}:{number}: a tab may not indent; use blanks") from None
        raise ConfigTrouble(f"{name}:{number}: not YAML: {trouble.problem or trouble.context}") from None
    except yaml.YAMLError as trouble:
        raise ConfigTrouble(f"{name}:1: not YAML: {str(trouble).splitlines()[0]}") from None
    finally:
        loader.dispose()
    return node


def _shallow(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigTrouble(f"{name}:{line}: nested more than {DEPTH} levels; write it flatter")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _convert(node: yaml.Node | None, name: str) -> tuple[Any, _Walk]:
    walk = _Walk(name)
    return (None if node is None else _value(node, (), walk)), walk


def _value(node: yaml.Node, path: Path, walk: _Walk) -> Any:
    where = f"{walk.name}:{node.start_mark.line + 1}"
    walk.nodes += 1
    if walk.nodes > NODES or len(path) > DEPTH:
        limit = f"more than {NODES} values" if walk.nodes > NODES else f"nested more than {DEPTH} levels"
        raise ConfigTrouble(f"{where}: {limit}; write aliases (*name) out, or fewer of them")
    kind = node.tag.removeprefix(_PREFIX)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(node, path, walk)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        items = []
        for index, item in enumerate(node.value):
            walk.lines[*path, index] = item.start_mark.line + 1
            items.append(_value(item, (*path, index), walk))
        return tuple(items)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, kind, where, walk)
    walk.problems.append(f"{where}: tag '{node.tag}' is not allowed; plain values only")
    return None


def _mapping(node: yaml.MappingNode, path: Path, walk: _Walk) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, item in node.value:
        number = key_node.start_mark.line + 1
        where = f"{walk.name}:{number}"
        if not isinstance(key_node, yaml.ScalarNode):
            walk.problems.append(f"{where}: a list or mapping cannot be a key")
            continue
        key = key_node.value
        if key_node.tag == _PREFIX + "merge":
            walk.problems.append(f"{where}: '<<' is not read; write the keys out")
        elif key in found:
            first = walk.lines[*path, key]
            walk.problems.append(f"{where}: key '{key}' stands already in line {first}; remove one of the two")
        else:
            walk.lines[*path, key] = number
            found[key] = _value(item, (*path, key), walk)
    return found


def _scalar(node: yaml.ScalarNode, kind: str, where: str, walk: _Walk) -> Any:
    text = node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("yes", "true", "on")
    # YAML 1.1 reads 12:30 as 750 and 2014-07-12 as a day; here both are labels
    if kind in ("str", "timestamp", "value") or (kind in ("int", "float") and ":" in text):
        return text
    try:
        if kind == "int":
            digits = text.replace("_", "")
            octal = len(digits.lstrip("+-")) > 1 and digits.lstrip("+-").isdigit() and digits.lstrip("+-")[0] == "0"
            return int(digits, 10 if octal else 0)
        if kind == "float":
            return float(text.replace("_", ""))  # .inf and .nan are no settings
    except ValueError:
        pass
    walk.problems.append(f"{where}: '{text[:40]}' with tag '{node.tag}' is not allowed; plain values only")
    return None
