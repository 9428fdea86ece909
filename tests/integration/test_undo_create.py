"""dfos undo of createAB: what stood there before stands there after, or nothing is touched and the ABs are named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli import undo as command
from console.cli import words
from console.views import journal as view
from engine import events as ev
from engine.atomic import fs
from engine.atomic.journal import Journal
from engine.atomic.recover import recover
from engine.context import Context
from engine.create.createab.plan import AGAIN
from engine.errors import MoveTrouble
from engine.release import manifest
from engine.release.undo.undo import last, ordered, planned
from engine.release.verify_date import verify_date
from engine.stores.abs import AbStore
from engine.stores.attempts import Attempts
from engine.stores.orders import Order
from engine.workflows import tools
from tests.builders import record
from tests.integration.test_create_ab import DATE, MJD, abs_of, account, make, simple, whats
from tests.nights import NightOf
from tests.released import portrait

YES = {"yes": "yes"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return account(tmp_path)


def stands(context: Context) -> dict[str, str]:
    """The account without what stays of an undo: its manifest, and its own part of the trash."""
    found = portrait(context.tree.root)
    return {
        name: what
        for name, what in found.items()
        if "manifest_" not in name
        and "/undo-" not in name
        and name not in ("lst/", "mon/TRASH/", "mon/TRASH/2023-11-14/")
    }


def undone(context: Context, mode: str = "CALIB", date: str = DATE) -> str:
    done = asyncio.run(ordered(context, Order(mode, date, tool="undo", options=YES), {}))
    assert done.exit_code == 0
    return done.text


def refused(context: Context, why: str, mode: str = "CALIB") -> str:
    before = portrait(context.tree.root)
    with pytest.raises(MoveTrouble, match=why) as trouble:
        asyncio.run(ordered(context, Order(mode, DATE, tool="undo", options=YES), {}))
    assert portrait(context.tree.root) == before
    assert trouble.value.remedy.startswith("nothing was changed; ")
    return trouble.value.remedy


def fail(context: Context, name: str) -> None:
    store = AbStore(context.tree)
    ab = next(ab for ab in store.load("CALIB", DATE) if ab.name == name)
    store.write(ab.with_value("PROCESS_STATUS", "FAILED"))


def again(context: Context, made: NightOf) -> None:
    """A second run: an AB is made again with other text, its virtual calibration too, and one is new."""
    bias = abs_of(context)[0]
    fail(context, bias.name)
    entry = context.tree.vcal / DATE / f"{bias.root}_0000.hdr"
    entry.write_bytes(entry.read_bytes().replace(b"END\n", b"COMMENT of an earlier night\nEND\n"))
    made.template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")


def test_the_first_run_for_a_date(context: Context) -> None:
    simple(context)
    before = stands(context)
    make(context)
    made = {path.name: path.read_bytes() for path in context.tree.ab.iterdir()}
    assert len(made) == 6
    assert undone(context) == "create-000001 undone: 2 ABs taken back"
    assert stands(context) == before
    trash = context.tree.trash / "2023-11-14" / "undo-000002"
    kept = {path.name: path.read_bytes() for path in trash.rglob("ab/*")}
    assert kept == made, "nothing is lost: all of it is in the trash"
    assert sorted(path.suffix for path in trash.rglob("VCAL/*/*")) == [".hdr", ".hdr", ".hdr"]
    (paper,) = manifest.of_date(context.tree, DATE)
    names = {Path(entry.before).name for entry in paper.entries}
    assert {*made, f"AB_list_CALIB_{DATE}"} <= names
    assert all(entry.sha256 != manifest.UNREAD for entry in paper.entries)
    assert asyncio.run(planned(context, "CALIB", DATE)).empty
    assert whats(make(context)) == ["new", "new"], "and it can be made again"


def test_a_later_run_gives_back_abs_logs_virtual_calibrations_and_the_list(context: Context) -> None:
    made = simple(context)
    make(context)
    again(context, made)
    before = stands(context)
    plan = make(context)
    assert AGAIN in whats(plan) and "new" in whats(plan)
    assert stands(context) != before
    assert undone(context).endswith("undone: 1 AB taken back, 1 AB as before")
    assert stands(context) == before
    for path in made.folder.glob("*.hdr"):
        if "FLAT" in path.read_text("latin-1"):
            path.unlink()
    make(context)
    undone(context)
    fresh = {name: what for name, what in before.items() if not name.startswith("headers/")}
    assert {name: what for name, what in stands(context).items() if not name.startswith("headers/")} == fresh


def test_run_by_run_back_to_the_beginning_science_first(context: Context) -> None:
    made = simple(context)
    start = stands(context)
    make(context)
    make(context, "SCIENCE")
    fail(context, abs_of(context)[0].name)
    made.template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    fail(context, abs_of(context)[0].name)
    state = stands(context)
    make(context)
    undone(context)
    assert stands(context) == state
    remedy = refused(context, "needed by other ABs")
    assert "take back the runs that made the ABs which wait" in remedy
    undone(context, "SCIENCE")
    refused(context, r"processed since: .*\(FAILED\)")
    bias = abs_of(context)[0]
    AbStore(context.tree).write(bias.with_value("PROCESS_STATUS", "CREATED"))
    undone(context)
    gone = {name for name in stands(context) if name not in start and not name.startswith("headers/")}
    assert gone == set()


def test_job_files_of_these_abs_are_undone_before_or_named(context: Context) -> None:
    simple(context)
    make(context)
    before = stands(context)
    asyncio.run(tools.ordered(context, Order("CALIB", DATE, tool="createJob"), {}))
    assert asyncio.run(planned(context, "CALIB", DATE)).transaction == "job-000002"
    undone(context)
    assert stands(context) == before
    name = abs_of(context)[0].name
    (context.tree.job / "execAB_mine").write_text(f"processAB -a {name}\n")
    assert asyncio.run(planned(context, "CALIB", DATE)).notes == (
        "execAB_mine still names 1 AB of these: createJob writes it anew",
    )


# --- refused ------------------------------------------------------------------------------------


def _successful(context: Context) -> str:
    bias = abs_of(context)[0]
    AbStore(context.tree).write(bias.with_value("PROCESS_STATUS", "SUCCESSFUL"))
    return rf"processed since: {bias.name} \(SUCCESSFUL\)"


def _edited(context: Context) -> str:
    path = AbStore(context.tree).path(abs_of(context)[1].name)
    path.write_bytes(path.read_bytes() + b"COMMENT by hand\n")
    return f"changed since: {path.name}"


def _at_work(context: Context) -> str:
    name = abs_of(context)[0].name
    attempts = Attempts(context.db)
    attempts.intend(name, "", "t", "b", 1_700_000_050.0, 1)
    attempts.flush()
    return f"at work: {name}"


def _tried_and_created_again(context: Context) -> str:
    name = abs_of(context)[0].name
    attempts = Attempts(context.db)
    id_ = attempts.intend(name, "", "t", "b", 1_700_000_050.0, 1)
    attempts.ended(id_, 1_700_000_060.0, "failed", name)
    attempts.flush()
    return f"processed since: {name}"


def _gone(context: Context) -> str:
    path = AbStore(context.tree).path(abs_of(context)[1].name)
    path.unlink()
    return rf"changed since: {path.name} \(the AB file is gone\)"


def _list_edited(context: Context) -> str:
    path = AbStore(context.tree).ab_list("CALIB", DATE)
    path.write_text(path.read_text() + "\n")
    return r"it is not what was left there \(other size\): .*AB_list_CALIB"


@pytest.mark.parametrize("became", [_successful, _edited, _at_work, _tried_and_created_again, _gone])
def test_what_went_on_is_named_with_what_to_do(context: Context, became: Callable[[Context], str]) -> None:
    simple(context)
    make(context)
    why = became(context)
    assert len(refused(context, why)) > len("nothing was changed; ")
    plan = asyncio.run(planned(context, "CALIB", DATE, read=False))
    assert len(plan.refusals) == len(plan.remedies) == 1


def test_a_list_that_was_edited_stays(context: Context) -> None:
    simple(context)
    make(context)
    with pytest.raises(MoveTrouble, match=_list_edited(context)):
        undone(context)


def test_an_attempt_before_the_run_is_none_of_it(context: Context) -> None:
    made = simple(context)
    make(context)
    name = abs_of(context)[0].name
    attempts = Attempts(context.db)
    id_ = attempts.intend(name, "", "t", "b", 1_600_000_000.0, 1)
    attempts.ended(id_, 1_600_000_060.0, "failed", name)
    attempts.flush()
    again(context, made)
    before = stands(context)
    make(context)
    undone(context)
    assert stands(context) == before


def test_an_emptied_trash_and_a_journal_of_an_earlier_version(context: Context) -> None:
    made = simple(context)
    make(context)
    again(context, made)
    make(context)
    for path in (context.tree.trash / "2023-11-14" / "create-000002").rglob("*.ab"):
        path.unlink()
    with pytest.raises(MoveTrouble, match="no longer in the trash"):
        undone(context)
    context.db.execute("UPDATE steps SET data = json_remove(data, '$.before') WHERE act = 'virtual'")
    with pytest.raises(MoveTrouble, match="nobody knows what stood there before"):
        undone(context)


def test_the_move_before_it_is_undone_with_createab_passed_over(context: Context) -> None:
    simple(context)
    Journal(context.db, context.tree).begin(
        "move", "CALIB", DATE, "rh", lambda _: [], begun="2023-01-01T00:00:00", summary="moved"
    )
    context.db.execute("UPDATE transactions SET sealed = 'now'")
    make(context)
    journal = Journal(context.db, context.tree)
    newest, older = last(journal, "CALIB", DATE), last(journal, "CALIB", DATE, keep_created=True)
    assert newest is not None and older is not None
    assert (newest.label, older.label) == ("create-000002", "move-000001")
    _successful(context)
    assert "move-000001 before it is undone with --keep-created" in refused(context, "processed since")
    order = Order("CALIB", DATE, tool="undo", options={**YES, "keep_created": "yes"})
    assert asyncio.run(ordered(context, order, {})).text.startswith("move-000001 undone")


# --- what is told --------------------------------------------------------------------------------


def test_the_monitor_forgets_what_went_and_knows_what_failed_before(context: Context) -> None:
    made = simple(context)
    make(context)
    again(context, made)
    bias = abs_of(context)[0]
    make(context)
    attempts = Attempts(context.db)
    attempts.follow(context.bus, context.board)
    names = [ab.name for ab in abs_of(context)]
    for ab in names:
        context.bus.publish(ev.AbSeen(ab, "CALIB", DATE, "k", "r", "BIAS", "", 1, (), 60.0, "CREATED"))
    attempts.flush()
    events = record(context)
    undone(context)
    attempts.flush()
    assert {event.ab: event.state for event in events if isinstance(event, ev.AbChanged)} == {bias.name: "FAILED"}
    left = [ab.name for ab in abs_of(context)]
    assert sorted(context.board.rows) == sorted(left) and len(left) == len(names) - 1
    assert sorted(row["ab"] for row in attempts.rows()) == sorted(left)
    assert context.board.counts.total() == len(left)


def test_what_a_cut_undo_did_not_tell_any_more_is_told_by_recovery(context: Context) -> None:
    class Cut(BaseException):
        pass

    def at_the_seal(verb: str, path: str) -> None:
        if (verb, path) == ("commit", "seal"):
            raise Cut

    simple(context)
    make(context)
    names = [ab.name for ab in abs_of(context)]
    with pytest.raises(Cut), fs.probed(at_the_seal):
        undone(context)
    assert not abs_of(context)
    for name in names:  # as an engine that starts again knows them
        context.bus.publish(ev.AbSeen(name, "CALIB", DATE, "k", "r", "BIAS", "", 1, (), 60.0, "CREATED"))
    assert len(asyncio.run(recover(context))) == 1
    assert not context.board.rows and not asyncio.run(recover(context))


def test_the_command_and_the_screen_see_the_same_plan(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simple(context)
    make(context)
    monkeypatch.setattr(words, "tree", lambda root: context.tree)
    call = ["-m", "CALIB", "-d", DATE, "--dry-run"]
    assert command.main(call) == 0
    assert "undo create-000001: create 2 ABs of CALIB" in capsys.readouterr().out
    seen = view.undo(context.tree, "CALIB", DATE)
    assert (seen.label, seen.taken, seen.refusals) == ("create-000001", 2, ())
    assert not view.undo(context.tree, "CALIB", DATE, keep_created=True).label
    assert command.main([*call, "--keep-created"]) == 0
    assert capsys.readouterr().out == "nothing to undo\n"
    why = _successful(context)
    assert command.main(call) == 15
    out = capsys.readouterr().out
    assert "REFUSED  processed since: " in out and "remedy   what was processed stays" in out and why
    assert command.main([*call, "--json"]) == 15
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "create" and len(told["taken"]) == 2


def test_what_came_back_is_no_finding_of_verify_when_it_is_made_again(context: Context) -> None:
    made = simple(context)
    make(context)
    made.template(MJD + 0.3, 2, DPR_CATG="CALIB", DPR_TYPE="FLAT,LAMP")
    make(context)
    undone(context)
    make(context)
    assert not verify_date(context.tree, DATE, today="2023-11-14").findings
