"""What a person sees when judging an AB: state, products, scores, offsets, log flags, history."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from config.tree import DfoTree
from console.views import pictures
from engine.board import Board, Row
from engine.core.ab import AB
from engine.core.score import GREEN, RED
from engine.errors import BadAb, BadFits
from engine.headers.verify import verify
from engine.stores.abs import read
from engine.stores.answers import Answers
from engine.stores.contents import Contents
from engine.stores.database import connect
from engine.stores.verdicts import WORDS, Verdicts
from screens.review.reviewed import Cover, Finding, Review, Verdict

_FLAG = re.compile(r"\[ *(WARNING|ERROR) *\]")
_MOST = 20  # log flags shown
_WORD = {GREEN: "ok", RED: "RED"}


def review_of(tree: DfoTree, row: Row, path: Path, log: Path) -> Review:
    """The evidence for one AB. BadAb when its file cannot be read."""
    ab = read(path)
    frames = sum(entry.tag == ab.raw_type for entry in ab.sof)
    question, history = _history(tree, ab)
    why_not = _why_not(tree, ab)
    return Review(
        ab.name,
        ab.target,
        f"DEEP{frames}" if ab.tag == "dpc" else "",
        ab.run_id,
        (*_products(tree, ab), *_scores(log), *_offsets(tree, ab)),
        _flags(log),
        history,
        pictures.names(tree, ab),
        question,
        not why_not,
        why_not,
    )


def cover_of(history: str, board: Board, name: str) -> list[Cover]:
    """The ABs that went into a reviewed one, then the historical ones of the same target below `history`."""
    row = board.rows.get(name)
    if row is None:
        return []
    seen: dict[str, Row] = {}
    queue = list(row.parents)
    while queue:
        parent = board.rows.get(queue.pop(0))
        if parent and parent.ab not in seen:
            seen[parent.ab] = parent
            queue.extend(parent.parents)
    ours = [
        Cover("this run", found.ab, found.kind, found.state, found.score, found.message)
        for found in sorted(seen.values(), key=lambda found: found.order)
        if found.kind != "bias"
    ]
    return ours + (_historical(Path(history), row) if history else [])


def _historical(place: Path, row: Row) -> list[Cover]:
    """tpl ABs that MUSE_R made of the target."""
    found = []
    for path in sorted(place.rglob("*_tpl.ab")):
        try:
            ab = read(path)
        except BadAb:
            continue
        if ab.target == row.target:
            state = "DONE" if ab.status == "SUCCESSFUL" else ab.status
            found.append(Cover("MUSE_R, historical", ab.name, "tpl", state, ab.get("SCORE"), ab.get("COMMENT")))
    return found


def _why_not(tree: DfoTree, ab: AB) -> str:
    if ab.status != "SUCCESSFUL":
        return f"it is {ab.status}"
    missing = [product.name for product in ab.products if pictures.place_of(tree, ab, product.name) is None]
    return f"{missing[0]} is missing" if missing else "" if ab.products else "it has no products"


def _products(tree: DfoTree, ab: AB) -> list[Finding]:
    findings = [Finding("state", ab.status, "ok" if ab.status == "SUCCESSFUL" else "RED")]
    places = [pictures.place_of(tree, ab, product.name) for product in ab.products]
    there = [place for place in places if place]
    problems = [f"{place.name}: {verified.problems[0]}" for place in there if (verified := verify(place)).problems]
    size = sum(place.stat().st_size for place in there)
    value = f"{len(there)} of {len(places)}, {size / 1e6:.1f} MB, " + (problems[0] if problems else "sums verified")
    findings.append(Finding("files", value, "ok" if there and len(there) == len(places) and not problems else "RED"))
    return findings


def _scores(log: Path) -> list[Finding]:
    try:
        data = json.loads(log.with_suffix(".scores.json").read_text("utf-8"))
        scores = data["scores"] if isinstance(data, dict) else data
        return [
            Finding(
                str(score["name"]),
                f"{score['value']} ({score['limit']})" if score.get("limit") else str(score["value"]),
                _WORD.get(score["mark"], "not scored"),
            )
            for score in scores
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return [Finding("scores", "none", "not scored")]


def _offsets(tree: DfoTree, ab: AB) -> list[Finding]:
    """The largest offset that the alignment found, in arcseconds."""
    lists = [entry for entry in ab.sof if entry.tag == "OFFSET_LIST"]
    if not lists:
        return []
    place = tree.expand(lists[0].path)
    if not place.exists():  # retired with the move
        return []
    try:
        return [_largest(place)]
    except (OSError, BadFits, ValueError, KeyError, IndexError):
        return [Finding("shifts", "the OFFSET_LIST cannot be read", "not scored")]


def _largest(place: Path) -> Finding:
    import numpy
    from astropy.io import fits

    with fits.open(place, memmap=False) as hdus:
        table = hdus[1].data
        ra = numpy.asarray(table["RA_OFFSET"], dtype="f8")
        dec = numpy.asarray(table["DEC_OFFSET"], dtype="f8")
        pointing = hdus[0].header.get("DEC", 0.0)
    distance = 3600 * numpy.hypot(ra * numpy.cos(numpy.radians(pointing)), dec)
    each = " ".join(f"{value:.2f}" for value in distance[:6]) + (" ..." if len(distance) > 6 else "")
    return Finding("shifts", f'{each} arcsec, largest {distance.max():.2f}"')


def _flags(log: Path) -> tuple[str, ...]:
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            found = [line.strip() for line in file if _FLAG.search(line)]
    except OSError:
        return ()
    return tuple(found[:_MOST]) + ((f"... and {len(found) - _MOST} more",) if len(found) > _MOST else ())


def _number(answers: Answers, question: str) -> int:
    asked = answers.history(question) or any(found.id == question for found in answers.open())
    return answers.find(question).number if asked else 0


def _history(tree: DfoTree, ab: AB) -> tuple[int, tuple[Verdict, ...]]:
    """The number of the open question about the AB (0: none), and every verdict on any of its attempts."""
    if not tree.journal.exists():
        return 0, ()
    with closing(connect(tree.journal, readonly=True)) as connection:
        try:
            answers = Answers(connection)
            asked = Contents.questions(connection, Verdicts.id_of(connection, ab))
            rows = connection.execute(
                "SELECT verdict, comment, who, at FROM verdicts WHERE question LIKE ? ORDER BY seq",
                (f"certify:{ab.name}:%",),
            ).fetchall()
            known = {(row["verdict"], row["comment"], row["who"], row["at"]) for row in rows}
            known |= {
                (WORDS[answer.choice], answer.comment, answer.who, answer.when)
                for question in asked
                for answer in answers.history(question)
                if answer.choice in WORDS
            }
            number = _number(answers, asked[0])
        except sqlite3.OperationalError:
            return 0, ()
    return number, tuple(
        Verdict(when, who, verdict, text) for verdict, text, who, when in sorted(known, key=lambda v: v[3])
    )
