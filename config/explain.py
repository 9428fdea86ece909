"""`dfos config explain KEY`: the value, where it came from, what it means, what is legal."""

from __future__ import annotations

from config.errors import ConfigTrouble
from config.fields import annotation_at, is_mapping, is_model, legal, path_of
from config.legacy import nearest
from config.load import Loaded


def explain(loaded: Loaded, key: str) -> str:
    """The text for one key, or one line per key below it; '' lists everything.

    ConfigTrouble names the nearest spelling when there is no such key.
    """
    path = path_of(key, "explain") if key else ()
    groups = {".".join(name.split(".")[:depth]) for name in loaded.origins for depth in range(1, name.count(".") + 2)}
    below = [name for name in loaded.origins if not key or name == key or name.startswith(key + ".")]
    annotation, info = annotation_at(path)
    if key and not below and key not in groups:
        raise ConfigTrouble(f"explain: nothing is called '{key}'{nearest(key, sorted(groups))}")
    if path and not (is_model(annotation) or is_mapping(annotation)):
        value, origin = _value(loaded, path), loaded.origins.get(key)
        return "\n".join(
            (
                f"{key} = {_shown(value)}",
                f"  from    {origin}",
                f"  means   {info.description if info is not None else ''}",
                f"  legal   {legal(annotation, info)}",
            )
        )
    heading = [f"{key}: {info.description}"] if info is not None and info.description else []
    width = max((len(name) for name in below), default=0)
    rows = [f"{name:<{width}}  {_brief(_shown(_value(loaded, name)))}  {loaded.origins[name]}" for name in below]
    return "\n".join([*heading, *rows])


def _value(loaded: Loaded, key: tuple[str, ...] | str) -> object:
    found: object = loaded.settings
    for part in path_of(key, "explain") if isinstance(key, str) else key:
        found = found[part] if isinstance(found, dict) and part in found else getattr(found, part, None)
    return found


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if hasattr(value, "model_dump"):
        return "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.model_dump().items()) + "}"
    return str(value) if value not in ("", {}) else "''" if value == "" else "{}"


def _brief(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
