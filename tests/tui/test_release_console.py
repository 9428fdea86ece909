"""The screens of a release on a real engine: the plan carried out, jobs, trash, and what was cut."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from config.tree import DfoTree
from console.cli.main import run
from screens.queue.jobs import JobsScreen
from screens.release.plan import PlanScreen
from screens.release.recovery import RecoveryScreen
from screens.release.trash import TrashScreen
from tests.tui.conftest import screen_text
from tests.tui.test_console_app import console


async def certified(tree: DfoTree, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict is given, and nothing follows from it by itself: the order that waited for it is taken away."""
    db = sqlite3.connect(tree.journal)
    db.execute("UPDATE orders SET state = 'ended'")
    db.commit()
    db.close()
    words = ["1", "accept", "--no-continue", "--root", str(tree.root)]
    assert await asyncio.to_thread(run, "answer", words) == 0
    capsys.readouterr()


def cut_the_last_run(tree: DfoTree) -> None:
    """As if its last steps had not been done: all of them may be repeated."""
    db = sqlite3.connect(tree.journal)
    db.execute(
        "UPDATE transactions SET sealed = '', done = done - 2 WHERE number = (SELECT max(number) FROM transactions"
        " WHERE kind = 'move')"
    )
    db.commit()
    db.close()


@pytest.mark.row(54)
@pytest.mark.row(64)
@pytest.mark.row(101)
async def test_the_plan_is_looked_at_saved_carried_out_and_what_was_cut_is_finished(
    parked: DfoTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await certified(parked, capsys)
    final = parked.sci / "2094-01-16"
    paper = tmp_path / "plan.json"
    async with console(parked) as (app, link, pilot):
        await pilot.until(lambda: link.board.total > 0)
        await pilot.press("M")
        await pilot.until(lambda: isinstance(app.screen, PlanScreen) and app.screen.plan is not None)
        assert isinstance(app.screen, PlanScreen) and app.screen.plan is not None
        moves = [line for line in app.screen.plan.lines if line.fate == "move"]
        assert len(moves) == 2 and all(line.to.startswith("MU_") for line in moves)
        assert ("PIXTABLE_REDUCED", "SELECT") in app.screen.plan.raw_types and not final.exists()
        assert "Plan SCIENCE 2094-01-16: 2 products" in screen_text(app)[1]
        saved = await app.library.save_plan(app.screen.plan, str(paper))
        assert str(paper) in saved and json.loads(paper.read_text())["digest"] == app.screen.plan.digest
        assert any("EXPTIME" in card for card in await app.library.header(moves[0].path))
        await pilot.press("x", "down", "enter")
        await pilot.until(lambda: link.board.ended is not None and "2 products moved" in link.board.ended.text)
        await pilot.until(lambda: "2 products moved" in screen_text(app)[-2])
        assert sorted(path.name for path in final.glob("*.fits")) == sorted(line.to for line in moves)
        await pilot.press("escape", "J")
        await pilot.until(lambda: isinstance(app.screen, JobsScreen) and len(app.screen.rows) == 1)
        await pilot.press("r", "down", "enter")
        await pilot.until(lambda: isinstance(app.screen, JobsScreen) and not app.screen.rows)
        await pilot.press("escape", "T")
        await pilot.until(lambda: isinstance(app.screen, TrashScreen) and len(app.screen.rows) > 0)
    cut_the_last_run(parked)
    async with console(parked) as (app, _, pilot):
        await pilot.until(lambda: isinstance(app.screen, RecoveryScreen) and bool(app.screen.rows))
        assert "1 run cut half-way" in screen_text(app)[1]
        await pilot.press("enter", "down", "enter")
        await pilot.until(lambda: "Nothing was cut" in screen_text(app)[1])
    assert run("journal", ["--json", "--root", str(parked.root)]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert all(item["sealed"] for item in runs)
    assert {item["kind"] for item in runs} == {"move", "status"}
