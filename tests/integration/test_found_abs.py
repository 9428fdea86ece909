"""ABs that were made and processed by other tools: status, why and the board know them from their files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from console.cli.main import run
from console.hosting import found_abs
from console.hosting.board_of import board_of
from engine.context import Context
from engine.stores.abs import AbStore
from tests.builders import make_ab
from tests.effort import effort
from tests.moving import account, called
from tests.released import NIGHT, bias, biases

POOL = ("-m", "CALIB", "-d", NIGHT)


def status(context: Context, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert run("status", ["--root", str(context.tree.root), "--json"]) == 0
    return {row["ab"]: row["state"] for row in json.loads(capsys.readouterr().out)["abs"]}


def listed(context: Context, date: str = NIGHT) -> None:
    (context.tree.mon / f"AB_list_CALIB_{date}").write_text("")


def test_they_are_shown_with_the_state_their_files_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    done = [ab.name for ab in biases(context)]
    store = AbStore(context.tree)
    store.write(bias(40))
    store.write(bias(50).with_value("PROCESS_STATUS", "FAILED"))
    states = {name: "DONE" for name in done} | {bias(40).name: "CREATED", bias(50).name: "FAILED"}
    assert status(context, capsys) == states
    assert run("status", ["--root", str(context.tree.root)]) == 0
    said = capsys.readouterr().out
    assert "3 of 5 ABs done" in said and f"{bias(50).name} (muse_bias) FAILED" in said
    assert run("why", ["--root", str(context.tree.root), "22:40"]) == 0
    assert f"{bias(40).name} is created." in capsys.readouterr().out


def test_those_that_moved_stay_known_for_dates_with_orders_or_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    names = {ab.name for ab in biases(context)}
    assert called(context, *POOL) == 0
    assert status(context, capsys) == dict.fromkeys(names, "MOVED")
    assert board_of(context.tree).rows[next(iter(names))].verdict == "accepted"
    stranger = context.tree.log / "2010-01-01"
    stranger.mkdir()
    old = make_ab(name="MUSE.2010-01-01T00:00:00.000_tpl.ab").with_value("DATE", "2010-01-01")
    (stranger / old.name).write_bytes(old.render())
    assert old.name not in status(context, capsys)
    listed(context, "2010-01-01")
    assert status(context, capsys)[old.name] == "MOVED"
    assert run("undo", ["--root", str(context.tree.root), *POOL, "--yes", "--auto"]) == 0
    assert {status(context, capsys)[name] for name in names} == {"DONE"}


def test_what_cannot_be_read_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = account(tmp_path)
    place = context.tree.ab
    (place / "a.ab").mkdir()
    (place / "b.ab").write_bytes(b"\x00\xff" * 100)
    (place / "c.ab").write_text("AB_NAME other.ab\nDATE 2014-10-22\n")
    (place / "d.ab").write_text("AB_NAME d.ab\nDATE ../../etc\n")
    (place / "e.ab").symlink_to("nowhere")
    os.mkfifo(place / "f.ab")
    (context.tree.mon / "AB_list_CALIB_..").write_text("")
    (context.tree.mon / "AB_list_").write_text("")
    assert status(context, capsys) == {}


def test_the_newest_are_read_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = account(tmp_path)
    names = sorted(ab.name for ab in biases(context))
    monkeypatch.setattr(found_abs, "MOST", 2)
    assert sorted(status(context, capsys)) == names[1:]


def test_four_thousand_cost_no_more_than_ten_times_four_hundred(tmp_path: Path) -> None:
    context = account(tmp_path)
    ab = bias(0)
    text = ab.render().decode()
    spent = []
    for first, end in ((0, 400), (400, 4000)):
        for number in range(first, end):
            name = f"{ab.name.removesuffix('.ab')}_x{number}.ab"
            (context.tree.ab / name).write_text(text.replace(ab.name, name))
        spent.append(effort(lambda: board_of(context.tree)))
    assert board_of(context.tree).total == 4000
    assert spent[1] < 1.2 * 10 * spent[0] and spent[1] < 800 * 4000
