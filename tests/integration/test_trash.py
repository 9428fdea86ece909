"""The trash: what it holds, what comes back, what is deleted and when; nothing outside it is ever deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from console.cli.trash import _lines as listed
from console.hosting.operators import Auto
from engine.atomic import acts, fs
from engine.atomic.recover import recover
from engine.context import Context
from engine.errors import MoveTrouble, OpenJournal, UsageTrouble
from engine.questions import Parked
from engine.release.move.move_products import move
from engine.release.undo import empty_trash, restore
from engine.release.undo.empty_trash import RECORD
from engine.release.undo.trash_look import pools, retirements, sought
from engine.release.undo.undo import planned
from engine.stores.answers import Answers
from engine.stores.orders import Order
from tests.builders import make_tree
from tests.faults.power import Plug, PowerCut
from tests.released import NIGHT, NOON, biases, keen, picture, processed, release_context

LABEL = "move-000001"
MONTH = 31 * 86400.0


async def moved(tmp_path: Path, **answers: str) -> Context:
    context = release_context(tmp_path, keen(**answers))
    biases(context)
    await move(context, "CALIB", NIGHT)
    return context


def later(context: Context, days: float = 31) -> Context:
    object.__setattr__(context, "clock", lambda: NOON + days * 86400)
    return context


def order(tool: str, **options: str) -> Order:
    return Order("CALIB", NIGHT, tool=tool, options=options)


async def test_what_it_holds(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    assert (item.label, item.day, item.until, item.who) == (LABEL, "2023-11-14", "2023-12-14", "operator")
    assert not item.expired("2023-12-14") and item.expired("2023-12-15")
    assert item.size == sum(file.path.stat().st_size for file in item.files) > 0
    assert {file.origin.name for file in item.files} >= {"core.1234"}
    assert pools(context.tree, context.db, [LABEL]) == {LABEL: ("CALIB", NIGHT)}


async def test_without_its_index_it_is_shown_and_never_expires(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    count = len(item.files)
    (item.place / "INDEX.json").write_text("{")
    (item,) = retirements(context.tree)
    assert (len(item.files), item.until, item.expired("2999-01-01")) == (count, "", False)
    done = await empty_trash.ordered(later(context, 9999), order("emptyTrash"), {})
    assert done.text == "nothing in the trash has expired"
    with pytest.raises(MoveTrouble, match="nobody knows where it came from"):
        await restore.ordered(context, order("restore", what=LABEL, force="yes"), {})


# --- delete -----------------------------------------------------------------------------------


async def test_only_what_has_expired_is_deleted(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    stands = picture(context.tree.root)
    assert (await empty_trash.ordered(later(context, 30), order("emptyTrash"), {})).text.startswith("nothing")
    assert picture(context.tree.root) == stands
    (item,) = retirements(context.tree)
    done = await empty_trash.ordered(later(context), order("emptyTrash"), {})
    assert done.text.startswith(f"{len(item.files)} files")
    assert not list(context.tree.trash.iterdir())
    after = picture(context.tree.root)
    gone = {name for name in stands if name not in after}
    assert gone and all(name.startswith("mon/TRASH/") for name in gone)
    record = (context.tree.lst / RECORD).read_text().splitlines()
    assert len(record) == len(item.files)
    assert any("$DFS_PRODUCT/BIAS/2014-10-22/core.1234 (belongs to no AB)" in line for line in record)
    assert all(line.split()[1:4] == ["operator", "emptyTrash-000002", LABEL] for line in record)
    plan = await planned(context, "CALIB", NIGHT)
    assert plan.transaction == LABEL and "no longer in the trash" in plan.refusals[0]


async def test_named_ones_are_asked_for_with_count_and_size(tmp_path: Path) -> None:
    context = await moved(tmp_path, trash__empty="no")
    stands = picture(context.tree.root)
    (item,) = retirements(context.tree)
    done = await empty_trash.ordered(context, order("emptyTrash", transactions=LABEL), {})
    assert (done.exit_code, done.text) == (0, "nothing was deleted")
    question = context.operator.asked[-1]  # type: ignore[attr-defined]
    assert (question.safe, question.auto) == ("no", None)
    assert f"{len(item.files)} files (" in question.text and "kB" in question.text
    assert picture(context.tree.root) == stands


@pytest.mark.parametrize(("days", "asks"), [(0, True), (31, False)])
async def test_in_auto_only_what_has_expired(days: float, asks: bool, tmp_path: Path) -> None:
    context = later(await moved(tmp_path), days)
    object.__setattr__(context, "operator", Auto(Answers(context.db), context.bus, "cron", context.clock))
    if asks:
        with pytest.raises(Parked):
            await empty_trash.ordered(context, order("emptyTrash", transactions=LABEL), {})
        assert retirements(context.tree)
    else:
        await empty_trash.ordered(context, order("emptyTrash", transactions=LABEL), {})
        assert not retirements(context.tree)


async def test_links_go_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("stays")
    (item,) = retirements(context.tree)
    (item.place / "link").symlink_to(outside)
    (item.place / "deep").mkdir()
    (item.place / "deep" / "link").symlink_to(outside / "precious")
    (item.place / "deep" / "name with\nnewline").write_text("x")
    await empty_trash.ordered(later(context), order("emptyTrash"), {})
    assert (outside / "precious").read_text() == "stays"
    assert not retirements(context.tree)
    assert "newline" not in (context.tree.lst / RECORD).read_text().split("\n")[-2][:8]


@pytest.mark.parametrize("where", ["", "2023-11-14", "2023-11-14/../../x", "2023-11-14/a/b"])
def test_only_a_transaction_of_the_trash_can_be_deleted(where: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree.trash / "2023-11-14" / "a" / "b").mkdir(parents=True)
    (tree.mon / "x").mkdir()
    with pytest.raises(MoveTrouble):
        acts.perform(tree, "expunge", {"path": f"{tree.trash}/{where}"}, set())
    assert (tree.trash / "2023-11-14" / "a" / "b").is_dir() and (tree.mon / "x").is_dir()


@pytest.mark.parametrize("which", ["TRASH", "day", "transaction"])
def test_a_linked_directory_of_the_trash_is_not_entered(which: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    precious = tree.cal / "2023-11-14" / "a"
    precious.mkdir(parents=True)
    (precious / "precious").write_text("stays")
    if which == "TRASH":
        tree.trash.symlink_to(tree.cal)
    elif which == "day":
        tree.trash.mkdir()
        (tree.trash / "2023-11-14").symlink_to(tree.cal / "2023-11-14")
    else:
        (tree.trash / "2023-11-14").mkdir(parents=True)
        (tree.trash / "2023-11-14" / "a").symlink_to(precious)
    assert retirements(tree) == []
    with pytest.raises(MoveTrouble):
        acts.perform(tree, "expunge", {"path": f"{tree.trash}/2023-11-14/a"}, set())
    assert (precious / "precious").exists()


async def test_of_another_pool_or_unknown(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    with pytest.raises(UsageTrouble, match="not of SCIENCE"):
        await empty_trash.ordered(
            context, Order("SCIENCE", NIGHT, tool="emptyTrash", options={"transactions": LABEL}), {}
        )
    with pytest.raises(UsageTrouble, match="not in the trash"):
        await empty_trash.ordered(context, order("emptyTrash", transactions="move-000099"), {})


async def test_power_cut_before_every_call(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    context.db.close()
    account, template = context.tree.root.parent, tmp_path.parent / f"{tmp_path.name}.template"
    shutil.copytree(account, template)

    async def emptied(plug: Plug) -> bool:
        context = later(release_context(account))
        try:
            with fs.probed(plug):
                await recover(context)
                await empty_trash.ordered(context, order("emptyTrash"), {})
        except PowerCut:
            return False
        finally:
            context.db.close()
        return True

    whole = Plug()
    assert await emptied(whole)
    wanted = picture(context.tree.root)
    assert whole.calls > 20
    for at in range(1, whole.calls + 1):
        shutil.rmtree(account)
        shutil.copytree(template, account)
        assert not await emptied(Plug(at))
        assert await emptied(Plug())
        assert picture(context.tree.root) == wanted, f"cut before call {at}"


# --- bring back -------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [LABEL, "rename-000001", "update-000001"])
async def test_a_whole_move_is_undone_not_restored(label: str, tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    if label != LABEL:
        item.place.rename(item.place.with_name(label))
        context.db.execute("UPDATE transactions SET kind = ?", (label.partition("-")[0],))
    before = picture(context.tree.root)
    with pytest.raises(UsageTrouble) as caught:
        await restore.ordered(context, order("restore", what=label), {})
    assert f"use dfos undo -m CALIB -d {NIGHT}" in str(caught.value) and "--force" in str(caught.value)
    assert "not the AB before the move (3)" in str(caught.value)
    assert picture(context.tree.root) == before


async def test_forced_all_comes_back_but_what_was_written_anew(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    anew = {file.path: file for file in item.files if "the AB before" in file.why or "real now" in file.why}
    contents = {file.origin: file.path.read_bytes() for file in item.files if file.path not in anew}
    assert len(contents) > 2 and len(anew) > 3
    done = await restore.ordered(context, order("restore", what=LABEL, force="yes"), {})
    assert done.exit_code == 0 and done.text.startswith(f"{len(contents)} files")
    assert "stays the AB before the move (3), this virtual calibration is real now (" in done.text
    assert {path: path.read_bytes() for path in contents} == contents
    assert {file.path for file in retirements(context.tree)[0].files} == set(anew)
    assert not list(context.tree.ab.glob("*.ab")) and not any(file.origin.exists() for file in anew.values())
    assert (await planned(context, "CALIB", NIGHT)).transaction == "restore-000002"
    await empty_trash.ordered(later(context), order("emptyTrash"), {})
    assert not retirements(context.tree)


async def test_why_it_is_there_products_that_were_not_saved_first(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    assert item.reasons[0] == ("not saved: DELETE BIAS BIAS_RESIDUALS", 1)
    assert ("the AB before the move", 3) in item.reasons and sum(count for _, count in item.reasons) == len(item.files)
    lines = listed([item], "2023-11-20")
    assert "not saved: DELETE BIAS BIAS_RESIDUALS" in lines[1] and lines[1].split()[0] == "1"
    assert len(lines) == len(item.reasons) + 2


async def test_an_empty_one_names_no_record_that_is_not_there(tmp_path: Path) -> None:
    context = await moved(tmp_path, trash__empty="yes")
    for file in retirements(context.tree)[0].files:
        file.path.unlink()
    done = await empty_trash.ordered(context, order("emptyTrash", transactions=LABEL), {})
    assert done.text == f"nothing was left of {LABEL}" and not (context.tree.lst / RECORD).exists()
    assert not retirements(context.tree)


@pytest.mark.parametrize("how", ["trash", "origin", "variable"])
async def test_one_file_by_its_place_or_its_origin(how: str, tmp_path: Path) -> None:
    context = await moved(tmp_path)
    file = next(file for file in retirements(context.tree)[0].files if file.origin.name == "core.1234")
    origin = {"trash": str(file.path), "origin": str(file.origin), "variable": f"$DFS_PRODUCT/BIAS/{NIGHT}/core.1234"}
    await restore.ordered(context, order("restore", what=origin[how]), {})
    assert file.origin.read_bytes() == b"nobody's"
    assert not file.path.exists()


async def test_a_taken_name_says_what_stands_there(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    file = next(file for file in retirements(context.tree)[0].files if file.origin.name == "core.1234")
    file.origin.parent.mkdir(parents=True)
    file.origin.write_text("mine")
    with pytest.raises(MoveTrouble, match=r"core.1234: a file of 4 B from \d{4}-.* UT stands there"):
        await restore.ordered(context, order("restore", what=str(file.origin)), {})
    done = await restore.ordered(context, order("restore", what=LABEL, force="yes"), {})
    assert done.exit_code == 1 and "no free name, 1: $DFS_PRODUCT/BIAS/2014-10-22/core.1234: a file of 4 B" in done.text
    assert file.origin.read_text() == "mine" and file.path.read_bytes() == b"nobody's"


async def test_what_nobody_threw_away(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    with pytest.raises(UsageTrouble, match="is not in the trash"):
        sought(context.tree, "nothing.fits")
    with pytest.raises(UsageTrouble, match="is not in the trash"):
        sought(context.tree, "/etc/passwd")


async def test_an_index_that_lies_leads_nowhere(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    (item,) = retirements(context.tree)
    index = item.place / "INDEX.json"
    content = json.loads(index.read_text())
    content["files"][0]["origin"] = str(tmp_path / "outside")
    content["files"].append({"trash": "/etc/passwd", "origin": "$DFO_CAL_DIR/passwd", "why": "", "size": 1})
    content["files"].append({"trash": "../../../../cal", "origin": "$DFO_CAL_DIR/x", "why": "", "size": 1})
    index.write_text(json.dumps(content))
    assert {file.path for file in retirements(context.tree)[0].files} == {file.path for file in item.files}
    with pytest.raises(MoveTrouble, match="leaves the account"):
        await restore.ordered(context, order("restore", what=str(tmp_path / "outside")), {})
    assert not (tmp_path / "outside").exists()


async def test_two_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    context = await moved(tmp_path, move__recreate="recreate", move__recreate__sure="yes")
    from tests.released import bias

    processed(context, bias(0), OBJECT="made anew")
    await move(context, "CALIB", NIGHT)
    with pytest.raises(UsageTrouble, match="2 files of that name"):
        sought(context.tree, f"$DFO_AB_DIR/{bias(0).name}")


async def test_not_while_something_is_cut(tmp_path: Path) -> None:
    context = await moved(tmp_path)
    from engine.atomic.journal import Journal

    Journal(context.db, context.tree).begin(
        "move", "CALIB", NIGHT, "rh", lambda _: [], begun="2026-01-01T00:00:00", summary="cut"
    )
    with pytest.raises(OpenJournal):
        await restore.ordered(context, order("restore", what=LABEL, force="yes"), {})
