"""What taking back a run of createAB will do: its ABs go, and all that stood there before comes back.

Only while nothing has become of them: an AB that was processed, is at work, was edited, or that another AB waits for
keeps the whole run, and is named.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from config.tree import DfoTree
from engine.atomic.journal import Transaction
from engine.core.sizes import counted
from engine.errors import BadAb
from engine.release.undo.ledger import Ledger
from engine.release.undo.undo_plan import Now, UndoPlan, undo_plan
from engine.stores.abs import AbStore, read

CREATE = "create"  # the kind of such a run in the journal
_SHOWN = 20  # names in one sentence
_LARGEST = 16 << 20  # bytes of a job file that is looked at
_NAME = re.compile(rb"[\w.:+-]+\.ab\b")
_WORK, _DONE, _EDITED, _AWAITED = "at work", "processed since", "changed since", "needed by other ABs"
_REMEDY = {
    _WORK: "let the ABs at work end, or stop them",
    _DONE: "what was processed stays (createAB makes a FAILED AB again by itself; of any other that is not wanted, take"
    " AB and products away by hand)",
    _EDITED: "put back what createAB wrote into the ABs that were changed, or leave this run as it is",
    _AWAITED: "take back the runs that made the ABs which wait for these, first",
}


def tried(db: sqlite3.Connection) -> dict[str, float | None]:
    """When the ABs of this account were processed last, in seconds since 1970; None while one is at work."""
    try:
        ended: dict[str, float | None] = {
            row[0]: row[1]
            for row in db.execute("SELECT ab, max(ended) FROM attempts WHERE verdict IN ('done', 'failed') GROUP BY ab")
        }
        return ended | {row[0]: None for row in db.execute("SELECT ab FROM attempts WHERE verdict IS NULL")}
    except sqlite3.OperationalError:  # nothing was ever processed here
        return {}


def created_plan(
    tree: DfoTree,
    transaction: Transaction,
    ledger: Ledger,
    stands: Mapping[str, Now],
    attempts: Mapping[str, float | None],
    earlier: str,
) -> UndoPlan:
    """The plan to take back `transaction`. Reads all ABs at work.

    `attempts` as `tried` gives them; `earlier` is the run that can be undone with createAB passed over ('': none).
    """
    folder = f"{tree.ab}/"
    written = {path: text for path, text in ledger.texts.items() if path.startswith(folder) and path.endswith(".ab")}
    back = dict(ledger.moved)
    taken = tuple(sorted(Path(path).name for path in written if path not in back))
    again = tuple(sorted((Path(path).name, _status(back[path])) for path in written if path in back))
    troubles: dict[str, list[str]] = {}
    for path, text in written.items():
        if found := _gone_on(Path(path), text, transaction, attempts):
            troubles.setdefault(found[0], []).append(found[1])
    for text in _awaited(tree, frozenset(taken), frozenset(Path(path).name for path in written)):
        troubles.setdefault(_AWAITED, []).append(text)
    plan = undo_plan(tree, transaction, ledger, {}, stands, {}, spoken=frozenset(written))
    remedies = [_REMEDY[why] for why in troubles]
    if earlier and (troubles or plan.refusals):
        remedies.append(f"{earlier} before it is undone with --keep-created")
    return replace(
        plan,
        taken=taken,
        again=again,
        refusals=(*(f"{why}: {_listed(names)}" for why, names in troubles.items()), *plan.refusals),
        remedies=tuple(remedies),
        notes=tuple(_notes(tree, frozenset(taken))),
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _status(path: str) -> str:
    try:
        return read(path).status
    except BadAb:
        return ""


def _gone_on(
    path: Path, text: str, transaction: Transaction, attempts: Mapping[str, float | None]
) -> tuple[str, str] | None:
    """What has become of an AB since it was written, and the words that name it; None when nothing has."""
    name = path.name
    last = attempts.get(name, 0.0)
    if last is None:
        return _WORK, name
    try:
        ab = read(path)
    except BadAb as trouble:
        return _EDITED, f"{name} ({trouble.what})"
    if ab.status != "CREATED":
        return _DONE, f"{name} ({ab.status})"
    begun = datetime.fromisoformat(transaction.begun).replace(tzinfo=UTC).timestamp()
    if last > begun + 1:  # it is written in whole seconds
        return _DONE, name
    if ab.render() != text.encode("utf-8", "surrogateescape"):
        return _EDITED, name
    return None


def _awaited(tree: DfoTree, taken: frozenset[str], written: frozenset[str]) -> Iterator[str]:
    """ABs at work, of any pool, that wait for ABs which would be gone."""
    for ab in AbStore(tree).load() if taken else ():
        if ab.name not in written and (parents := taken.intersection(ab.waitfor)):
            yield f"{min(parents)} (by {ab.name} of {ab.mode} {ab.date})"


def _notes(tree: DfoTree, taken: frozenset[str]) -> Iterator[str]:
    """Job files that name ABs which will be gone."""
    for path in sorted(tree.job.iterdir()) if taken and tree.job.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
            named = {found.decode("utf-8", "replace") for found in _NAME.findall(path.read_bytes())} & taken
            if named:
                yield f"{path.name} still names {counted(len(named), 'AB')} of these: createJob writes it anew"
