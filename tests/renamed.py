"""Final directories with small products to be renamed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.context import Context
from engine.core.done import Done
from engine.release.rename.order import Wish, ordered
from tests.released import NIGHT, release_context

BIAS = {"PRO.CATG": "MASTER_BIAS", "DET.READ.CURNAME": "SCI1.0"}


def header(**keys: Any) -> bytes:
    """A primary header without data; `PRO__CATG` is HIERARCH ESO PRO CATG, None leaves a keyword out."""
    values = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, **{key.replace("__", "."): keys[key] for key in keys}}
    cards = [_card(key, value) for key, value in values.items() if value is not None] + [b"END".ljust(80)]
    text = b"".join(cards)
    return text.ljust(-(-len(text) // 2880) * 2880)


def _card(key: str, value: Any) -> bytes:
    name = f"HIERARCH ESO {key.replace('.', ' ')}" if "." in key else key.ljust(8)
    text = ("T" if value else "F").rjust(20) if isinstance(value, bool) else repr(value).rjust(20)
    if isinstance(value, str):
        text = "'" + value.replace("'", "''").ljust(8) + "'"
    return f"{name}= {text}".encode("utf-8", "surrogateescape")[:80].ljust(80)


def put(place: Path, minute: int, name: str = "", suffix: str = ".fits", **keys: Any) -> str:
    """A bias of 22:<minute> in `place`, called by its PIPEFILE or `name`; its PIPEFILE."""
    place.mkdir(parents=True, exist_ok=True)
    pipefile = f"r.MUSE.2014-10-22T22:{minute:02d}:00.000_tpl_0000.fits"
    values = {"PIPEFILE": pipefile, "MJD-OBS": 56952.9 + minute / 1440, **BIAS, "QC.N": minute}
    content = header(**{**values, **{key.replace("__", "."): value for key, value in keys.items()}})
    (place / (name or pipefile.removesuffix(".fits") + suffix)).write_bytes(content)
    return pipefile


def night(root: Path, minutes: int = 3, **settings: Any) -> tuple[Context, Path]:
    """An account whose CALIB date holds `minutes` biases under their PIPEFILE names."""
    context = release_context(root, **settings)
    place = context.tree.cal / NIGHT
    for minute in range(minutes):
        put(place, minute)
    return context, place


async def rename(context: Context, mode: str = "CALIB", date: str = NIGHT, **wish: bool) -> Done:
    """renameProducts as the engine calls it."""
    plugins: Mapping[str, Any] = getattr(context, "plugins", {})
    return await ordered(context, Wish(mode, date, **wish).order(), plugins)


def held(place: Path) -> dict[str, bytes]:
    """What stands in a directory, rn_files left out."""
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name != "rn_files" and path.is_file()}
