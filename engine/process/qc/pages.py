"""The pages of processQC: the score report in $DFS_LOG_DIR, and the coversheet beside the products, last of all."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader

from config.tree import DfoTree
from engine.atomic import fs
from engine.core.ab import AB
from engine.core.score import colour
from engine.errors import BadAb
from engine.process.qc.flag import Decoded
from engine.process.qc.record import Record, place_of
from engine.stores.abs import read

_FLAG = re.compile(r"\[ *(WARNING|ERROR) *\]")
_MOST = 200  # lines of a log, historical ABs
_LONGEST = 300  # characters of a line


@dataclass(frozen=True, slots=True)
class Historical:
    """An AB that an earlier stream made of the same target."""

    name: str
    status: str
    score: str
    comment: str


def write_report(tree: DfoTree, ab: AB, record: Record, bits: Sequence[Decoded], place: Path) -> Path:
    """`$DFS_LOG_DIR/<root>.scores.html`: every score with its limits and history, QCFLAG in words, all values."""
    path = report_of(tree, ab)
    known = {str(one["name"]): one for one in record.details}
    scores = [
        {
            "name": one.name,
            "value": one.value,
            "limit": one.limit,
            "remark": one.remark,
            "colour": colour(one.mark),
            "hc": known.get(one.name, {}).get("hc", False),
            "points": known.get(one.name, {}).get("points", 0),
            "plot": _link(path, place / plot) if (plot := f"{ab.root}.{one.name}.png") in record.files else "",
        }
        for one in record.scores
    ]
    setup = [("RAW_TYPE", ab.raw_type), *(("setup", value) for value in ab.values("RAW_MATCH_KEY"))]
    head = [
        ("AB", ab.name),
        ("DATE", ab.date),
        *setup,
        ("target", ab.target or "-"),
        ("procedure", record.slot or "generic"),
    ]
    text = _page(
        "report.html",
        title=f"Scores of {ab.name}",
        links=_links(tree, ab, path, skip="scores"),
        made=f"processQC {record.at} UT",
        head=head,
        colour=colour(record.digest),
        decided=record.decided,
        scores=scores,
        flag=record.flag,
        bits=bits,
        values=[(name, _value(value)) for name, value in record.values.items()],
        detectors=[{name: _value(value) for name, value in row.items()} for row in record.detectors],
        troubles=record.troubles,
    )
    fs.replace(path, text.encode("utf-8", "replace"))
    return path


def write_coversheet(
    tree: DfoTree,
    ab: AB,
    record: Record,
    place: Path,
    *,
    cover: Sequence[str] = (),
    log: Sequence[str] = (),
    history: Sequence[Historical] = (),
    raws: Sequence[Path] = (),
) -> Path:
    """`<root>_cs.html`, the entry page of an AB's reports."""
    path = place / f"{ab.root}_cs.html"
    text = _page(
        "coversheet.html",
        title=f"{ab.target or ab.raw_type} {ab.name}",
        links=_links(tree, ab, path),
        made=f"processQC {record.at} UT",
        colour=colour(record.digest),
        digest=record.digest,
        flag=record.flag,
        cover=cover,
        plots=[_link(path, place / name) for name in record.files if name.endswith(".png")],
        log=log,
        history=history,
        raws=[_link(path, raw) for raw in raws],
    )
    fs.replace(path, text.encode("utf-8", "replace"))
    return path


def report_of(tree: DfoTree, ab: AB) -> Path:
    """Where the score report of an AB stands while it is worked on."""
    return place_of(tree, ab).with_suffix(".html")


def log_lines(path: Path) -> tuple[str, ...]:
    """The ERROR and WARNING lines of a pipeline log, without what a terminal or a page would obey."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            found = [line for line in file if _FLAG.search(line)]
    except OSError:
        return ()
    lines = [
        "".join(char if char.isprintable() else " " for char in line.rstrip())[:_LONGEST] for line in found[:_MOST]
    ]
    return (*lines, *([f"... and {len(found) - _MOST} more"] if len(found) > _MOST else []))


def historical(history: str, ab: AB) -> tuple[Historical, ...]:
    """The ABs below the history directory that are of the same target (tpl ABs that MUSE_R made)."""
    if not history or not ab.target:
        return ()
    found = []
    for path in sorted(Path(history).rglob("*_tpl.ab"))[:10000]:
        try:
            other = read(path)
        except BadAb:
            continue
        if other.target == ab.target:
            found.append(Historical(other.name, other.status, other.get("SCORE"), other.get("COMMENT")))
    return tuple(found[:_MOST])


def _links(tree: DfoTree, ab: AB, page: Path, skip: str = "") -> list[tuple[str, str]]:
    stem = ab.name.removesuffix(".ab")
    known = {
        "AB": tree.ab / ab.name,
        "ALOG": tree.ab / f"{stem}.alog",
        "PLOG": tree.dfs_log / f"{ab.root}.log",
        "scores": report_of(tree, ab),
        "QC log": tree.dfs_log / f"{stem}.qclog",
    }
    return [(name, _link(page, path)) for name, path in known.items() if name != skip and path.exists()]


def _link(page: Path, target: Path) -> str:
    """A relative link; never one that could be read as a scheme, names hold colons."""
    way = quote(os.path.relpath(target, page.parent), safe="/.-_~+:")
    return way if way.startswith(".") else f"./{way}"


def _page(template: str, **what: Any) -> str:
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return pages.get_template(template).render(**what)


def _value(value: object) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
