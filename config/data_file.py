"""Tables that are data: score definitions, QC1 tables, score bits. The account's own before the shipped ones."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from config.errors import ConfigTrouble
from config.section import Section
from config.yaml_file import read_yaml

S = TypeVar("S", bound=Section)


def validated(model: type[S], folder: str, name: str, config_dir: Path | None) -> S:
    """A data file of a folder of `config`, the account's own before the shipped one, as `model`."""
    data, where = _read(folder, name, config_dir)
    found = read_yaml(data, where)
    try:
        return model.model_validate(found.data)
    except ValidationError as trouble:
        problems = [f"{where}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in trouble.errors()]
        raise ConfigTrouble(*problems) from None


def _read(folder: str, name: str, config_dir: Path | None) -> tuple[bytes, str]:
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise ConfigTrouble(f"'{name[:60]}' is no name of a file in config/{folder}")
    own = config_dir / folder / f"{name}.yaml" if config_dir else None
    try:
        if own and own.is_file():
            return own.read_bytes(), str(own)
        shipped = resources.files("config") / folder / f"{name}.yaml"
        return shipped.read_bytes(), f"config/{folder}/{name}.yaml"
    except OSError as trouble:
        where = f"{own} and " if own else ""
        raise ConfigTrouble(f"{where}config/{folder}/{name}.yaml: {trouble.strerror}") from None
