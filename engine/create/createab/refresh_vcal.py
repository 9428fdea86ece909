"""refreshVCAL: the virtual calibrations that ABs refer to, made anew from the ABs that make their products.

They go to $DFO_CAL_DIR/REFRESH_VCAL/<DATE>; VCAL itself stays as it is until the operator copies. What stood in
REFRESH_VCAL before and is not made again goes to the trash, so that the directory holds one refresh, whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine import events as ev
from engine.atomic import lock, trash
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import telling
from engine.context import Context
from engine.core.ab import AB
from engine.core.dates import date_label
from engine.core.done import Done
from engine.errors import BadAb, UsageTrouble
from engine.headers.virtual import pseudo_cards
from engine.stores.abs import read
from engine.stores.orders import Order
from engine.stores.vcal import stem_of

TOOL = "refreshVCAL"
_BATCH = 200  # files of one step


@dataclass(frozen=True, slots=True)
class Entry:
    """One virtual calibration: its DATE, its name, own cards, and the files that hold the raw header."""

    date: str
    name: str
    cards: str
    headers: tuple[str, ...]


@dataclass(frozen=True)
class RefreshPlan:
    """What is made, what cannot be (name, why), ABs that could not be read, and files of an earlier refresh."""

    folder: Path
    entries: tuple[Entry, ...]
    lost: tuple[tuple[str, str], ...]
    refused: tuple[str, ...]
    old: tuple[Path, ...]

    @property
    def text(self) -> str:
        """One line for the operator."""
        more = f", {len(self.lost)} cannot be made, first {self.lost[0][0]}: {self.lost[0][1]}" if self.lost else ""
        return f"{len(self.entries)} virtual calibrations in {self.folder}{more}"

    def describe(self) -> list[str]:
        """The plan in lines."""
        made = [f"{entry.date}/{entry.name}" for entry in self.entries]
        return [*made, *(f"{name}: {why}" for name, why in self.lost), *self.refused]


async def ordered(context: Context, order: Order, plugins: Mapping[str, Any]) -> Done:
    """Carry out `refreshVCAL` for an order; exit 1 when some could not be made."""
    first, last = order.date, date_label(order.options.get("end", order.date))
    with lock.pool(context.tree, order.mode, order.date, TOOL, context.who):
        plan = await asyncio.to_thread(planned, context.tree, first, last)
        context.bus.publish(ev.PhaseStarted("refreshVCAL", f"{first} to {last}"))
        for name, why in plan.lost:
            context.bus.publish(ev.Notice("warning", f"refreshVCAL: {name}: {why}"))
        journal = Journal(context.db, context.tree)
        days = context.settings.move.trash_days
        transaction = journal.begin(
            TOOL,
            order.mode,
            order.date,
            context.who,
            lambda begun: _steps(context.tree, plan, begun, days),
            begun=context.utc(),
            summary=f"refresh {len(plan.entries)} virtual calibrations",
        )
        await journal.run(transaction, context.utc, telling(context.bus, TOOL))
    return Done(1 if plan.lost or plan.refused else 0, plan.text)


def planned(tree: DfoTree, first: str, last: str) -> RefreshPlan:
    """What would be made for the ABs of DATEs from `first` to `last` in the order of labels. Reads only.

    UsageTrouble when there are none.
    """
    if last < first:
        raise UsageTrouble(f"{last} comes before {first}", remedy="name the first DATE first")
    abs_, refused = _abs(tree, first, last)
    if not abs_ and not refused:  # to go on would send the last refresh to the trash
        raise UsageTrouble(f"there are no ABs from {first} to {last}", remedy="check the DATEs; createAB makes ABs")
    referred = {stem_of(Path(path).name) for ab in abs_ for path in _virtual(ab)}
    entries: dict[str, Entry] = {}
    lost: dict[str, str] = {}
    for ab in abs_:
        for product in ab.products:
            stem = stem_of(product.name)
            if stem in referred:
                found = _entry(tree, ab, stem, product.catg)
                if isinstance(found, Entry):
                    entries[stem] = found
                else:
                    lost[stem] = found
    known = {stem_of(product.name) for ab in abs_ for product in ab.products}
    lost |= {stem: "no AB of these dates makes it" for stem in sorted(referred - known)}
    folder = tree.cal / "REFRESH_VCAL"
    keep = {folder / entry.date / entry.name for entry in entries.values()}
    old = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in keep] if folder.is_dir() else []
    ordered_ = sorted(entries.values(), key=lambda entry: (entry.date, entry.name))
    return RefreshPlan(folder, tuple(ordered_), tuple(lost.items()), tuple(refused), tuple(old))


def _steps(tree: DfoTree, plan: RefreshPlan, transaction: Transaction, trash_days: int) -> Iterator[Step]:
    old = [(path, "of an earlier refreshVCAL", path.stat().st_size) for path in plan.old]
    yield from trash.retiring(tree, transaction, old, trash.until(transaction.begun, trash_days))
    for date in dict.fromkeys(entry.date for entry in plan.entries):
        folder = plan.folder / date
        yield Step("make room", "make_dir", {"path": str(folder)}, f"make {folder.name}")
    for date in dict.fromkeys(entry.date for entry in plan.entries):
        made = iter([entry for entry in plan.entries if entry.date == date])
        while batch := list(islice(made, _BATCH)):
            data = {
                "folder": str(plan.folder / date),
                "texts": [(entry.name, entry.cards) for entry in batch],
                "headers": [list(entry.headers) for entry in batch],
            }
            yield Step("write virtual calibrations", "virtual", data, f"write {len(batch)} virtual calibrations")


def _entry(tree: DfoTree, ab: AB, stem: str, catg: str) -> Entry | str:
    """The virtual calibration of one product; why not, when there is no raw header of its AB."""
    if not ab.raws:
        return f"{ab.name} names no raw file"
    raw = tree.expand(ab.raws[0].path)
    headers = tree.variables.get("DFO_HDR_DIR", "")
    places = [Path(headers) / raw.parent.name / f"{stem_of(raw.name)}.hdr"] if headers else []
    places += [raw, raw.with_name(f"{stem_of(raw.name)}.fits.fz")]
    there = tuple(str(path) for path in places if path.is_file())
    if not there:
        return f"the raw header of {raw.name} is not there"
    keys = {"DFOS.AB": ab.name, "DFOS.MODE": ab.mode, "DFOS.DATE": ab.date, "DFOS.RAWTYPE": ab.raw_type}
    return Entry(ab.date, f"{stem}.hdr", pseudo_cards({**keys, "PRO.CATG": catg}), there)


def _virtual(ab: AB) -> Iterator[str]:
    """The paths of the virtual calibrations an AB refers to."""
    for value in (*ab.values("MCALIB"), *ab.values("MASSOC")):
        state, path = value.split()[:2]
        if state == "VIRTUAL":
            yield path


def _abs(tree: DfoTree, first: str, last: str) -> tuple[list[AB], list[str]]:
    """The ABs of the DATEs, at work or moved, by name; and files that are none."""
    found: dict[str, AB] = {}
    refused = []
    folders = sorted(path for path in tree.log.iterdir() if first <= path.name <= last) if tree.log.is_dir() else []
    for place in (tree.ab, *folders):
        for path in sorted(place.glob("*.ab")):
            try:
                ab = read(path)
            except BadAb as trouble:
                refused.append(str(trouble))
                continue
            if first <= ab.date <= last:
                found.setdefault(ab.name, ab)
    return [found[name] for name in sorted(found)], refused
