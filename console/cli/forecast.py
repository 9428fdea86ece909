"""`dfos forecast`: what a pool will take, before it starts: ABs, hours, memory, disk, target by target."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from console.cli import words
from engine.core.sizes import counted, time_text

if TYPE_CHECKING:
    from engine.process.plan.forecast import PoolForecast


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser(
        "dfos forecast",
        "What the ABs of a MODE and DATE will take before any of them starts: hours, memory, disk, per target.",
    )
    words.add_pool(made)
    made.add_argument("--json", action="store_true", help="as JSON, in seconds and GB")
    made.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="override a setting")
    return made


def main(argv: list[str]) -> int:
    """Print the forecast. Exit 0 when all of it may start, 1 when something will not: too large, or no room."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    from dataclasses import asdict

    from console.account import open_settings
    from engine.core.dates import date_label, mode_label
    from engine.process.plan.forecast import forecast
    from engine.stores.database import connect
    from engine.stores.nothing import nothing_of
    from engine.stores.widths import Widths

    mode, date = mode_label(given.mode), date_label(given.date)
    settings = open_settings(tree, os.environ, given.set).settings
    db = connect(tree.journal, readonly=True) if tree.journal.exists() else None
    try:
        found = forecast(tree, Widths(db, settings).settings() if db else settings, db, mode, date)
    finally:
        if db:
            db.close()
    nothing = None if found.total else nothing_of(tree, mode, date)
    if nothing:
        nothing.refused()
    if given.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        words.say([f"{mode} {date}: nothing to do, {nothing.text}"] if nothing else lines(found))
    return 1 if found.refused or not found.fits_disk else 0


def lines(found: PoolForecast) -> list[str]:
    """The forecast in at most 80 columns."""
    head = f"{found.mode} {found.date}: {found.abs:,} of {found.total:,} ABs still to run"
    head += f", {len(found.refused):,} will not run" if found.refused else ""
    if not found.abs and not found.refused:
        done = f"all {found.total:,} ABs are done" if found.total > 1 else "its one AB is done"
        return [f"{found.mode} {found.date}: nothing to do, {done}"]
    if not found.abs:
        return [head, *_refused(found)]
    saved = found.ranks_s - found.seconds
    shorter = f", {time_text(saved)} less than rank by rank" if saved >= 60 else ""
    out = [
        head,
        f"  time    {time_text(found.seconds)} in {counted(found.streams, 'stream')}{shorter}",
        f"  memory  {_known(found.peak_gb, 'at most')}, of {found.host_gb:,.4g} GB for recipes",
        f"  disk    {_known(found.disk_gb, 'will be written')}, {found.free_gb:,.4g} GB free",
    ]
    if not found.fits_disk:
        out.append(f"  ! no room: {found.reserve_gb:,.4g} GB must stay free; the last ABs would wait for disk")
    if found.targets:
        out.append(f"  {'target':<24} {'ABs':>5} {'N':>4} {'begins':>9} {'finished':>9} {'memory':>8} {'disk':>8}")
    for one in found.targets:
        name = one.target or "-"
        out.append(
            f"  {name if len(name) <= 24 else name[:23] + '~':<24} {one.abs:>5} {one.inputs or '-':>4} "
            f"{time_text(one.begin_s):>9} {time_text(one.end_s):>9} {one.memory_gb:>5,.4g} GB {one.disk_gb:>5,.4g} GB"
        )
    for ab in found.asked:
        out += [f"  ? {ab}", "    is asked about before it starts"]
    out += _refused(found)
    known = [f"{kind} {count}" for kind, count in found.measured.items() if count]
    unknown = [kind for kind, count in found.measured.items() if not count]
    if known:
        out += _folded("  measured here: " + ", ".join(known), "    ")
    if unknown:
        out += _folded("  by the profile, nothing measured yet: " + ", ".join(unknown), "    ")
    return out


def _refused(found: PoolForecast) -> list[str]:
    """What will not run, and why."""
    return [line for ab, why in found.refused for line in (f"  ! {ab}", *(f"    {part}" for part in _folded(why)))]


def _known(amount: float, what: str) -> str:
    """GB, where anything is known of them."""
    return f"{amount:,.4g} GB {what}" if amount else "nothing known"


def _folded(text: str, behind: str = "") -> list[str]:
    """The text in lines of at most 76 columns; words that are longer stay whole."""
    import textwrap

    return textwrap.wrap(
        text, 76, subsequent_indent=behind, drop_whitespace=True, break_long_words=False, break_on_hyphens=False
    )
