"""What a clean-up will do, or why it will do nothing. Pure: made from what was seen, from nothing else."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.atomic.journal import Step
from engine.core.product import stem_of
from engine.transfer.archives.protocol import Receipt
from engine.transfer.cleanup.survey import Fits, Graphic, Seen, Slimmed
from engine.transfer.ingest.states import INGESTED, Item


@dataclass(frozen=True, slots=True)
class Going:
    """A FITS file that goes. `stays` is what stays of it: its own headers, or (`keys`) the product made from it.

    `receipt` is what the archive gave for its content, None when it holds the converted product only.
    """

    fits: Fits
    stays: Path
    receipt: Receipt | None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class CleanupPlan:
    """One MODE and DATE. `refused`: reasons for which nothing may be touched; `unarchived`: those that concern
    the archive. `asked`: receipts the archive must confirm now, by file name. `stays`: FITS that stay, and why.
    """

    mode: str
    date: str
    phoenix: bool = False
    going: tuple[Going, ...] = ()
    links: tuple[Graphic, ...] = ()
    stays: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, ...] = ()
    unarchived: tuple[str, ...] = ()
    asked: tuple[tuple[str, Receipt], ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing goes and nothing is linked."""
        return not self.going and not self.links

    @property
    def freed(self) -> int:
        """Bytes that are free afterwards; a file with another name elsewhere frees none."""
        gone = sum(one.fits.size for one in self.going if one.fits.links == 1)
        gone += sum(graphic.size for graphic in self.links)
        return gone - sum(one.fits.text for one in self.going if not one.keys and not one.fits.hdr)

    def describe(self) -> list[str]:
        """The plan in lines."""
        lines = []
        for one in self.going:
            what = f"goes, represented by {one.stays.name}" if one.keys else f"-> {one.stays.name}"
            lines.append(f"{one.fits.path.name} {what} ({one.fits.size} bytes)")
        lines += [f"{link.path.name} -> link to {link.target}" for link in self.links]
        lines += [f"{name} stays FITS: {why}" for name, why in self.stays]
        return lines


def cleanup_plan(
    seen: Seen, items: Mapping[str, Item], *, status: str, finished: bool, spared: Collection[str] = ()
) -> CleanupPlan:
    """What to do with what was seen. `spared` are paths of FITS that a plugin keeps."""
    made = _Made(seen, items, frozenset(spared))
    if not finished:
        what = f"its status is {status}" if status else "it has no status"
        made.refused.append(f"the date is not finished, {what} (-O overrides this, and only this)")
    made.refused += [f"nobody knows what this AB needs: {text}" for text in seen.unreadable]
    for fits in seen.conv if seen.phoenix else seen.fits:
        made.own(fits)
    if seen.phoenix:
        made.headers_there()
        for fits in seen.fits:
            made.original(fits)
    made.once()
    return CleanupPlan(
        seen.mode,
        seen.date,
        seen.phoenix,
        tuple(made.going),
        tuple(graphic for graphic in seen.graphics if graphic.target),
        tuple(made.stays),
        tuple(made.refused),
        tuple(made.unarchived),
        tuple(made.asked),
    )


class _Made:
    """A plan in the making."""

    def __init__(self, seen: Seen, items: Mapping[str, Item], spared: frozenset[str]) -> None:
        self.seen = seen
        self.items = items
        self.spared = spared
        self.going: list[Going] = []
        self.stays: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self.unarchived: list[str] = []
        self.asked: list[tuple[str, Receipt]] = []
        self.witnesses: dict[str, Path] = {}

    def own(self, fits: Fits) -> None:
        """A FITS file that was ingested itself and leaves its headers."""
        name = fits.path.name
        if str(fits.path) in self.spared:
            self.stays.append((name, "the plugin keeps it"))
            return
        if fits.problem:
            self.refused.append(f"{name}: {fits.problem}")
            return
        receipt, why = self._receipt(fits)
        if receipt is None:
            self.unarchived.append(f"{name}: {why}")
            return
        self._goes(fits, receipt)

    def headers_there(self) -> None:
        """Products of DATE/conv that an earlier clean-up left as headers speak for their originals too."""
        for slimmed in self.seen.slimmed:
            item = self._item_of(slimmed)
            if item and item.receipt and item.state == INGESTED and slimmed.names:
                self.witnesses.update(dict.fromkeys(slimmed.names - self.witnesses.keys(), slimmed.path))
                self.asked.append((slimmed.path.name, item.receipt))

    def original(self, fits: Fits) -> None:
        """A FITS file of DATE, which may go when DATE/conv has what was made from it."""
        name = fits.path.name
        if str(fits.path) in self.spared:
            self.stays.append((name, "the plugin keeps it"))
            return
        if fits.problem:
            self.stays.append((name, fits.problem))
            return
        known = sorted({fits.pipefile, name} & self.witnesses.keys())
        if known:
            self._needed(fits)
            self.going.append(Going(fits, self.witnesses[known[0]], None, tuple(known)))
            return
        receipt, why = self._receipt(fits)
        if receipt is None:
            self.stays.append((name, f"no converted product was made from it, and it is {why}"))
            return
        self._goes(fits, receipt)

    def once(self) -> None:
        """Two files may not leave the same headers."""
        seen: dict[Path, str] = {}
        for one in self.going:
            if not one.keys and seen.setdefault(one.stays, one.fits.path.name) != one.fits.path.name:
                self.refused.append(f"{one.fits.path.name} and {seen[one.stays]} would both become {one.stays.name}")

    def _goes(self, fits: Fits, receipt: Receipt) -> None:
        name = fits.path.name
        if fits.hdr == "other":
            self.refused.append(f"{name}: {fits.header.name} stands there with other content")
            return
        self._needed(fits)
        self.asked.append((name, receipt))
        self.going.append(Going(fits, fits.header, receipt))
        if fits.path.parent != self.seen.place:
            self.witnesses.update(dict.fromkeys(fits.names - self.witnesses.keys(), fits.header))

    def _needed(self, fits: Fits) -> None:
        for stem in sorted({stem_of(name) for name in (fits.path.name, fits.pipefile) if name}):
            if stem in self.seen.needs:
                self.refused.append(f"{fits.path.name}: {self.seen.needs[stem]} still needs it")

    def _receipt(self, fits: Fits) -> tuple[Receipt | None, str]:
        why = "not ingested"
        for item in self._items(fits.path):
            if item.state != INGESTED or item.receipt is None:
                why = f"not ingested ({item.state})"
            elif (item.receipt.size, item.receipt.sha256) != (fits.size, fits.sha256):
                why = "not what was ingested, its content has changed since"
            else:
                return item.receipt, ""
        return None, why

    def _items(self, path: Path) -> Iterator[Item]:
        names = [path.name] if path.parent == self.seen.place else [f"conv/{path.name}", path.name]
        yield from (self.items[name] for name in names if name in self.items)

    def _item_of(self, slimmed: Slimmed) -> Item | None:
        stem = stem_of(slimmed.path.name)
        paths = [slimmed.path.with_name(stem + suffix) for suffix in (".fits", ".fits.fz")]
        return next((item for path in paths for item in self._items(path)), None)


HEAD = "# UTC name bytes sha256 receipt; what was removed, and what the archive gave for it\n"


def record(plan: CleanupPlan, earlier: str, utc: str) -> str:
    """The text of `list_cleanup_<MODE>_<DATE>.txt`: what it held, and a line for every FITS that goes."""
    lines = [
        f"{utc} {_word(one.fits.path.name)} {one.fits.size} {one.fits.sha256} {_word(receipt_words(one))}\n"
        for one in plan.going
    ]
    return (earlier or HEAD) + ("" if not earlier or earlier.endswith("\n") else "\n") + "".join(lines)


def receipt_words(one: Going) -> str:
    """What the archive calls it: `<file id>:<version>`, or the converted product that stands for it."""
    if one.receipt is None:
        return f"as:{one.stays.name}"
    return f"{one.receipt.file_id or one.receipt.name}:{one.receipt.version}"


def _word(text: str) -> str:
    """One word of the list; names with blanks or worse are quoted as in JSON."""
    return text if text.isascii() and text.isprintable() and not set(text) & set(' "') else json.dumps(text)


def steps(plan: CleanupPlan, list_file: Path, text: str) -> Iterator[Step]:
    """The journal's steps: headers, the record, then the FITS; graphics last."""
    for one in plan.going:
        if not one.keys and not one.fits.hdr:
            yield Step("write headers", "header", _data(one, one.fits), f"write {one.stays.name}")
    if plan.going:
        yield Step("note what goes: directory", "make_dir", {"path": str(list_file.parent)}, "make the directory")
        yield Step("note what goes", "write", {"path": str(list_file), "text": text}, f"write {list_file.name}")
    yield from _removals([one for one in plan.going if not one.keys], "remove FITS that are archived")
    yield from _removals([one for one in plan.going if one.keys], "remove what was converted")
    for graphic in plan.links:
        data = {
            "path": str(graphic.path),
            "target": str(graphic.target),
            "size": graphic.size,
            "mtime_ns": graphic.mtime_ns,
        }
        yield Step("link graphics", "link_graphic", data, f"link {graphic.path.name}")


def _removals(going: Sequence[Going], phase: str) -> Iterator[Step]:
    for one in going:
        yield Step(phase, "slim", {**_data(one, one.fits), "keys": list(one.keys)}, f"remove {one.fits.path.name}")


def _data(one: Going, fits: Fits) -> dict[str, object]:
    return {"source": str(fits.path), "path": str(one.stays), "size": fits.size, "mtime_ns": fits.mtime_ns}
