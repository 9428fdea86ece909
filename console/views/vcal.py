"""The container of virtual calibrations for a screen. Changes nothing."""

from __future__ import annotations

import time
from pathlib import PurePath

from config.tree import DfoTree
from engine.stores.vcal import MEANING, ORPHAN, container
from screens.release.released import Virtual


def virtual(tree: DfoTree) -> list[Virtual]:
    """Every entry with its AB, age and fate: those that nobody makes real first."""
    found = sorted(container(tree, time.time()), key=lambda entry: entry.state != ORPHAN)
    return [
        Virtual(
            PurePath(entry.path).name,
            entry.ab,
            entry.date,
            entry.age_s,
            entry.state,
            f"real: {entry.real}" if entry.real else MEANING[entry.state],
        )
        for entry in found
    ]
