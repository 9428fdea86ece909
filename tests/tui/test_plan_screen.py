"""The plan before a move: what an operator sees, and what follows from the keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine import events as ev
from engine.errors import DfosError
from screens.ask.ask_line import AskLine
from screens.glyphs import ASCII, UNICODE, Glyphs
from screens.messages import OpenCertify
from screens.monitor.ab_monitor import AbMonitor
from screens.page import Page
from screens.release.plan import PlanScreen
from screens.release.released import Plan, PlanLine
from screens.widgets.confirm import Confirm
from tests.effort import effort
from tests.hand import Hand, hand_on
from tests.tui.conftest import NOW, FakeLibrary, FakeLink, Host, ab_seen, deep_run, screen_text

DPC = "r.MUSE.2014-10-22T23:57:32.118_dpc_0000.fits"
PLAN = Plan(
    "SCIENCE",
    "2094-01-16",
    "reduced/2094-01-16",
    "3fa9c2",
    False,
    (
        PlanLine(
            "move", DPC, "MU_SCBD_1096744_2014-10-22T23:57:32.118_WFM_OBJ_0000.fits", 41_200_000_000, "OBJECT", DPC
        ),
        PlanLine("delete", "r.MUSE.2014-10-22T23:57:32.118_0000.fits", "(DELETE PIXTABLE_OBJECT)", 3_000_000, "OBJECT"),
        PlanLine("withheld", "r.MUSE.2014-10-23T00:12:41.900_dpc_0000.fits", "(pgi: no logs)", 1000, "OBJECT"),
    ),
    NOW,
    41_200_000_000,
    raw_types=(("OBJECT", "ALL"), ("SKY", "NONE")),
)
BLOCKED = replace(
    PLAN, lines=(PlanLine("CONFLICT", "r.MUSE_0000.fits", "its final name is taken by MU_X.fits"), *PLAN.lines)
)
HELD = replace(PLAN, held=14, held_size=41_200_000_000)


@asynccontextmanager
async def shown(
    link: FakeLink, library: FakeLibrary, plan: Plan, size: tuple[int, int] = (80, 24), alphabet: Glyphs = UNICODE
) -> AsyncIterator[tuple[Host, PlanScreen, Hand]]:
    library.plans = {
        ("SCIENCE", "2094-01-16", recreate): replace(plan, recreate=recreate) for recreate in (False, True)
    }
    screen = PlanScreen("SCIENCE", "2094-01-16", link, library, alphabet, lambda: NOW)
    app = Host(screen, link)
    async with hand_on(app, size) as pilot:
        yield app, screen, pilot


@pytest.mark.row(54)
@pytest.mark.row(64)
async def test_products_fate_final_name_and_raw_types(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(link, library, PLAN) as (app, _, _):
        lines = screen_text(app)
        assert lines[1] == " Plan SCIENCE 2094-01-16: 1 product, 41.2 GB · 0 conflicts to reduced/2094-01-16"
        assert lines[2].startswith(" 1 delete · 1 withheld · OBJECT 3, none of SKY")
        assert lines[3].split() == ["fate", "from", "to", "size"]
        fate, source, final, size = lines[4].removeprefix(" › ").split(maxsplit=3)
        assert (fate, size) == ("move", "41.2 GB")
        assert source.startswith("r.MU…") and source.endswith("…22T23:57:32.118_dpc_0000"), "what tells it from others"
        assert final.startswith("MU_SCBD_1096") and final.endswith("WFM_OBJ_0000")
        assert "(DELETE PIXT" in lines[5] and "withheld" in lines[6]
        assert "x execute" in lines[-1] and all(len(line) <= 80 for line in lines)


async def test_wide_terminals_show_the_whole_names(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(link, library, PLAN, (150, 40)) as (app, _, _):
        text = "\n".join(screen_text(app))
        assert DPC.removesuffix(".fits") in text
        assert "MU_SCBD_1096744_2014-10-22T23:57:32.118_WFM_OBJ_0000" in text


async def test_x_asks_first_and_orders_exactly_this_plan(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(link, library, PLAN) as (app, _, pilot):
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        text = "\n".join(screen_text(app))
        assert "1 product, 41.2 GB, to reduced/2094-01-16." in text and "1 file, 3.0 MB, to the trash" in text
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in "\n".join(screen_text(app))
        await pilot.press("x", "down", "enter")
        order = {"mode": "SCIENCE", "date": "2094-01-16", "digest": "3fa9c2", "recreate": 0}
        assert link.commands == [("move", order)]
        app.play(
            ev.RunStarted("certify and move", "p", "MUSE_DEEP", "x", False, "h", "u", 1), ev.PhaseStarted("move", "")
        )
        app.play(ev.PlanMade("SCIENCE", "2094-01-16", 1, 1, 1, 2_000_000_000))
        app.play(ev.Progressed("move", 100, 1000, "place"), at=NOW)
        app.play(ev.ProductMoved(DPC, "x", "y", 1_000_000_000), at=NOW + 2)
        app.play(ev.Progressed("move", 300, 1000, "place"), at=NOW + 2)
        await pilot.pause()
        await pilot.press("down")  # a key takes the hint away
        await pilot.pause()
        foot = screen_text(app)[-2]
        assert "300 of 1,000" in foot and "100/s" in foot and "00:07 left" in foot
        asked = len(library.asked)
        app.play(ev.RunEnded(15, "the tree has changed since you looked"))
        await pilot.pause()
        assert "the tree has changed since you looked" in "\n".join(screen_text(app))
        assert library.asked[asked:] == [("plan", "SCIENCE 2094-01-16 False")], "and it is planned anew"


async def test_conflicts_stand_first_are_marked_and_nothing_is_ordered(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(link, library, BLOCKED) as (app, screen, pilot):
        lines = screen_text(app)
        assert "1 conflict" in lines[1]
        assert lines[4].split()[1:3] == ["CONFLICT", "r.MUSE_0000.fits:"] and lines[4].endswith("taken by MU_X.fits")
        await pilot.press("x")
        assert app.screen is screen and "1 conflict first" in screen_text(app)[-2]
        await pilot.press("G", "f")
        assert screen.lines.cursor == 0 and link.commands == []


async def test_what_has_no_verdict_is_said_and_certified_from_here(link: FakeLink, library: FakeLibrary) -> None:
    ab = "MUSE.2014-10-22T23:57:32.118_dpc.ab"
    plan = replace(PLAN, undecided=(ab,), lines=(PlanLine("verdict?", ab, "(C certifies it)"), *PLAN.lines))
    async with shown(link, library, plan) as (app, screen, pilot):
        assert "1 without verdict" in screen_text(app)[1]
        await pilot.press("x")
        assert app.screen is screen and "nothing moves before" in screen_text(app)[-2]
        await pilot.press("C", "enter")
        assert [wish.ab for wish in app.wishes if isinstance(wish, OpenCertify)] == [ab, ab]


@pytest.mark.row(57)
async def test_keep_or_recreate_says_how_many_and_how_big(link: FakeLink, library: FakeLibrary) -> None:
    async with shown(link, library, HELD) as (app, _, pilot):
        assert "14 files, 41.2 GB there: kept (K recreates)" in screen_text(app)[2]
        await pilot.press("K")
        assert "to the trash (K keeps)" in screen_text(app)[2]
        await pilot.press("x")
        assert "Recreate: 14 files that stand there now go to the trash as well." in "\n".join(screen_text(app))
        await pilot.press("down", "enter")
        assert link.commands[0][1]["recreate"] == 1


async def test_header_filter_save_and_keys_without_meaning(link: FakeLink, library: FakeLibrary) -> None:
    library.headers[DPC] = ["SIMPLE  =                    T", "OBJECT  = 'NGC300 \x1b[31m'"]
    async with shown(link, library, PLAN) as (app, screen, pilot):
        await pilot.press("enter")
        text = "\n".join(screen_text(app))
        assert isinstance(app.screen, Page) and "SIMPLE  =" in text and "\x1b" not in text
        await pilot.press("escape", "slash", *"!delete no", "enter")
        assert [screen.rows[i].fate for i in screen.shown] == ["withheld"]
        assert "1 of 3, esc clears" in screen_text(app)[-3]
        await pilot.press("escape")
        assert len(screen.shown) == 3
        await pilot.press("s")
        assert isinstance(app.screen, AskLine)
        await pilot.press("enter")
        assert library.asked[-1] == ("save_plan", "3fa9c2 plan_SCIENCE_2094-01-16.json")
        assert "saved in plan_SCIENCE" in screen_text(app)[-2]
        await pilot.press("z")
        assert "'z' does nothing here" in screen_text(app)[-2]
        await pilot.press("s", "escape")
        assert "nothing was saved" in screen_text(app)[-2] and len(library.asked) == 3


async def test_a_plan_of_a_tree_that_changed_says_so(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(ab_seen("A.ab", date="2094-01-16"))
    async with shown(link, library, PLAN) as (app, screen, pilot):
        app.play(ev.AbChanged("A.ab", "RUNNING"), at=NOW - 1)
        await pilot.pause()
        assert not screen.old, "that was before the plan was made"
        app.play(ev.AbChanged("A.ab", "FAILED", "x"), at=NOW + 1)
        await pilot.pause()
        assert "things have happened since" in screen_text(app)[2]
        await pilot.press("x")
        assert app.screen is screen and "M plans again" in screen_text(app)[-2]
        await pilot.press("M")
        assert not screen.old


async def test_trouble_is_said_and_ascii_is_ascii(link: FakeLink, library: FakeLibrary) -> None:
    library.trouble = DfosError("no engine answers")
    async with shown(link, library, HELD, alphabet=ASCII) as (app, _, pilot):
        assert "the plan cannot be read: no engine answers" in screen_text(app)[-2]
        library.trouble = None
        await pilot.press("M")
        assert "\n".join(screen_text(app)).isascii() and "~" in screen_text(app)[4]


async def test_twenty_thousand_products_open_without_delay(link: FakeLink, library: FakeLibrary) -> None:
    lines = tuple(
        PlanLine("move", f"r.MUSE_{i:06d}.fits", f"MU_{i:06d}.fits", 10, "OBJECT", "x") for i in range(20_000)
    )
    async with shown(link, library, replace(PLAN, lines=lines)) as (app, screen, pilot):
        assert effort(screen._fill) < 20_000, "lines that are not seen cost nothing"
        await pilot.press("G", "pageup", "home")
        assert "20,000" in screen_text(app)[1] or "20000 products" in screen_text(app)[1]
        await pilot.press("slash", *"019999")
        assert len(screen.shown) == 1


async def test_m_in_the_monitor_opens_the_plan_of_the_selected_date(link: FakeLink, library: FakeLibrary) -> None:
    link.fold(*deep_run(2))
    library.plans["SCIENCE", "2094-01-14", False] = replace(PLAN, date="2094-01-14")
    app = Host(AbMonitor(link, library, clock=lambda: NOW), link)
    async with hand_on(app) as pilot:
        await pilot.press("M")
        assert isinstance(app.screen, PlanScreen) and "Plan SCIENCE 2094-01-14" in screen_text(app)[1]
        assert link.commands == []
