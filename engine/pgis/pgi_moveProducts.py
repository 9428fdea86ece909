"""pgi_moveProducts, SPECIAL_PLUGIN of moveProducts: copies certain products into a workspace for detailed analysis.

The example of the moveProducts page. It does nothing until `move.special_plugin` names it. Its options
(`plugins.options.pgi_moveProducts`): `pro_catg`, the PRO.CATGs to copy, with blanks between, or ALL; `workspace`, an
absolute directory, by default `$TMP_DIR/pgi_moveProducts`. Copies stand in `<workspace>/<MODE>/<DATE>` under their
PIPEFILE names. Products are only read and all of them move; a copy that stands there already is never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.atomic import place as placing
from engine.errors import DestinationOccupied, PluginTrouble
from engine.headers.cards import keywords

NAME = "pgi_moveProducts"


def keep(mode: str, date: str, files: tuple[str, ...], options: Mapping[str, str]) -> tuple[str, ...]:
    """Copy what the options ask for; nothing is withheld. PluginTrouble when it cannot be: nothing moves then."""
    wanted = frozenset(options.get("pro_catg", "").split())
    if not wanted:
        raise PluginTrouble(
            "it is not told what to copy",
            where=NAME,
            remedy=f"set plugins.options.{NAME}.pro_catg, e.g. MASTER_BIAS MASTER_FLAT",
        )
    place = _workspace(options.get("workspace", ""), files) / mode / date
    for file in files:
        path = Path(file)
        if "ALL" in wanted or keywords(path, ("PRO.CATG",)).get("PRO.CATG") in wanted:
            _copied(path, place)
    return ()


def _workspace(text: str, files: tuple[str, ...]) -> Path:
    place = Path(text)
    if not place.is_absolute():
        raise PluginTrouble(
            f"its workspace '{text}' is no absolute directory",
            where=NAME,
            remedy=f"set plugins.options.{NAME}.workspace",
        )
    place = place.resolve()
    if any(place.is_relative_to(Path(file).resolve().parent) for file in files):
        raise PluginTrouble(
            f"its workspace {place} is where the products are",
            where=NAME,
            remedy=f"set plugins.options.{NAME}.workspace to another directory",
        )
    return place


def _copied(path: Path, place: Path) -> None:
    """Another solution of the same PIPEFILE, from an earlier run, stays: this one is called .2, .3, ..."""
    target, number = place / path.name, 1
    while True:
        try:
            place.mkdir(parents=True, exist_ok=True)
            placing.copy(path, target)
            return
        except DestinationOccupied:
            number += 1
            target = place / f"{path.name}.{number}"
        except OSError as trouble:
            raise PluginTrouble(
                f"{target} cannot be written: {trouble.strerror}", where=NAME, remedy="nothing was moved"
            ) from trouble
