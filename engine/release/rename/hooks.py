"""The hooks of renameProducts: PRE_PLUGIN before names are made, SPECIAL_PLUGIN before anything is renamed.

Plugins may block: call these in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.errors import PluginTrouble
from engine.pgi import NameReview, RenamePrePlugin, RenameSpecialPlugin, checked_keys, checked_review
from engine.release.rename.naming import Named, Naming, Value

_OWN = ("PRO.CATG", "MJD-OBS")


def amended(
    plugin: RenamePrePlugin | None, name: str, mode: str, date: str, pool: Sequence[Named], wanted: Sequence[str]
) -> list[Named]:
    """The pool with the key values that the PRE_PLUGIN proposes. `wanted` are the keywords names are made of.

    PluginTrouble when it fails, or proposes values for what it was not shown. Headers are never touched.
    """
    if plugin is None:
        return list(pool)
    shown = {item.product.pipefile: _shown(item, wanted) for item in pool}
    try:
        answer = plugin.amend_keys(mode, date, shown)
    except PluginTrouble:
        raise
    except Exception as trouble:
        raise _failed(name, trouble) from trouble
    keys = checked_keys(name, shown, answer)
    return [_amended(item, keys[item.product.pipefile]) for item in pool]


def judged(plugin: RenameSpecialPlugin | None, name: str, mode: str, date: str, naming: Naming) -> NameReview:
    """What the SPECIAL_PLUGIN says about the names; nothing at all when there is none."""
    if plugin is None:
        return NameReview()
    try:
        answer = plugin.judge_names(mode, date, dict(naming.final), naming.unknown)
    except PluginTrouble:
        raise
    except Exception as trouble:
        raise _failed(name, trouble) from trouble
    return checked_review(name, tuple(naming.final), answer)


def _shown(item: Named, wanted: Sequence[str]) -> dict[str, Value]:
    own: dict[str, Value] = {"PRO.CATG": item.product.catg, "MJD-OBS": item.product.mjd_obs}
    return {**{key: item.keys.get(key) for key in wanted}, **own}


def _amended(item: Named, keys: dict[str, Value]) -> Named:
    mjd, catg = keys["MJD-OBS"], keys["PRO.CATG"]
    number = float(mjd) if isinstance(mjd, int | float) and not isinstance(mjd, bool) else 0.0
    product = replace(item.product, catg="" if catg is None else str(catg), mjd_obs=number)
    kept = {key: value for key, value in keys.items() if key not in _OWN or key in item.keys}
    return Named(product, item.tag, {**item.keys, **kept})


def _failed(name: str, trouble: Exception) -> PluginTrouble:
    return PluginTrouble(f"failed: {trouble!r}", where=name, remedy="nothing was renamed; correct the plugin")
