"""Disks that are full, broken or read-only at any call of a move: told clearly, and nothing is lost."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.recover import recover, unfinished
from engine.errors import DfosError, MoveTrouble
from engine.release.move.move_products import move
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import MORE, SCENARIOS, TITLES, contents, context_of, moved, recovered
from tests.faults.power import Plug, Trouble, differences
from tests.released import NIGHT, biases, picture, portrait, release_context

TROUBLES = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EXDEV, errno.EDQUOT]


@pytest.mark.parametrize("name", ["calib-keep", "science", "calib-pages", "calib-far"])
def test_a_disk_that_fails_at_any_call(name: str, memory: Path, tmp_path: Path) -> None:
    """Each call fails, each time as another of the ways; from then on every call, until it is put right."""
    scenario, root, far = {**SCENARIOS, **MORE}[name], memory / "site", tmp_path / "far"
    context = context_of(root, scenario, far)
    scenario.prepare(context)
    context.db.close()
    roots = [root, far] if scenario.far else [root]
    before = contents(*roots)
    tape = Tape(roots)
    assert moved(root, scenario, tape, far)
    tape.end()
    wanted = _seen(root, far)
    told = 0
    for at in range(1, len(tape.calls) + 1):
        tape.lay_down(tape.left(0))
        trouble = Trouble(at, TROUBLES[at % len(TROUBLES)], lasts=at % 2 == 0)
        try:
            moved(root, scenario, trouble, far)
        except DfosError as error:
            told += 1
            assert error.remedy, f"call {at} {trouble.hit}: {error}"
            assert "no luck" in str(error) or at % 2 == 0
        assert before <= contents(*roots), f"call {at} {trouble.hit}: content is gone"
        recovered(root, scenario, Plug(), far)
        assert differences(_seen(root, far), wanted) == [], f"call {at} {trouble.hit}"
    assert told > len(tape.calls) // 2
    matrix.record(f"{TITLES[name]}, each call failing (ENOSPC, EIO, EROFS, EACCES, EXDEV, EDQUOT)", len(tape.calls), at)


def _seen(root: Path, far: Path) -> dict[str, str]:
    return portrait(root) | {f"far/{name}": what for name, what in portrait(far).items()}


async def test_trouble_during_the_recovery_leaves_it_to_the_next_one(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    with fs.probed(Trouble(60, errno.ENOSPC)), pytest.raises(MoveTrouble):
        await move(context, "CALIB", NIGHT)
    for at in range(1, 60, 7):
        with fs.probed(Trouble(at, errno.EIO)):
            try:
                await recover(context)
            except MoveTrouble as trouble:
                assert "recover" in trouble.remedy
                assert unfinished(context.db, context.tree)
    await recover(context)
    assert not unfinished(context.db, context.tree)
    assert len(list((context.tree.cal / NIGHT).glob("*.fits"))) == 3


async def test_a_database_that_is_full_begins_nothing(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    seen = picture(context.tree.root)
    (pages,) = context.db.execute("PRAGMA page_count").fetchone()

    def full(verb: str, path: str) -> None:
        if path.startswith("begin"):
            (pages,) = context.db.execute("PRAGMA page_count").fetchone()
            context.db.execute(f"PRAGMA max_page_count = {pages}")

    with fs.probed(full), pytest.raises(DfosError, match="journal cannot be written") as trouble:
        await move(context, "CALIB", NIGHT)
    assert trouble.value.remedy and not unfinished(context.db, context.tree)
    after = picture(context.tree.root)
    assert {name: what for name, what in after.items() if "PRODCOM" not in name} == {
        name: what for name, what in seen.items() if name != "lst/"
    }
    context.db.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert (await move(context, "CALIB", NIGHT)).moved == 3


@pytest.mark.parametrize("when", ["done", "seal"])
def test_a_database_that_goes_read_only_in_the_middle(when: str, memory: Path) -> None:
    """What was done and could not be noted is done again, which changes nothing."""
    scenario = SCENARIOS["calib-keep"]
    context = context_of(memory, scenario)
    scenario.prepare(context)
    context.db.close()
    tape = Tape([memory])
    assert moved(memory, scenario, tape)
    wanted = portrait(memory)
    tape.lay_down(tape.left(0))
    context = context_of(memory, scenario)

    def locked(verb: str, path: str) -> None:
        if verb == "commit" and path == when:
            context.db.execute("PRAGMA query_only = ON")

    with fs.probed(locked), pytest.raises(DfosError, match="journal cannot be written") as trouble:
        asyncio.run(move(context, scenario.mode, scenario.date))
    assert "recover" in trouble.value.remedy
    context.db.execute("PRAGMA query_only = OFF")
    asyncio.run(recover(context))
    assert differences(portrait(memory), wanted) == []
    assert not unfinished(context.db, context.tree)
    context.db.close()
