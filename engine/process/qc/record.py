"""`$DFS_LOG_DIR/<root>.scores.json`: the scores of an AB, and the values they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB
from engine.core.score import GREEN, Score, digest
from engine.process.qc.scores import Scored
from engine.process.qc.subject import Value

_TUPLES = ("details", "detectors", "troubles", "files")


@dataclass(frozen=True, slots=True)
class Record:
    """The QC of one AB. `at` is UTC, `flag` the QCFLAG, `files` what QC made beside the products.

    `details`: the numbers behind the scores. `decided`: who forced or deleted scores, when and why.
    """

    ab: str
    at: str
    scores: tuple[Score, ...]
    details: tuple[dict[str, Any], ...] = ()
    slot: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    detectors: tuple[dict[str, Value], ...] = ()
    troubles: tuple[str, ...] = ()
    flag: str = ""
    files: tuple[str, ...] = ()
    decided: str = ""

    @property
    def digest(self) -> str:
        """The scores as one string, e.g. `..o`."""
        return digest(self.scores)

    def with_scores(self, scored: Iterable[Scored]) -> Record:
        """The record with other scores."""
        found = tuple(scored)
        return replace(self, scores=tuple(one.score for one in found), details=tuple(_details(one) for one in found))

    def forced(self, who: str, why: str, at: str) -> Record:
        """All scores green, by whom and why; what they were stays in the remarks."""
        words = f"forced green by {who}: {why}"
        scores = tuple(
            one
            if one.mark == GREEN
            else replace(one, mark=GREEN, remark=f"{words} (was {one.mark}{' ' + one.remark if one.remark else ''})")
            for one in self.scores
        )
        return replace(self, scores=scores, at=at, decided=f"{at} {words}")

    def deleted(self, who: str, at: str) -> Record:
        """No scores at all; the values stay."""
        return replace(self, scores=(), details=(), at=at, decided=f"{at} scores deleted by {who}")


def place_of(tree: DfoTree, ab: AB) -> Path:
    """Where the record of an AB stands while it is worked on."""
    return tree.dfs_log / f"{ab.root}.scores.json"


def qc_files(tree: DfoTree, ab: AB) -> list[Path]:
    """All that QC has made of an AB: its record and report, and what stands beside the products."""
    path = place_of(tree, ab)
    known = load(path)
    names = dict.fromkeys((f"{ab.root}.png", *(known.files if known else ())))
    beside = [tree.product / ab.raw_type / ab.date / name for name in names if Path(name).name == name]
    return [path, path.with_suffix(".html"), *beside]


def save(path: Path, record: Record) -> None:
    """Write the record, whole or not at all."""
    data = asdict(record)
    order = ("ab", "at", "scores")
    data = {name: data[name] for name in order} | {name: data[name] for name in data if name not in order}
    fs.replace(path, json.dumps(data, indent=1, allow_nan=False).encode())


def load(path: Path) -> Record | None:
    """The record at `path`; None when there is none that can be read."""
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        scores = tuple(Score(**score) for score in data.pop("scores"))
        tuples: dict[str, Any] = {
            name: tuple(data.pop(name, ())) for name in ("details", "detectors", "troubles", "files")
        }
        return Record(scores=scores, **tuples, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _details(one: Scored) -> dict[str, Any]:
    found = asdict(one)
    return {
        "name": one.score.name,
        **{name: found[name] for name in ("param", "number", "low", "high", "points", "hc")},
    }
