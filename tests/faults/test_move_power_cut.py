"""Power cuts: before every mutating call of whole moves; recovered, the tree is that of an undisturbed move."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.atomic import fs, syscalls
from engine.atomic.recover import recover
from engine.errors import MoveTrouble
from engine.release.move.move_products import move
from tests.faults import matrix
from tests.faults.disk import Tape
from tests.faults.moves import MORE, SCENARIOS, TAKES_AWAY, TITLES, Scenario, contents, context_of, moved, recovered
from tests.faults.power import ALL, Plug, survived
from tests.released import portrait


def _taped(root: Path, scenario: Scenario, far: Path) -> tuple[Tape, set[bytes]]:
    """An undisturbed move on tape, and what was there before it."""
    context = context_of(root, scenario, far)
    scenario.prepare(context)
    context.db.close()
    roots = [root, far] if scenario.far else [root]
    before = contents(*roots)
    tape = Tape(roots)
    assert moved(root, scenario, tape, far)
    tape.end()
    after = contents(*roots)
    if scenario.plugin is not None:  # what it removes itself is its own doing
        before &= after
    assert before <= after, "the undisturbed move lost something"
    return tape, before


@pytest.mark.row(68)
@pytest.mark.parametrize("name", [*SCENARIOS, *MORE])
def test_power_cut_before_every_call(name: str, memory: Path, tmp_path: Path) -> None:
    scenario = {**SCENARIOS, **MORE}[name]
    root, far = memory / "site", tmp_path / "far"
    tape, before = _taped(root, scenario, far)
    assert len(tape.calls) > 40
    assert not tape.pending(len(tape.calls) + 1), "the move ends before all of it is on disk"
    fresh = [old for old, new in tape.unsettled if "/product/" in old or "/dfs_log/" in old if "/TRASH/" not in new]
    assert not fresh, "moved before what a recipe wrote into it was on disk"

    if scenario.far:
        assert any(verb == "copy" for verb, _ in tape.calls) or _device(root) == _device(tmp_path)
    states = survived(tape, lambda probe: recovered(root, scenario, probe, far), lambda: _seen(root, far), kept=before)
    matrix.record(TITLES[name], len(tape.calls), states)


def _seen(root: Path, far: Path) -> Mapping[str, str]:
    return portrait(root) | {f"far/{name}": what for name, what in portrait(far).items()}


def _device(path: Path) -> int:
    return path.stat().st_dev


def test_many_products_are_synced_together(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done for more than a few files: their filesystem is synced, not each of them."""
    monkeypatch.setattr(fs, "FEW", 2)
    scenario, root = SCENARIOS["calib"], memory / "site"
    tape, before = _taped(root, scenario, tmp_path / "far")
    assert any(verb == "syncfs" for verb, _ in tape.calls)
    assert not tape.pending(len(tape.calls) + 1) and not [old for old, _ in tape.unsettled if old.endswith("0000.fits")]
    states = survived(
        tape, lambda probe: recovered(root, scenario, probe), lambda: portrait(root), kept=before, of=ALL[1:3]
    )
    matrix.record(f"{TITLES['calib']}, synced as many products are", len(tape.calls), states)


def test_a_filesystem_that_cannot_rename_between_directories(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXDEV within one filesystem, e.g. between mounts of it: logs, plots and products are copied and verified."""
    rename = syscalls.rename_new

    def refused(source: int, old: str, target: int, new: str) -> int:
        same = os.path.samestat(os.fstat(source), os.fstat(target))
        return rename(source, old, target, new) if same else errno.EXDEV

    monkeypatch.setattr(syscalls, "rename_new", refused)
    scenario, root = MORE["calib-pages"], memory / "site"
    tape, before = _taped(root, scenario, tmp_path / "far")
    assert sum(verb == "copy" for verb, _ in tape.calls) > 5
    states = survived(
        tape,
        lambda probe: recovered(root, scenario, probe),
        lambda: portrait(root),
        kept=before,
        of=("nothing", "everything", "one"),
    )
    matrix.record("moveProducts CALIB where no rename between directories is possible (EXDEV)", len(tape.calls), states)


def test_cut_again_at_every_call_of_the_recovery(memory: Path, tmp_path: Path) -> None:
    scenario, root = SCENARIOS["calib-keep"], memory / "site"
    tape, before = _taped(root, scenario, tmp_path / "far")
    wanted = portrait(root)
    calls = states = 0
    begun = next(at for at, (verb, path) in enumerate(tape.calls, 1) if path.startswith("begin"))
    for at in range(begun + 1, len(tape.calls), 27):
        tape.lay_down(tape.left(at, tape.pending(at), at))
        again = Tape([root])
        recovered(root, scenario, again)
        again.end()
        calls += len(again.calls)
        states += survived(
            again,
            lambda probe: recovered(root, scenario, probe),
            lambda: portrait(root),
            kept=before,
            of=("nothing", "everything", "one"),
            wanted=wanted,
        )
    matrix.record("moveProducts CALIB into a date that exists, cut again during its recovery", calls, states)


@pytest.mark.parametrize(
    ("what", "patch"),
    [
        ("no directory is synced", ("sync_dir", lambda path, now=False: None)),
        ("no file is synced", ("sync_file", lambda path: None)),
        ("nothing is settled", ("settle", lambda paths: None)),
    ],
)
def test_a_sync_that_is_missing_is_found(
    what: str, patch: tuple[str, object], memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of the disk is worth something: without the syncs the moves do not survive."""
    scenario, root = SCENARIOS["science-keep"], memory / "site"
    with monkeypatch.context() as broken:
        broken.setattr(fs, *patch)
        tape, before = _taped(root, scenario, tmp_path / "far")
    with pytest.raises(AssertionError):
        survived(
            tape,
            lambda probe: recovered(root, scenario, probe),
            lambda: portrait(root),
            kept=before,
            of=("everything",),
        )
        assert not tape.unsettled


@pytest.mark.row(38)
def test_a_plugin_that_removes_a_product_itself(memory: Path, tmp_path: Path) -> None:
    """Once the intent is written the product stays away; cut before, the operator is told which product is gone."""
    scenario, root = TAKES_AWAY, memory / "site"
    tape, before = _taped(root, scenario, tmp_path / "far")
    begun = next(at for at, (verb, path) in enumerate(tape.calls, 1) if path.startswith("begin"))
    after = range(begun + 1, len(tape.calls) + 2)
    states = survived(
        tape, lambda probe: recovered(root, scenario, probe), lambda: portrait(root), kept=before, cuts=after
    )
    tape.lay_down(tape.left(begun))
    with pytest.raises(MoveTrouble, match=r"T22:10.* is gone"):
        recovered(root, scenario, Plug())
    assert before <= contents(root)
    matrix.record("moveProducts CALIB, SPECIAL_PLUGIN removes a product itself", len(after) - 1, states)


def test_a_finished_move_leaves_nothing_to_recover(memory: Path) -> None:
    scenario = SCENARIOS["science"]
    context = context_of(memory, scenario)
    scenario.prepare(context)
    asyncio.run(move(context, scenario.mode, scenario.date))
    before, plug = portrait(context.tree.root), Plug()
    with fs.probed(plug):
        assert asyncio.run(recover(context)) == []
    assert plug.calls == 0
    assert portrait(context.tree.root) == before
    context.db.close()
