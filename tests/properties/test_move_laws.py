"""Laws of a move: every file is accounted for once, the order they were seen in is nothing, nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.atomic import fs
from engine.atomic.acts import ACTS, checked
from engine.atomic.journal import Journal, Step, Transaction
from engine.atomic.recover import recover
from engine.atomic.shifts import MOST, events_of, shifts
from engine.core.product import DELETE, MOVE, WITHHELD
from engine.release.manifest import Entry, entries_of, file_of, text_of
from engine.release.move.move_plan import move_plan
from engine.release.move.move_steps import steps
from engine.release.move.survey import Snapshot
from tests.faults.power import Plug, PowerCut
from tests.properties.test_fates import SETTINGS, TREE, snapshots
from tests.released import NIGHT, portrait, release_context

STAMP = "2025-02-02T02:02:02"
NAMES = st.text(
    st.characters(codec=None, exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and _is_a_name(name))


def _transaction() -> Transaction:
    return Transaction(1, "move", "CALIB", NIGHT, "rh", STAMP, "a move")


def _is_a_name(name: str) -> bool:
    """What a directory can hold: bytes, seen as Python sees them."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == name
    except UnicodeEncodeError:
        return False


@given(snapshots(), st.booleans())
def test_the_fates_account_for_every_file(snapshot: Snapshot, recreate: bool) -> None:
    """What was seen is moved, renamed, retired or said to stay: each file exactly once, and no other."""
    plan = move_plan(snapshot, SETTINGS, stamp=STAMP, recreate=recreate)
    assert Counter(fate.product.path for fate in plan.fates) == Counter(f.product.path for f in snapshot.products)
    done = Counter(fate.product.path for fate in plan.fates if fate.fate in (MOVE, DELETE))
    done.update(entry.source for entry in (*plan.pool, *plan.carried, *plan.pages))
    done.update(entry.path for entry in (*plan.retired_first, *plan.retired_last))
    assert not [path for path, times in done.items() if times > 1]
    staying = {fate.product.path for fate in plan.of(WITHHELD)}
    seen = {f.product.path for f in (*snapshot.products, *snapshot.pool)} | {extra.path for extra in snapshot.extras}
    assert set(done) <= seen and not staying & set(done)
    moving = {ab.name for ab in plan.abs}
    for extra in snapshot.extras:
        assert (extra.path in done) >= (extra.ab in moving), "what belongs to an AB goes with it"


@given(snapshots(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(snapshot: Snapshot, recreate: bool, dice: random.Random) -> None:
    plan = move_plan(snapshot, SETTINGS, stamp=STAMP, recreate=recreate)
    assert move_plan(snapshot, SETTINGS, stamp="2031-07-07T07:07:07", recreate=recreate).digest == plan.digest
    items = list(snapshot.final.items())
    dice.shuffle(items)
    mixed = replace(snapshot, final=dict(items), standings=dict(reversed(list(snapshot.standings.items()))))
    again = move_plan(mixed, SETTINGS, stamp=STAMP, recreate=recreate)
    assert {fate.product.path: (fate.fate, fate.final) for fate in again.fates} == {
        fate.product.path: (fate.fate, fate.final) for fate in plan.fates
    }
    products = list(snapshot.products)
    dice.shuffle(products)
    shuffled = move_plan(replace(snapshot, products=tuple(products)), SETTINGS, stamp=STAMP, recreate=recreate)
    assert {fate.product.path: (fate.fate, fate.final) for fate in shuffled.fates} == {
        fate.product.path: (fate.fate, fate.final) for fate in plan.fates
    }


@given(snapshots(), st.booleans())
def test_steps_are_known_stay_inside_and_survive_json(snapshot: Snapshot, recreate: bool) -> None:
    plan = move_plan(snapshot, SETTINGS, stamp=STAMP, recreate=recreate)
    made = list(steps(plan, TREE, _transaction(), 30, {}))
    for step in made:
        assert step.act in ACTS
        checked(TREE, step.act, step.data)
        checked(TREE, step.act, json.loads(json.dumps(step.data)))
    assert len([step for step in made if step.phase == "write the manifest"]) == 1


@given(st.lists(st.tuples(NAMES, NAMES), max_size=40), st.integers(1, 3))
def test_shifts_of_any_names_survive_json(names: list[tuple[str, str]], folders: int) -> None:
    source, target = TREE.product / "BIAS" / NIGHT, TREE.cal / NIGHT
    moves = [(source / str(n % folders) / old, target / new) for n, (old, new) in enumerate(names)]
    event = {
        "event": "X",
        "old": "{old}",
        "new": "{new}",
        "bytes": "{size}",
        "sizes": {str(moves[0][0]): 7} if moves else {},
    }
    made = list(shifts("place", moves, "place", event))
    read = [Step(step.phase, step.act, json.loads(json.dumps(step.data)), step.words, step.event) for step in made]
    found = [
        (Path(step.data["source"]) / old, Path(step.data["target"]) / new)
        for step in read
        for old, new in step.data["names"]
    ]
    assert Counter(found) == Counter(moves)
    assert all(len(step.data["names"]) <= MOST for step in read)
    for step in read:
        checked(TREE, step.act, step.data)
    told = [(event["old"], event["new"]) for step in read for event in events_of(step)]
    assert Counter(told) == Counter((old.name, new.name) for old, new in found)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=20))
def test_manifests_of_any_names_are_read_as_they_were_written(names: list[tuple[str, str]]) -> None:
    entries = tuple(
        Entry("0" * 64, n, "log", str(TREE.dfs_log / old), str(TREE.log / NIGHT / new))
        for n, (old, new) in enumerate(names)
    )
    transaction = _transaction()
    assert file_of(TREE, transaction).name.startswith("manifest_CALIB")
    read, damaged = entries_of(TREE, text_of(TREE, transaction, entries))
    assert damaged == 0 and read == entries


@settings(max_examples=15)
@given(st.lists(NAMES, unique=True, min_size=1, max_size=12), st.integers(1, 40))
def test_files_of_any_names_move_once_however_often_it_is_cut(names: list[str], at: int) -> None:
    """A shift of files that exist: cut anywhere, run again, run once more."""
    with tempfile.TemporaryDirectory() as place:
        context = release_context(Path(place))
        source, target = context.tree.dfs_log, context.tree.log / NIGHT
        target.mkdir()
        names = [name for name in names if len(name.encode("utf-8", "surrogateescape")) < 200]
        for number, name in enumerate(names):
            (source / name).write_text(str(number))
        moves = [(source / name, target / name) for name in names]
        journal = Journal(context.db, context.tree)
        transaction = journal.begin(
            "move", "CALIB", NIGHT, "x", lambda _: shifts("p", moves, "shift"), begun=STAMP, summary="s"
        )
        try:
            with fs.probed(Plug(at)):
                asyncio.run(journal.run(transaction, context.utc))
        except PowerCut:
            pass
        asyncio.run(recover(context))
        assert [(target / name).read_text() for name in names] == [str(number) for number in range(len(names))]
        assert not list(source.iterdir())
        seen, plug = portrait(context.tree.root), Plug()
        with fs.probed(plug):
            asyncio.run(recover(context))
        assert plug.calls == 0 and portrait(context.tree.root) == seen
        context.db.close()
