"""The rule file of an account: where it is, and what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from config.schema import Settings
from config.tree import DfoTree
from engine.create.oca.load import load
from engine.create.oca.model import Rules
from engine.errors import UsageTrouble

_INSTALLED = ("/usr/share/cpl-plugins", "/usr/local/share/cpl-plugins")
_SHORT = 5  # letters of an instrument in the names of pipelines: giraf


def rules_path(settings: Settings, tree: DfoTree, installed: Sequence[str] = _INSTALLED) -> Path:
    """`create.rules`, else $DFO_CONFIG_DIR/OCA/<instr>.RLS, .h, .oca, else the file of the installed pipeline.

    UsageTrouble says where was looked.
    """
    if settings.create.rules:
        path = tree.expand(settings.create.rules)
        if path.is_file():
            return path
        raise UsageTrouble("there is no such rule file", where=str(path), remedy="correct create.rules")
    names = _names(settings.instrument)
    place = tree.config / "OCA"
    for name in names:
        for end in (".RLS", ".h", ".oca"):
            for spelled in (name, name.upper()):
                if (place / f"{spelled}{end}").is_file():
                    return place / f"{spelled}{end}"
    for name in names:
        found = [
            path
            for folder in installed
            for path in Path(folder).glob(f"{name}-*/gasgano/config/{name}.oca")
            if path.is_file()
        ]
        if found:
            return max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-4])])
    raise UsageTrouble(
        f"there are no OCA rules for {settings.instrument}",
        where=str(place),
        remedy=f"put {names[0]}.RLS there, set create.rules, or install cpl-plugin-{names[-1]}",
    )


def rules_of(settings: Settings, tree: DfoTree) -> tuple[Rules, Path]:
    """The rules of the account and their file. UsageTrouble, BadRules."""
    path = rules_path(settings, tree)
    return load(path, below=path.parent), path


def _names(instrument: str) -> list[str]:
    name = instrument.lower()
    if not re.fullmatch(r"[a-z0-9_]+", name):
        return ["none"]
    return list(dict.fromkeys((name, name[:_SHORT])))
