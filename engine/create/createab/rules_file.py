"""The rule file of an account: where it is, and what it says."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from config.schema import Settings
from config.tree import DfoTree
from engine.core.pipelines import pipeline_names
from engine.create.oca.load import load
from engine.create.oca.model import Rules
from engine.errors import UsageTrouble

_INSTALLED = ("/usr/share/cpl-plugins", "/usr/local/share/cpl-plugins")


def rules_path(settings: Settings, tree: DfoTree, installed: Sequence[str] = _INSTALLED) -> Path:
    """`create.rules`, else $DFO_CONFIG_DIR/OCA/<instr>.RLS, .h, .oca, else the file of the installed pipeline.

    UsageTrouble says where was looked, and what stands there that is no file: other rules than those of the account
    are never taken for them.
    """
    if settings.create.rules:
        path = tree.expand(settings.create.rules)
        if _is_there(path):
            return path
        raise UsageTrouble("there is no such rule file", where=str(path), remedy="correct create.rules")
    names = pipeline_names(settings.instrument) or ("none",)
    place = tree.config / "OCA"
    for name in names:
        for end in (".RLS", ".h", ".oca"):
            for spelled in (name, name.upper()):
                if _is_there(place / f"{spelled}{end}"):
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


def _is_there(path: Path) -> bool:
    """True for a file. UsageTrouble when there is something else of this name, or nobody may look."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as trouble:
        why = f"cannot be reached: {trouble.strerror}"
    else:
        try:
            if stat.S_ISREG(path.stat().st_mode):
                return True
            why = "is no file"
        except OSError as trouble:
            why = f"a link that leads nowhere: {trouble.strerror}"
    raise UsageTrouble(f"{why}; no other rules are taken instead", where=str(path), remedy="repair it or take it away")
