"""What a plan says about each raw type of its MODE, skips included (steps 1 to 2.7 of the tool page). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from config.schema import Saved, Settings
from engine.core.product import DELETE, FATES, MOVE, WITHHELD, Fate
from engine.release.move.extras import GRAPHICS, format_of
from engine.release.move.survey import Snapshot

_WORDS = {MOVE: "move", DELETE: "not saved", WITHHELD: "stay"}


def notes(
    seen: Snapshot, settings: Settings, rows: dict[str, Saved], fates: Iterable[Fate], renames: bool
) -> Iterator[str]:
    """One line about the plugin and the renaming, then one for each of the raw types in `rows`."""
    plugin = settings.move.special_plugin
    if plugin in ("", "NONE"):
        yield "SPECIAL_PLUGIN is NONE: step 2.7 is skipped"
    else:
        yield f"SPECIAL_PLUGIN {plugin} is called before anything moves; what it takes away stays (step 2.7)"
    if not renames:
        yield f"RENAME {seen.mode} is NO: products keep their PIPEFILE names"
    counts = Counter((fate.product.raw_type, fate.fate) for fate in fates)
    plots = {extra.ab for extra in seen.extras if format_of(Path(extra.path)) in GRAPHICS}
    by_type = {ab.raw_type for ab in seen.abs if ab.name in plots}
    for number, (raw_type, row) in enumerate(rows.items(), 1):
        mine = [f"{counts[raw_type, fate]} {_WORDS[fate]}" for fate in FATES if counts[raw_type, fate]]
        none = "no products" if raw_type in seen.directories else "no product directory"
        what = ", ".join(mine) if mine else f"{none} of this date, skipped"
        what += "" if not mine or raw_type in by_type else ", no graphics"
        yield f"{number} of {len(rows)} {raw_type} ({row.save}): {what}"
