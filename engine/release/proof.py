"""Are the products of an AB still what its recipe left? Present, whole, checksums right.

Asked before a verdict counts and again before anything moves: between processing and the move lie
hours, disks and people. Reads whole files; call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from config.tree import DfoTree
from engine.core.ab import AB
from engine.headers.verify import verify


def damage(tree: DfoTree, ab: AB) -> str:
    """What is wrong with the products of an AB that waits in $DFS_PRODUCT; '' when all stand as processed."""
    if not ab.products:
        return "it has no products"
    place = tree.product / ab.raw_type / ab.date
    missing = [product.name for product in ab.products if not (place / product.name).is_file()]
    if missing:
        return f"{len(missing)} of its {len(ab.products)} products are gone: {missing[0]}"
    return next(damages(place / product.name for product in ab.products), "")


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


def damages(paths: Iterable[Path]) -> Iterator[str]:
    """A sentence for each file that is damaged."""
    for path in paths:
        problems = verify(path).problems
        if problems:
            yield f"{path.name} is damaged: {problems[0]}"
