"""A move as journal steps. Pure.

The order makes it safe: old files make way into the trash, products are placed, ABs are written where they
belong, and only then does anything leave the account's eye (decision 5); flags come last. On one filesystem a
product is renamed, so that at any moment it has exactly one name; across two it is copied and verified, and
its source goes when its AB is up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import trash
from engine.atomic.journal import Step, Transaction
from engine.atomic.shifts import shifts
from engine.core.product import DELETE, MOVE, Fate
from engine.release import manifest
from engine.release.manifest import UNREAD, Entry
from engine.release.move.plan import MovePlan
from engine.release.rename.rn_files import MODE_BITS, NAME

STATUS_KEPT = 5000  # entries of DFO_STATUS (finishNight)
TOGETHER = 500  # texts written with one sync
_HIDDEN = ".pool~"
_BEFORE = {True: "the AB before its products changed", False: "the page before its links were edited"}


def steps(
    plan: MovePlan, tree: DfoTree, transaction: Transaction, trash_days: int, sums: Mapping[str, str]
) -> Iterator[Step]:
    """All steps of one move, in order. `sums` are SHA-256 by path of the files as they stand before."""
    last_day = trash.until(transaction.begun, trash_days)
    yield from _directories(plan, tree)
    yield from trash.preparing(tree, transaction, retired(plan), last_day)
    yield from _make_way(plan, tree, transaction)
    yield from _place(plan, sums)
    yield from _update(plan, tree, transaction)
    yield from _clear(plan, tree, transaction, last_day, sums)
    yield manifest.manifest_step(tree, transaction, _entries(plan, tree, transaction, sums))
    yield from _flags(plan, tree, transaction)


def retired(plan: MovePlan) -> list[tuple[Path, str, int]]:
    """What goes to the trash: path, why, bytes."""
    sizes = {path: size for path, size, _ in plan.stamps}
    return [
        *((Path(fate.product.path), fate.why, fate.product.size) for fate in plan.of(DELETE)),
        *((Path(entry.path), entry.why, entry.size) for entry in (*plan.retired_first, *plan.retired_last)),
        *((Path(page.source), "the page before its links were edited", page.size) for page in plan.pages),
        *((Path(entry.source), "the AB before the move", sizes.get(entry.source, 0)) for entry in plan.abs),
        *((Path(ab.target), _BEFORE[ab.target.endswith(".ab")], sizes.get(ab.target, 0)) for ab in plan.logged),
    ]


def _directories(plan: MovePlan, tree: DfoTree) -> Iterator[Step]:
    folders = [*plan.directories, str(tree.lst), *([str(tree.job)] if plan.call or plan.export else [])]
    for folder in dict.fromkeys(folders):
        yield Step("make directories", "make_dir", {"path": folder}, f"make {folder}")
    wanted: dict[str, list[str]] = {}
    for path in [*(fate.product.path for fate in plan.of(MOVE)), *(entry.source for entry in plan.carried)]:
        folder, _, name = path.rpartition("/")
        wanted.setdefault(folder, []).append(name)
    if wanted:
        data = {"folders": list(wanted.items())}
        yield Step("make the products durable", "settle", data, "sync what recipes have written")


def _make_way(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    older = [Path(entry.path) for entry in plan.retired_first]
    yield from trash.away(tree, transaction, older, "older files to the trash")
    aside = ((Path(change.source), _hidden(change.target)) for change in plan.pool)
    yield from shifts("take names aside that change", aside, "take aside")


def _hidden(target: str) -> Path:
    path = Path(target)
    return path.with_name(f".{path.name}{_HIDDEN}")


def _place(plan: MovePlan, sums: Mapping[str, str]) -> Iterator[Step]:
    phase = "place products under their final names"
    renamed = ((_hidden(change.target), Path(change.target)) for change in plan.pool)
    yield from shifts(phase, renamed, "name")
    sizes = {fate.product.path: fate.product.size for fate in plan.of(MOVE)}
    moved = {"event": "ProductMoved", "pipefile": "{old}", "final": "{new}", "place": plan.final_dir}
    event = {**moved, "size_bytes": "{size}", "sizes": sizes}
    near, far = _near_and_far(plan)
    yield from shifts(phase, ((Path(fate.product.path), _target(plan, fate)) for fate in near), "place", event)
    for fate in far:
        data = {"source": fate.product.path, "target": str(_target(plan, fate))}
        if fate.product.path in sums:
            data["sha256"] = sums[fate.product.path]
        yield Step(phase, "place", data, f"copy {fate.final}")
    carried = ((Path(entry.source), Path(entry.target)) for entry in plan.carried)
    yield from shifts("place logs and plots", carried, "place")
    pages = ((page.target, page.text) for page in plan.pages)
    yield from _written("place logs and plots", pages, "write", "pages, links edited")


def _written(phase: str, files: Iterable[tuple[str, str]], verb: str, what: str) -> Iterator[Step]:
    """Texts (path, content) grouped by directory, each group written with one sync."""
    folders: dict[str, list[tuple[str, str]]] = {}
    for path, text in files:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append((name, text))
    for folder, texts in folders.items():
        for first in range(0, len(texts), TOGETHER):
            some = texts[first : first + TOGETHER]
            words = f"{verb} {some[0][0]}" if len(some) == 1 else f"{verb} {len(some)} {what}"
            yield Step(phase, "write_all", {"folder": folder, "texts": some}, words)


def _near_and_far(plan: MovePlan) -> tuple[list[Fate], list[Fate]]:
    near: list[Fate] = []
    far: list[Fate] = []
    for fate in plan.of(MOVE):
        (far if fate.product.path.rpartition("/")[0] in plan.far else near).append(fate)
    return near, far


def _target(plan: MovePlan, fate: Fate) -> Path:
    return Path(plan.final_dir) / fate.final


def _update(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    for entry in plan.logged:
        place = trash.place_of(tree, transaction.begun, transaction.label, Path(entry.target))
        data = {"source": entry.target, "target": str(place)}
        yield Step("keep the ABs as they were", "place", data, f"keep {entry.name}")
    abs_ = ((entry.target, entry.text) for entry in (*plan.abs, *plan.logged))
    yield from _written("update ABs", abs_, "update", "ABs")
    if plan.script:
        script: dict[str, object] = {"path": f"{plan.final_dir}/{NAME}", "text": plan.script, "mode": MODE_BITS}
        yield Step("update ABs", "write", script, f"write {NAME}")


def _clear(
    plan: MovePlan, tree: DfoTree, transaction: Transaction, last_day: str, sums: Mapping[str, str]
) -> Iterator[Step]:
    phase = "retire the sources"
    for fate in _near_and_far(plan)[1]:
        product = fate.product
        event = {
            "event": "ProductMoved",
            "pipefile": product.pipefile,
            "final": fate.final,
            "place": plan.final_dir,
            "size_bytes": product.size,
        }
        data = {"source": product.path, "target": str(_target(plan, fate))}
        if product.path in sums:
            data["sha256"] = sums[product.path]
        yield Step(phase, "drop", data, f"take {Path(product.path).name} away", event)
    deleted = plan.of(DELETE)
    sizes = {fate.product.path: fate.product.size for fate in deleted}
    retired = {"event": "ProductRetired", "pipefile": "{old}", "trash": "{path}", "until": last_day, "sizes": sizes}
    yield from trash.away(tree, transaction, [Path(fate.product.path) for fate in deleted], phase, retired)
    leftovers = [*(Path(entry.path) for entry in plan.retired_last), *(Path(page.source) for page in plan.pages)]
    yield from trash.away(tree, transaction, leftovers, phase)
    saved = {fate.product.ab for fate in plan.of(MOVE)}
    place = tree.shorten(Path(plan.final_dir))
    for kept, reason in ((True, f"to {place}"), (False, "its products are not saved")):
        sources = [Path(ab.source) for ab in plan.abs if (ab.name in saved) is kept]
        event = {"event": "AbChanged", "ab": "{old}", "state": "MOVED", "reason": reason}
        yield from trash.away(tree, transaction, sources, phase, event)
    for folder in plan.folders:
        yield Step("clear the product tree", "remove_dir", {"path": folder}, f"remove {folder} if empty")


def _entries(plan: MovePlan, tree: DfoTree, transaction: Transaction, sums: Mapping[str, str]) -> Iterator[Entry]:
    for fate in plan.of(MOVE):
        product = fate.product
        yield Entry(
            sums.get(product.path, UNREAD), product.size, "product", product.path, f"{plan.final_dir}/{fate.final}"
        )
    for change in plan.pool:
        yield Entry(sums.get(change.source, UNREAD), change.size, "product", change.source, change.target)
    for entry in plan.carried:
        known = sums.get(entry.source)  # a link has none: that it is there is all that can be said
        yield Entry(known or UNREAD, entry.size if known else 0, entry.what, entry.source, entry.target)
    for written in (*plan.abs, *plan.logged):
        yield manifest.of_text(written.text, "ab" if written.target.endswith(".ab") else "log", written.target)
    for page in plan.pages:
        yield manifest.of_text(page.text, "log", page.target)
    if plan.script:
        yield manifest.of_text(plan.script, "script", f"{plan.final_dir}/{NAME}")
    for path, _, size in retired(plan):
        place = trash.place_of(tree, transaction.begun, transaction.label, path)
        yield Entry(UNREAD, size, "retired", str(path), str(place))


def _flags(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    if plan.call:
        data = {"path": str(tree.job / "JOBS_INGEST"), "line": plan.call}
        event = {"event": "IngestQueued", "call": plan.call}
        yield Step("queue the ingestion", "add_line", data, f"queue: {plan.call}", event)
    if plan.export:
        data = {"path": str(tree.job / "JOBS_EXPORT"), "line": plan.export}
        yield Step("queue the export", "add_line", data, f"queue: {plan.export}")
    for status in plan.statuses:
        line = f"{status} {plan.date} {{utc}} {transaction.who}"
        status_file: dict[str, object] = {"path": str(tree.mon / "DFO_STATUS"), "line": line, "keep": STATUS_KEPT}
        event = {"event": "StatusWritten", "status": status, "date": plan.date}
        yield Step("write the status", "add_line", status_file, f"status {status}", event)
