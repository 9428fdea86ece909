"""The files that the QC slots of an account name, looked at before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from config.errors import ConfigTrouble
from config.qc1_tables import qc1_table
from config.qcflag_rules import flags
from config.schema import Settings
from config.score_rules import score_set


def problems(settings: Settings, config_dir: Path | None) -> tuple[str, ...]:
    """What is wrong with score definitions, QC1 tables and score bits of the slots of this instrument. Blocking."""
    found: dict[str, None] = {}

    def look(read: Callable[[str, Path | None], object], name: str, slot: str) -> None:
        try:
            read(name, config_dir)
        except ConfigTrouble as trouble:
            found.update(dict.fromkeys(f"qc.procedures.{slot}: {problem}" for problem in trouble.problems))

    for name, slot in settings.qc.procedures.items():
        if slot.instruments and settings.instrument not in slot.instruments:
            continue
        look(score_set, slot.scores, name)
        for table in (slot.table, slot.sources, *slot.trend):
            if table:
                look(qc1_table, table, name)
        if slot.flag:
            look(flags, settings.instrument, name)
    return tuple(found)
