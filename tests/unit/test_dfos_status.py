"""DFO_STATUS: what a date has reached, with old, damaged and hostile lines; what is written, in which order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.atomic import fs
from engine.atomic.journal import Journal
from engine.context import Context
from engine.errors import MoveTrouble, UsageTrouble
from engine.stores.dfos_status import Entry, current, entries, ladder, steps
from tests.builders import make_context, make_tree

DATE = "2014-10-22"


def written(context: Context, mode: str, date: str, *writers: str) -> None:
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "update",
        mode,
        date,
        "rh",
        lambda transaction: steps(context.tree, mode, date, writers, "rh"),
        begun=context.utc(),
        summary="status",
    )
    asyncio.run(journal.run(transaction, context.utc))


@pytest.mark.row(121)
def test_the_list_is_the_one_of_the_lifecycle() -> None:
    words = [rung.words["CALIB"] for rung in ladder().rungs]
    first = ["hdr_Loaded", "cal_AB", "cal_Queued", "cal_Processed", "cal_QC", "cal_Certified", "cal_Renamed"]
    assert words == [*first, "cal_Updated", "cal_Finished", "night_Finished"]
    assert [rung.words["SCIENCE"].replace("sci_", "cal_") for rung in ladder().rungs] == words
    assert ladder().keep == 5000


@pytest.mark.row(121)
def test_the_highest_word_counts_whatever_the_order_of_lines(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    assert current(tree, DATE) == {"CALIB": "", "SCIENCE": ""}
    (tree.mon / "DFO_STATUS").write_text(
        f"cal_Finished {DATE} 2014-10-23T08:00:00 rh\ncal_Updated {DATE}\nsci_AB {DATE} x\nsci_Finished 2014-10-23\n"
    )
    assert current(tree, DATE) == {"CALIB": "cal_Finished", "SCIENCE": "sci_AB"}
    assert entries(tree, DATE)[:2] == [
        Entry("cal_Finished", DATE, "2014-10-23T08:00:00", "rh"),
        Entry("cal_Updated", DATE),
    ]


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree.mon / "DFO_STATUS").write_bytes(
        b"\x00\xff\xfe\n\ncal_Updated\ncal_Updated 2014-10-2\n"
        + b"x" * 100_000
        + f"\r\nsci_Harvested {DATE} t\r\n  cal_QC\t{DATE}   now  r h \r\n../../etc {DATE}\ncal_Fini".encode()
    )
    assert current(tree, DATE) == {"CALIB": "cal_QC", "SCIENCE": ""}
    assert entries(tree, DATE) == [Entry("sci_Harvested", DATE, "t"), Entry("cal_QC", DATE, "now", "r h")]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree.mon / "DFO_STATUS").mkdir()
    with pytest.raises(IsADirectoryError):
        current(tree, DATE)


@pytest.mark.row(122)
def test_updated_comes_before_finished_however_they_are_named(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    written(context, "CALIB", DATE, "moveProducts", "updateAB")
    lines = (context.tree.mon / "DFO_STATUS").read_text().splitlines()
    assert [line.split()[:2] + line.split()[3:] for line in lines] == [
        ["cal_Updated", DATE, "rh"],
        ["cal_Finished", DATE, "rh"],
    ]
    assert len(lines[0].split()[2]) == 19


@pytest.mark.row(122)
def test_finished_without_updated_is_refused(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    with pytest.raises(MoveTrouble, match="sci_Finished may not be written before sci_Updated"):
        written(context, "SCIENCE", DATE, "moveProducts")
    assert not (context.tree.mon / "DFO_STATUS").exists()
    written(context, "CALIB", DATE, "updateAB")
    with pytest.raises(MoveTrouble):  # the other MODE does not help
        written(context, "SCIENCE", DATE, "moveProducts")
    written(context, "SCIENCE", DATE, "updateAB")
    written(context, "SCIENCE", DATE, "moveProducts")
    assert current(context.tree, DATE) == {"CALIB": "cal_Updated", "SCIENCE": "sci_Finished"}
    with pytest.raises(MoveTrouble, match="frobnicate writes no status"):
        written(context, "SCIENCE", DATE, "frobnicate")
    with pytest.raises(UsageTrouble):
        list(steps(context.tree, "GEN", DATE, ["updateAB"], "rh"))


def test_the_placeholder_date_gets_none(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    assert list(steps(context.tree, "SCIENCE", "2099-99-99", ["updateAB", "moveProducts"], "rh")) == []


def test_the_latest_5000_entries_stay(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    path = context.tree.mon / "DFO_STATUS"
    path.write_text("".join(f"cal_AB {2000 + n // 100}-01-{n % 100:02d}\n" for n in range(6000)))
    written(context, "CALIB", DATE, "updateAB")
    lines = path.read_text().splitlines()
    assert len(lines) == 5000
    assert lines[0] == "cal_AB 2010-01-01" and lines[-1].startswith(f"cal_Updated {DATE} ")


def test_each_is_written_once_in_a_transaction_that_is_cut(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    journal = Journal(context.db, context.tree)
    transaction = journal.begin(
        "update",
        "CALIB",
        DATE,
        "rh",
        lambda transaction: steps(context.tree, "CALIB", DATE, ["updateAB"], "rh"),
        begun="2020-01-01T00:00:00",
        summary="status",
    )

    def cut(verb: str, path: str) -> None:
        if (verb, path) == ("commit", "done"):  # the machine goes before the line is noted as written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), fs.probed(cut):
        asyncio.run(journal.run(transaction, lambda: "2020-01-01T00:00:00"))
    asyncio.run(journal.run(transaction, lambda: "2020-01-02T00:00:00"))
    assert (context.tree.mon / "DFO_STATUS").read_text() == f"cal_Updated {DATE} 2020-01-01T00:00:00 rh\n"
