"""`dfos status`: where everything stands, in a few lines: from the journal and the AB files, without an engine."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from console.cli import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.tree import DfoTree
    from engine.stores.orders import Order

INTERRUPTED = "interrupted"
_WARNED = ("FINAL_PLUGIN: ", "POST_PLUGIN: ")  # plugins whose trouble costs no AB, and is easily overlooked
_CUT = "SELECT mode, date FROM transactions WHERE sealed = ''"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = words.parser("dfos status", "Where everything stands, in a few lines.")
    made.add_argument("-d", dest="date", metavar="DATE", help="what this DATE has reached in DFO_STATUS, per MODE")
    made.add_argument("--json", action="store_true", help="as JSON, with every AB")
    made.add_argument("--all", action="store_true", help="one line for every AB")
    return made


def main(argv: list[str]) -> int:
    """Print the state of the account. Exit 0 whatever the state is: asking is no failure."""
    given = parser().parse_args(argv)
    tree = words.tree(given.root)
    if given.date:
        return _of_date(tree, given.date, given.json)
    found = survey(tree)
    print(json.dumps(found, indent=1) if given.json else "\n".join(_lines(found, given.all)))
    return 0


def _of_date(tree: DfoTree, date: str, as_json: bool) -> int:
    """Print the state of one DATE from DFO_STATUS."""
    from dataclasses import asdict

    from engine.core.dates import date_label
    from engine.stores.abs import AbStore
    from engine.stores.dfos_status import current, entries
    from engine.stores.nothing import UNKNOWN_DATE

    states, found = current(tree, date_label(date)), entries(tree, date)
    if as_json:
        print(json.dumps({"date": date, **states, "entries": [asdict(entry) for entry in found]}, indent=1))
        return 0
    words.say([f"{date} {mode:<7} {word or '-'}" for mode, word in states.items()])
    if not found and not AbStore(tree).load("", date) and not any(AbStore(tree).knows(mode, date) for mode in states):
        words.say([f"  {UNKNOWN_DATE}"])
    words.say([f"  {entry.word:<14} {entry.when or '-'} {entry.who}".rstrip() for entry in found])
    return 0


def survey(tree: DfoTree) -> dict[str, Any]:
    """The state of an account as plain data, from the journal and the AB files.

    An order that has not ended while no engine lives was interrupted.
    """
    from dataclasses import asdict

    from console.hosting.board_of import board_of
    from engine.core.pipelines import STANDIN
    from engine.stores.answers import Answers
    from engine.stores.attempts import made_by
    from engine.stores.database import connect
    from engine.stores.orders import QUEUED, RUNNING, Orders
    from engine.stores.refused import RefusedAbs

    found: dict[str, Any] = {"account": str(tree.root), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    found["engine"] = _engine(tree)
    board = board_of(tree)
    questions: tuple[Any, ...] = ()
    order = None
    refused: list[tuple[str, str]] = []
    left: list[Order] = []
    cut: set[tuple[str, str]] = set()
    makers: dict[str, str] = {}
    if tree.journal.exists():
        connection = connect(tree.journal, readonly=True)
        questions = Answers(connection).open()
        makers = made_by(connection)
        refused = _quietly(lambda: RefusedAbs(connection, readonly=True).all()) or []
        order = _quietly(lambda: Orders(connection, readonly=True).last())
        if not found["engine"]:
            left = _quietly(lambda: Orders(connection, readonly=True).waiting(QUEUED, RUNNING)) or []
            cut = _quietly(lambda: {(tx["mode"], tx["date"]) for tx in connection.execute(_CUT)}) or set()
        connection.close()
    if order and any(order["number"] == other.number for other in left) and order["state"] == RUNNING:
        order["state"] = INTERRUPTED
    found["order"] = order
    found["interrupted"] = [
        {"order": other.number, "what": _named(asdict(other)), "cut": (other.mode, other.date) in cut} for other in left
    ]
    found["refused"] = [{"where": where, "why": why} for where, why in refused]
    found["total"] = board.total
    found["done"] = board.done
    found["standin"] = sum(makers.get(name) == STANDIN for name in board.rows)
    found["states"] = {state: count for state, count in sorted(board.counts.items()) if count}
    found["questions"] = [
        {"number": question.number, "subject": question.subject, "text": question.text} for question in questions
    ]
    found["abs"] = [
        {
            "ab": row.ab,
            "kind": row.kind,
            "mode": row.mode,
            "date": row.date,
            "target": row.target,
            "state": row.state,
            "reason": row.reason,
            "message": row.message,
            "score": row.score,
            "duration_s": round(row.duration_s, 3),
            "verdict": row.verdict,
            "comment": row.comment,
            "pipeline": makers.get(row.ab, ""),
        }
        for row in board.rows.values()
    ]
    return found


def _named(what: Mapping[str, Any]) -> str:
    """What an order is about: its pool, and its tool or parts."""
    pool = what.get("run_id") or f"{what['mode']} {what['date']}"
    return f"{pool} {what.get('tool') or what['parts']}"


def _remedy(entry: Mapping[str, Any]) -> str:
    if entry["cut"]:
        return "a move was cut: give the command again with --recover, or see dfos journal"
    return "give the command again, or dfos console goes on with it"


def _quietly(read: Any) -> Any:
    """What `read` finds; None in a journal that never held such a thing."""
    try:
        return read()
    except sqlite3.OperationalError:
        return None


def _engine(tree: DfoTree) -> dict[str, Any] | None:
    """Who holds the engine's lock; None when nobody does."""
    import fcntl

    try:
        handle = os.open(tree.state / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            note = json.loads(os.pread(handle, 4096, 0))
            return note if isinstance(note, dict) else {}
        except ValueError:
            return {}
    finally:
        os.close(handle)
    return None


def _lines(found: dict[str, Any], everything: bool) -> list[str]:
    from collections import Counter

    from engine.core.status import STATES, said, waits_for
    from screens.ask.plain import printable

    engine = found["engine"]
    who = (
        f"engine pid {engine.get('pid')} of {engine.get('user')} since {engine.get('since')}" if engine else "no engine"
    )
    words = Counter(
        waits_for(row["state"], row["reason"]) for row in sorted(found["abs"], key=lambda row: row["state"])
    )
    states = ", ".join(f"{count} {word}" for word, count in words.items())
    lines = [f"{found['account']}: {found['done']} of {found['total']} ABs done; {who}", f"  {states or 'no ABs yet'}"]
    if found["standin"]:
        lines.append(f"  STAND-IN PIPELINE: {found['standin']} of these ABs were not made by ESO's recipes")
    order = found["order"]
    if order:
        lines.append(f"  last order: {_named(order['what'])} {order['state']} {order['text']}".rstrip())
    for entry in found["interrupted"]:
        lines.append(f"  order {entry['order']} has not ended and no engine lives: {entry['what']}; {_remedy(entry)}")
    for row in found["abs"]:
        if everything or row["state"] in ("FAILED", "INTERRUPTED", "STALE"):
            took = f" {row['duration_s']:.1f} s" if row["duration_s"] >= 0.05 else ""
            word = f"{STATES[row['state']].word}{took} {row['score']}".rstrip()
            lines.append(f"  {row['ab']} ({row['kind']}) {said(word, row['reason'])}")
    lines += [] if everything else _in_batch(found["abs"])
    for row in found["abs"]:
        if row["message"].startswith(_WARNED):
            lines.append(f"  {row['ab']} ({row['kind']}) {row['message']}")
    for entry in found["refused"]:
        lines.append(f"  unreadable {entry['where']}: {entry['why']}")
    for question in found["questions"]:
        lines.append(f"  question {question['number']}: {question['subject']}: {question['text']}")
    return [printable(line) for line in lines]


def _in_batch(rows: list[dict[str, Any]]) -> list[str]:
    """What a batch system says of the ABs it has, those of one state and reason in one line: held, waits for a node."""
    import re
    from collections import Counter

    from engine.core.sizes import counted
    from engine.core.status import STATES

    said: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        if match := re.match(r"(slurm|htcondor) [\w.]+: (.+)", row["reason"]):
            said[STATES[row["state"]].word, match[1], match[2]] += row["state"] not in (
                "FAILED",
                "INTERRUPTED",
                "STALE",
            )
    return [f"  {counted(count, 'AB')} {word}, {who}: {why}" for (word, who, why), count in said.items() if count]
