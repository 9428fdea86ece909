"""Find the plugins (PGI) that the configuration names; nothing runs before all of them are found.

A name is looked for among the shipped plugins (`engine.pgis`), as `module:object` when the configuration lists
that module, and as an executable in $DFO_BIN_DIR (`ShellPgi`). Spelling: upper and lower case do not matter and
both documented names of a plugin are the same one (decision 25).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from config.schema import Settings
from config.tree import DfoTree
from console.plugins.shell_pgi import ShellPgi
from engine.errors import PluginTrouble
from engine.executables import check_safe
from engine.pgi import PROTOCOLS
from engine.process.ab.hooks import END, LIMIT_S, MONITOR_S, START

SHIPPED = "engine.pgis"
# hooks that a part of this console fills; phoenixCertify_MUSE is the certification screen and `dfos answer`
BUILT_IN = {"CERTIF_PGI": {"phoenixcertify_muse"}}
# second names the pages use, folded; letter case needs no line here
ALIASES = {"pgi_phoenix_muse_getstat": "pgi_phoenix_gen_getstat"}
_NONE = ("", "none")


def slots(settings: Settings, tree: DfoTree) -> list[tuple[str, str, bool, str]]:
    """Every slot: its name, the configured plugin ('' for none), whether it was found, and where or why not."""
    rows = []
    for slot, name in _configured(settings):
        if name.casefold() in _NONE:
            rows.append((slot, "", True, "none configured"))
            continue
        try:
            rows.append((slot, name, True, _find(slot, name, settings, tree)[1]))
        except PluginTrouble as trouble:
            rows.append((slot, name, False, trouble.what))
    return rows


def load(settings: Settings, tree: DfoTree, only: Collection[str] = tuple(PROTOCOLS)) -> dict[str, Any]:
    """The configured plugins by slot (`MODE.SLOT` where one MODE has its own).

    Each fulfils the protocol of its slot (`engine.pgi.PROTOCOLS`).

    `only` names the slots that are of interest.

    Slots filled by this console itself (CERTIF_PGI phoenixCertify_MUSE) are not in the answer. PluginTrouble
    lists every plugin that is missing or unfit, before anything moves.
    """
    found: dict[str, Any] = {}
    missing: list[str] = []
    for slot, name in _configured(settings):
        if slot.rpartition(".")[2] not in only or name.casefold() in _NONE:
            continue
        try:
            plugin = _find(slot, name, settings, tree)[0]
        except PluginTrouble as trouble:
            missing.append(f"{slot} {name}: {trouble.what}")
        else:
            if plugin is not None:
                found[slot] = plugin
    if missing:
        raise PluginTrouble(
            "plugins are configured but cannot be used: " + "; ".join(missing),
            remedy="install them, correct the name, or set the slot to NONE; see: dfos doctor",
        )
    return found


def _configured(settings: Settings) -> Iterator[tuple[str, str]]:
    elsewhere = {
        "SPECIAL_PLUGIN": settings.move.special_plugin,
        "RENAME_PRE_PLUGIN": settings.rename.pre_plugin,
        "RENAME_SPECIAL_PLUGIN": settings.rename.special_plugin,
    }
    for slot in PROTOCOLS:
        yield slot, elsewhere[slot] if slot in elsewhere else getattr(settings.plugins, slot)
    for mode, own in settings.plugins.per_mode.items():
        for slot, name in own:
            if name is not None:
                yield f"{mode}.{slot}", name


def _find(slot: str, name: str, settings: Settings, tree: DfoTree) -> tuple[Any, str]:
    slot = slot.rpartition(".")[2]
    folded = _folded(name)
    if folded in BUILT_IN.get(slot, ()):
        return None, "part of this console"
    if ":" in name:
        return _fit(slot, _dotted(name, settings), name), f"module {name.partition(':')[0]}"
    if "/" in name or name.startswith(".") or any(char.isspace() for char in name):
        raise PluginTrouble(f"'{name}' is no name of a plugin; a plain name in $DFO_BIN_DIR is needed")
    for module in pkgutil.iter_modules(importlib.import_module(SHIPPED).__path__):
        if _folded(module.name) == folded:
            return _fit(slot, importlib.import_module(f"{SHIPPED}.{module.name}"), name), f"shipped: {module.name}"
    path = _executable(name, folded, tree.bin)
    option = settings.plugins.options.get(name, {}).get(
        "timeout_s", str(MONITOR_S if slot in (START, END) else LIMIT_S)
    )
    try:
        limit = float(option)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise PluginTrouble(f"option timeout_s '{option}' is not a number of seconds")
    return ShellPgi(path, tree, limit), tree.shorten(path)


def _folded(name: str) -> str:
    return ALIASES.get(name.casefold(), name.casefold())


def _dotted(name: str, settings: Settings) -> Any:
    module, _, attribute = name.partition(":")
    if module not in settings.plugins.modules:
        raise PluginTrouble(f"module '{module}' is not listed in plugins.modules, so nothing is loaded from it")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as trouble:  # a plugin author's module may raise anything
        raise PluginTrouble(f"cannot be loaded: {type(trouble).__name__}: {trouble}") from trouble
    return found() if isinstance(found, type) else found


def _fit(slot: str, plugin: Any, name: str) -> Any:
    protocol = PROTOCOLS[slot]
    if isinstance(plugin, protocol):
        return plugin
    method = next(attribute for attribute in vars(protocol) if not attribute.startswith("_"))
    raise PluginTrouble(f"'{name}' has no '{method}', which {slot} needs")


def _executable(name: str, folded: str, folder: Path) -> Path:
    try:
        same = sorted(entry for entry in folder.iterdir() if _folded(entry.name) == folded)
    except OSError as trouble:
        raise PluginTrouble(f"not shipped, and $DFO_BIN_DIR cannot be read: {trouble.strerror}") from trouble
    exact = [entry for entry in same if entry.name == name] or same
    if not exact:
        raise PluginTrouble("neither shipped nor in $DFO_BIN_DIR")
    if len(exact) > 1:
        raise PluginTrouble(f"ambiguous in $DFO_BIN_DIR: {', '.join(entry.name for entry in exact)}")
    check_safe(exact[0])
    return exact[0]


def options(settings: Settings, name: str) -> Mapping[str, str]:
    """The options of a plugin, under either of its names."""
    for known, values in settings.plugins.options.items():
        if _folded(known) == _folded(name):
            return values
    return {}
