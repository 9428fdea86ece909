"""writeQC: what an AB's QC writes into QC1. Every row is kept as a call of qc1Ingest in `qc1_<type>.dat` too.

When the database is down, the calls wait in `qc1_waiting.dat` and are replayed before anything else is written;
nothing is lost, and no AB fails for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.errors import ConfigTrouble
from config.qc import QcSlot
from config.qc1_tables import Qc1Table, qc1_table
from config.schema import Settings
from config.score_rules import Statistics
from config.tree import DfoTree
from engine.atomic import fs, lock
from engine.core.ab import AB
from engine.core.score import GREEN, RED
from engine.errors import BadFits, DatabaseAway, DfosError, UsageTrouble
from engine.headers.cards import Value as Header
from engine.headers.cards import keywords
from engine.process.qc.record import Record, load
from engine.process.qc.scores import Past
from engine.process.qc.subject import Subject, Value
from engine.stores.qc1 import Qc1, ScoreRow

Call = tuple[str, dict[str, str]]  # table, column: value
WAIT = " QC1 rows wait: "
_CALL = "qc1Ingest"
_MJD_OF_UNIX = 40587.0


def store_of(tree: DfoTree, settings: Settings) -> Qc1:
    """The QC1 database of the account."""
    tree.state.mkdir(parents=True, exist_ok=True)
    url = settings.qc.database or f"sqlite:///{tree.state / 'qc1.sqlite'}"
    secret = settings.qc.password_file
    return Qc1(url, tree.expand(secret) if secret else None)


class WriteQc:
    """What the QC of one AB reads from and writes into QC1. Blocking."""

    def __init__(self, tree: DfoTree, store: Qc1, ab: AB, slot: QcSlot, subject: Subject) -> None:
        self.store = store
        self._tree, self._ab, self._slot = tree, ab, slot
        self._table = qc1_table(slot.table, tree.config) if slot.table else None
        self._sources = qc1_table(slot.sources, tree.config) if slot.sources else None
        self._facts, self._header = _facts(ab, slot, subject), _header(subject, [self._table, self._sources])

    @property
    def mjd(self) -> float:
        """MJD of the observation."""
        value = self._header["MJD-OBS"]
        return float(value) if isinstance(value, int | float) else 0.0

    def write(self, record: Record, sources: Sequence[Mapping[str, Value]]) -> str:
        """All rows of an AB: `qc1_<type>.dat` first, then the database; '' or why they wait."""
        calls: list[tuple[Qc1Table, dict[str, Value]]] = []
        if self._table:
            total = self._row(self._table, {"detector": "ALL", **record.values, "score_bit": record.flag})
            calls += [(self._table, total)]
            if "detector" in total:
                shared = {name: record.values.get(name) for name in ("setup", "exptime")}
                calls += [(self._table, self._row(self._table, {**shared, **row})) for row in record.detectors]
        if self._sources:
            calls += [(self._sources, self._row(self._sources, row)) for row in sources]
        if not calls:
            return ""
        local = _place(self._tree) / f"qc1_{self._slot.local or self._ab.raw_type}.dat"
        lines = [_line(table.name, row) for table, row in calls]
        fs.append(local, "".join(lines).encode())
        return written(self._tree, self.store, lines)

    def past(self, values: Mapping[str, Value]) -> Callable[[str, Statistics], Past]:
        """The history of measured values, for the scores."""

        def past(param: str, statistics: Statistics) -> Past:
            try:
                return Past(tuple(self._history(param, statistics, values)))
            except DfosError as trouble:
                return Past(trouble=trouble.what)

        return past

    def _history(self, param: str, statistics: Statistics, values: Mapping[str, Value]) -> list[tuple[float, float]]:
        if self._table is None:
            raise UsageTrouble("no QC1 table for this data type")
        column = next((one.name for one in self._table.columns if (one.value or one.name) == param), "")
        if not column:
            raise UsageTrouble(f"{self._table.name} has no column for {param}")
        row = self._row(self._table, {"detector": "ALL", **values})
        same = {name: row.get(name) for name in ("detector", "instrument", *statistics.same) if name in row}
        leave = {name: row[name] for name in self._table.key}
        return self.store.history(self._table, column, self.mjd, statistics.days, same, leave)

    def _row(self, table: Qc1Table, values: Mapping[str, Value]) -> dict[str, Value]:
        """A row: measured values first, then facts about the AB, then keywords of the product's header."""
        row: dict[str, Value] = {}
        for column in table.columns:
            name = column.value or column.name
            found: Any = values.get(name)
            found = self._facts.get(column.name) if found is None else found
            if found is None:
                found = next((self._header[key] for key in column.keyword if self._header.get(key) is not None), None)
            row[column.name] = found if not isinstance(found, bool) else int(found)
        return row


def trend_of(tree: DfoTree, store: Qc1, tables: Iterable[str], target: str) -> dict[str, list[tuple[float, float]]]:
    """(exposure time in s, ABMAGlim) of a target by table, for the plot of depth."""
    found = {}
    for name in tables:
        rows = store.rows(qc1_table(name, tree.config), ("texptime", "abmaglim"), {"target": target})
        pairs = [(row["texptime"], row["abmaglim"]) for row in rows]
        found[name] = [
            (float(t), float(m)) for t, m in pairs if isinstance(t, float) and isinstance(m, float) and t > 0
        ]
    return found


def written(tree: DfoTree, store: Qc1, lines: Sequence[str]) -> str:
    """Write calls into the database, those that wait before them; '' or why they wait now."""
    waiting = tree.state / "qc1_waiting.dat"
    with lock.shared_file(tree, waiting):
        old = waiting.read_text("utf-8").splitlines(keepends=True) if waiting.is_file() else []
        try:
            replay(tree, store, [*old, *lines])
        except DatabaseAway as trouble:
            if lines:
                fs.append(waiting, "".join(lines).encode())
            remedy = f" ({trouble.remedy})" if trouble.remedy else ""
            return f"{len(old) + len(lines)}{WAIT}{trouble.what}{remedy}"
        if old:
            fs.remove(waiting)
    return ""


def replay(tree: DfoTree, store: Qc1, lines: Iterable[str]) -> int:
    """Carry out calls of qc1Ingest; how many. Lines that are none, or of a table nobody knows, are left out."""
    tables: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        call = parsed(line)
        if call:
            tables.setdefault(call[0], []).append(call[1])
    done = 0
    for name, rows in tables.items():
        try:
            definition = qc1_table(name, tree.config)
        except ConfigTrouble:
            continue
        known = {column.name for column in definition.columns}
        done += store.ingest(definition, [{key: row[key] for key in row.keys() & known} for row in rows])
    return done


def parsed(line: str) -> Call | None:
    """A line `qc1Ingest -table <t> -<key> <value> ...`, in any order; None when it is none."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    if not words or words[0] != _CALL or len(words) % 2 == 0 or not all(key.startswith("-") for key in words[1::2]):
        return None
    found = dict(zip((key[1:] for key in words[1::2]), words[2::2], strict=True))
    table = found.pop("table", "")
    return (table, found) if table else None


def restored(tree: DfoTree, store: Qc1) -> tuple[int, int]:
    """Everything that is known here into the database again: how many rows, and the scores of how many ABs."""
    lines = [line for path in local_copies(tree) for line in path.read_text("utf-8", "replace").splitlines()]
    rows, scores = replay(tree, store, lines), 0
    for path in (*tree.dfs_log.glob("*.scores.json"), *tree.log.glob("*/*.scores.json")):
        record = load(path)
        if record:
            store.put_scores(record.ab, score_rows(record), record.at)
            scores += 1
    return rows, scores


def local_copies(tree: DfoTree) -> list[Path]:
    """All `qc1_<type>.dat` of the account."""
    return sorted(path for path in _place(tree).glob("qc1_*.dat") if path.is_file())


def score_rows(record: Record) -> list[ScoreRow]:
    """The scores as qc1_score holds them."""
    numbers = {GREEN: 0, RED: 1}
    details = {str(one["name"]): one for one in record.details}
    rows = []
    for one in record.scores:
        known = details.get(one.name, {})
        measured = {name: known.get(name) for name in ("low", "high")}
        mark = numbers.get(one.mark, -1)
        rows.append(ScoreRow(record.ab, one.name, known.get("number"), **measured, score=mark, remark=one.remark))
    return rows


def mjd_of(name: str) -> float:
    """The MJD of the stamp in an AB's name; 0 when it has none that is a time."""
    stamp = name.partition(".")[2].removesuffix(".ab").partition("_")[0]
    try:
        when = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return when.timestamp() / 86400 + _MJD_OF_UNIX


def _place(tree: DfoTree) -> Path:
    """$DFO_PROC_DIR; where the account has none, a directory beside the database."""
    known = tree.variables.get("DFO_PROC_DIR", "")
    place = Path(known) if known and Path(known).is_dir() else tree.state / "qc1"
    fs.make_dir(place)
    return place


def _line(table: str, row: Mapping[str, Value]) -> str:
    cells = " ".join(f"-{name} {shlex.quote(_text(value))}" for name, value in row.items() if value is not None)
    return f"{_CALL} -table {table} {cells}\n"


def _text(value: Value) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return "".join(char if char.isprintable() else " " for char in text)


def _facts(ab: AB, slot: QcSlot, subject: Subject) -> dict[str, Value]:
    """What the AB itself says."""
    frames = subject.exposures
    cubes = subject.of("DATACUBE") or [path for path, _ in subject.products]
    facts: dict[str, Value] = {
        "ab": ab.name,
        "cdbfile": Path(cubes[0]).name if cubes else ab.root,
        "civil_date": ab.date,
        "instrument": ab.get("INSTRUMENT") or None,
        "run_id": ab.run_id or None,
        "target": ab.target or None,
        "data_type": slot.flag or ab.raw_type,
        "pattern": f"DEEP{frames}" if frames else None,
        "qc_plot": f"{ab.root}.png",
    }
    return facts


def _header(subject: Subject, tables: Iterable[Qc1Table | None]) -> dict[str, Header]:
    """The keywords that the tables want, of the product that counts; MJD-OBS at least from the AB's name."""
    wanted = {key for table in tables if table for column in table.columns for key in column.keyword} | {"MJD-OBS"}
    cubes = subject.of("DATACUBE") or [path for path, _ in subject.products]
    found: dict[str, Header] = {}
    if cubes:
        try:
            found = keywords(Path(cubes[0]), wanted)
        except BadFits:
            found = {}
    found.setdefault("MJD-OBS", mjd_of(subject.ab))
    return found
