"""Are the products of an AB still what its recipe left? Present, whole, checksums right.

Asked before a verdict counts and again before anything moves: between processing and the move lie
hours, disks and people. Reads whole files; call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB, RETIRED
from engine.headers.verify import verify


def missing(tree: DfoTree, ab: AB) -> str:
    """What is missing of the products of an AB that waits in $DFS_PRODUCT; '' when all are there. Reads no file."""
    if not ab.products:
        return "it has no products"
    place = tree.product / ab.raw_type / ab.date
    kept = (product.name for product in ab.products if product.state != RETIRED)
    gone = [name for name in kept if not (place / name).is_file()]
    return f"{len(gone)} of its {len(ab.products)} products are gone: {gone[0]}" if gone else ""


def inspected(tree: DfoTree, ab: AB) -> tuple[str, dict[str, str]]:
    """What is wrong with the products of an AB that waits in $DFS_PRODUCT, '' when all stand as processed.

    And the SHA-256 (hex) by `<RAW_TYPE>/<name>` of what was read to find out.
    """
    place = tree.product / ab.raw_type / ab.date
    sums, troubles = proven(path for product in ab.products if (path := place / product.name).is_file())
    why = missing(tree, ab) or next(iter(troubles), "")
    return why, {f"{ab.raw_type}/{Path(path).name}": found for path, found in sums.items() if found}


def proven(paths: Iterable[Path]) -> tuple[dict[str, str], list[str]]:
    """SHA-256 (hex) by path of every file that is whole, and a sentence for each that is damaged. One pass each."""
    sums: dict[str, str] = {}
    troubles = []
    for path in paths:
        found = verify(path, digest=True)
        sums[str(path)] = found.sha256
        if found.problems:
            troubles.append(f"{path.name} is damaged: {found.problems[0]}")
    return sums, troubles
