"""A move as journal steps. Pure.

The order makes it safe: old files make way into the trash, products are placed beside their
sources, ABs are written, and only then are the sources taken away (decision 5); flags come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.tree import DfoTree
from engine.atomic import trash
from engine.atomic.journal import Step, Transaction
from engine.core.product import DELETE, MOVE
from engine.release.plan import Carry, MovePlan, Retire

STATUS_KEPT = 5000  # entries of DFO_STATUS (finishNight)
_HIDDEN = ".pool~"


def steps(plan: MovePlan, tree: DfoTree, transaction: Transaction, trash_days: int) -> Iterator[Step]:
    """All steps of one move, in order."""
    last_day = trash.until(transaction.begun, trash_days)
    yield from _directories(plan, tree, transaction, last_day)
    yield from _make_way(plan, tree, transaction)
    yield from _place(plan, tree, transaction)
    yield from _update(plan, tree, transaction)
    yield from _clear(plan, tree, transaction, last_day)
    yield from _flags(plan, tree, transaction)


def _bin(tree: DfoTree, transaction: Transaction, path: str) -> str:
    return str(trash.place_of(tree, transaction.begun, transaction.label, Path(path)))


def _hidden(target: str) -> str:
    path = Path(target)
    return str(path.with_name(f".{path.name}{_HIDDEN}"))


def _retired(plan: MovePlan) -> list[tuple[str, str]]:
    deleted = [(fate.product.path, fate.why) for fate in plan.of(DELETE)]
    others = [(entry.path, entry.why) for entry in (*plan.retired_first, *plan.retired_last)]
    return deleted + others + [(entry.source, "the AB before the move") for entry in plan.abs]


def _directories(plan: MovePlan, tree: DfoTree, transaction: Transaction, last_day: str) -> Iterator[Step]:
    phase = "make directories"
    retired = [(Path(_bin(tree, transaction, path)), Path(path), why) for path, why in _retired(plan)]
    folders = [*plan.directories, *(str(place.parent) for place, _, _ in retired)]
    if plan.call:
        folders.append(str(tree.job))
    top = trash.place_of(tree, transaction.begun, transaction.label, tree.root)
    if retired:
        folders.append(str(top))
    for folder in dict.fromkeys(folders):
        yield Step(phase, "make_dir", {"path": folder}, f"make {folder}")
    if retired:
        text = trash.index(tree, retired, top, last_day, transaction.who).decode()
        yield Step("note what goes to the trash", "write", {"path": str(top / trash.INDEX), "text": text}, "its index")


def _make_way(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    for entry in plan.retired_first:
        yield _to_trash("copy older files to the trash", entry, tree, transaction)
    phase = "clear their names"
    for entry in plan.retired_first:
        yield _away(phase, entry.path, _bin(tree, transaction, entry.path))
    for change in plan.pool:
        data = {"source": change.source, "target": _hidden(change.target)}
        yield Step(phase, "rename", data, f"take {Path(change.source).name} aside, its name changes")


def _place(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    phase = "place products under their final names"
    for change in plan.pool:
        data = {"source": _hidden(change.target), "target": change.target}
        yield Step(phase, "rename", data, f"call it {Path(change.target).name}")
    for fate in plan.of(MOVE):
        target = str(Path(plan.final_dir) / fate.final)
        yield Step(phase, "place", {"source": fate.product.path, "target": target}, f"place {fate.final}")
    phase = "place logs and plots, fill the trash"
    for entry in plan.carried:
        yield _placed(phase, entry)
    for fate in plan.of(DELETE):
        yield _to_trash(phase, Retire(fate.product.path, fate.why, fate.product.size), tree, transaction)
    for leftover in plan.retired_last:
        yield _to_trash(phase, leftover, tree, transaction)
    for ab in plan.abs:
        yield _to_trash(phase, Retire(ab.source, "", 0), tree, transaction)


def _update(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    for entry in (*plan.abs, *plan.logged):
        data = {"path": entry.target, "text": entry.text}
        yield Step("update ABs", "write", data, f"update {entry.name}")


def _clear(plan: MovePlan, tree: DfoTree, transaction: Transaction, last_day: str) -> Iterator[Step]:
    phase = "retire the sources"
    for fate in plan.of(MOVE):
        product = fate.product
        event = {
            "event": "ProductMoved",
            "pipefile": product.pipefile,
            "final": fate.final,
            "place": plan.final_dir,
            "size_bytes": product.size,
        }
        yield _away(phase, product.path, str(Path(plan.final_dir) / fate.final), event)
    for entry in plan.carried:
        yield _away(phase, entry.source, entry.target)
    for fate in plan.of(DELETE):
        place = _bin(tree, transaction, fate.product.path)
        event = {
            "event": "ProductRetired",
            "pipefile": fate.product.pipefile or Path(fate.product.path).name,
            "trash": place,
            "until": last_day,
        }
        yield _away(phase, fate.product.path, place, event)
    for leftover in plan.retired_last:
        yield _away(phase, leftover.path, _bin(tree, transaction, leftover.path))
    saved = {fate.product.ab for fate in plan.of(MOVE)}
    place = tree.shorten(Path(plan.final_dir))
    for ab in plan.abs:
        reason = f"to {place}" if ab.name in saved else "its products are not saved"
        event = {"event": "AbChanged", "ab": ab.name, "state": "MOVED", "reason": reason}
        yield _away(phase, ab.source, _bin(tree, transaction, ab.source), event)
    for folder in plan.folders:
        yield Step("clear the product tree", "remove_dir", {"path": folder}, f"remove {folder} if empty")


def _flags(plan: MovePlan, tree: DfoTree, transaction: Transaction) -> Iterator[Step]:
    if plan.call:
        data = {"path": str(tree.job / "JOBS_INGEST"), "line": plan.call}
        event = {"event": "IngestQueued", "call": plan.call}
        yield Step("queue the ingestion", "add_line", data, f"queue: {plan.call}", event)
    for status in plan.statuses:
        line = f"{status} {plan.date} {{utc}} {transaction.who}"
        status_file: dict[str, object] = {"path": str(tree.mon / "DFO_STATUS"), "line": line, "keep": STATUS_KEPT}
        event = {"event": "StatusWritten", "status": status, "date": plan.date}
        yield Step("write the status", "add_line", status_file, f"status {status}", event)


def _placed(phase: str, entry: Carry) -> Step:
    return Step(phase, "place", {"source": entry.source, "target": entry.target}, f"place {Path(entry.target).name}")


def _to_trash(phase: str, entry: Retire, tree: DfoTree, transaction: Transaction) -> Step:
    data = {"source": entry.path, "target": _bin(tree, transaction, entry.path)}
    return Step(phase, "place", data, f"copy {Path(entry.path).name} to the trash")


def _away(phase: str, source: str, target: str, event: dict[str, object] | None = None) -> Step:
    return Step(phase, "drop", {"source": source, "target": target}, f"take {Path(source).name} away", event)
