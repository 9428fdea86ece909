"""dfos verify: years later, everything is as it was, or it is said what is not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.atomic.journal import Journal, Step
from engine.context import Context
from engine.release import manifest
from engine.release.move.move_products import move
from engine.release.record import with_manifest
from engine.release.undo import empty_trash, restore
from engine.release.undo.undo import ordered
from engine.release.verify_date import Report, counted, verify_date
from engine.stores.orders import Order
from tests.builders import make_tree
from tests.released import NIGHT, bias, biases, keen, picture, processed, release_context

A, B, C = (f"MU_MBIA_141022{letter}_SCI1.0.fits" for letter in "ABC")


async def moved(tmp_path: Path) -> Context:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    biases(context)
    await move(context, "CALIB", NIGHT)
    return context


def found(context: Context, today: str = "2023-11-20") -> list[tuple[str, str, str]]:
    report = verify_date(context.tree, NIGHT, today=today)
    return [(one.kind, Path(one.path).name, one.detail) for one in report.findings]


@pytest.mark.row(68)
async def test_all_is_as_it_was_and_nothing_is_touched(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    before = picture(context.tree.root)
    told: list[tuple[int, int, str]] = []
    report = verify_date(context.tree, NIGHT, "CALIB", told=lambda *words: told.append(words))
    assert report.findings == [] and report.notes == []
    assert report.whole > 12 and report.size > 8000
    assert told[-1][0] <= told[-1][1] and {A, B, C} <= {path for _, _, path in told}
    assert picture(context.tree.root) == before
    assert json.loads(json.dumps(report.to_dict()))["whole"] == report.whole
    assert verify_date(context.tree, NIGHT, "SCIENCE") == Report(NIGHT)


async def test_a_flipped_bit_a_lost_byte_a_lost_file_a_stranger(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    final = context.tree.cal / NIGHT
    data = bytearray((final / A).read_bytes())
    data[3000] ^= 1
    (final / A).write_bytes(data)
    with (final / B).open("ab") as file:
        file.write(b"x")
    (final / C).unlink()
    (final / "mine.txt").write_text("mine")
    size = (context.tree.log / NIGHT / bias(0).name).stat().st_size
    (context.tree.log / NIGHT / bias(0).name).unlink()
    (context.tree.plt / NIGHT / ".half.dfos~").write_text("")
    assert found(context) == [
        ("changed", A, "other content, same size"),
        ("changed", B, "5761 bytes, it had 5760"),
        ("missing", C, "product, 5760 bytes"),
        ("missing", bias(0).name, f"ab, {size} bytes"),
        ("unknown", "mine.txt", "no manifest knows it"),
        ("unknown", ".half.dfos~", "no manifest knows it"),
    ]


async def test_slimmed_products_count_by_their_header(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (context.tree.cal / NIGHT / A).rename((context.tree.cal / NIGHT / A).with_suffix(".hdr"))
    report = verify_date(context.tree, NIGHT)
    assert (report.slimmed, report.findings) == (1, [])


async def test_links_instead_of_files(tmp_path: Path) -> None:
    """A link to the same content is as good as the file; one that leads nowhere, or round in a circle, is not."""
    context = await moved(tmp_path)
    final = context.tree.cal / NIGHT
    (final / A).rename(tmp_path / "elsewhere")
    (final / A).symlink_to(tmp_path / "elsewhere")
    (final / B).unlink()
    (final / B).symlink_to(tmp_path / "nowhere")
    (final / C).unlink()
    (final / C).symlink_to(C)
    assert [(kind, name) for kind, name, _ in found(context)] == [("missing", B), ("unreadable", C)]


async def test_damaged_lines_of_a_manifest(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = manifest.of_date(context.tree, NIGHT)
    text = item.path.read_text()
    item.path.write_text(text.replace("\tproduct\t", " product ", 1) + "torn")
    damaged, *rest = found(context)
    assert damaged == ("damaged", item.path.name, "2 lines of this manifest cannot be read")
    assert rest == [("unknown", A, "no manifest knows it")]


async def test_unread_entries_go_by_size(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = manifest.of_date(context.tree, NIGHT)
    lines = item.path.read_text().splitlines()
    unread = [f"-{line[64:]}" if f"/{A}" in line else line for line in lines]
    item.path.write_text("\n".join(unread) + "\n")
    data = bytearray((context.tree.cal / NIGHT / A).read_bytes())
    data[3000] ^= 1
    (context.tree.cal / NIGHT / A).write_bytes(data)
    assert found(context) == []
    (context.tree.cal / NIGHT / A).write_bytes(data[:-1])
    assert found(context) == [("changed", A, "5759 bytes, it had 5760")]


async def test_the_trash_may_be_emptied_after_its_day_not_before(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    gone = next(context.tree.trash.rglob("*.fits"))
    gone.unlink()
    assert found(context, "2023-12-14") == [
        ("missing", gone.name, "gone from the trash, where it was to stay until 2023-12-14")
    ]
    assert found(context, "2023-12-15") == []
    shutil.rmtree(context.tree.trash / "2023-11-14")
    report = verify_date(context.tree, NIGHT, today="2023-11-20")
    assert (report.findings, report.notes) == ([], ["move-000001 is no longer in the trash"])


async def test_after_undo_restore_empty_and_another_move(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    await ordered(context, Order("CALIB", NIGHT, tool="undo", options={"yes": "yes"}), {})
    assert found(context) == []
    await move(context, "CALIB", NIGHT)
    assert found(context) == []
    processed(context, bias(30))
    await move(context, "CALIB", NIGHT)
    assert found(context) == []
    await restore.ordered(
        context, Order("CALIB", NIGHT, tool="restore", options={"what": "move-000003", "force": "yes"}), {}
    )
    object.__setattr__(context, "clock", lambda: 1_800_000_000.0)
    await empty_trash.ordered(context, Order("CALIB", NIGHT, tool="emptyTrash"), {})
    assert found(context) == []


async def test_a_copy_of_the_account_elsewhere(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    shutil.copytree(context.tree.root, tmp_path / "copy" / "account")
    tree = make_tree(tmp_path / "copy")
    shutil.rmtree(context.tree.root / "cal")
    assert verify_date(tree, NIGHT).findings == []
    assert counted(verify_date(context.tree, NIGHT).findings)["missing"] == 4
    moved_cal = tmp_path / "calibrations"
    shutil.move(tree.cal, moved_cal)
    there = replace(tree, cal=moved_cal, variables={**tree.variables, "DFO_CAL_DIR": str(moved_cal)})
    assert verify_date(there, NIGHT).findings == []


async def test_other_transactions_carry_the_checksums_on(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    place = str(context.tree.cal / NIGHT)
    journal = Journal(context.db, context.tree)
    steps = [
        Step("1", "shift", {"source": place, "target": place, "names": [(A, "new.fits")]}, "rename"),
        Step("2", "write", {"path": f"{place}/rn_files", "text": "mv\n"}, "write"),
    ]
    transaction = journal.begin(
        "rename",
        "CALIB",
        NIGHT,
        "rh",
        lambda begun: with_manifest(context.tree, begun, steps),
        begun=context.utc(),
        summary="rename",
    )
    await journal.run(transaction, context.utc)
    assert found(context) == []
    data = bytearray((context.tree.cal / NIGHT / "new.fits").read_bytes())
    data[-1] ^= 1
    (context.tree.cal / NIGHT / "new.fits").write_bytes(data)
    assert found(context) == [("changed", "new.fits", "other content, same size")]
