"""The QC of one AB as plain values, for a screen: scores with limits and history, QCFLAG in words, files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import ConfigTrouble
from config.qcflag_rules import flags
from config.schema import Settings
from config.score_rules import score_set
from config.tree import DfoTree
from engine.core.ab import AB
from engine.core.score import colour
from engine.errors import DfosError
from engine.process.qc import record as records
from engine.process.qc.flag import Decoded, decoded
from engine.process.qc.pages import report_of
from engine.process.qc.qc1 import WriteQc, store_of
from engine.process.qc.slots import slot_of, subject_of
from engine.process.qc.subject import Value


@dataclass(frozen=True, slots=True)
class QcScore:
    """One score of the measured value `param`.

    `history` are (MJD, value) of the QC1 database, `plot` the small plot of it ('' for none).
    """

    name: str
    value: str
    limit: str
    mark: str
    remark: str
    hc: bool = False
    number: float | None = None
    low: float | None = None
    high: float | None = None
    history: tuple[tuple[float, float], ...] = ()
    plot: str = ""
    param: str = ""


@dataclass(frozen=True, slots=True)
class QcView:
    """All of an AB's QC; `at` is '' when there was none. `trouble`: why the history is not complete."""

    ab: str
    at: str = ""
    digest: str = ""
    colour: str = "grey"
    scores: tuple[QcScore, ...] = ()
    flag: str = ""
    bits: tuple[Decoded, ...] = ()
    plots: tuple[str, ...] = ()
    report: str = ""
    coversheet: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    detectors: tuple[dict[str, Value], ...] = ()
    troubles: tuple[str, ...] = ()
    decided: str = ""
    trouble: str = ""


def qc_view(tree: DfoTree, settings: Settings, ab: AB) -> QcView:
    """What QC knows of an AB, worked on or moved. Reads files and the QC1 database. Blocking, changes nothing."""
    path = _standing(records.place_of(tree, ab), tree.log / ab.date)
    record = records.load(path)
    if record is None:
        return QcView(ab.name)
    bits: tuple[Decoded, ...] = ()
    if record.flag:
        with suppress(DfosError, ConfigTrouble):
            bits = decoded(flags(ab.get("INSTRUMENT") or settings.instrument, tree.config), record.flag)
    place, plots = tree.product / ab.raw_type / ab.date, tree.plt / ab.date
    files = {name: str(_standing(place / name, plots)) for name in record.files}
    history, trouble = _history(tree, settings, ab, record)
    known = {str(one["name"]): one for one in record.details}
    scores = []
    for one in record.scores:
        numbers = {name: known.get(one.name, {}).get(name) for name in ("number", "low", "high")}
        scores.append(
            QcScore(
                one.name,
                one.value,
                one.limit,
                one.mark,
                one.remark,
                bool(known.get(one.name, {}).get("hc")),
                **numbers,
                history=history.get(one.name, ()),
                plot=files.get(f"{ab.root}.{one.name}.png", ""),
                param=str(known.get(one.name, {}).get("param", "")),
            )
        )
    return QcView(
        ab.name,
        record.at,
        record.digest,
        colour(record.digest),
        tuple(scores),
        record.flag,
        bits,
        tuple(path for name, path in files.items() if name.endswith(".png")),
        str(_standing(report_of(tree, ab), tree.log / ab.date)),
        files.get(f"{ab.root}_cs.html", ""),
        record.values,
        record.detectors,
        record.troubles,
        record.decided,
        trouble,
    )


def _history(
    tree: DfoTree, settings: Settings, ab: AB, record: records.Record
) -> tuple[dict[str, tuple[tuple[float, float], ...]], str]:
    """The history of every score that is compared with one, by its name; and what was wrong, if anything."""
    _, slot = slot_of(settings, ab)
    try:
        rules = score_set(slot.scores, tree.config)
        past = WriteQc(tree, store_of(tree, settings), ab, slot, subject_of(tree, settings, ab, slot)).past(
            record.values
        )
    except (DfosError, ConfigTrouble) as trouble:
        return {}, str(trouble)
    found = {rule.name: past(rule.param, rule.statistics) for rule in rules.scores if rule.statistics}
    troubles = [one.trouble for one in found.values() if one.trouble]
    return {name: tuple(one.points) for name, one in found.items()}, "".join(troubles[:1])


def _standing(path: Path, moved: Path) -> Path:
    """A file where it stands: as worked on, or under the same name in the directory it moves to."""
    return path if path.exists() or not (moved / path.name).exists() else moved / path.name
