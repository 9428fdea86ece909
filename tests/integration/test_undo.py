"""dfos undo on real trees: the tree before is the tree after, and everything that keeps it from starting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.cli import undo as command
from console.cli import words
from console.hosting.board_of import known
from console.hosting.operators import Auto
from engine import events as ev
from engine.atomic.journal import Journal, Step
from engine.context import Context
from engine.errors import DfosError, MoveTrouble, OpenJournal
from engine.questions import Parked
from engine.release import manifest
from engine.release.move.move_products import move
from engine.release.undo.ledger import ledger_of
from engine.release.undo.undo import execute, last, ordered, planned
from engine.release.verify_date import verify_date
from engine.stores.abs import AbStore
from engine.stores.answers import Answers
from engine.stores.attempts import Attempts
from engine.stores.orders import Order
from engine.transfer.ingest.ingest_products import ingest
from engine.transfer.ingest.states import INGESTING, IngestStates, Item
from engine.workflows import tools
from tests.builders import PSEUDO, make_ab, record
from tests.released import NIGHT, bias, biases, dpc_of, keen, picture, processed, release_context, target

RECREATE = {"move__recreate": "recreate", "move__recreate__sure": "yes"}


def before_and_after(context: Context) -> dict[str, str]:
    """The account without what stays: manifests, comments, and the undo's own part of the trash."""
    return {
        name: content
        for name, content in picture(context.tree.root).items()
        if not name.startswith("lst") and not name.startswith("mon/TRASH/2023-11-14/undo-")
    }


def calib(context: Context) -> str:
    biases(context)
    return "CALIB"


async def calib_again(context: Context) -> str:
    processed(context, bias(0))
    processed(context, bias(20))
    await move(context, "CALIB", NIGHT)
    processed(context, bias(10, "MASTER_BIAS", "BIAS_RESIDUALS"))
    processed(context, bias(0), OBJECT="made anew")
    return "CALIB"


async def science_again(context: Context) -> str:
    combined = dpc_of(target(context, exposures=1))
    await move(context, "SCIENCE", PSEUDO)
    processed(context, combined, OBJECT="made anew")
    processed(
        context,
        make_ab("MUSE.2014-10-25T01:00:00.000", "combine", products=("DATACUBE_FINAL", "IMAGE_FOV"), target="M83"),
    )
    return "SCIENCE"


async def prepared(context: Context, name: str) -> tuple[str, str]:
    if name == "calib":
        return calib(context), NIGHT
    if name == "science":
        target(context)
        return "SCIENCE", PSEUDO
    if name.startswith("calib"):
        return await calib_again(context), NIGHT
    return await science_again(context), PSEUDO


ANSWERS = {"keep": {"move__recreate": "keep"}, "recreate": RECREATE}
SCENARIOS = ["calib", "calib-keep", "calib-recreate", "science", "science-keep", "science-recreate"]


async def undone(context: Context, mode: str, date: str) -> None:
    done = await ordered(context, Order(mode, date, tool="undo", options={"yes": "yes"}), {})
    assert done.exit_code == 0, done.text


@pytest.mark.row(58)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_move_then_undo_is_the_tree_before(name: str, tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(**ANSWERS.get(name.partition("-")[2], {})))
    mode, date = await prepared(context, name)
    before = before_and_after(context)
    await move(context, mode, date)
    moved = before_and_after(context)
    assert moved != before
    await undone(context, mode, date)
    assert before_and_after(context) == before
    await move(context, mode, date)
    again = before_and_after(context)
    plain = {entry: content for entry, content in again.items() if "TRASH" not in entry}
    assert plain == {entry: content for entry, content in moved.items() if "TRASH" not in entry}
    await undone(context, mode, date)
    assert before_and_after(context) == before


async def test_undone_one_after_the_other_newest_first(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(move__recreate="keep"))
    first, second = bias(0), bias(10)
    processed(context, first)
    start = before_and_after(context)
    await move(context, "CALIB", NIGHT)
    processed(context, second)
    middle = before_and_after(context)
    await move(context, "CALIB", NIGHT)
    assert (await planned(context, "CALIB", NIGHT)).transaction == "move-000002"
    await undone(context, "CALIB", NIGHT)
    assert before_and_after(context) == middle
    for path in (context.tree.product / "BIAS" / NIGHT).iterdir():
        path.unlink()
    (context.tree.product / "BIAS" / NIGHT).rmdir()
    (context.tree.ab / second.name).unlink()
    (context.tree.dfs_log / f"{second.root}.log").unlink()
    (context.tree.dfs_log / second.name.replace(".ab", ".scores.json")).unlink()
    assert (await planned(context, "CALIB", NIGHT)).transaction == "move-000001"
    await undone(context, "CALIB", NIGHT)
    assert before_and_after(context) == start
    assert (await planned(context, "CALIB", NIGHT)).empty
    done = await ordered(context, Order("CALIB", NIGHT, tool="undo"), {})
    assert (done.exit_code, done.text) == (0, "nothing to undo")


async def test_its_abs_are_accepted_again_and_the_verdict_stays(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    await move(context, "CALIB", NIGHT)
    events = record(context)
    await undone(context, "CALIB", NIGHT)
    states = {event.ab: event.state for event in events if isinstance(event, ev.AbChanged)}
    assert states == {ab.name: "ACCEPTED" for ab in abs_}
    assert [ab.name for ab in AbStore(context.tree).load("CALIB", NIGHT)] == [ab.name for ab in abs_]
    asked = len(context.operator.asked)  # type: ignore[attr-defined]
    assert (await move(context, "CALIB", NIGHT)).moved == 3
    assert len(context.operator.asked) == asked  # type: ignore[attr-defined]


async def test_lines_that_stood_there_before_stay(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    call = f"ingestProducts -m CALIB -d {NIGHT}"
    (context.tree.job / "JOBS_INGEST").write_text(f"{call}\n")
    (context.tree.mon / "DFO_STATUS").write_text("cal_Queued 2014-10-21 2014-10-22T01:00:00 me\n")
    before = before_and_after(context)
    await move(context, "CALIB", NIGHT)
    await undone(context, "CALIB", NIGHT)
    assert before_and_after(context) == before


async def test_what_the_undo_did_is_in_its_manifest(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    await undone(context, "CALIB", NIGHT)
    first, second = manifest.of_date(context.tree, NIGHT)
    assert (first.transaction, second.transaction) == ("move-000001", "undo-000002")
    returned = {(entry.after, entry.before, entry.sha256) for entry in second.entries if entry.what == "product"}
    assert {(e.before, e.after, e.sha256) for e in first.entries if e.what == "product"} <= returned
    stands = manifest.standing([first, second])
    assert not [path for path in stands if path.startswith(str(context.tree.cal / NIGHT))]


# --- asking ---------------------------------------------------------------------------------


async def test_it_asks_with_counts_and_sizes_and_no_is_no(tmp_path: Path) -> None:
    context = release_context(tmp_path, keen(undo__sure="no"))
    biases(context)
    await move(context, "CALIB", NIGHT)
    moved = picture(context.tree.root)
    done = await ordered(context, Order("CALIB", NIGHT, tool="undo"), {})
    assert "nothing was changed" in done.text
    assert picture(context.tree.root) == moved
    question = context.operator.asked[-1]  # type: ignore[attr-defined]
    assert (question.kind, question.safe, question.auto) == ("undo.sure", "no", None)
    assert "4 products and" in question.choice("yes").effect and "kB" in question.choice("yes").effect
    assert any(line.startswith("back ") for line in question.details)


async def test_in_auto_nobody_says_yes(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    moved = picture(context.tree.root)
    nobody = Auto(Answers(context.db), context.bus, "cron", lambda: 0.0)
    object.__setattr__(context, "operator", nobody)
    with pytest.raises(Parked):
        await ordered(context, Order("CALIB", NIGHT, tool="undo", auto=True), {})
    assert picture(context.tree.root) == moved


# --- refused --------------------------------------------------------------------------------


async def _refused(context: Context, why: str, mode: str = "CALIB", date: str = NIGHT) -> None:
    stands = picture(context.tree.root)
    with pytest.raises(MoveTrouble, match=why) as trouble:
        await ordered(context, Order(mode, date, tool="undo", options={"yes": "yes"}), {})
    assert trouble.value.remedy == "nothing was changed"
    assert picture(context.tree.root) == stands


async def _moved(tmp_path: Path) -> Context:
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    return context


async def test_what_the_archive_has_stays(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    await ingest(context, "CALIB", NIGHT)
    await _refused(context, "the archive has it: MU_MBIA_141022A_SCI1.0.fits")


async def test_what_the_archive_may_have_stays(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    states = IngestStates(context.db, "CALIB", NIGHT)
    states.save([Item("MU_MBIA_141022B_SCI1.0.fits", 1, 1, INGESTING)])
    await _refused(context, r"the archive may have it \(ingestion under way\): MU_MBIA_141022B")


async def test_changed_files_are_named_by_size_and_by_content(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    final = context.tree.cal / NIGHT
    with (final / "MU_MBIA_141022A_SCI1.0.fits").open("ab") as file:
        file.write(b"more")
    data = bytearray((final / "MU_MBIA_141022B_SCI1.0.fits").read_bytes())
    data[-1] ^= 1
    (final / "MU_MBIA_141022B_SCI1.0.fits").write_bytes(data)
    plan = await planned(context, "CALIB", NIGHT)
    assert len(plan.refusals) == 2
    assert "other size" in plan.refusals[0] and "141022A" in plan.refusals[0]
    assert "other content" in plan.refusals[1] and "141022B" in plan.refusals[1]
    await _refused(context, "other size")
    (final / "MU_MBIA_141022A_SCI1.0.fits").unlink()
    await _refused(context, "gone: .DFO_CAL_DIR/2014-10-22/MU_MBIA_141022A")


async def test_content_is_read_before_anything_is_touched(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    path = context.tree.cal / NIGHT / "MU_MBIA_141022B_SCI1.0.fits"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert not (await planned(context, "CALIB", NIGHT, read=False)).refusals
    await _refused(context, "other content")


async def test_an_edited_ab_keeps_it_from_being_undone(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    ab = context.tree.log / NIGHT / bias(0).name
    ab.write_bytes(ab.read_bytes() + b"COMMENT by hand\n")
    await _refused(context, "other size")


async def test_cleaned_up_products(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    final = context.tree.cal / NIGHT
    (final / "MU_MBIA_141022C_SCI1.0.fits").rename(final / "MU_MBIA_141022C_SCI1.0.hdr")
    await _refused(context, r"only its header is left \(.hdr\)")


async def test_an_emptied_trash(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    for path in context.tree.trash.rglob("*.fits"):
        path.unlink()
    await _refused(context, "no longer in the trash")


async def test_a_name_in_the_way(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    processed(context, bias(10), OBJECT="made anew meanwhile")
    await _refused(context, "the old name is taken")


async def test_an_unfinished_journal(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    Journal(context.db, context.tree).begin(
        "rename", "CALIB", NIGHT, "rh", lambda _: [], begun="2026-01-01T00:00:00", summary="cut"
    )
    with pytest.raises(OpenJournal):
        await planned(context, "CALIB", NIGHT)


async def test_a_cleanup_is_final(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    await _journalled(context, "cleanup", [])
    await _refused(context, "products were replaced by their headers")
    with pytest.raises(MoveTrouble) as caught:
        await ordered(context, Order("CALIB", NIGHT, tool="undo", options={"yes": "yes"}), {})
    assert caught.value.what.count("cannot be undone") == 1


async def test_the_tree_changes_between_plan_and_execution(tmp_path: Path) -> None:
    context = await _moved(tmp_path)
    plan = await planned(context, "CALIB", NIGHT)
    await undone(context, "CALIB", NIGHT)
    await move(context, "CALIB", NIGHT)
    with pytest.raises(MoveTrouble, match="has changed since"):
        await execute(context, plan)


# --- other transactions -----------------------------------------------------------------------


async def _journalled(context: Context, kind: str, steps: list[Step]) -> None:
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        kind, "CALIB", NIGHT, "rh", lambda _: steps, begun="2026-01-01T00:00:00", summary="something else"
    )
    await journal.run(transaction, context.utc)


async def test_any_kind_is_turned_round(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    place = context.tree.cal / NIGHT
    place.mkdir()
    (place / "a.fits").write_bytes(b"a")
    (place / "b.fits").write_bytes(b"b")
    (place / "note").write_bytes(b"as it was \xff")
    (place / "note").chmod(0o755)
    (context.tree.job / "JOBS_X").write_text("one\ntwo\n")
    (context.tree.log / "old").mkdir()
    before = before_and_after(context)
    names = str(place)
    here = {"source": names, "target": names}
    await _journalled(
        context,
        "rename",
        [
            Step("1", "shift", {**here, "names": [("a.fits", ".h"), ("b.fits", "a.fits")]}, ""),
            Step("2", "shift", {**here, "names": [(".h", "b.fits")]}, ""),
            Step("3", "write", {"path": f"{names}/note", "text": "other"}, ""),
            Step("3", "write", {"path": f"{names}/fresh", "text": "new"}, ""),
            Step("4", "make_dir", {"path": f"{names}/x/y"}, ""),
            Step("5", "place", {"source": f"{names}/a.fits", "target": f"{names}/x/y/a.fits"}, ""),
            Step("6", "drop", {"source": f"{names}/a.fits", "target": f"{names}/x/y/a.fits"}, ""),
            Step("7", "drop_line", {"path": str(context.tree.job / "JOBS_X"), "line": "two"}, ""),
            Step("7", "remove_dir", {"path": str(context.tree.log / "old")}, ""),
        ],
    )
    assert (place / "x/y/a.fits").read_bytes() == b"b" and (place / "b.fits").read_bytes() == b"a"
    await undone(context, "CALIB", NIGHT)
    assert before_and_after(context) == before
    assert (place / "note").stat().st_mode & 0o777 == 0o755


async def test_what_an_older_journal_does_not_know_is_refused(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    path = context.tree.lst / "list"
    path.write_text("old")
    await _journalled(context, "update", [Step("1", "write", {"path": str(path), "text": "new"}, "")])
    context.db.execute("UPDATE steps SET data = json_remove(data, '$.before')")
    await _refused(context, "nobody knows what stood there before")


def test_unknown_acts_are_told() -> None:
    assert ledger_of([Step("1", "expunge", {"path": "/a"}, "delete /a")]).unknown == ["expunge: delete /a"]


async def test_a_small_text_is_kept_and_a_large_file_is_not(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    large = context.tree.lst / "large"
    large.write_bytes(b"x" * (5 << 20))
    await _journalled(context, "update", [Step("1", "write", {"path": str(large), "text": "new"}, "")])
    await _refused(context, "nobody knows what stood there before")


async def test_exported_logs_are_still_on_the_web_server(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    jobs = context.tree.job / "JOBS_EXPORT"
    line = f"exportProducts -m CALIB -d {NIGHT}"
    await _journalled(context, "move", [Step("1", "add_line", {"path": str(jobs), "line": line}, "")])
    assert (await planned(context, "CALIB", NIGHT)).notes == ()
    jobs.write_text("")
    (note,) = (await planned(context, "CALIB", NIGHT)).notes
    assert "the web server still holds its files until the next export" in note


async def test_deleted_products_come_out_of_the_trash(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    gone = context.tree.product / "BIAS" / NIGHT / f"{abs_[0].root}_0001.fits"
    content = gone.read_bytes()
    result = await move(context, "CALIB", NIGHT)
    assert result.retired == 1 and not gone.exists()
    await undone(context, "CALIB", NIGHT)
    assert gone.read_bytes() == content
    assert (context.tree.vcal / f"{abs_[0].root}_0000.hdr").exists()


async def test_there_is_no_such_date(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    with pytest.raises(DfosError):
        await planned(context, "CALIB", "yesterday")
    assert last(Journal(context.db, context.tree), "CALIB", NIGHT) is None


async def test_move_rename_back_update_all_undone_newest_first(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    abs_ = biases(context)
    AbStore(context.tree).write_list("CALIB", NIGHT, abs_)
    before = before_and_after(context)
    await move(context, "CALIB", NIGHT)
    moved = before_and_after(context)
    for tool, options in (("renameProducts", {"back": "yes"}), ("updateAB", {})):
        await tools.ordered(context, Order("CALIB", NIGHT, tool=tool, options=options), {})
    assert (context.tree.cal / NIGHT / f"{abs_[0].root}_0000.fits").exists()
    assert not verify_date(context.tree, NIGHT, today="2023-11-14").findings
    for label in ("update-000003", "rename-000002"):
        assert (await planned(context, "CALIB", NIGHT)).transaction == label
        await undone(context, "CALIB", NIGHT)
        assert not verify_date(context.tree, NIGHT, today="2023-11-14").findings
    assert before_and_after(context) == moved
    await undone(context, "CALIB", NIGHT)
    assert before_and_after(context) == before


async def test_the_command_shows_the_plan_and_every_reason_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = release_context(tmp_path)
    monkeypatch.setattr(words, "tree", lambda root: context.tree)
    call = ["-m", "CALIB", "-d", NIGHT, "--dry-run"]
    assert command.main(call) == 0
    assert capsys.readouterr().out == "nothing to undo\n"
    biases(context)
    await move(context, "CALIB", NIGHT)
    stands = picture(context.tree.root)
    assert command.main(call) == 0
    out = capsys.readouterr().out
    assert "undo move-000001: move 3 products" in out and "back     product/BIAS/2014-10-22/r.MUSE" in out
    (context.tree.cal / NIGHT / "MU_MBIA_141022A_SCI1.0.fits").write_bytes(b"x")
    assert command.main([*call, "--json"]) == 15
    plan = json.loads(capsys.readouterr().out)
    assert "other size" in plan["refusals"][0] and plan["transaction"] == "move-000001" and len(plan["digest"]) == 64
    (context.tree.cal / NIGHT / "MU_MBIA_141022A_SCI1.0.fits").write_bytes(b"x")
    assert set(picture(context.tree.root)) == set(stands)


async def test_an_engine_that_was_killed_right_after_it_finds_the_abs_accepted(tmp_path: Path) -> None:
    context = release_context(tmp_path)
    ab = processed(context, bias(0))
    attempts = Attempts(context.db)
    attempts.follow(context.bus, context.board)
    context.bus.publish(ev.AbSeen(ab.name, "CALIB", NIGHT, "bias", "muse_bias", "BIAS", "", 1, (), 60.0, "MOVED"))
    attempts.flush()
    (seen,) = known(context.tree, attempts)
    assert (seen.state, seen.reason) == ("ACCEPTED", "found undone")


async def test_a_refusal_names_every_reason_that_a_dry_run_names(tmp_path: Path) -> None:
    """One product is gone, another has other bytes in the same size: only who reads it knows that."""
    context = release_context(tmp_path)
    biases(context)
    await move(context, "CALIB", NIGHT)
    place = context.tree.cal / NIGHT
    (place / "MU_MBIA_141022A_SCI1.0.fits").unlink()
    data = bytearray((place / "MU_MBIA_141022B_SCI1.0.fits").read_bytes())
    data[-1] ^= 1
    (place / "MU_MBIA_141022B_SCI1.0.fits").write_bytes(data)
    with pytest.raises(MoveTrouble) as caught:
        await ordered(context, Order("CALIB", NIGHT, tool="undo", options={"yes": "yes"}), {})
    refusals = (await planned(context, "CALIB", NIGHT)).refusals
    assert len(refusals) == 2 and all(text in caught.value.what for text in refusals)
    assert "gone: " in caught.value.what and "other content" in caught.value.what
