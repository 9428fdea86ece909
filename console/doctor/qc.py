"""`dfos doctor`: the QC1 database, and the files that QC is defined by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.doctor.check import MISSING, OK, WARN, Check

if TYPE_CHECKING:
    from config.schema import Settings
    from config.tree import DfoTree


def quality(tree: DfoTree, settings: Settings) -> Iterator[Check]:
    """Would QC1 take rows now, and is there everything that the slots name?"""
    from engine.errors import DfosError
    from engine.process.qc.definitions import problems
    from engine.stores.qc1 import Qc1, address

    for problem in problems(settings, tree.config):
        yield Check("qc", "definitions", problem, MISSING)
    url = settings.qc.database or f"sqlite:///{tree.state / 'qc1.sqlite'}"
    secret = tree.expand(settings.qc.password_file) if settings.qc.password_file else None
    store = Qc1(url, secret)
    try:
        file = address(url, secret).database if url.startswith("sqlite") else None
        if not settings.qc.database and not (tree.state / "qc1.sqlite").exists():
            yield Check("qc", "QC1", f"{store.name} is made with the first QC", OK)
            return
        store.probe(file)
        yield Check("qc", "QC1", store.name, OK)
    except DfosError as trouble:
        yield Check("qc", "QC1", f"{trouble}; rows wait until then", WARN)
