"""The QC of one AB, step by step. What goes wrong is written into its scores, and the AB stays as it is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from config.errors import ConfigTrouble
from config.qcflag_rules import flags
from config.score_rules import Statistics, score_set
from engine import events as ev
from engine import threads
from engine.context import Context
from engine.core.ab import AB
from engine.core.score import GREY, RED, Score
from engine.errors import DfosError
from engine.pgi import QcSeen, checked_lines
from engine.process.ab.deliver import place_of
from engine.process.qc import external, flag, pages
from engine.process.qc import record as records
from engine.process.qc.beside import Beside, QcTrouble
from engine.process.qc.qc1 import WAIT, WriteQc, score_rows, store_of, trend_of
from engine.process.qc.record import Record
from engine.process.qc.scores import Past, scored
from engine.process.qc.screenshots import screenshots
from engine.process.qc.slots import facts_of, limits_of, slot_of, subject_of
from engine.process.qc.subject import Measured
from engine.process.qc.worker import PROCEDURES
from engine.stores.abs import AbStore, read

_PICTURED = ("IMAGE_FOV", "DATACUBE", "MASTER_BIAS", "MASTER_DARK")  # products that are plotted, the best first
_TROUBLES = (QcTrouble, ConfigTrouble, DfosError, OSError)


@dataclass
class QcJob:
    """The QC of one AB; made for one run."""

    context: Context
    ab: AB
    plugins: Mapping[str, Any] = field(default_factory=dict)
    _past: dict[str, Past] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        tree, settings = self.context.tree, self.context.settings
        self.slot_name, self.slot = slot_of(settings, self.ab)
        self.subject = subject_of(tree, settings, self.ab, self.slot)
        self.place = place_of(self.ab, tree)

    async def run(self, beside: Beside) -> Record:
        """Screenshots, procedure, QCFLAG, QC1, scores, plots, report, coversheet; the record that was kept."""
        raws = await self._screenshots(beside)
        record = Record(self.ab.name, self.context.utc(), (), slot=self.slot_name)
        try:
            record, measured = await self._measured(record, beside)
            record = await threads.to_end(self._flagged, record)
            record = await threads.to_end(self._stored, record, measured)
            record = await asyncio.to_thread(self._scored, record)
        except _TROUBLES as trouble:
            record = unscored(record, str(trouble))
        record = await self._plotted(record, beside)
        return await self._concluded(record, raws)

    async def rescored(self, record: Record, *, again: bool) -> Record:
        """Keep another record; with `again` its values are first scored by the limits of now."""
        if again:
            record = replace(record, at=self.context.utc(), decided="")
            record = await asyncio.to_thread(self._scored, record)
        return await self._concluded(record, ())

    # --- the steps ----------------------------------------------------------------------------

    async def _screenshots(self, beside: Beside) -> tuple[Path, ...]:
        frames = await asyncio.to_thread(screenshots, self.context.tree, self.context.settings.qc, self.ab)
        with suppress(QcTrouble):
            await beside.make("rawdisp", frames=[[str(source), str(target)] for source, target in frames])
        return tuple(target for _, target in frames if target.exists())

    async def _measured(self, record: Record, beside: Beside) -> tuple[Record, Measured]:
        if self.slot.procedure in PROCEDURES:
            found = await beside.measure(self.subject)
        else:
            paths = [Path(path) for path, _ in self.subject.products]
            found = await external.measured(self.context, self.ab, self.slot.procedure, paths)
            made, wanted = len(self.subject.products), self.subject.wanted
            found.values = {"made": made, "wanted": wanted, "missing": max(0, wanted - made)} | found.values
        return (
            replace(
                record,
                values=facts_of(self.ab) | found.values,
                detectors=tuple(found.detectors),
                troubles=tuple(found.troubles),
            ),
            found,
        )

    def _flagged(self, record: Record) -> Record:
        """QCFLAG in the headers of the products, before anybody judges their content. Blocking."""
        if not self.slot.flag:
            return record
        rules = flags(self.ab.get("INSTRUMENT") or self.context.settings.instrument, self.context.tree.config)
        log = self.context.tree.dfs_log / f"{self.ab.root}.log"
        text = log.read_text("utf-8", "replace") if log.is_file() else ""
        values = flag.from_log(rules, text) | record.values
        bits = flag.encoded(rules, self.slot.flag, values)
        flag.write(rules, bits, [(Path(path), catg) for path, catg in self.subject.products])
        return replace(record, values=values, flag=bits)

    def _stored(self, record: Record, measured: Measured) -> Record:
        waits = self._qc1.write(record, measured.sources)
        return replace(record, troubles=(*record.troubles, waits)) if waits else record

    def _scored(self, record: Record) -> Record:
        rules = score_set(self.slot.scores, self.context.tree.config)
        past = self._qc1.past(record.values)

        def remembered(param: str, statistics: Statistics) -> Past:
            self._past[param] = past(param, statistics)
            return self._past[param]

        return record.with_scores(scored(rules, record.values, limits_of(self.context.settings), remembered))

    async def _plotted(self, record: Record, beside: Beside) -> Record:
        """The picture, histogram and spectrum of a product, and the history of what was scored against one."""
        title = f"{self.ab.target or self.ab.raw_type}  {self.ab.root}"
        target, files = str(self.place / self.ab.root), list[str]()
        images = [path for catg in _PICTURED for path in self.subject.of(catg)]
        cubes = self.subject.of("DATACUBE")
        try:
            if images:
                files += await beside.make("plot", image=images[0], target=target, title=title, cube="".join(cubes[:1]))
            for one in record.details:
                points = self._past.get(one["param"], Past()).points
                if points and one["number"] is not None:
                    now = [float(self._qc1.mjd), one["number"]]
                    files += await beside.make(
                        "history",
                        target=f"{target}.{one['name']}.png",
                        name=one["name"],
                        points=points,
                        now=now,
                        limits=[one["low"], one["high"]],
                    )
            files += await self._trend(beside, target, title)
        except (QcTrouble, ConfigTrouble, DfosError) as trouble:
            record = replace(record, troubles=(*record.troubles, f"no QC plot: {trouble}"))
        return replace(record, files=tuple(Path(path).name for path in files))

    async def _trend(self, beside: Beside, target: str, title: str) -> list[str]:
        """Limiting magnitude over exposure time of this target, against what sqrt(N) promises."""
        tables = self.slot.trend
        if not tables or not self.ab.target:
            return []
        series = await asyncio.to_thread(trend_of, self.context.tree, self._qc1.store, tables, self.ab.target)
        first = sorted(series[tables[0]])
        if not first:
            return []
        start = first[len(first) // 2]
        return await beside.make("trend", target=f"{target}.trend.png", title=title, series=series, start=start)

    async def _concluded(self, record: Record, raws: tuple[Path, ...]) -> Record:
        """Report, coversheet, FINAL_PLUGIN; then the AB, and the record last of all."""
        context, tree = self.context, self.context.tree
        log = await asyncio.to_thread(pages.log_lines, tree.dfs_log / f"{self.ab.root}.log")
        cover, trouble = await self._asked("PGI_COVER", "cover", self._products())
        bits: tuple[flag.Decoded, ...] = ()
        with suppress(*_TROUBLES):
            if record.flag:
                rules = flags(self.ab.get("INSTRUMENT") or context.settings.instrument, tree.config)
                bits = flag.decoded(rules, record.flag, self.slot.flag)
        sheet = f"{self.ab.root}_cs.html"
        record = replace(
            record, files=tuple(dict.fromkeys((*record.files, sheet))), troubles=(*record.troubles, *trouble)
        )
        try:
            await threads.to_end(pages.write_report, tree, self.ab, record, bits, self.place)
            history = await asyncio.to_thread(pages.historical, context.settings.history, self.ab)
            await threads.to_end(
                pages.write_coversheet,
                tree,
                self.ab,
                record,
                self.place,
                cover=cover,
                log=log,
                history=history,
                raws=raws,
            )
        except OSError as failed:
            record = replace(record, troubles=(*record.troubles, f"no report: {failed}"))
        scores = tuple((one.name, one.value, one.mark) for one in record.scores)
        seen = QcSeen(scores, record.files, log, record.flag)
        notes, trouble = await self._asked("QC_FINAL_PLUGIN", "concluded", seen)
        record = replace(record, troubles=(*record.troubles, *trouble))
        record = await threads.to_end(self._keep, record)
        self._tell(record, notes)
        return record

    async def _asked(self, slot: str, method: str, about: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The lines of a plugin, and what was wrong with it."""
        plugin = self.plugins.get(slot)
        if plugin is None:
            return (), ()
        try:
            lines = await asyncio.to_thread(getattr(plugin, method), self.ab, about)
            return checked_lines(slot, lines), ()
        except Exception as trouble:  # noqa: BLE001 - a plugin may raise anything, and QC fails no AB
            return (), (f"{slot}: {trouble}"[:300],)

    def _keep(self, record: Record) -> Record:
        """qc1_score, the FURTHER lines of the AB as it stands now, and the record. Blocking."""
        try:
            self._qc1.store.put_scores(record.ab, score_rows(record), record.at)
        except _TROUBLES as trouble:  # qc1_score can be made anew from the records
            if not any(WAIT in known for known in record.troubles):
                waits = f"{len(record.scores)}{WAIT}{trouble} (processQC --replay writes scores anew)"
                record = replace(record, troubles=(*record.troubles, waits))
        store = AbStore(self.context.tree)
        with suppress(*_TROUBLES):
            ab = read(store.path(self.ab.name))
            ours = re.compile(rf"{re.escape(self.ab.root)}(\.[\w.]*|_cs\.)(png|html)")
            kept = [name for name in ab.further if not ours.fullmatch(name) and name not in record.files]
            if (*record.files, *kept) != ab.further:
                store.write(ab.with_values("FURTHER", [*record.files, *kept]))
        records.save(records.place_of(self.context.tree, self.ab), record)
        return record

    def _tell(self, record: Record, notes: tuple[str, ...]) -> None:
        bus = self.context.bus
        bus.publish(ev.AbScored(self.ab.name, record.digest))
        row = self.context.board.rows.get(self.ab.name)
        said = row.message if row else ""
        red = next((one for one in record.scores if one.mark == RED), None)
        words = "; ".join(notes) or said or (f"{red.name}: {red.value} {red.remark}".strip() if red else "")
        if words != said:
            bus.publish(ev.AbMessage(self.ab.name, words))

    def _products(self) -> tuple[tuple[str, str], ...]:
        return tuple((Path(path).name, catg) for path, catg in self.subject.products)

    @cached_property
    def _qc1(self) -> WriteQc:
        tree = self.context.tree
        return WriteQc(tree, store_of(tree, self.context.settings), self.ab, self.slot, self.subject)


def unscored(record: Record, why: str) -> Record:
    """The record of an AB that could not be scored: one grey score that says why."""
    score = Score("qc", "-", "", GREY, f"not scored: {why}"[:300])
    return replace(record, scores=(score,), troubles=(*record.troubles, why))
