"""Layered YAML to one frozen `Settings`, with the origin of every value.

Order, later wins key by key: shipped templates -> naming table (`rename.table` names it) ->
instrument profile (the account names it with `profile:`) -> classic `config.moveProducts` and `config.createAB` -> the
account's `dfos.yaml` -> environment `DFOS_<SECTION>__<KEY>` -> command line `--set section.key=value`.
So an account overrides the profile and the naming table it chose, and an operator overrides the
account for one call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from config.errors import ConfigTrouble
from config.fields import annotation_at, known_keys, legal, path_of
from config.layers import (
    ACCOUNT,
    CLASSIC,
    COMMAND,
    DEFAULT,
    ENVIRONMENT,
    NAMING,
    PROFILE,
    TEMPLATE,
    Layers,
    Origin,
    leaves,
)
from config.legacy import Classic, nearest, read_create, read_create_ab, read_move_products
from config.rules import contradictions
from config.schema import Settings
from config.yaml_file import Path, YamlFile, read_value, read_yaml

_PROFILE = re.compile(r"[A-Za-z0-9_]+")
_SCALARS = tuple(
    name for name, info in Settings.model_fields.items() if info.annotation in (str, int, bool) or name == "pool"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, the origin of every value by dotted key, and what a classic file left out."""

    settings: Settings
    origins: Mapping[str, Origin]
    notices: tuple[str, ...] = ()


def load(config_dir: FilePath | None, environ: Mapping[str, str] | None = None, sets: Sequence[str] = ()) -> Loaded:
    """All settings of an account; ConfigTrouble lists every problem of every layer in one go.

    `config_dir` is $DFO_CONFIG_DIR (None: shipped files only), `environ` the process environment,
    `sets` what stood behind `--set`.
    """
    layers, problems, notices = Layers(), list[str](), list[str]()
    account, profile = _account(config_dir, sets, problems)
    for name, data in _templates():
        _file(layers, TEMPLATE, name, data, problems)
    if profile:
        _profile(layers, config_dir, profile, problems)
    if config_dir is not None:
        _classic(layers, "move", read_move_products, config_dir / "config.moveProducts", problems, notices)
        _classic(layers, "update", read_create_ab, config_dir / "config.createAB", problems, notices)
        _classic(layers, "create", read_create, config_dir / "config.createAB", problems, notices)
    if account is not None and config_dir is not None:
        layers.add(ACCOUNT, str(config_dir / "dfos.yaml"), account.data, account.lines)
    _environment(layers, environ or {}, problems)
    _command_line(layers, sets, problems)
    layers = _naming(layers, config_dir, problems)
    settings = _validated(layers, bool(problems), config_dir, problems)
    if settings is not None:
        problems += contradictions(settings, layers.where)
    if problems or settings is None:
        raise ConfigTrouble(*dict.fromkeys(problems))
    return Loaded(settings, _origins(settings, layers), tuple(notices))


def profiles(config_dir: FilePath | None) -> dict[str, str]:
    """The instrument profiles that can be named, with the file each is in; the account's own win."""
    return _named("instruments", config_dir)


def naming_tables(config_dir: FilePath | None) -> dict[str, str]:
    """The naming tables that `rename.table` can name, with the file each is in; the account's own win."""
    return _named("naming", config_dir)


def _named(folder: str, config_dir: FilePath | None) -> dict[str, str]:
    packaged = resources.files("config") / folder
    found = {entry.name[:-5]: f"config/{folder}/{entry.name}" for entry in _yaml_in(packaged)}
    if config_dir is not None and (config_dir / folder).is_dir():
        found |= {entry.stem: str(entry) for entry in sorted((config_dir / folder).glob("*.yaml"))}
    return found


def _yaml_in(folder: Any) -> list[Any]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted((entry for entry in entries if entry.name.endswith(".yaml")), key=lambda entry: entry.name)


def _templates() -> Iterable[tuple[str, bytes]]:
    for entry in _yaml_in(resources.files("config") / "templates"):
        yield f"config/templates/{entry.name}", entry.read_bytes()


def _file(layers: Layers, layer: str, name: str, data: bytes, problems: list[str]) -> None:
    try:
        found = read_yaml(data, name)
    except ConfigTrouble as trouble:
        problems += trouble.problems
    else:
        layers.add(layer, name, found.data, found.lines)


def _bytes(path: FilePath, problems: list[str]) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as trouble:
        problems.append(f"{path}: cannot be read: {trouble.strerror}")
        return None


def _account(
    config_dir: FilePath | None, sets: Sequence[str], problems: list[str]
) -> tuple[YamlFile | None, tuple[str, str] | None]:
    """dfos.yaml without its `profile:`, and the profile's name with the place that named it."""
    found, profile = None, None
    path = config_dir / "dfos.yaml" if config_dir is not None else None
    data = _bytes(path, problems) if path is not None else None
    if data is not None:
        try:
            found = read_yaml(data, str(path))
        except ConfigTrouble as trouble:
            problems += trouble.problems
    if found is not None and "profile" in found.data:
        name, where = found.data.pop("profile"), f"{path}:{found.lines['profile',]}"
        if not isinstance(name, str):
            problems.append(f"{where}: profile: {name!r} is not legal: expected the name of a profile")
        else:
            profile = (name, where)
    for text in sets:
        key, _, value = text.partition("=")
        if key.strip() == "profile":
            profile = (value.strip(), f"--set {text}")
    return found, profile


def _profile(layers: Layers, config_dir: FilePath | None, profile: tuple[str, str], problems: list[str]) -> None:
    name, where = profile
    known = profiles(config_dir)
    if not _PROFILE.fullmatch(name) or name not in known:
        listed = ", ".join(known) or "none"
        problems.append(f"{where}: there is no profile '{name[:60]}'{nearest(name, list(known))} (there are: {listed})")
        return
    data = _chosen(known[name], problems)
    if data is not None:
        _file(layers, PROFILE, known[name], data, problems)


def _chosen(file: str, problems: list[str]) -> bytes | None:
    """The content of a shipped file (`config/...`) or of one of the account."""
    if file.startswith("config/"):
        return resources.files("config").joinpath(*file.split("/")[1:]).read_bytes()
    return _bytes(FilePath(file), problems)


def _naming(layers: Layers, config_dir: FilePath | None, problems: list[str]) -> Layers:
    """The naming table that the layers choose goes below all that may differ from it."""
    section = layers.data.get("rename")
    name = section.get("table") if isinstance(section, dict) else None
    if not name or not isinstance(name, str):
        return layers
    where, known = layers.where(("rename", "table")), naming_tables(config_dir)
    if not _PROFILE.fullmatch(name) or name not in known:
        listed = ", ".join(known) or "none"
        hint = nearest(name, list(known))
        problems.append(f"{where}: rename.table: there is no naming table '{name[:60]}'{hint} (there are: {listed})")
        return layers
    data = _chosen(known[name], problems)
    if data is None:
        return layers
    try:
        found = read_yaml(data, known[name])
    except ConfigTrouble as trouble:
        problems += trouble.problems
        return layers
    section = found.data.get("rename")
    if set(found.data) - {"rename"} or not isinstance(section, dict) or "table" in section:
        problems.append(f"{known[name]}:1: a naming table holds 'rename:' and its keys, without 'table', nothing else")
        return layers
    return layers.under(NAMING, known[name], found.data, found.lines)


def _classic(
    layers: Layers,
    section: str,
    read: Callable[[bytes, str], Classic],
    path: FilePath,
    problems: list[str],
    notices: list[str],
) -> None:
    data = _bytes(path, problems)
    if data is None:
        return
    try:
        found = read(data, str(path))
    except ConfigTrouble as trouble:
        problems += trouble.problems
        return
    notices += found.notices
    lines: dict[Path, int] = {(section, *key.split(".")): line for key, line in found.lines.items()}
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in found.move.items()}
    layers.add(CLASSIC, str(path), {section: frozen}, lines)


def _environment(layers: Layers, environ: Mapping[str, str], problems: list[str]) -> None:
    plain = {f"DFOS_{name.upper()}" for name in _SCALARS}
    for variable in sorted(environ):
        if variable.startswith("DFOS_") and ("__" in variable or variable in plain):
            where = f"environment {variable}"
            try:
                path = path_of(variable.removeprefix("DFOS_"), where, "__", layers.data, blind=True)
                _add(layers, ENVIRONMENT, where, path, environ[variable])
            except ConfigTrouble as trouble:
                problems += trouble.problems


def _command_line(layers: Layers, sets: Sequence[str], problems: list[str]) -> None:
    for text in sets:
        key, equals, value = text.partition("=")
        key, where = key.strip(), f"--set {text}"
        if key == "profile":
            continue
        try:
            if not equals or not key:
                raise ConfigTrouble(f"{where}: expected --set section.key=value")
            _add(layers, COMMAND, where, path_of(key, where), value)
        except ConfigTrouble as trouble:
            problems += trouble.problems


def _add(layers: Layers, layer: str, where: str, path: Sequence[str], text: str) -> None:
    annotation = annotation_at(path)[0]
    # where a text belongs, 2014 or NO is one; everything else is read as YAML
    value = text.strip() if annotation is str or legal(annotation).startswith("one of") else read_value(text, where)
    data: Any = value
    for part in reversed(path):
        data = {part: data}
    layers.add(layer, where, data)


def _validated(layers: Layers, broken: bool, config_dir: FilePath | None, problems: list[str]) -> Settings | None:
    try:
        return Settings.model_validate(layers.data, strict=True)
    except ValidationError as trouble:
        errors = trouble.errors(include_url=False)
    missing = [error for error in errors if error["type"] == "missing" and len(error["loc"]) == 1]
    problems += [_sentence(error, layers) for error in errors if error not in missing]
    if missing and not broken:
        names = ", ".join(str(error["loc"][0]) for error in missing)
        place = config_dir / "dfos.yaml" if config_dir is not None else "dfos.yaml"
        listed = ", ".join(profiles(config_dir))
        problems.append(
            f"{place}: {names} not set; name a profile, e.g. 'profile: NAME' (there are: {listed}), or set them"
            " there for another instrument, with 'kinds: {}'"
        )
    return None


def _sentence(error: Any, layers: Layers) -> str:
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    key = ".".join(str(part) for part in path)
    place = layers.where(path)
    if error["type"] == "extra_forbidden" or "[key]" in error["loc"]:
        known = known_keys(annotation_at(path[:-1])[0])
        group = ".".join(str(part) for part in path[:-1]) or "the top level"
        return f"{place}: unknown key '{key}'{nearest(str(path[-1]), known)} (known in {group}: {', '.join(known)})"
    annotation, info = annotation_at(path)
    expected = legal(annotation, info) if annotation is not None else str(error["msg"])
    said = f" ({info.description})" if info is not None and info.description else ""
    if error["type"] == "missing":
        return f"{place}: {key} is missing: expected {expected}{said}{_other_name(path, layers)}"
    value = "nothing" if error["input"] is None else repr(error["input"])
    hint = "; write it in quotes" if annotation is str and isinstance(error["input"], int | float) else ""
    if isinstance(error["input"], str) and expected.startswith("one of "):
        hint = nearest(error["input"], expected.removeprefix("one of ").split(", "))
    return f"{place}: {key}: {value[:80]} is not legal: expected {expected}{hint}{said}"


def _other_name(path: Path, layers: Layers) -> str:
    """A name the account chose that looks like a mistyped one of a lower layer."""
    if len(path) < 2 or annotation_at(path[:-1])[0] is None:
        return ""
    group: Any = layers.data
    for part in path[:-2]:
        group = group.get(part, {}) if isinstance(group, dict) else {}
    others = [name for name in group if name != path[-2]] if isinstance(group, dict) else []
    return nearest(str(path[-2]), others)


def _origins(settings: Settings, layers: Layers) -> dict[str, Origin]:
    default = Origin(DEFAULT, "config/schema.py")
    return {
        ".".join(str(part) for part in path): layers.origins.get(path, default)
        for path in leaves(settings.model_dump())
    }
