"""A manifest for any transaction: what its own steps say became of which file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Step, Transaction
from engine.release import manifest
from engine.release.manifest import UNREAD, Entry
from engine.release.undo.ledger import ledger_of


def with_manifest(tree: DfoTree, transaction: Transaction, steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, and at their end one that writes the manifest of the transaction.

    For tools that know no checksums: those of earlier manifests of the MODE and DATE are carried on.
    """
    kept = list(steps)
    yield from kept
    known = manifest.standing(manifest.of_date(tree, transaction.date, transaction.mode))
    yield manifest.manifest_step(tree, transaction, _entries(kept, known))


def _entries(steps: Iterable[Step], known: dict[str, Entry]) -> Iterator[Entry]:
    ledger = ledger_of(steps)
    for before, after in ledger.moved:
        old, size = known.get(before), _size(before)
        if old is not None and old.size == size:
            yield Entry(old.sha256, size, old.what, before, after)
        else:
            yield Entry(UNREAD, size, "product" if before.endswith(".fits") else "file", before, after)
    for path in ledger.fresh:
        if path in ledger.texts:
            yield manifest.of_text(ledger.texts[path], "ab" if path.endswith(".ab") else "text", path)


def _size(path: str) -> int:
    try:
        return Path(path).lstat().st_size
    except OSError:
        return 0
