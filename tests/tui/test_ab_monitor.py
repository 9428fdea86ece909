"""The AB monitor by keys only, at 80 x 24 and wider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine import events as ev
from engine.errors import DfosError
from screens.keys import KeysScreen
from screens.messages import Leave, OpenCertify, OpenQuestions
from screens.monitor.ab_detail import AbDetail
from screens.monitor.ab_monitor import AbMonitor
from screens.monitor.log_view import LogView
from screens.monitor.plugins import PluginsScreen
from screens.monitor.why import WhyScreen
from screens.shown import MoreMemory, Width
from screens.widgets.confirm import Confirm
from tests.hand import Hand, hand_on
from tests.tui.conftest import (
    NOW,
    FakeLibrary,
    FakeLink,
    Host,
    ab_seen,
    certify_question,
    deep_run,
    fold_all,
    run_started,
    screen_text,
)


class Clock:
    """A time that stands until it is told otherwise."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def monitor(
    link: FakeLink, library: FakeLibrary, size: tuple[int, int] = (80, 24), **options: object
) -> AsyncIterator[tuple[Host, AbMonitor, Hand]]:
    screen = AbMonitor(link, library, **{"ascii": False, "clock": Clock(), **options})  # type: ignore[arg-type]
    app = Host(screen, link)  # type: ignore[arg-type]
    async with hand_on(app, size) as pilot:
        yield app, screen, pilot


def text(app: Host) -> str:
    return "\n".join(screen_text(app))  # type: ignore[arg-type]


def night() -> FakeLink:
    """Four exposures: one failed, one runs, one is to be certified."""
    link = FakeLink()
    link.fold(*deep_run(4), at=NOW)
    names = list(link.board.rows)
    link.fold(
        ev.ModeChanged("running", ""),
        ev.PhaseStarted("process", "10 ABs"),
        ev.HostSeen(61, 38),
        *(ev.AbChanged(ab, "DONE", "", 1, NOW - 900, 200) for ab in names[:4]),
        ev.AbChanged(names[4], "REVIEW", "", 1, NOW - 900, 800),
        ev.AbScored(names[4], "..o"),
        ev.AbChanged(names[5], "FAILED", "no space in work area", 2, NOW - 300, 251),
        ev.AbChanged(names[6], "RUNNING", "", 3, NOW - 182),
        ev.AbChanged(names[7], "SLOT"),
        ev.AbChanged(names[8], "BLOCKED", "1 of 4 failed"),
        ev.AbChanged(names[9], "BLOCKED", "_dal is blocked"),
        at=NOW,
    )
    return link


@pytest.mark.row(331)
async def test_the_first_two_lines_say_whether_everything_is_all_right(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, _, _):
        lines = screen_text(app)
        assert lines[0].startswith(" MUSE_DEEP  094.D-0114B = 2094-01-14")
        assert lines[0].endswith("10:26 UT")
        assert "5 of 10 done · 1 FAILED · 2 blocked · 1 running · 1 to certify (C)" in lines[1]
        assert len(lines) == 24 and all(len(line) <= 80 for line in lines)


@pytest.mark.row(400)
async def test_every_ab_has_symbol_word_reason_kind_target_stream_time_and_score(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (app, _, _):
        shown = text(app)
        assert "✗ T00:10:01.001_pst scipost  NGC300   2 FAILED no space in work …  04:11" in shown
        assert "◆ T00:00:00.000_pst scipost  NGC300   1 to certify                 13:20 ..o" in shown
        assert "▶ T00:20:02.002_pst scipost  NGC300   3 running                    03:02" in shown


async def test_wider_terminals_show_recipe_start_message_and_the_pane(library: FakeLibrary) -> None:
    link = night()
    link.fold(ev.AbMessage(list(link.board.rows)[6], "resampling 40%"))
    async with monitor(link, library, (200, 40)) as (app, _, pilot):
        await pilot.press("j")
        shown = text(app)
        for word in ("muse_exp_combine", "started", "last message", "resampling 40%", "10:23:38"):
            assert word in shown
        assert "│ waits for 0" in shown  # the pane
        await pilot.resize_terminal(80, 24)
        assert "│" not in text(app)


async def test_plain_ascii_is_enough(library: FakeLibrary) -> None:
    async with monitor(night(), library, ascii=True) as (app, _, _):
        assert text(app).isascii()
        assert "x T00:10:01.001_pst" in text(app)


async def test_without_colour_nothing_is_lost(library: FakeLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with monitor(night(), library) as (app, screen, _):
        strips = [screen.list.render_lines(screen.list.size.region)[y] for y in range(16)]
        colours = {
            segment.style.color for strip in strips for segment in strip if segment.style and segment.style.color
        }
        assert all(colour.is_default for colour in colours)
        assert "FAILED" in text(app)


async def test_the_selection_stays_on_the_ab_whatever_the_rows_do(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, screen, pilot):
        await pilot.press("j", "j", "j", "j", "j", "j")
        chosen = screen.list.current.ab
        assert chosen.endswith("T00:20:02.002_pst.ab")
        for key in ("s", "F", "s", "s", "F"):
            await pilot.press(key)
            assert screen.list.current.ab == chosen
        app.play(*(ab_seen(f"MUSE.2014-10-22T23:0{i}:00.000.ab", "scibasic", order=-9 + i) for i in range(5)))
        await pilot.pause()
        assert screen.list.current.ab == chosen
        assert len(screen.list.order.names) == 15


async def test_the_screen_line_of_the_selection_does_not_move_when_abs_come_in_above(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(40))
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("pagedown", "j", "j")
        line = next(i for i, text in enumerate(screen_text(app)) if text.startswith("›"))
        app.play(*(ab_seen(f"MUSE.2014-10-23T23:5{i}:00.000.ab", "scibasic", order=-9 + i) for i in range(5)))
        await pilot.pause()
        assert screen_text(app)[line].startswith("›")


async def test_a_filtered_selection_comes_back(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (_, screen, pilot):
        await pilot.press("G")
        chosen = screen.list.current.ab
        await pilot.press("slash", *"state:failed", "enter")
        assert [name[-20:] for name in screen.list.order.names] == ["T00:10:01.001_pst.ab"[-20:]]
        await pilot.press("escape")
        assert screen.list.current.ab == chosen


@pytest.mark.row(331)
async def test_filter_chips_say_what_is_hidden_and_esc_clears(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (app, screen, pilot):
        await pilot.press("slash", *"pst !run", "enter")
        assert " pst   !run  3 of 10, esc clears" in text(app)
        await pilot.press("escape")
        assert len(screen.list.order.names) == 10
        await pilot.press("slash", *"nonsense", "enter")
        assert "nothing matches the filter; esc clears it" in text(app)


async def test_an_ab_that_no_longer_matches_leaves_the_filtered_list(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, screen, pilot):
        await pilot.press("slash", *"state:running", "enter")
        running = screen.list.order.names[0]
        app.play(ev.AbChanged(running, "DONE", "", 3, NOW - 182, 182))
        await pilot.pause()
        assert screen.list.order.names == []


async def test_failures_float_up_and_f_jumps_around_the_end(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (_, screen, pilot):
        await pilot.press("F")
        assert [screen.list.rows[name].state for name in screen.list.order.names][:3] == [
            "FAILED",
            "BLOCKED",
            "BLOCKED",
        ]
        await pilot.press("F", "home")
        found = []
        for _ in range(4):
            await pilot.press("f")
            found.append(screen.list.current.state)
        assert found == ["FAILED", "BLOCKED", "BLOCKED", "FAILED"]


async def test_failures_floated_up_are_in_sight_unless_an_ab_was_chosen(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(40))
    link.fold(ev.AbChanged(list(link.board.rows)[60], "FAILED", "no flat"))
    async with monitor(link, library) as (app, screen, pilot):
        await pilot.press("F")
        assert "FAILED no flat" in screen_text(app)[4]
        await pilot.press("F", "G", "F")
        assert screen.list.current.kind == "combine"


async def test_no_failure_is_said(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(2))
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("f")
        assert "no failure" in text(app)


async def test_keys_go_to_the_other_screens(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (app, _, pilot):
        for key, screen in (
            ("enter", AbDetail),
            ("l", LogView),
            ("w", WhyScreen),
            ("P", PluginsScreen),
            ("question_mark", KeysScreen),
        ):
            await pilot.press(key)
            assert isinstance(app.screen, screen)
            await pilot.press("escape")
            assert isinstance(app.screen, AbMonitor)


async def test_wishes_reach_the_app(library: FakeLibrary) -> None:
    async with monitor(night(), library) as (app, screen, pilot):
        await pilot.press("c", "C", "Q", "q")
        certify, first, questions, leave = app.wishes
        assert isinstance(certify, OpenCertify) and certify.ab == screen.list.current.ab
        assert isinstance(first, OpenCertify) and first.ab == ""
        assert isinstance(questions, OpenQuestions) and isinstance(leave, Leave)


async def test_pause_and_streams_need_no_question(library: FakeLibrary) -> None:
    link = night()
    link.replies["pause"] = "paused; 1 AB runs on"
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("p")
        assert "paused; 1 AB runs on" in text(app)
        app.play(ev.ModeChanged("paused", "by rh"))
        await pilot.pause()
        assert "paused: by rh" in text(app)
        await pilot.press("p", "plus", "minus")
        assert link.commands == [("pause", {}), ("resume", {}), ("streams", {"n": 4}), ("streams", {"n": 2})]


@pytest.mark.parametrize(
    ("key", "verb", "said"),
    [
        ("S", "stop", "1 AB that runs now will finish"),
        ("X", "abort", "muse_scipost, at work for 03:02"),
        ("i", "ingest", "cannot be taken back"),
    ],
)
async def test_dangerous_orders_say_what_and_the_safe_choice_is_under_the_cursor(
    key: str, verb: str, said: str, library: FakeLibrary
) -> None:
    link = night()
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press(key)
        assert isinstance(app.screen, Confirm) and said in text(app)
        await pilot.press("enter")
        assert link.commands == [] and "nothing changed" in text(app)
        await pilot.press(key, "escape", key, "down", "enter")
        assert link.commands == [(verb, {})]


async def test_run_again_counts_what_follows_and_reaches_through_blocked_abs(library: FakeLibrary) -> None:
    link = night()
    failed = list(link.board.rows)[5]
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("f", "r")
        assert "2 ABs that depend on it will follow." in text(app)
        await pilot.press("escape", "G", "r")
        assert "is blocked. What blocks it runs" in text(app)
        await pilot.press("down", "enter")
        assert link.commands == [("retry", {"ab": failed})]
        await pilot.press("home", "r")
        assert "runs again." in text(app)  # also what is done, as long as it has not moved
        await pilot.press("escape")
        link.board.rows[next(iter(link.board.rows))].state = "MOVED"
        await pilot.press("home", "r")
        assert "does not run again: its products have moved" in text(app)


async def test_what_was_ended_for_its_memory_is_offered_more(library: FakeLibrary) -> None:
    link = night()
    failed = link.board.rows[list(link.board.rows)[5]]
    library.more[failed.ab] = MoreMemory(failed.ab, 4000, 4100, 0, 8000)
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("f", "m")
        assert "was not ended for its memory; r runs it again" in text(app)
        link.board.rows[next(iter(link.board.rows))].state = "MOVED"
        await pilot.press("home", "m")
        assert "was not ended for its memory" in text(app) and "r runs it again" not in text(app)
        await pilot.press("f")
        failed.reason = "out of memory; m (dfos retry X --memory 2) runs it again with more"
        await pilot.press("m")
        assert "Its job asked for 4 GB and used 4.1 GB when it was ended." in text(app) and "8GB" in text(app)
        await pilot.press("enter")
        assert "It asks for 8GB, now and whenever it runs again." in text(app)
        await pilot.press("enter")
        assert "nothing changed" in text(app) and link.commands == []
        await pilot.press("G", "w")
        assert "m with more memory" in text(app)
        await pilot.press("m")
        await pilot.press("backspace", "backspace", "backspace", "2", "enter")
        assert "It asks for 2 times as much" in text(app)
        await pilot.press("down", "enter")
        assert link.commands == [("retry", {"ab": failed.ab, "memory": "2"})]


async def test_the_width_of_a_kind_is_shown_changed_and_taken_back(library: FakeLibrary) -> None:
    link = night()
    library.wide = [Width("", 3, 3), Width("scipost", 1, 3, "anna", "2026-01-01T10:00:00")]
    async with monitor(link, library) as (app, _, pilot):
        app.play(ev.WidthsDiffer("scipost 3"))
        await pilot.pause()
        assert "(changed)" in text(app) or "(scipost 3)" in text(app)
        await pilot.press("W")
        assert "scipost  1 (configured 3; by anna, 2026-01-01T10:00)" in text(app)
        await pilot.press(*"scipost", "space", "2", "enter")
        await pilot.press("W")
        await pilot.press(*"configured", "enter")
        assert link.commands == [("streams", {"n": 2, "kind": "scipost"}), ("streams", {"n": 0, "kind": "scipost"})]


@pytest.mark.row(340)
async def test_the_gate_says_who_since_when_how_often_how_long_and_can_be_overridden(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("o")
        assert "nothing holds us" in text(app)
        app.play(ev.GateClosed("espresso autoDaily", NOW - 180, 3, 720.0, "start-only"))
        await pilot.pause()
        assert "paused by espresso autoDaily since 10:23, looked 3 times" in screen_text(app)[2]
        await pilot.press("o", "down", "enter")
        assert link.commands == [("override", {})]
        app.play(ev.GateOpened("", 780.0))
        await pilot.pause()
        assert "stood aside 13 min tonight" in screen_text(app)[2]


async def test_a_silent_engine_is_not_a_stale_picture(library: FakeLibrary) -> None:
    link, clock = night(), Clock()
    async with monitor(link, library, clock=clock) as (app, screen, pilot):
        clock.now = NOW + 65
        screen.frame.draw()
        await pilot.pause()
        assert "as of 10:26:40, engine silent for 1 min" in text(app)
        clock.now, link.alive = NOW + 40, False
        screen.frame.draw()
        await pilot.pause()
        assert "engine silent for 40 s" in text(app)
        await pilot.press("E")
        assert link.commands == [("engine", {})]


async def test_a_test_instance_and_a_stand_in_pipeline_are_said_in_words(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(run_started(instance="MUSE_TEST", standin=True))
    async with monitor(link, library) as (app, _, _):
        assert "TEST INSTANCE" in screen_text(app)[0] and "STAND-IN PIPELINE" in screen_text(app)[0]


async def test_a_wrong_key_costs_a_hint_and_nothing_else(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("z")
        assert "'z' does nothing here; ? lists the keys" in text(app)
        await pilot.press("j")
        assert "does nothing here" not in text(app)
        assert link.commands == []


async def test_a_refused_order_is_told(library: FakeLibrary) -> None:
    link = night()
    link.replies["pause"] = DfosError("the engine is stopping")
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("p")
        assert "pause failed: the engine is stopping" in text(app)


async def test_questions_are_counted_apart_from_verdicts(library: FakeLibrary) -> None:
    link = night()
    ab = list(link.board.rows)[4]
    async with monitor(link, library, (100, 24)) as (app, _, pilot):
        app.play(ev.QuestionAsked(1, certify_question(ab).to_dict(), True))
        other = certify_question(ab, 2).to_dict() | {"kind": "move.recreate"}
        app.play(ev.QuestionAsked(2, other, True))
        await pilot.pause()
        assert "1 to certify (C) · 1 question (Q)" in screen_text(app)[1]


async def test_ten_thousand_abs_and_a_burst_of_events(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(4999))
    async with monitor(link, library) as (app, screen, pilot):
        assert len(screen.list.order.names) == 10_000
        names = list(link.board.rows)
        for name in names[:300]:
            app.play(ev.AbChanged(name, "DONE", "", 1, NOW - 10, 10))
        await pilot.pause()
        assert "300 of 10000 done" in text(app)
        await pilot.press("end")
        assert screen.list.current.kind == "combine"


async def test_one_changed_cell_repaints_one_line(library: FakeLibrary) -> None:
    link = FakeLink()
    link.fold(*deep_run(2499))
    async with monitor(link, library, (120, 40)) as (app, screen, pilot):
        painted: list[object] = []
        refresh = screen.list._redraw_lines
        screen.list._redraw_lines = lambda regions: (painted.extend(regions), refresh(regions))  # type: ignore[method-assign,func-returns-value]
        app.play(ev.AbScored(screen.list.order.names[3], "..o"))
        await pilot.pause()
        assert [(region.y, region.height) for region in painted] == [(4, 1)]
        painted.clear()
        app.play(ev.AbScored(screen.list.order.names[-1], "..o"))  # out of sight
        screen._tick()
        await pilot.pause()
        assert painted == []


async def test_hostile_names_never_reach_the_terminal_raw(library: FakeLibrary) -> None:
    link = FakeLink()
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\udc80 \t日本語望遠鏡"
    link.fold(
        run_started(pool=evil, host=evil),
        ab_seen("MUSE.2014-10-23T00:00:00.000.ab", "scibasic", "FAILED", target=evil, reason=evil, message=evil),
        ab_seen(f"MUSE.{evil}.ab", "scipost", "RUNNING", target=evil, message=evil, stream=1, started=NOW - 5),
        ev.Notice("error", evil),
        ev.GateClosed(evil, NOW, 1, 1.0, "suspend"),
    )
    library.texts = dict.fromkeys(link.board.rows, f"AB_NAME {evil}\nPRODUCTS {evil}\n")
    library.logs = dict.fromkeys(link.board.rows, f"{evil}\n")
    library.whys = {ab: [evil * 9] for ab in link.board.rows}
    for size in ((80, 24), (160, 40)):
        async with monitor(link, library, size) as (app, _, pilot):
            for key in ("j", "enter", "escape", "l", "escape", "w", "escape", "r", "escape", "X", "escape"):
                await pilot.press(key)
                for strip in app.screen._compositor.render_strips():
                    shown = "".join(segment.text for segment in strip)
                    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
                    assert "\u202e" not in shown and "\udc80" not in shown
                    assert strip.cell_length == size[0]


async def test_the_palette_knows_every_verb(library: FakeLibrary) -> None:
    link = night()
    async with monitor(link, library) as (app, _, pilot):
        await pilot.press("colon", *"process")
        await pilot.until(lambda: "the ABs that wait" in text(app) and all(one.is_finished for one in app.workers))
        assert "\U0001f50e" not in text(app), "no emoji: terminals disagree about its width"
        await pilot.press("enter")
        await pilot.until(lambda: ("process", {}) in link.commands)


async def test_what_is_out_of_sight_is_right_after_a_resize(library: FakeLibrary) -> None:
    link = FakeLink()
    fold_all(link, [ab_seen(f"MUSE.2014-10-22T01:{n:02d}:00.000.ab", order=n) for n in range(30)])
    async with monitor(link, library) as (app, screen, pilot):
        await pilot.press("end")
        assert "more " in text(app)
        await pilot.resize_terminal(132, 43)
        assert screen.list.top == 0 and "more " not in text(app)
        await pilot.resize_terminal(80, 12)
        assert f"{screen.list.top} more" in text(app)
