"""The QC of one AB, step by step. What goes wrong is written into its scores, and the AB stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from config.errors import ConfigTrouble
from config.qc import QcSlot
from config.schema import KindOfAb, Settings
from config.score_rules import Statistics, score_set
from config.tree import DfoTree
from engine import events as ev
from engine.context import Context
from engine.core.ab import AB
from engine.core.score import GREY, RED, Score
from engine.errors import DfosError
from engine.process.deliver import place_of
from engine.process.qc import record as records
from engine.process.qc.beside import Beside, QcTrouble
from engine.process.qc.record import Record
from engine.process.qc.scores import Past, scored
from engine.process.qc.subject import Subject
from engine.stores.abs import AbStore, read

_PICTURED = ("IMAGE_FOV", "DATACUBE")  # products that are plotted, the best first


@dataclass(frozen=True, slots=True)
class QcJob:
    """The QC of one AB."""

    context: Context
    ab: AB
    plugins: Mapping[str, Any] = field(default_factory=dict)

    async def run(self, beside: Beside) -> Record:
        """Measure, score, plot, report, with the help of a QC process; the record that was kept."""
        name, slot = slot_of(self.context.settings, self.ab)
        subject = subject_of(self.context.tree, self.context.settings, self.ab, slot)
        record = Record(self.ab.name, self.context.utc(), (), slot=name)
        try:
            measured = await beside.measure(subject)
            record = replace(
                record,
                values=measured.values,
                detectors=tuple(measured.detectors),
                troubles=tuple(measured.troubles),
            )
            record = self._scored(record, slot)
        except (QcTrouble, ConfigTrouble, DfosError, OSError) as trouble:
            record = unscored(record, str(trouble))
        record = await self._plotted(record, subject, beside)
        await asyncio.to_thread(self._keep, record)
        self._tell(record)
        return record

    async def rescored(self, record: Record, *, again: bool) -> Record:
        """Keep another record; with `again` its values are first scored by the limits of now."""
        if again:
            _, slot = slot_of(self.context.settings, self.ab)
            record = replace(self._scored(record, slot), at=self.context.utc(), decided="")
        await asyncio.to_thread(self._keep, record)
        self._tell(record)
        return record

    def _scored(self, record: Record, slot: QcSlot) -> Record:
        rules = score_set(slot.scores, self.context.tree.config)
        return record.with_scores(scored(rules, record.values, limits_of(self.context.settings), self._past))

    def _past(self, param: str, statistics: Statistics) -> Past:
        return Past(trouble="no QC1 table for this data type")

    async def _plotted(self, record: Record, subject: Subject, beside: Beside) -> Record:
        images = [path for catg in _PICTURED for path in subject.of(catg)]
        if not images:
            return record
        cubes = subject.of("DATACUBE")
        target = str(place_of(self.ab, self.context.tree) / self.ab.root)
        title = f"{self.ab.target or self.ab.raw_type}  {self.ab.root}"
        try:
            made = await beside.make(
                "plot", image=images[0], target=target, title=title, cube=cubes[0] if cubes else ""
            )
        except QcTrouble as trouble:
            return replace(record, troubles=(*record.troubles, f"no QC plot: {trouble}"))
        return replace(record, files=tuple(Path(path).name for path in made))

    def _keep(self, record: Record) -> None:
        """The record, and the FURTHER lines of the AB as it stands now. Blocking."""
        records.save(records.place_of(self.context.tree, self.ab), record)
        store = AbStore(self.context.tree)
        ab = read(store.path(self.ab.name))
        kept = [name for name in ab.further if name not in record.files]
        if record.files and (*kept, *record.files) != ab.further:
            store.write(ab.with_values("FURTHER", [*kept, *record.files]))

    def _tell(self, record: Record) -> None:
        bus = self.context.bus
        bus.publish(ev.AbScored(self.ab.name, record.digest))
        row = self.context.board.rows.get(self.ab.name)
        red = next((one for one in record.scores if one.mark == RED), None)
        if red and row is not None and not row.message:
            bus.publish(ev.AbMessage(self.ab.name, f"{red.name}: {red.value} {red.remark}".strip()))


def unscored(record: Record, why: str) -> Record:
    """The record of an AB that could not be scored: one grey score that says why."""
    score = Score("qc", "-", "", GREY, f"not scored: {why}"[:300])
    return replace(record, scores=(score,), troubles=(*record.troubles, why))


def slot_of(settings: Settings, ab: AB) -> tuple[str, QcSlot]:
    """The first configured slot that fits the AB; without one the generic slot, named ''."""
    catgs = [product.catg for product in ab.products]
    for name, slot in settings.qc.procedures.items():
        if slot.instruments and (ab.get("INSTRUMENT") or settings.instrument) not in slot.instruments:
            continue
        if (slot.raw_types and ab.raw_type not in slot.raw_types) or (slot.tags and ab.tag not in slot.tags):
            continue
        if not slot.catgs or any(fnmatchcase(catg, pattern) for catg in catgs for pattern in slot.catgs):
            return name, slot
    return "", QcSlot()


def subject_of(tree: DfoTree, settings: Settings, ab: AB, slot: QcSlot) -> Subject:
    """What a procedure gets to see of an AB: its products that are there, its inputs and calibrations."""
    place = place_of(ab, tree)
    products = tuple((str(place / one.name), one.catg) for one in ab.products if (place / one.name).is_file())
    sof = ab.sof or ab.raws
    kind = _kind(settings, ab)
    main = sum(entry.tag == ab.raw_type for entry in ab.sof)
    return Subject(
        slot.procedure,
        ab.name,
        ab.root,
        products,
        tuple((str(tree.expand(entry.path)), entry.tag) for entry in sof),
        tuple((str(tree.expand(calib.path)), calib.catg) for calib in ab.calibs),
        len(ab.products),
        main if kind and kind.counts_exposures else 0,
        any(entry.tag == "OFFSET_LIST" for entry in ab.sof),
    )


def limits_of(settings: Settings) -> dict[str, float]:
    """The named limits that score definitions may use."""
    return {name: float(value) for name, value in settings.scoring.model_dump().items()}


def _kind(settings: Settings, ab: AB) -> KindOfAb | None:
    for kind in settings.kinds.values():
        if kind.recipe == ab.recipe and kind.tag == ab.tag and (not kind.raw_types or ab.raw_type in kind.raw_types):
            return kind
    return None
